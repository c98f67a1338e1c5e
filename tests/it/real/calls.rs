//! The order of the binary's system calls: what is said to be stored was synced before, and so was every name that
//! something depends on. A kill cannot show this, since the page cache outlives it.

use ledgerstone_tests::strace::{self, Traced};

use super::*;

/// The trace of a command that succeeds.
fn trace_of(place: &Place, call: Call<'_>) -> Vec<Traced> {
    strace::record(call, &place.join("trace")).ends_with(0);
    strace::parse(&place.read("trace"))
}

fn is_write(call: &Traced) -> bool {
    ["pwrite64", "write", "writev", "pwritev", "pwritev2", "ftruncate"].contains(&call.name.as_str())
}

fn is_sync(call: &Traced) -> bool {
    ["fsync", "fdatasync"].contains(&call.name.as_str()) && call.result == "0"
}

/// Whether this is the program's data going out, on its standard output or a copy of that descriptor.
fn is_told(call: &Traced) -> bool {
    call.name == "write" && call.path().starts_with("pipe:") && !call.args.starts_with("2<")
}

fn is_segment(path: &str) -> bool {
    path.contains("/segments/") && path.ends_with(".jsonl")
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Whether `path` is synced between the end of one call and the beginning of another.
fn is_synced_between(calls: &[Traced], path: &str, from: &Traced, to: &Traced) -> bool {
    calls
        .iter()
        .any(|call| is_sync(call) && call.path() == path && call.began > from.ended && call.ended < to.began)
}

/// Every byte and every file of a segment that was there before this call is durable before it.
#[track_caller]
fn assert_segments_durable_before(calls: &[Traced], this: &Traced) -> usize {
    let before = calls.iter().filter(|call| call.began < this.began);
    let mut changes = 0;
    for change in before.filter(|call| call.succeeded() && is_segment(call.path())) {
        let made = change.name == "openat" && change.args.contains("O_CREAT");
        if !made && !is_write(change) {
            continue;
        }
        let path = if made {
            parent(change.path())
        } else {
            change.path()
        };
        assert!(
            is_synced_between(calls, path, change, this),
            "{path} is not synced between {change:?} and {this:?}"
        );
        changes += 1;
    }
    changes
}

/// Every name is given to bytes that are synced, and the directory is synced before this thread writes anything else.
#[track_caller]
fn assert_names_durable(calls: &[Traced]) -> Vec<String> {
    let mut names = Vec::new();
    for (index, name) in calls.iter().enumerate() {
        // The text in LOCK only informs: nothing is read back from it.
        if !name.name.starts_with("rename") || !name.succeeded() || name.to_path().ends_with("/LOCK") {
            continue;
        }
        let written = calls[..index]
            .iter()
            .rfind(|call| is_write(call) && call.path() == name.path());
        let written = written.unwrap_or_else(|| panic!("nobody wrote {}", name.path()));
        assert!(
            is_synced_between(calls, name.path(), written, name),
            "{} is not synced before it is renamed",
            name.path()
        );
        let next = calls[index + 1..].iter().find(|call| {
            let changes = is_write(call)
                || call.name.starts_with("rename")
                || call.args.contains("O_CREAT")
                || call.name == "flock";
            call.thread == name.thread && changes
        });
        // At the end of a thread's work nothing follows.
        let end = Traced {
            began: usize::MAX,
            ..name.clone()
        };
        let next = next.unwrap_or(&end);
        assert!(
            is_synced_between(calls, parent(name.to_path()), name, next),
            "{} is not synced between {name:?} and {next:?}",
            parent(name.to_path())
        );
        names.push(name.to_path().rsplit('/').next().unwrap_or_default().to_owned());
    }
    names
}

#[test]
fn a_receipt_comes_after_the_syncs_that_it_speaks_of() {
    if !strace::is_there() {
        return;
    }
    let place = Place::new();
    place.run("init l --quiet");
    let ledger = full(&place, "l");
    let append = [
        "append",
        &ledger,
        "-",
        "--kind",
        "entry",
        "--receipts",
        "-",
        "--segment-bytes",
        "1500",
    ];
    let lines: Vec<String> = (0..9).map(|n| format!("{{\"n\":{n}}}")).collect();
    let fed = feed(strace::record(place.call(append), &place.join("trace")), &lines);
    assert_eq!(
        (fed.code, fed.receipts.len()),
        (Some(0), lines.len()),
        "{}",
        fed.stderr
    );
    let calls = strace::parse(&place.read("trace"));
    let receipts: Vec<&Traced> = calls.iter().filter(|call| is_told(call)).collect();
    assert_eq!(receipts.len(), lines.len());
    let mut seen = 0;
    for receipt in receipts {
        let changes = assert_segments_durable_before(&calls, receipt);
        assert!(changes > seen, "{receipt:?} came without a write");
        seen = changes;
    }
    let names = assert_names_durable(&calls);
    let seals = names.iter().filter(|name| name.ends_with(".seal.json")).count();
    assert!(
        seals >= 2 && names.contains(&"checkpoint".to_owned()) && names.contains(&"l.key.head".to_owned()),
        "{names:?}"
    );
}

/// A segment is named by its seal only when all its bytes are durable.
#[test]
fn a_seal_comes_after_the_syncs_of_its_segment() {
    if !strace::is_there() {
        return;
    }
    let place = Place::new();
    place.run("init l --quiet");
    let ledger = full(&place, "l");
    let args = [
        "append",
        &ledger,
        "-",
        "--kind",
        "entry",
        "--segment-bytes",
        "600",
        "--batch",
        "1",
    ];
    let calls = trace_of(&place, place.call(args).stdin("{}\n".repeat(6)));
    let seals: Vec<&Traced> = calls
        .iter()
        .filter(|call| call.to_path().ends_with(".seal.json"))
        .collect();
    assert!(!seals.is_empty());
    for seal in seals {
        let segment = seal.to_path().replace(".seal.json", ".jsonl");
        for write in calls
            .iter()
            .filter(|call| is_write(call) && call.path() == segment)
        {
            assert!(
                is_synced_between(&calls, &segment, write, seal),
                "{write:?} {seal:?}"
            );
        }
    }
    assert_names_durable(&calls);
}

#[test]
fn a_torn_tail_is_copied_durably_before_it_is_cut_and_the_cut_is_synced_before_anything_follows() {
    if !strace::is_there() {
        return;
    }
    let place = Place::new();
    faults::torn(&place);
    let calls = trace_of(&place, place.call(["recover", &full(&place, "l"), "--apply"]));
    let position = |what: &dyn Fn(&Traced) -> bool| calls.iter().position(what).unwrap();
    let copied = position(&|call| call.name.starts_with("rename") && call.to_path().contains("/quarantine/"));
    let cut = position(&|call| call.name == "ftruncate");
    let (copied, cut) = (&calls[copied], &calls[cut]);
    assert!(is_synced_between(&calls, parent(copied.to_path()), copied, cut));
    let follows = calls
        .iter()
        .find(|call| call.began > cut.ended && is_write(call))
        .unwrap();
    assert!(is_synced_between(&calls, cut.path(), cut, follows), "{follows:?}");
    // The group past the head was read from a cache, perhaps: it is written and synced again, first of all.
    let settled = calls
        .iter()
        .find(|call| is_write(call) && is_segment(call.path()))
        .unwrap();
    assert!(
        settled.began < copied.began && settled.name == "pwrite64",
        "{settled:?}"
    );
    assert!(is_synced_between(&calls, settled.path(), settled, copied));
    let directory = parent(settled.path());
    assert!(
        calls
            .iter()
            .any(|call| is_sync(call) && call.path() == directory && call.ended < settled.began)
    );
    // Each rename syncs its directory before the same thread goes on.
    let names = assert_names_durable(&calls);
    assert!(names.contains(&"checkpoint".to_owned()), "{names:?}");
}

#[test]
fn a_new_ledger_is_durable_before_it_is_reported() {
    if !strace::is_there() {
        return;
    }
    let place = Place::new();
    let ledger = full(&place, "l");
    let calls = trace_of(&place, place.call(["init", &ledger]));
    let told = calls.iter().find(|call| is_told(call)).unwrap();
    assert!(assert_segments_durable_before(&calls, told) >= 2);
    let names = assert_names_durable(&calls);
    assert!(
        names.contains(&"ledger.json".to_owned()) && names.contains(&"l.key".to_owned()),
        "{names:?}"
    );
    for made in calls
        .iter()
        .filter(|call| call.name == "mkdir" && call.succeeded())
    {
        let directory = parent(made.path());
        assert!(
            is_synced_between(&calls, directory, made, told),
            "{directory} is not synced after {made:?}"
        );
    }
}
