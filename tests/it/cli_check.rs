//! `verify`, `recover`, `inspect`, `seal`, `stat`, `checkpoint` and `init`: what they say and how they end.

use std::fs;

use ledgerstone_tests::cli::Place;
use serde_json::{Value, json};

const SEGMENT: &str = "l/segments/00000000000000000000.jsonl";
const SEAL: &str = "l/segments/00000000000000000000.seal.json";

/// A closed ledger `l` of ten records, with receipts `r`.
fn ledger(init: &str) -> Place {
    let place = Place::new();
    place.run(&format!("init l --quiet {init}"));
    let lines: String = (1..=10).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let args = [
        "append",
        "l",
        "-",
        "--kind",
        "entry",
        "--tenant",
        "acme",
        "--receipts",
        "r",
        "--quiet",
    ];
    place.call(args).stdin(lines).ends_with(0);
    place
}

/// Replaces the first `from` in a file, sealed or not.
fn edit(place: &Place, name: &str, from: &str, to: &str) {
    let bytes = place.read(name);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{name} holds no {from}");
    fs::remove_file(place.join(name)).unwrap();
    place.write(name, text.replacen(from, to, 1));
}

#[test]
fn a_whole_ledger_says_first_how_far_that_goes() {
    let place = ledger("");
    let text = place.run("verify l --receipts r");
    assert!(
        text.text()
            .starts_with("self-consistent; no outside head was given\n"),
        "{}",
        text.report()
    );
    assert!(text.text().ends_with("verdict   0 whole\n"), "{}", text.report());
    let summary = place.run("verify l --receipts r --jobs 1 --json").one_json();
    assert_eq!(
        (
            &summary["verdict"],
            &summary["size"],
            &summary["receipts"],
            &summary["findings"]
        ),
        (&json!(0), &json!(11), &json!(10), &json!(0))
    );
}

#[test]
fn damage_is_named_with_file_line_byte_and_number() {
    let place = ledger("");
    edit(&place, SEGMENT, "{\"n\":4}", "{\"n\":5}");
    let found = place.call(["verify", "l"]).ends_with(31);
    let line = found.text().lines().nth(1).unwrap();
    assert!(
        line.starts_with("segments/00000000000000000000.jsonl:5 (byte "),
        "{}",
        found.report()
    );
    assert!(
        line.contains("seq 4") && line.ends_with("[31 record altered]"),
        "{}",
        found.report()
    );
    let found = place.call(["verify", "l", "--json"]).ends_with(31).json();
    assert_eq!(
        (&found[0]["code"], &found[0]["seq"], &found[0]["line"]),
        (&json!(31), &json!(4), &json!(5))
    );
    assert_eq!(found.last().unwrap()["verdict"], 31);

    // A damaged ledger takes nothing, and says so with the same code.
    let refused = place
        .call(["append", "l", "-", "--kind", "entry"])
        .stdin("{}")
        .ends_with(31);
    assert!(refused.stderr.contains(":5 (byte "), "{}", refused.report());
    let plan = place.call(["recover", "l", "--plan"]).ends_with(31);
    assert!(plan.text().starts_with("damage [31]: "), "{}", plan.report());
    place.call(["recover", "l", "--apply"]).ends_with(31);
    place.call(["seal", "l"]).ends_with(31);
    let inspected = place.call(["inspect", &format!("{SEGMENT}:5")]).ends_with(31);
    assert!(inspected.text().contains("WRONG"), "{}", inspected.report());
    place.run(&format!("inspect {SEGMENT}:4"));
}

#[test]
fn receipts_show_what_the_ledger_alone_cannot() {
    let place = ledger("");
    let receipts = String::from_utf8(place.read("r")).unwrap();
    let mut last: Value = serde_json::from_str(receipts.lines().last().unwrap()).unwrap();
    let hash = last["hash"].as_str().unwrap().to_owned();

    last["seq"] = json!(11);
    place.write("past", format!("{last}\n"));
    let past = place.call(["verify", "l", "--receipts", "past"]).ends_with(30);
    assert!(past.text().contains("past:1: (seq 11): "), "{}", past.report());

    place.write("other", receipts.replace(&hash, &"0".repeat(64)));
    let other = place
        .call(["verify", "l", "--receipts", "other", "--json"])
        .ends_with(32)
        .json();
    assert_eq!(
        (&other[0]["receipt"], &other[0]["found"]),
        (&json!("other:10"), &json!(hash))
    );

    place.write("unfinished", &receipts[..receipts.len() - 40]);
    let noted = place.run("verify l --receipts unfinished");
    assert!(
        noted
            .text()
            .contains("note      unfinished:10: an unfinished last line was passed over")
    );
    place.write("broken", receipts.replacen("\"seq\"", "\"sex\"", 1));
    let broken = place.call(["verify", "l", "--receipts", "broken"]).ends_with(2);
    assert!(
        broken.stderr.starts_with("broken:1: not a receipt: "),
        "{}",
        broken.report()
    );
}

#[test]
fn the_head_beside_the_key_tells_of_a_rollback() {
    let place = ledger("");
    let old: Vec<(String, Vec<u8>)> = [SEGMENT, "l/checkpoint"]
        .map(|name| (name.to_owned(), place.read(name)))
        .to_vec();
    place
        .call(["append", "l", "-", "--kind", "entry", "-q"])
        .stdin("{}")
        .ends_with(0);
    for (name, bytes) in old {
        fs::remove_file(place.join(&name)).unwrap();
        place.write(&name, bytes);
    }
    let found = place.call(["verify", "l"]).ends_with(33);
    assert!(
        found.text().contains("verdict   33 rolled back"),
        "{}",
        found.report()
    );
    place.call(["recover", "l", "--plan"]).ends_with(33);
}

#[test]
fn a_torn_tail_is_planned_then_set_aside() {
    let place = ledger("");
    let whole = place.read(SEGMENT);
    let tail = b"{\"v\":1,\"seq\":11,\"at\":\"2026";
    place.write(SEGMENT, [&whole[..], tail].concat());
    place.call(["verify", "l"]).ends_with(20);
    let plan = place.call(["recover", "l", "--plan"]).ends_with(20);
    assert!(
        plan.text().contains("set aside the torn tail"),
        "{}",
        plan.report()
    );
    assert_eq!(
        place.read(SEGMENT).len(),
        whole.len() + tail.len(),
        "a plan changes nothing"
    );
    let planned = place
        .call(["recover", "l", "--plan", "--json"])
        .ends_with(20)
        .one_json();
    assert_eq!(planned["torn"]["length"], tail.len());
    let applied = place.run("recover l --apply");
    assert!(
        applied
            .stderr
            .contains("had left 26 bytes after the last whole group"),
        "{}",
        applied.report()
    );
    let after = place.run("scan l --kind sys_recovery --body").one_json();
    assert_eq!(
        (&after["cause"], &after["length"]),
        (&json!("torn_tail"), &json!(26))
    );
    place.run("verify l --receipts r");
    assert_eq!(place.run("recover l --plan").text(), "nothing to do\n");
    place.call(["recover", "l"]).ends_with(2);
    place
        .call(["recover", "l", "--plan", "--accept-clock", "x"])
        .ends_with(2);
}

#[test]
fn seal_stat_and_checkpoint_say_where_the_ledger_stands() {
    let place = ledger("");
    let before = place.run("stat l --json").one_json();
    assert_eq!(
        (&before["size"], &before["sealed"], &before["kinds"]),
        (&json!(11), &json!(0), &json!({}))
    );
    let sealed = place.run("seal l");
    assert!(
        sealed
            .text()
            .starts_with("segments/00000000000000000000.seal.json: 11 records"),
        "{}",
        sealed.report()
    );
    let again = place.run("seal l");
    assert_eq!(
        (again.text(), again.stderr.as_str()),
        ("", "nothing to seal: every record is sealed already\n")
    );
    let after = place.run("stat l --json").one_json();
    assert_eq!(after["kinds"], json!({"entry": 10, "sys_genesis": 1}));
    assert_eq!(
        (&after["head_size"], &after["holder"]),
        (&json!(11), &Value::Null)
    );
    assert!(
        place
            .run("stat l")
            .text()
            .contains("kinds     entry 10, sys_genesis 1; 0 records not sealed yet")
    );
    let head = place.run("checkpoint l");
    assert_eq!(head.stdout, place.read("l/checkpoint"));
    let head = place.run("checkpoint l --json").one_json();
    assert!(head["head"].as_str().unwrap().contains("\n11\n"));
}

#[test]
fn init_makes_a_key_or_says_what_is_missing_without_one() {
    let place = Place::new();
    let made = place.run("init l --origin ledger.example");
    assert!(made.text().starts_with("ledger.example/"), "{}", made.report());
    assert!(made.stderr.contains("Keep that file safe"), "{}", made.report());
    place.call(["init", "l"]).ends_with(2);
    place.call(["init", "nameless", "--origin", ""]).ends_with(2);
    let all_may_read = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(place.join("l.key"), all_may_read).unwrap();
    let sealed = place.run("seal l");
    assert!(
        sealed.stderr.contains("l.key has mode 0644"),
        "{}",
        sealed.report()
    );
    let unsigned = place.run("init u --unsigned");
    assert_eq!(unsigned.text(), "");
    assert!(unsigned.stderr.contains("not signed"), "{}", unsigned.report());
    place
        .call(["append", "u", "-", "--kind", "entry", "-q"])
        .stdin("{}")
        .ends_with(0);
    place.run("verify u");
    assert!(place.run("checkpoint u").text().ends_with("=\n"));

    place
        .call(["init", "n", "--unsigned", "--signing-key", "k"])
        .ends_with(2);
    place
        .call(["init", "n", "--unsigned", "-q"])
        .env("LEDGERSTONE_SIGNING_KEY", "k")
        .ends_with(0);
    let elsewhere = place.run("init e --signing-key keys.txt --json").one_json();
    assert!(elsewhere["key"].as_str().unwrap().ends_with("/keys.txt"));
    let append = ["append", "e", "-", "--kind", "entry", "-q"];
    place.call(append).stdin("{}").ends_with(3);
    place
        .call(append)
        .stdin("{}")
        .env("LEDGERSTONE_SIGNING_KEY", "keys.txt")
        .ends_with(0);
    place.run("verify e --signing-key keys.txt");
}

#[test]
fn inspect_explains_each_file_of_a_ledger() {
    let place = ledger("");
    place.run("seal l -q");
    for (file, is) in [
        (SEGMENT, "a stored line"),
        (SEAL, "a seal"),
        ("l/ledger.json", "an identity"),
    ] {
        let explained = place.run(&format!("inspect {file}:1"));
        assert!(
            explained.text().starts_with(&format!("{file}:1: {is}\n")),
            "{}",
            explained.report()
        );
        assert!(
            explained.text().ends_with("  right by itself\n"),
            "{}",
            explained.report()
        );
    }
    let head = place.run("inspect l/checkpoint --json").one_json();
    assert_eq!(
        (&head["is"], &head["members"]["size"], &head["problems"]),
        (&json!("a head"), &json!(11), &json!([]))
    );
    assert_eq!(place.run(&format!("inspect {SEGMENT} --json")).json().len(), 11);
    let line = place.run("get l 3").stdout;
    let explained = place
        .call(["inspect", "-", "--json"])
        .stdin(line)
        .ends_with(0)
        .one_json();
    assert_eq!(explained["members"]["seq"], 3);

    edit(&place, SEAL, "\"count\":11", "\"count\":12");
    place.call(["inspect", SEAL]).ends_with(37);
    edit(&place, "l/checkpoint", "\n11\n", "\n12\n");
    place.call(["inspect", "l/checkpoint"]).ends_with(37);
    place.call(["inspect", "l/missing"]).ends_with(2);
    place.call(["inspect", &format!("{SEGMENT}:99")]).ends_with(2);
}

#[test]
fn who_is_kept_from_writing_is_told_what_to_do() {
    let place = ledger("");
    let key = place.read("l.key");
    let restore = "restore this ledger's key as ";
    place.run("init other --quiet");
    let foreign = place.read("other.key");
    for (text, stderr) in [
        (Some(&b"no key"[..]), "the signing key cannot be used"),
        (Some(&foreign), "the signing key is not this ledger's"),
        (None, "the signing key cannot be read"),
    ] {
        match text {
            Some(text) => drop(place.write("l.key", text)),
            None => fs::remove_file(place.join("l.key")).unwrap(),
        }
        let refused = place.call(["seal", "l"]).ends_with(3);
        assert!(refused.stderr.contains(stderr), "{}", refused.report());
        let step = refused.stderr.lines().last().unwrap_or_default();
        assert!(step.starts_with(restore), "{}", refused.report());
        assert!(step.contains("l.key from its backup"), "{}", refused.report());
        place.run("scan l");
    }
    place.write("l.key", &key);
    fs::remove_file(place.join("l/LOCK")).unwrap();
    fs::create_dir(place.join("l/LOCK")).unwrap();
    let refused = place.call(["seal", "l"]).ends_with(3);
    assert!(
        refused.stderr.contains("\nl/LOCK: the ledger cannot be locked: "),
        "{}",
        refused.report()
    );
    assert!(
        refused.stderr.contains("can be moved away"),
        "{}",
        refused.report()
    );
    assert!(!refused.stderr.contains(restore), "{}", refused.report());
    fs::rename(place.join("l/LOCK"), place.join("moved")).unwrap();
    place.run("seal l");
}
