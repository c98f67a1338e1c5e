//! `append`: what goes in, what is refused, and what is said about it.

use std::io::Write as _;

use ledgerstone_tests::cli::{Output, Place};
use serde_json::{Value, json};

/// A folder with a new ledger `l`.
fn ledger() -> Place {
    let place = Place::new();
    place.run("init l --quiet");
    place
}

fn append(place: &Place, args: &str, input: &str, code: i32) -> Output {
    let args = format!("append l {args} --kind entry");
    place.call(args.split_whitespace()).stdin(input).ends_with(code)
}

/// The bodies of all records but the ledger's own.
fn bodies(place: &Place) -> Vec<u8> {
    place.run("scan l --kind entry --body").stdout
}

fn lines(range: std::ops::Range<u32>) -> String {
    range
        .map(|number| format!("{{\"n\":{number},\"id\":\"e-{number}\"}}\n"))
        .collect()
}

#[test]
fn receipts_say_where_each_line_went_in_input_order() {
    let place = ledger();
    place.write(
        "in.jsonl",
        "{\"id\":\"x\",\"t\":\"acme\"}\n\n{\"id\":7,\"t\":\"acme\"}\n{\"t\":\"\"}\n",
    );
    place.run("append l in.jsonl --kind entry --id-at /id --tenant-at /t --receipts r.jsonl");
    let receipts: Vec<Value> = String::from_utf8(place.read("r.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let stored = place.run("scan l --kind entry").json();
    assert_eq!((receipts.len(), stored.len()), (3, 3));
    for ((receipt, record), line) in receipts.iter().zip(&stored).zip([1, 3, 4]) {
        let expected = json!({
            "file": "in.jsonl", "line": line, "seq": record["seq"], "tseq": record["tseq"], "id": record["id"],
            "rev": null, "hash": record["hash"], "at": record["at"], "key": null, "replayed": false,
        });
        assert_eq!(receipt, &expected);
    }
    assert_eq!(receipts[1]["id"], "7");
    assert_eq!(
        (&receipts[1]["tseq"], &receipts[2]["tseq"]),
        (&json!(1), &Value::Null)
    );
    assert!(
        stored[2]["tenant"].is_null(),
        "an empty value leaves the member out"
    );
    place.run("verify l --receipts r.jsonl");
}

#[test]
fn a_bad_line_stops_the_load_and_the_command_that_is_printed_goes_on() {
    let place = ledger();
    let bad = format!("{}{{\"n\":2500,}}\n{}", lines(0..2500), lines(2501..2600));
    place.write("in put.jsonl", &bad);
    place.write("more.jsonl", lines(2600..2700));
    let call = place.call([
        "append",
        "l",
        "in put.jsonl",
        "more.jsonl",
        "--kind",
        "entry",
        "--receipts",
        "r",
    ]);
    let output = call.ends_with(2);
    assert!(
        output.stderr.starts_with("in put.jsonl:2501:11: "),
        "{}",
        output.report()
    );
    assert!(
        output.stderr.contains("2000 records stored, seq 1 to 2000"),
        "{}",
        output.report()
    );
    assert_eq!(
        bodies(&place),
        lines(0..2000).as_bytes(),
        "nothing of the batch with the bad line"
    );

    // An editor puts it right, and the shell runs what was printed.
    place.write("in put.jsonl", bad.replace("2500,}", "2500,\"id\":\"e-2500\"}"));
    let commands: Vec<&str> = output
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .collect();
    let binary = ledgerstone_tests::cli::binary().display().to_string();
    let script = commands
        .join("\n")
        .replace("ledgerstone append", &format!("{binary} append"));
    let status = std::process::Command::new("sh")
        .args(["-ec", &script])
        .current_dir(place.path())
        .status();
    assert!(status.unwrap().success(), "{script}");
    assert_eq!(bodies(&place), lines(0..2700).as_bytes());
    place.run("verify l --receipts r --receipts r.2 --receipts r.3");
}

#[test]
fn rejects_take_the_bad_lines_and_the_good_ones_go_in() {
    let place = ledger();
    let mut input = b"{\"a\":1}\n{\"a\":1,\"a\":2}\n{\"b\":\"\xff\"}\n[1]\n".to_vec();
    input.extend_from_slice(&[b"{\"long\":\"", &[b'x'; 5000][..], b"\"}\n{\"a\":3}"].concat());
    let args = "append l - --kind entry --rejects bad.jsonl --body-bytes-max 4096 --json";
    let output = place.call(args.split(' ')).stdin(input).ends_with(7);
    let totals = output.one_json();
    assert_eq!(
        (&totals["stored"], &totals["rejected"]),
        (&json!(2), &json!(4)),
        "{}",
        output.report()
    );
    assert_eq!(bodies(&place), b"{\"a\":1}\n{\"a\":3}\n");
    let rejects = String::from_utf8(place.read("bad.jsonl")).unwrap();
    let rejects: Vec<Value> = rejects
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let places: Vec<_> = rejects
        .iter()
        .map(|reject| (reject["line"].clone(), reject["column"].clone()))
        .collect();
    assert_eq!(
        places,
        [(2, 8), (3, 7), (4, 1), (5, 4097)].map(|(line, column)| (json!(line), json!(column)))
    );
    assert_eq!(rejects[0]["text"], "{\"a\":1,\"a\":2}");
    assert_eq!(rejects[1]["base64"], "eyJiIjoi/yJ9");
    assert!(rejects[3].get("text").is_none(), "too long to be kept");

    let again = append(&place, "- --rejects bad.jsonl", "{}", 2);
    assert!(
        again.stderr.contains("bad.jsonl: this file exists already"),
        "{}",
        again.report()
    );
    append(&place, "- --rejects none.jsonl", "{}", 0);
    assert_eq!(place.read("none.jsonl"), b"");
}

#[test]
fn an_atomic_load_is_one_group_or_nothing() {
    let place = ledger();
    append(&place, "- --atomic", &format!("{}{{", lines(0..3000)), 2);
    assert_eq!(bodies(&place), b"");
    place.write("a.jsonl", lines(0..2000));
    place.write("b.jsonl", lines(2000..3000));
    append(&place, "a.jsonl b.jsonl --atomic", "", 0);
    let stored = place.run("scan l --kind entry").json();
    assert_eq!(stored.len(), 3000);
    assert_eq!(
        (&stored[0]["grp"], &stored[2999]["grp"]),
        (&json!([0, 3000]), &json!([2999, 3000]))
    );
    let too_many = append(&place, "- --atomic", &"{}\n".repeat(65_537), 2);
    assert!(
        too_many
            .stderr
            .starts_with("-:65537: the input does not fit into one batch"),
        "{}",
        too_many.report()
    );
    assert!(too_many.stderr.contains("nothing is stored"));
}

#[test]
fn a_dry_run_checks_everything_and_changes_nothing() {
    let place = ledger();
    append(&place, "-", "{}", 0);
    let before = place.listing();
    // Another process may hold the ledger meanwhile.
    let mut holder = place.call(["append", "l", "-", "--kind", "entry"]).spawn();
    let good = append(&place, "- --dry-run", "{}\n\n{\"a\":1}\n", 0);
    assert_eq!(
        good.stderr,
        "2 lines are good; nothing was stored, through -:3; 1 blank line passed over\n"
    );
    let bad = append(&place, "- --dry-run --tenant-at /t", "{}\n{\"t\":[1]}\n", 2);
    assert!(
        bad.stderr.starts_with("-:2:6: at /t stands an array"),
        "{}",
        bad.report()
    );
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    assert_eq!(place.listing(), before);
}

#[test]
fn packed_input_is_known_by_content() {
    let place = ledger();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(lines(0..1500).as_bytes()).unwrap();
    let packed = gzip.finish().unwrap();
    place.write("not-called-gz", &packed);
    append(&place, "not-called-gz", "", 0);
    assert_eq!(bodies(&place), lines(0..1500).as_bytes());
    place.write("cut", &packed[..packed.len() / 2]);
    let cut = append(&place, "cut", "", 3);
    assert!(cut.stderr.starts_with("cut: cannot read: "), "{}", cut.report());
    assert!(
        cut.stderr.contains("gzip -dc cut | tail -n +"),
        "{}",
        cut.report()
    );
}

#[test]
fn line_ends_and_blank_lines_are_what_the_options_say() {
    let place = ledger();
    let refused = append(&place, "-", "{}\r\n", 2);
    assert!(
        refused
            .stderr
            .starts_with("-:1:3: the line ends in CR LF; with --crlf"),
        "{}",
        refused.report()
    );
    let taken = append(&place, "- --crlf", "{ }\r\n \r\n\n{\"a\": 1}\r", 0);
    assert!(
        taken.stderr.ends_with("; 2 blank lines passed over\n"),
        "{}",
        taken.report()
    );
    assert_eq!(bodies(&place), b"{ }\n{\"a\": 1}\n");
}

#[test]
fn what_cannot_be_stored_is_said_before_anything_is() {
    let place = ledger();
    place.write("in.jsonl", "{}\n");
    for (args, stderr) in [
        (
            "append l in.jsonl missing.jsonl --kind entry",
            "missing.jsonl: cannot read: ",
        ),
        ("append l in.jsonl l --kind entry", "l: cannot read: "),
        (
            "append l in.jsonl --kind sys_entry",
            "error: invalid value 'sys_entry'",
        ),
        ("append l in.jsonl --kind Entry", "error: invalid value 'Entry'"),
        (
            "append l in.jsonl --kind entry --batch 65537",
            "error: invalid value '65537'",
        ),
        (
            "append l in.jsonl --kind entry --id-at id",
            "error: invalid value 'id'",
        ),
        (
            "append nowhere in.jsonl --kind entry",
            "nowhere/ledger.json: there is no ledger here",
        ),
        (
            "append l in.jsonl --kind entry --receipts in.jsonl",
            "in.jsonl: this file exists already",
        ),
        (
            "append l in.jsonl --kind entry --config no.toml",
            "no.toml: cannot read the settings",
        ),
        (
            "append l in.jsonl --kind entry --body-bytes-max 17MiB",
            "l: body_bytes_max is 17825792",
        ),
    ] {
        let output = place.call(args.split(' ')).ends_with(2);
        assert!(output.stderr.starts_with(stderr), "{}", output.report());
    }
    assert_eq!(bodies(&place), b"");
    let strict = append(&place, "- --strict --corr-at /c", "{\"c\":null}", 2);
    assert!(
        strict.stderr.starts_with("-:1:6: nothing stands at /c"),
        "{}",
        strict.report()
    );
}

#[test]
fn a_file_for_receipts_or_rejects_that_cannot_be_made_leaves_none_behind() {
    let place = ledger();
    place.write("old", "");
    append(&place, "-", "{}", 0);
    let before = place.listing();
    for (args, stderr) in [
        (
            "--receipts r --rejects ./r",
            "ledgerstone: --receipts and --rejects name the same",
        ),
        ("--receipts r --rejects old", "old: this file exists already"),
        (
            "--receipts r --rejects l/../r",
            "l/../r: this file exists already",
        ),
        (
            "--receipts r --rejects no/where",
            "no/where: cannot make this file",
        ),
    ] {
        let code = if args.contains("no/where") { 3 } else { 2 };
        let output = append(&place, &format!("- {args}"), "{}", code);
        assert!(output.stderr.starts_with(stderr), "{}", output.report());
        assert!(!place.join("r").exists(), "{}", output.report());
    }
    assert_eq!(place.listing(), before);
    append(&place, "- --receipts r --rejects bad", "{}", 0);
}

#[test]
fn settings_come_from_flags_then_environment_then_file() {
    let place = ledger();
    place.write("ledgerstone.toml", "body_bytes_max = 10\n");
    let args = [
        "append",
        "l",
        "-",
        "--kind",
        "entry",
        "--config",
        "ledgerstone.toml",
    ];
    let long = "{\"a\":\"123456\"}\n";
    place.call(args).stdin(long).ends_with(2);
    place
        .call(args)
        .stdin(long)
        .env("LEDGERSTONE_BODY_BYTES_MAX", "20")
        .ends_with(0);
    let flagged = args.iter().copied().chain(["--body-bytes-max", "12"]);
    place
        .call(flagged)
        .stdin(long)
        .env("LEDGERSTONE_BODY_BYTES_MAX", "20")
        .ends_with(2);
    let disk = [
        "append",
        "l",
        "-",
        "--kind",
        "entry",
        "--disk-free-min",
        "1000000GiB",
        "--json",
    ];
    let full = place.call(disk).stdin("{}").ends_with(3);
    assert_eq!(
        full.error_json()["error"]["kind"],
        "unavailable",
        "{}",
        full.report()
    );
}
