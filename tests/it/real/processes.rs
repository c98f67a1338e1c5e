//! Several processes at one ledger: one writes, the others wait or are told who does, and whoever copies files
//! meanwhile has a ledger.

use std::collections::BTreeSet;
use std::sync::Arc;

use ledgerstone_engine::keystore::FileKeys;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::{Ledger, NewEntry, Options};
use ledgerstone_tests::cli::Output;

use super::*;

const WRITERS: u64 = 4;
const RECORDS_EACH: u64 = 30;
const COPIES_MAX: usize = 12;

#[test]
fn writers_that_wait_for_each_other_store_everything_once() {
    let place = Place::new();
    place.run("init l --quiet");
    let append = |writer: u64, round: u64| {
        let name = format!("r{writer}-{round}");
        let args = [
            "append",
            "l",
            "-",
            "--kind",
            "entry",
            "--lock-wait",
            "120",
            "--receipts",
            &name,
        ];
        let lines: String = (0..RECORDS_EACH / 3)
            .map(|n| format!("{{\"w\":\"{writer}-{round}-{n}\"}}\n"))
            .collect();
        place.call(args).stdin(lines).ends_with(0);
        name
    };
    let receipts: Vec<String> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || (0..3).map(|round| append(writer, round)).collect::<Vec<_>>()))
            .collect();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    });
    let verify = ["verify", "l"]
        .into_iter()
        .chain(receipts.iter().flat_map(|name| ["--receipts", name]));
    place.call(verify).ends_with(0);
    let scanned = place.run("scan l --kind entry --body");
    let bodies: BTreeSet<&str> = scanned.text().lines().collect();
    assert_eq!(
        (bodies.len() as u64, scanned.text().lines().count() as u64),
        (WRITERS * RECORDS_EACH, WRITERS * RECORDS_EACH)
    );
}

/// Holds the ledger in this process, and lets nobody else in.
fn open(place: &Place) -> Ledger {
    let dir = place.join("l");
    let keys = Arc::new(FileKeys::beside(&dir).unwrap());
    let (ledger, recovered) = Ledger::open(Arc::new(Disk::new(dir)), keys, Options::default()).unwrap();
    assert!(recovered.read_only.is_none(), "{recovered:?}");
    ledger
}

fn store(ledger: &Ledger, body: &[u8]) {
    let entry = NewEntry::new("entry".parse().unwrap());
    let draft = ledger.draft(entry, body).unwrap();
    ledger.submit(draft.into()).unwrap().wait().unwrap();
}

#[test]
fn a_lock_file_that_is_removed_or_rewritten_lets_nobody_in() {
    let place = Place::new();
    place.run("init l --quiet");
    let holder = open(&place);
    store(&holder, b"{\"n\":1}");
    let refused = || {
        place
            .call("append l - --kind entry".split(' '))
            .stdin("{}")
            .ends_with(5)
    };
    let pid = format!("\"pid\":{}", std::process::id());
    assert!(refused().stderr.contains(&pid));
    fs::remove_file(place.join("l/LOCK")).unwrap();
    refused();
    place.write("l/LOCK", "{\"pid\":1}");
    refused();
    store(&holder, b"{\"n\":2}");
    holder.close().unwrap();
    assert_eq!(
        place.run("scan l --kind entry --body").text(),
        "{\"n\":1}\n{\"n\":2}\n"
    );
    place.run("verify l");
}

/// Copies one file of the ledger; false when it has gone meanwhile, as temporary files do.
fn copy(place: &Place, name: &str, to: &str) -> bool {
    let to = place.join(to).join(name);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(place.join("l").join(name), to).is_ok()
}

/// `checkpoint` first, then the seals, then the rest.
fn copy_in_order(place: &Place, to: &str) {
    assert!(copy(place, "checkpoint", to) && copy(place, "ledger.json", to));
    for suffix in [".seal.json", ".jsonl"] {
        for entry in fs::read_dir(place.join("l/segments")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(suffix) {
                assert!(copy(place, &format!("segments/{name}"), to));
            }
        }
    }
    fs::create_dir_all(place.join(to).join("quarantine")).unwrap();
}

/// Copies a ledger while it is written to, again and again, and judges the copies.
fn judge_copies(copy_to: impl Fn(&Place, &str), codes: &[i32]) {
    let place = Place::new();
    place.run("init l --quiet");
    place.write(
        "in.jsonl",
        (0..30_000)
            .map(|n| format!("{{\"n\":{n}}}\n"))
            .collect::<String>(),
    );
    let args = [
        "append",
        "l",
        "in.jsonl",
        "--kind",
        "entry",
        "--batch",
        "7",
        "--segment-bytes",
        "60000",
        "-q",
    ];
    let mut writer = place.call(args).spawn();
    let mut copies = Vec::new();
    while writer.try_wait().unwrap().is_none() && copies.len() < COPIES_MAX {
        let name = format!("copy{}", copies.len());
        copy_to(&place, &name);
        fs::copy(place.join("l.key"), place.join(format!("{name}.key"))).unwrap();
        copies.push(name);
    }
    // Ended here, so that judging does not race with it.
    drop(writer.stdin.take());
    assert!(writer.wait().unwrap().success());
    assert!(copies.len() >= 5, "{} copies", copies.len());
    let mut seen = BTreeSet::new();
    for name in copies {
        let verified = place.call(["verify", &name]).output();
        let code = verified.status.code().unwrap();
        assert!(codes.contains(&code), "{name}: {}", verified.report());
        seen.insert(code);
        let before = place.call(["scan", &name, "--count"]).output();
        let mut opened = place.call(["recover", &name, "--apply"]).output();
        // Protected between the reading of the directory and the copying, its seal not yet there.
        if opened.status.code() == Some(3) {
            follow_advice(&place, &opened);
            opened = place.call(["recover", &name, "--apply"]).output();
        }
        if matches!(code, 30 | 36) {
            assert_eq!(opened.status.code(), Some(code), "{}", opened.report());
            let after = place.call(["scan", &name, "--count"]).output();
            assert_eq!(before.stdout, after.stdout, "{name}: {}", opened.report());
            continue;
        }
        assert_eq!(opened.status.code(), Some(0), "{}", opened.report());
        place
            .call(["append", &name, "-", "--kind", "entry"])
            .stdin("{}")
            .ends_with(0);
        place.call(["verify", &name]).ends_with(0);
        // What it has of the input is the beginning of it.
        let scanned = place
            .call(["scan", &name, "--kind", "entry", "--body"])
            .ends_with(0);
        let bodies = scanned.text().strip_suffix("{}\n").unwrap();
        assert!(
            String::from_utf8(place.read("in.jsonl"))
                .unwrap()
                .starts_with(bodies),
            "{name}"
        );
    }
    assert!(!seen.is_empty());
}

/// Runs the command that an error shows between backquotes.
#[track_caller]
fn follow_advice(place: &Place, refused: &Output) {
    let command = refused
        .stderr
        .split('`')
        .nth(1)
        .unwrap_or_else(|| panic!("no advice: {}", refused.report()));
    let status = std::process::Command::new("sh")
        .args(["-ec", command])
        .current_dir(place.path())
        .status();
    assert!(status.unwrap().success(), "{}", refused.report());
}

/// A copy of a ledger in use can have a segment that was sealed meanwhile, read-only, and not its seal.
#[test]
fn a_segment_that_is_read_only_without_a_seal_is_left_alone_and_the_way_on_is_shown() {
    for torn in ["", "{\"v\":1"] {
        let place = Place::new();
        place.run("init l --quiet");
        place
            .call("append l - --kind entry --receipts r".split(' '))
            .stdin("{}")
            .ends_with(0);
        let segment = "l/segments/00000000000000000000.jsonl";
        let bytes = [&place.read(segment)[..], torn.as_bytes()].concat();
        place.write(segment, &bytes);
        let mut permissions = fs::metadata(place.join(segment)).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(place.join(segment), permissions).unwrap();
        let refused = place
            .call("append l - --kind entry".split(' '))
            .stdin("{}")
            .ends_with(3);
        assert_eq!(place.read(segment), bytes);
        place
            .call(["verify", "l", "--receipts", "r"])
            .ends_with(if torn.is_empty() { 0 } else { 20 });
        follow_advice(&place, &refused);
        place
            .call("append l - --kind entry".split(' '))
            .stdin("{}")
            .ends_with(0);
        place.call(["verify", "l", "--receipts", "r"]).ends_with(0);
    }
}

#[test]
fn a_copy_in_the_documented_order_of_a_ledger_in_use_is_a_ledger() {
    judge_copies(copy_in_order, &[0, 20]);
}

#[test]
fn a_copy_in_any_order_of_a_ledger_in_use_loses_nothing_that_is_in_it() {
    let plain = |place: &Place, to: &str| {
        // It may meet a temporary file that goes before it is copied, and says so.
        let copied = std::process::Command::new("cp")
            .args(["-a", "l", to])
            .current_dir(place.path())
            .output();
        copied.unwrap();
    };
    // 36 where the next segment was begun after the directory was read.
    judge_copies(plain, &[0, 20, 30, 36]);
}
