//! Loads that are fed a line at a time, stopped, killed, or kept out by another process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ledgerstone_engine::keystore::FileKeys;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::{Ledger, NewEntry, Options};
use ledgerstone_tests::cli::Place;
use serde_json::Value;

fn ledger() -> Place {
    let place = Place::new();
    place.run("init l --quiet");
    place
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", child.id())])
        .status();
    assert!(status.unwrap().success());
}

/// Waits for a child, and fails the test where it does not end.
fn end_of(mut child: Child) -> (std::process::ExitStatus, String) {
    let (sender, receiver) = mpsc::channel();
    let id = child.id();
    let waiter = std::thread::spawn(move || {
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        sender.send((child.wait().unwrap(), stderr)).unwrap();
    });
    let ended = receiver.recv_timeout(Duration::from_secs(60));
    let ended = ended.unwrap_or_else(|_| panic!("process {id} does not end"));
    waiter.join().unwrap();
    ended
}

#[test]
fn each_line_of_a_pipe_has_its_receipt_before_the_next_is_written() {
    let place = ledger();
    let mut child = place
        .call(["append", "l", "-", "--kind", "entry", "--receipts", "-"])
        .spawn();
    let mut input = child.stdin.take().unwrap();
    let mut receipts = BufReader::new(child.stdout.take().unwrap());
    for line in 1..=50 {
        // The first line is shorter than the magic number of any packing.
        input
            .write_all(if line == 1 { b"{}\n" } else { b"{\"a\":1}\n" })
            .unwrap();
        let mut receipt = String::new();
        receipts.read_line(&mut receipt).unwrap();
        let receipt: Value = serde_json::from_str(&receipt).unwrap();
        assert_eq!(
            (receipt["line"].as_u64(), receipt["seq"].as_u64()),
            (Some(line), Some(line))
        );
        // Whoever has the receipt finds the record.
        if line == 25 {
            let record = place.run("get l 25").one_json();
            assert_eq!(record["hash"], receipt["hash"]);
        }
    }
    drop(input);
    assert!(end_of(child).0.success());
}

#[test]
fn a_signal_stops_a_load_after_what_is_in_flight() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let place = ledger();
        let mut child = place
            .call(["append", "l", "-", "--kind", "entry", "--receipts", "r"])
            .spawn();
        let mut input = child.stdin.take().unwrap();
        input.write_all("{\"a\":1}\n".repeat(200).as_bytes()).unwrap();
        // Until the first receipts are there, so that the signal comes in the middle.
        while std::fs::metadata(place.join("r")).map_or(0, |meta| meta.len()) == 0 {
            std::thread::yield_now();
        }
        signal(&child, name);
        // Its input stays open: it must not wait for more.
        let (status, stderr) = end_of(child);
        assert_eq!(status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(&format!("stopped by SIG{name}")), "{stderr}");
        let stored = place
            .run("scan l --kind entry --count")
            .text()
            .trim()
            .parse::<u64>()
            .unwrap();
        assert_eq!(
            place.read("r").iter().filter(|byte| **byte == b'\n').count() as u64,
            stored
        );
        assert!((1..=200).contains(&stored), "{stored}");
        place.run("verify l --receipts r");
    }
}

/// Rounds of a kill and a new start, on one ledger.
const KILLS: u64 = 15;
/// Lines of a group.
const BATCHES: [u32; 3] = [1, 7, 100];

/// Numbers that differ from round to round and not from run to run (SplitMix64).
fn by_seed(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 33
}

/// Segments of 100 KiB, so that kills come in the middle of seals too; each verdict is Python's as well.
#[test]
fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let place = Place::on_disk();
    place.run("init l --quiet");
    place.write(
        "in.jsonl",
        (0..20_000)
            .map(|n| format!("{{\"n\":{n}}}\n"))
            .collect::<String>(),
    );
    let mut receipts = Vec::new();
    for round in 0..KILLS {
        let (name, batch) = (
            format!("r{round}"),
            BATCHES[usize::try_from(by_seed(round)).unwrap() % BATCHES.len()].to_string(),
        );
        let args = [
            "append",
            "l",
            "in.jsonl",
            "--kind",
            "entry",
            "--segment-bytes",
            "100KiB",
        ];
        let more = ["--batch", &batch, "--receipts", &name];
        let mut child = place.call(args.iter().chain(&more)).spawn();
        // Receipts are written once their records are durable.
        let enough = by_seed(KILLS + round) % 40_000;
        while std::fs::metadata(place.join(&name)).map_or(true, |meta| meta.len() < enough) {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "round {round}: ended before it was killed");
            std::thread::yield_now();
        }
        signal(&child, "KILL");
        assert_eq!(end_of(child).0.signal(), Some(9));
        receipts.extend(["--receipts".to_owned(), name]);
        // Records past the head are 20 until somebody opens the ledger; anything else would be a loss.
        let verify = ["verify", "l"].map(str::to_owned);
        let verified = place.call(verify.iter().chain(&receipts)).output();
        assert!(
            matches!(verified.status.code(), Some(0 | 20)),
            "round {round}: {}",
            verified.report()
        );
        assert!(verified.text().contains("receipts"), "{}", verified.report());
    }
    place.run("recover l --apply");
    let verify = ["verify", "l"].map(str::to_owned);
    let verified = place.call(verify.iter().chain(&receipts)).ends_with(0);
    assert!(verified.text().contains("receipts"), "{}", verified.report());
    let segments = std::fs::read_dir(place.join("l/segments")).unwrap().count();
    assert!(segments > 3, "kills in the middle of seals: {segments} files");
}

#[test]
fn another_process_is_named_or_waited_for() {
    let place = ledger();
    // A holder that lets nobody else in.
    let dir = place.join("l");
    let keys = Arc::new(FileKeys::beside(&dir).unwrap());
    let (holder, _) = Ledger::open(Arc::new(Disk::new(dir)), keys, Options::default()).unwrap();
    let draft = holder.draft(NewEntry::new("entry".parse().unwrap()), b"{}");
    holder.submit(draft.unwrap().into()).unwrap().wait().unwrap();
    let pid = format!("\"pid\":{}", std::process::id());
    for args in [
        "append l - --kind entry",
        "seal l",
        "checkpoint l",
        "recover l --apply",
        "seal l --lock-wait 1",
    ] {
        let refused = place.call(args.split(' ')).stdin("{}").ends_with(5);
        assert!(refused.stderr.contains(&pid), "{}", refused.report());
    }
    // Reading needs no lock.
    for args in [
        "scan l",
        "get l 1",
        "tail l",
        "stat l",
        "verify l",
        "inspect l/ledger.json",
    ] {
        place.run(args);
    }
    assert!(place.run("stat l").text().contains(&pid));
    let waiting = place
        .call(["append", "l", "-", "--kind", "entry", "--lock-wait", "60"])
        .spawn();
    holder.close().unwrap();
    let mut waiting = waiting;
    waiting.stdin.take().unwrap().write_all(b"{\"b\":1}").unwrap();
    let (status, stderr) = end_of(waiting);
    assert!(status.success(), "{stderr}");
    assert_eq!(place.run("scan l --kind entry --body").text(), "{}\n{\"b\":1}\n");
}
