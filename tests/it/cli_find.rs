//! `latest`, `history`, `find`, and loads that can be run again.

use ledgerstone_tests::cli::{Output, Place};
use serde_json::Value;

const EVENTS: &str = concat!(
    "{\"id\":\"x\",\"t\":\"a\",\"c\":\"r1\",\"n\":1}\n",
    "{\"id\":\"x\",\"t\":\"b\",\"c\":\"r1\",\"n\":2}\n",
    "{\"id\":\"x\",\"c\":\"r1\",\"n\":3}\n",
    "{\"id\":\"y\",\"t\":\"a\",\"c\":\"r2\",\"n\":4}\n",
    "{\"id\":\"x\",\"t\":\"a\",\"c\":\"r2\",\"n\":5}\n",
);
const LOAD: &str = "append l in.jsonl --kind entry --id-at /id --tenant-at /t --corr-at /c --quiet";

/// A ledger `l` with seq 1 to 5; the first four are sealed.
fn ledger() -> Place {
    let place = Place::new();
    place.run("init l --quiet");
    let (first, last) = EVENTS.rsplit_once("{\"id\":\"x\"").unwrap();
    place.write("in.jsonl", first);
    place.run(LOAD);
    place.run("seal l --quiet");
    place.write("in.jsonl", format!("{{\"id\":\"x\"{last}"));
    place.run(LOAD);
    place
}

fn seqs(output: &Output) -> Vec<u64> {
    let lines = output.json();
    lines
        .iter()
        .map(|record| record["seq"].as_u64().unwrap())
        .collect()
}

#[test]
fn latest_and_history_keep_within_one_tenant_or_among_those_without() {
    let place = ledger();
    let ask = |args: &str| seqs(&place.run(args));
    assert_eq!(ask("history l --kind entry --tenant a x"), [1, 5]);
    assert_eq!(ask("history l --kind entry --tenant b x"), [2]);
    assert_eq!(ask("history l --kind entry x"), [3]);
    assert_eq!(ask("latest l --kind entry --tenant a x"), [5]);
    assert_eq!(ask("latest l --kind entry --tenant a x --as-of 4"), [1]);
    assert_eq!(ask("history l --kind entry --tenant a x --after 1"), [5]);
    assert_eq!(ask("history l --kind entry --tenant a x --limit 1"), [1]);
    let count = place.run("history l --kind entry --tenant a x --count --json");
    assert_eq!(count.one_json()["count"], 2);
    let body = place.run("latest l --kind entry x --body");
    assert_eq!(body.text(), "{\"id\":\"x\",\"c\":\"r1\",\"n\":3}\n");
    for args in [
        "latest l --kind other --tenant a x",
        "latest l --kind entry --tenant c x",
        "latest l --kind entry --tenant a x --as-of 0",
        "latest l --kind entry --tenant a x --as-of 2000-01-01",
        "history l --kind entry y",
        "find l --corr r2",
        "find l --corr r1 --tenant a --until 2000-01-01",
    ] {
        assert_eq!(place.call(args.split(' ')).ends_with(1).text(), "", "{args}");
    }
}

#[test]
fn as_of_a_time_is_what_was_stored_by_then() {
    let place = ledger();
    let records = place.run("scan l --from 1").json();
    let at = |seq: usize| records[seq - 1]["at"].as_str().unwrap().to_owned();
    let latest = |time: &str| {
        let args = [
            "latest", "l", "--kind", "entry", "--tenant", "a", "x", "--as-of", time,
        ];
        place.call(args).ends_with(0).one_json()["seq"].clone()
    };
    assert_eq!((latest(&at(4)), latest(&at(5))), (1.into(), 5.into()));
}

#[test]
fn find_gives_what_shares_a_correlation_id() {
    let place = ledger();
    let ask = |args: &str| seqs(&place.run(args));
    assert_eq!(ask("find l --tenant a --corr r1"), [1]);
    assert_eq!(ask("find l --tenant a --corr r2"), [4, 5]);
    assert_eq!(ask("find l --corr r1"), [3]);
    assert_eq!(ask("find l --tenant a --corr r2 --after 4 --since -1h"), [5]);
    // Without its sidecar too, and nothing is written by asking.
    let sidecar = "l/segments/00000000000000000000.idx";
    assert!(place.join(sidecar).exists());
    std::fs::remove_file(place.join(sidecar)).unwrap();
    assert_eq!(ask("find l --tenant a --corr r2"), [4, 5]);
    assert!(!place.join(sidecar).exists());
    place.run("verify l");
}

#[test]
fn a_sidecar_that_was_altered_is_35() {
    let place = ledger();
    let sidecar = "l/segments/00000000000000000000.idx";
    let mut bytes = place.read(sidecar);
    bytes[1_500] ^= 1;
    std::fs::remove_file(place.join(sidecar)).unwrap();
    place.write(sidecar, bytes);
    let report = place.call(["verify", "l", "--json"]).ends_with(35);
    let finding = report.json().into_iter().find(|line| line["code"] == 35).unwrap();
    assert_eq!(finding["file"], "segments/00000000000000000000.idx");
    let found = place.run("find l --tenant a --corr r2");
    assert_eq!(seqs(&found), [4, 5], "an index costs time, never an answer");
}

#[test]
fn a_load_with_a_source_can_be_run_again() {
    let place = Place::new();
    place.run("init l --quiet");
    place.write("in.jsonl", "{\"n\":1}\n{\"n\":2}\n");
    let load = "append l in.jsonl --kind entry --source day-1 --json";
    assert_eq!(place.run(load).one_json()["stored"], 2);
    place.write("in.jsonl", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    let again = place.run(&format!("{load} --receipts r.jsonl")).one_json();
    assert_eq!((&again["stored"], &again["replayed"]), (&1.into(), &2.into()));
    let receipts: Vec<Value> = String::from_utf8(place.read("r.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<_> = receipts
        .iter()
        .map(|receipt| (&receipt["seq"], &receipt["key"], &receipt["replayed"]))
        .collect();
    let expected = [(1, "day-1:1", true), (2, "day-1:2", true), (3, "day-1:3", false)];
    for (told, (seq, key, replayed)) in told.iter().zip(expected) {
        assert_eq!(*told, (&seq.into(), &key.into(), &replayed.into()));
    }
    place.run("verify l --receipts r.jsonl");
    // Another record in the place of one that is stored is a conflict, and names it.
    place.write("in.jsonl", "{\"n\":1}\n{\"n\":\"two\"}\n");
    let refused = place.call(load.split(' ')).ends_with(4);
    assert_eq!(refused.one_json()["needs"], "mend line 2 of in.jsonl");
    let error = refused.error_json();
    assert_eq!(
        (&error["error"]["kind"], &error["error"]["seq"]),
        (&"conflict".into(), &2.into())
    );
    assert_eq!(
        (&error["error"]["file"], &error["error"]["line"]),
        (&"in.jsonl".into(), &2.into())
    );
    assert_eq!(place.run("scan l --kind entry --count").text(), "3\n");
    place
        .call("append l in.jsonl in.jsonl --kind entry --source s".split(' '))
        .ends_with(2);
}

#[test]
fn a_key_can_stand_in_the_record() {
    let place = Place::new();
    place.run("init l --quiet");
    place.write("in.jsonl", "{\"k\":\"one\"}\n{\"k\":null}\n{\"k\":2}\n");
    let load = "append l in.jsonl --kind entry --idempotency-at /k --json";
    place.run(load);
    let again = place.run(load).one_json();
    assert_eq!(
        (&again["stored"], &again["replayed"]),
        (&1.into(), &2.into()),
        "what has no key is stored again"
    );
}

#[test]
fn a_record_sent_twice_in_one_input_is_stored_once() {
    let place = Place::new();
    place.run("init l --quiet");
    place.write("in.jsonl", "{\"k\":1}\n{\"k\":2}\n{\"k\":1}\n");
    let load = "append l in.jsonl --kind entry --idempotency-at /k --json";
    let totals = place.run(load).one_json();
    assert_eq!((&totals["stored"], &totals["replayed"]), (&2.into(), &1.into()));
    place.call(format!("{load} --atomic").split(' ')).ends_with(2);
}

#[test]
fn lookups_in_a_ledger_that_lacks_records_say_so() {
    let place = ledger();
    place.run("seal l --quiet");
    let cases = [
        ("m", "00000000000000000000", 36),
        ("n", "00000000000000000005", 30),
    ];
    for (name, gone, code) in cases {
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .args([place.join("l"), place.join(name)])
            .status();
        assert!(copied.unwrap().success());
        for ending in ["jsonl", "seal.json", "idx"] {
            std::fs::remove_file(place.join(format!("{name}/segments/{gone}.{ending}"))).unwrap();
        }
        for lookup in [
            "history DIR --kind entry --tenant a x",
            "find DIR --tenant a --corr r1",
            "latest DIR --kind entry x",
        ] {
            place.call(lookup.replace("DIR", name).split(' ')).ends_with(code);
        }
    }
}

#[test]
fn nothing_is_written_into_the_ledger_s_own_directory() {
    let place = ledger();
    place.write("more.jsonl", "{}\n");
    for option in ["--receipts", "--rejects"] {
        for name in ["l/r.jsonl", "l/segments/00000000000000000006.jsonl", "./l/../l/x"] {
            let args = ["append", "l", "more.jsonl", "--kind", "entry", option, name];
            place.call(args).ends_with(2);
            assert!(!place.join(name).exists());
        }
    }
    place.run("verify l");
}

#[test]
fn receipts_on_standard_output_are_given_from_within_the_ledger_s_directory() {
    let place = ledger();
    let more = place.write("more.jsonl", "{}\n");
    let args = [
        "append",
        ".",
        more.to_str().unwrap(),
        "--kind",
        "entry",
        "--receipts",
        "-",
        "--quiet",
    ];
    let within = place
        .call(args)
        .under("env", ["-C", place.join("l").to_str().unwrap()]);
    assert_eq!(within.ends_with(0).one_json()["seq"], 6);
}
