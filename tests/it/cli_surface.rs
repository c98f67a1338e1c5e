//! What holds for every command: help with examples, JSON errors, exit codes.

use ledgerstone_tests::cli::Place;

const COMMANDS: [&str; 16] = [
    "init",
    "append",
    "get",
    "latest",
    "history",
    "find",
    "family",
    "scan",
    "tail",
    "seal",
    "stat",
    "verify",
    "recover",
    "inspect",
    "checkpoint",
    "demo",
];

/// Every option of every command. One that is not here is either a slip or has to be decided first.
const OPTIONS: [(&str, &str); 17] = [
    ("init", "--origin --unsigned SETTINGS"),
    (
        "append",
        "--kind --tenant --tenant-at --id-at --corr-at --idempotency-at --source --strict --batch --atomic --rejects --receipts --crlf --dry-run \
         SETTINGS",
    ),
    ("get", "--tenant --body"),
    ("latest", "--kind --as-of --tenant --body"),
    (
        "history",
        "--kind --since --until --after --limit --count --tenant --body",
    ),
    (
        "find",
        "--corr --by --kind --since --until --after --limit --count --tenant --body",
    ),
    ("family add", "--index --unique --multi SETTINGS"),
    ("family list", ""),
    (
        "scan",
        "--from --to --after --kind --since --until --limit --count --tenant --body",
    ),
    ("tail", "--lines --follow --kind --tenant --body"),
    ("seal", "SETTINGS"),
    ("stat", "--prometheus"),
    ("verify", "--receipts --jobs --signing-key"),
    ("recover", "--plan --apply --accept-torn --accept-clock SETTINGS"),
    ("inspect", ""),
    ("checkpoint", "SETTINGS"),
    ("demo", ""),
];
const SETTINGS: &str = "--signing-key --lock-wait --segment-bytes --segment-age --body-bytes-max --disk-free-min \
                        --filler-bytes-max";
const EVERYWHERE: &str = "--help --json --quiet --verbose --config --log";

#[test]
fn every_option_is_one_that_was_decided() {
    let place = Place::new();
    for (command, own) in OPTIONS {
        let help = place.run(&format!("{command} --help"));
        let is_option = |line: &&str| line.trim_start().starts_with('-');
        let name = |line: &str| {
            let (_, name) = line.split_once("--").unwrap_or_default();
            format!("--{}", name.split([' ', ',']).next().unwrap_or_default())
        };
        let mut found: Vec<_> = help.text().lines().filter(is_option).map(name).collect();
        let own = own.replace("SETTINGS", SETTINGS);
        let mut decided: Vec<_> = own
            .split_whitespace()
            .chain(EVERYWHERE.split(' '))
            .map(str::to_owned)
            .collect();
        found.sort();
        decided.sort();
        assert_eq!(found, decided, "{command}");
    }
}

#[test]
fn every_command_has_help_that_ends_with_two_examples() {
    let place = Place::new();
    let all = place.run("--help");
    for command in COMMANDS {
        assert!(
            all.text().contains(&format!("\n  {command} ")),
            "{command}\n{}",
            all.report()
        );
        let help = place.run(&format!("{command} --help"));
        let examples = help
            .text()
            .rsplit_once("Examples:\n")
            .map_or("", |(_, examples)| examples);
        assert_eq!(examples.trim_end().lines().count(), 2, "{}", help.report());
        for example in examples.trim_end().lines() {
            assert!(example.contains(&format!("ledgerstone {command}")), "{example}");
        }
    }
    assert!(place.run("--version").text().contains("(format ledgerstone/1)"));
}

#[test]
fn a_directory_without_a_ledger_is_code_2_for_every_command_and_is_left_as_it_is() {
    let place = Place::new();
    std::fs::create_dir(place.join("empty")).unwrap();
    for dir in ["empty", "missing"] {
        for args in [
            "append DIR - --kind entry",
            "get DIR 0",
            "latest DIR --kind entry x",
            "history DIR --kind entry x",
            "find DIR --corr x",
            "find DIR --by x=y",
            "family add DIR entry --index x=/x",
            "family list DIR",
            "scan DIR",
            "tail DIR",
            "seal DIR",
            "stat DIR",
            "verify DIR",
            "recover DIR --plan",
            "recover DIR --apply",
            "checkpoint DIR",
        ] {
            let args = args.replace("DIR", dir);
            let output = place
                .call(args.split(' ').chain(["--json"]))
                .stdin("{}")
                .ends_with(2);
            let error = &output.error_json()["error"];
            assert_eq!(error["kind"], "missing", "{}", output.report());
            for member in ["message", "file", "line", "column", "seq"] {
                assert!(error.get(member).is_some(), "{member}\n{}", output.report());
            }
        }
    }
    assert_eq!(place.listing(), "");
    assert!(!place.join("missing").exists());
}

#[test]
fn a_mistake_on_the_command_line_is_code_2_in_words_or_as_json() {
    let place = Place::new();
    for args in [
        "",
        "nonsense",
        "get",
        "get l x",
        "scan l --limit x",
        "recover l",
        "append l --kind k --frob",
    ] {
        let words = place.call(args.split_whitespace()).ends_with(2);
        assert!(words.stderr.contains("--help"), "{}", words.report());
    }
    let json = place.call(["scan", "l", "--frob", "--json"]).ends_with(2);
    assert_eq!(json.error_json()["error"]["kind"], "usage");
}

#[test]
fn help_that_cannot_be_written_is_code_3() {
    let place = Place::new();
    let binary = ledgerstone_tests::cli::binary();
    for args in ["--help", "--version", "append --help"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = std::process::Command::new(binary)
            .args(args.split(' '))
            .current_dir(place.path())
            .stdout(full)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{args}: {stderr}");
        assert!(
            stderr.contains("cannot write standard output"),
            "{args}: {stderr}"
        );
    }
}
