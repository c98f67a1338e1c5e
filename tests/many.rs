//! Two hundred ledgers open in one process: threads, files and memory stay within what the options say.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too, and reads what the kernel says of it"
)]

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ledgerstone_engine::keystore::FileKeys;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::{Batch, By, Ledger, LedgerIdentity, Lookup, NewEntry, Options, Scope};
use ledgerstone_formats::ids::{Correlation, EntityId, IdempotencyKey, Kind, Tenant};
use ledgerstone_tests::cli::Place;

/// Each test measures the whole process: one runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

const LEDGERS: usize = 200;
/// Of which so many have a door, that nobody comes to.
const DOORS: usize = 100;
/// Records of each ledger: ten segments.
const RECORDS: u64 = 400;
const KIB: usize = 1 << 10;

/// What one ledger takes, as `Options` says.
const THREADS_EACH: usize = 2;
const DOOR_THREADS: usize = 1;
const FILES_EACH: usize = 3;
const DOOR_FILES: usize = 2;
const MEMORY_EACH_KIB: usize = 1_024;

fn options(door_connections_max: usize) -> Options {
    Options {
        segment_bytes: 16 << 10,
        queue_records_max: 256,
        queue_bytes_max: 256 * KIB,
        open_segments_max: 3,
        numbers_cached_max: 100,
        door_connections_max,
        ..Options::default()
    }
}

/// What a ledger with these options takes at most, in KiB; index and numbers of so small segments are within the first
/// part.
fn memory_max_kib(options: &Options) -> usize {
    MEMORY_EACH_KIB + 3 * options.queue_bytes_max / KIB
}

fn entries(folder: &str) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// Resident memory of this process that no file is behind, in KiB.
fn memory_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn entry(number: u64) -> NewEntry {
    NewEntry {
        tenant: Some(Tenant::new(&format!("t{}", number % 150)).unwrap()),
        id: Some(EntityId::new(&format!("thing{number}")).unwrap()),
        corr: Some(Correlation::new(&format!("c{}", number % 7)).unwrap()),
        key: Some(IdempotencyKey::new(&format!("k{number}")).unwrap()),
        ..NewEntry::new(Kind::new("entry").unwrap())
    }
}

fn batch(ledger: &Ledger, numbers: std::ops::Range<u64>) -> Batch {
    let mut drafter = ledger.drafter();
    let mut batch = Batch::new();
    for number in numbers {
        let body = format!("{{\"number\":{number}}}");
        batch
            .push(drafter.draft(entry(number), body.as_bytes()).unwrap())
            .unwrap();
    }
    batch
}

fn create(place: &Place, number: usize, options: Options) -> Ledger {
    let dir = place.join(format!("l{number}"));
    let keys = Arc::new(FileKeys::beside(&dir).unwrap());
    let identity = LedgerIdentity {
        name: "ledger.example".to_owned(),
        signed: true,
    };
    Ledger::create(Arc::new(Disk::new(dir)), keys, &identity, options).unwrap()
}

/// Appends to all, and looks up in all what lies in each of their segments.
fn use_all(ledgers: &[Ledger]) {
    for numbers in (0..RECORDS).step_by(40).map(|first| first..first + 40) {
        let tickets: Vec<_> = ledgers
            .iter()
            .map(|ledger| ledger.submit(batch(ledger, numbers.clone())).unwrap())
            .collect();
        for ticket in tickets {
            assert_eq!(ticket.wait().unwrap().len(), 40);
        }
    }
    for ledger in ledgers {
        let snapshot = ledger.snapshot();
        for number in (0..RECORDS).step_by(17) {
            let key = By::Key(entry(number).key.unwrap());
            let scope = Scope::of(entry(number).tenant.as_ref());
            let mut found = snapshot.find(Lookup::new(scope, key)).unwrap();
            let line = found.next_line().unwrap().unwrap();
            assert_eq!(line.seq, number + 1);
        }
    }
}

/// Threads, files and memory of this process, in KiB.
fn taken() -> [usize; 3] {
    [entries("/proc/self/task"), entries("/proc/self/fd"), memory_kib()]
}

#[track_caller]
fn assert_within(before: [usize; 3], ledgers: usize, doors: usize) {
    let options = options(0);
    let bounds = [
        THREADS_EACH * ledgers + DOOR_THREADS * doors,
        (FILES_EACH + options.open_segments_max) * ledgers + DOOR_FILES * doors,
        memory_max_kib(&options) * ledgers,
    ];
    let now = taken();
    for (what, ((now, before), bound)) in ["threads", "files", "KiB of memory"]
        .iter()
        .zip(now.iter().zip(before).zip(bounds))
    {
        let taken = now.saturating_sub(before);
        assert!(taken <= bound, "{taken} {what}, {bound} at most");
    }
}

#[test]
fn two_hundred_ledgers_take_the_threads_files_and_memory_that_the_options_say() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::new();
    let before = taken();
    let ledgers: Vec<_> = (0..LEDGERS)
        .map(|number| create(&place, number, options(usize::from(number < DOORS))))
        .collect();
    assert_within(before, LEDGERS, DOORS);
    use_all(&ledgers);
    for ledger in &ledgers {
        assert!(ledger.stats().segments >= 10);
        // Index files are merged by a thread that is there while there is something to merge.
        ledger.seal().unwrap();
    }
    assert_within(before, LEDGERS, DOORS);
    for ledger in ledgers {
        ledger.close().unwrap();
    }
    let after = taken();
    // The thread of a test that has ended may still have been there.
    assert!(
        after[0] <= before[0],
        "{} threads, {} before",
        after[0],
        before[0]
    );
    assert_eq!(after[1], before[1], "a file is left open");
}

#[test]
fn hundreds_at_a_door_take_two_threads_for_each_that_is_let_in() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    const CONNECTIONS_MAX: usize = 4;
    let place = Place::new();
    let [before, ..] = taken();
    let ledger = create(&place, 0, options(CONNECTIONS_MAX));
    let mut crowd: Vec<_> = (0..300)
        .map(|_| UnixStream::connect(place.join("l0/DOOR")).unwrap())
        .collect();
    for stream in &mut crowd {
        // Those that are not let in have gone already.
        stream.write_all(b"LSDOOR1\n").ok();
    }
    let bound = THREADS_EACH + DOOR_THREADS + 2 * CONNECTIONS_MAX;
    for _ in 0..50 {
        let [now, ..] = taken();
        let more = now.saturating_sub(before);
        assert!(more <= bound, "{more} threads, {bound} at most");
        thread::sleep(Duration::from_millis(20));
    }
    ledger.close().unwrap();
}

#[test]
fn a_batch_larger_than_the_queue_leaves_no_memory_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    const FEW: usize = 30;
    let place = Place::new();
    let before = taken();
    let ledgers: Vec<_> = (0..FEW)
        .map(|number| create(&place, number, options(0)))
        .collect();
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(KIB * KIB));
    for ledger in &ledgers {
        let mut batch = Batch::new();
        for _ in 0..8 {
            let entry = NewEntry::new(Kind::new("entry").unwrap());
            batch.push(ledger.draft(entry, body.as_bytes()).unwrap()).unwrap();
        }
        ledger.submit(batch).unwrap().wait().unwrap();
        ledger.seal().unwrap();
    }
    assert_within(before, FEW, 0);
}
