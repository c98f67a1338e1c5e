//! `get`, `scan` and `tail`.

use std::io::{BufRead as _, BufReader, Read as _};

use ledgerstone_tests::cli::Place;
use serde_json::json;

/// A ledger `l` with records of two kinds and two tenants; seq 1 to 8.
fn ledger() -> Place {
    let place = Place::new();
    place.run("init l --quiet");
    let events = "{\"n\":1,\"t\":\"a\"}\n{\"n\":2,\"t\":\"b\"}\n{\"n\":3}\n{ \"n\" : 4, \"t\" : \"a\" }\n";
    for kind in ["event", "note"] {
        let args = ["append", "l", "-", "--kind", kind, "--tenant-at", "/t", "--quiet"];
        place.call(args).stdin(events).ends_with(0);
    }
    place
}

#[test]
fn get_prints_one_line_or_its_body_within_a_scope() {
    let place = ledger();
    let line = place.run("get l 4");
    assert_eq!(line.one_json()["seq"], 4);
    let segment = place.read("l/segments/00000000000000000000.jsonl");
    let stored = segment.split_inclusive(|byte| *byte == b'\n').nth(4).unwrap();
    assert_eq!(line.stdout, stored, "as it lies on disk");
    assert_eq!(
        place.run("get l 4 --body").text(),
        "{ \"n\" : 4, \"t\" : \"a\" }\n"
    );
    place.run("get l 4 --tenant a");
    for args in ["get l 4 --tenant b", "get l 3 --tenant a", "get l 9"] {
        let nothing = place.call(args.split(' ')).ends_with(1);
        assert_eq!(nothing.text(), "", "{}", nothing.report());
    }
}

#[test]
fn scan_gives_what_is_asked_for_in_order() {
    let place = ledger();
    let seqs = |args: &str| -> Vec<u64> {
        let output = place.run(&format!("scan l {args}"));
        output
            .json()
            .iter()
            .map(|record| record["seq"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(seqs(""), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(seqs("--from 2 --to 5"), [2, 3, 4, 5]);
    assert_eq!(seqs("--after 6"), [7, 8]);
    assert_eq!(seqs("--kind note"), [5, 6, 7, 8]);
    assert_eq!(seqs("--tenant a --kind event"), [1, 4]);
    assert_eq!(seqs("--kind event --limit 2"), [1, 2]);
    assert_eq!(seqs("--kind nothing"), [0; 0]);
    assert_eq!(seqs("--from 99"), [0; 0]);
    assert_eq!(seqs("--since -1h --limit 1"), [0]);
    assert_eq!(seqs("--until 2000-01-01"), [0; 0]);
    assert_eq!(place.run("scan l --tenant a --count").text(), "4\n");
    assert_eq!(
        place.run("scan l --tenant a --count --json").one_json(),
        json!({"count": 4})
    );
    assert_eq!(
        place.run("scan l --tenant b --body").text(),
        "{\"n\":2,\"t\":\"b\"}\n".repeat(2)
    );
    place.call(["scan", "l", "--since", "yesterday"]).ends_with(2);
}

#[test]
fn the_times_of_a_scan_are_half_open() {
    let place = ledger();
    let record = place.run("get l 5").one_json();
    let at = record["at"].as_str().unwrap();
    let count = |args: &str| {
        place
            .run(&format!("scan l --count {args}"))
            .text()
            .trim()
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(count(&format!("--since {at}")), 4);
    assert_eq!(count(&format!("--until {at}")), 5);
}

#[test]
fn tail_gives_the_last_of_what_matches_and_follows() {
    let place = ledger();
    let seqs = |args: &str| -> Vec<u64> {
        let output = place.run(&format!("tail l {args}"));
        output
            .json()
            .iter()
            .map(|record| record["seq"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(seqs("-n 2"), [7, 8]);
    assert_eq!(seqs(""), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(seqs("-n 3 --tenant a"), [4, 5, 8]);
    assert_eq!(seqs("-n 1 --kind event"), [4]);
    assert_eq!(seqs("-n 0"), [0; 0]);

    let mut follower = place
        .call(["tail", "l", "-n", "1", "-f", "--body", "--tenant", "a"])
        .spawn();
    let mut out = BufReader::new(follower.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "{ \"n\" : 4, \"t\" : \"a\" }\n");
    let args = ["append", "l", "-", "--kind", "event", "--tenant-at", "/t"];
    place
        .call(args)
        .stdin("{\"t\":\"b\"}\n{\"t\":\"a\"}")
        .ends_with(0);
    line.clear();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "{\"t\":\"a\"}\n");
    let killed = std::process::Command::new("sh")
        .args(["-c", &format!("kill -INT {}", follower.id())])
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(follower.wait().unwrap().code(), Some(130));
}

#[test]
fn a_closed_pipe_ends_a_reader_silently() {
    let place = ledger();
    let many = "{\"filler\":\"0123456789012345678901234567890123456789\"}\n".repeat(20_000);
    place
        .call(["append", "l", "-", "--kind", "event", "-q"])
        .stdin(many)
        .ends_with(0);
    let mut reader = place.call(["scan", "l"]).spawn();
    let mut out = reader.stdout.take().unwrap();
    out.read_exact(&mut [0; 10]).unwrap();
    drop(out);
    let mut stderr = String::new();
    reader.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((reader.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_damaged_line_ends_a_scan_with_its_place_and_its_code() {
    let place = ledger();
    let name = "l/segments/00000000000000000000.jsonl";
    let mut segment = place.read(name);
    let at = segment
        .windows(5)
        .position(|window| window == b"\"n\":3")
        .unwrap();
    segment[at + 4] = b'8';
    place.write(name, segment);
    let output = place.call(["scan", "l"]).ends_with(31);
    assert_eq!(
        output.json().len(),
        3,
        "what comes before it is data: {}",
        output.report()
    );
    assert!(output.stderr.contains("jsonl:4 (byte"), "{}", output.report());
    let error = place.call(["get", "l", "3", "--json"]).ends_with(31).error_json();
    assert_eq!(
        (&error["error"]["kind"], &error["error"]["seq"]),
        (&json!("corrupt"), &json!(3))
    );
    place.run("get l 4");
}

/// What is left is whole groups, so only the head tells that it is not all.
#[test]
fn whoever_reads_to_the_end_of_a_ledger_cut_below_its_head_is_told() {
    let place = ledger();
    let name = "l/segments/00000000000000000000.jsonl";
    let segment = place.read(name);
    let lines: Vec<_> = segment.split_inclusive(|byte| *byte == b'\n').collect();
    place.write(name, lines[..5].concat());
    for (args, printed) in [("scan l", 5), ("scan l --from 2", 3), ("tail l -n 3", 3)] {
        let output = place.call(args.split(' ')).ends_with(30);
        assert_eq!(output.json().len(), printed, "{}", output.report());
        assert!(
            output.stderr.contains("a head covers 9 records, 5 are here"),
            "{}",
            output.report()
        );
    }
    place.call(["get", "l", "7"]).ends_with(30);
    place.run("scan l --to 4");
    let stat = place.run("stat l");
    assert!(
        stat.stderr.contains("a head covers 9 records, 5 are here"),
        "{}",
        stat.report()
    );
}

#[test]
fn stat_gives_prometheus_what_the_directory_tells() {
    let place = ledger();
    let output = place.run("stat l --prometheus");
    let text = output.text();
    let value = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("ledgerstone_{name}{{ledger=\"")));
        let value = line.and_then(|line| line.rsplit_once(' '));
        value
            .unwrap_or_else(|| panic!("{name}: {text}"))
            .1
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!((value("size_records"), value("head_size_records")), (9, 9));
    assert_eq!(
        (value("segments"), value("sealed_segments"), value("held")),
        (1, 0, 0)
    );
    assert!(value("free_bytes") > 0 && value("last_record_timestamp_seconds") > 1_700_000_000);
}

#[test]
fn what_the_engine_does_is_told_when_asked_for_and_only_then() {
    let place = ledger();
    let append = |log: &str| {
        let args = ["append", "l", "-", "--kind", "event", "--log", log];
        place.call(args).stdin("{}\n").ends_with(0).stderr
    };
    let silent = append("off");
    assert!(!silent.contains("opened"), "{silent}");
    let told = append("debug");
    for what in ["opened", "published a head"] {
        assert!(told.contains(what), "{told}");
    }
    place.call(["stat", "l", "--log", "loud"]).ends_with(2);
}
