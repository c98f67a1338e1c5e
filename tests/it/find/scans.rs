//! Scans and lookups of some records give what reading all lines gives, and read what they need.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ledgerstone_engine::{ClockWord, Reader, Selection, Snapshot, Step, Writer};
use ledgerstone_formats::time::Timestamp;
use ledgerstone_tests::clock::HandClock;
use ledgerstone_tests::hooked::{Before, Hooked};

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

/// A ledger whose time a test turns.
struct Timed {
    place: Place,
    clock: Arc<HandClock>,
    open: Option<(Ledger, Writer)>,
}

impl Timed {
    fn new() -> Self {
        let place = Place::new();
        let clock = HandClock::at("2026-11-22T00:00:00.000000Z");
        let identity = LedgerIdentity {
            name: "ledger.example".to_owned(),
            signed: true,
        };
        let (storage, keys) = (place.storage(), place.keys.clone());
        let options = place.options.clone();
        let open = Ledger::create_stepped(storage, keys, clock.clone(), &identity, options).unwrap();
        Self {
            place,
            clock,
            open: Some(open),
        }
    }

    fn ledger(&self) -> &Ledger {
        &self.open.as_ref().unwrap().0
    }

    fn store(&mut self, entry: NewEntry) {
        let (ledger, writer) = self.open.as_mut().unwrap();
        let draft = ledger.draft(entry, b"{\"some\":\"body\"}").unwrap();
        let ticket = ledger.submit(draft.into()).unwrap();
        while writer.step() != Step::Idle {}
        ticket.wait().unwrap();
    }

    fn close(&mut self) {
        let (ledger, mut writer) = self.open.take().unwrap();
        let closing = std::thread::spawn(move || ledger.close());
        while writer.step() != Step::Closed {}
        drop(writer);
        closing.join().unwrap().unwrap();
    }

    /// Turns time back, with an operator's word.
    fn turn_back(&mut self, span: Duration) {
        self.close();
        self.clock.turn_back(span);
        let options = Options {
            accept_clock: Some(ClockWord {
                reason: "a test".to_owned(),
                by: "it".to_owned(),
            }),
            ..self.place.options.clone()
        };
        let (storage, keys) = (self.place.storage(), self.place.keys.clone());
        let (ledger, writer, recovered) =
            Ledger::open_stepped(storage, keys, self.clock.clone(), options).unwrap();
        assert!(recovered.read_only.is_none(), "{recovered:?}");
        self.open = Some((ledger, writer));
    }
}

/// The same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }
}

#[derive(Debug, Clone)]
struct Row {
    seq: u64,
    at: Timestamp,
    kind: String,
    tenant: Option<String>,
}

fn rows(next: impl FnMut() -> Option<Row>) -> Vec<Row> {
    std::iter::from_fn(next).collect()
}

fn scanned(snapshot: &Snapshot, selection: Selection) -> Vec<Row> {
    let mut scan = snapshot.scan(selection);
    rows(|| scan.next_line().unwrap().map(|line| row(&line)))
}

fn found(snapshot: &Snapshot, lookup: Lookup) -> Vec<u64> {
    let mut matches = snapshot.find(lookup).unwrap();
    seqs(&rows(|| matches.next_line().unwrap().map(|line| row(&line))))
}

fn row(line: &ledgerstone_engine::StoredLine<'_>) -> Row {
    let header = &line.record().header;
    Row {
        seq: header.seq,
        at: header.at,
        kind: header.kind.to_string(),
        tenant: header.tenant.as_ref().map(|(tenant, _)| tenant.to_string()),
    }
}

fn seqs(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(|row| row.seq).collect()
}

/// Stretches with hardly a record of a kind or tenant, some with nothing else, and time that was turned back once.
fn mixed() -> Timed {
    let mut timed = Timed::new();
    let mut numbers = Numbers(1);
    for stretch in 0..16 {
        for _ in 0..40 {
            let rare = numbers.below(25) == 0 || stretch == 5;
            let owner = match numbers.below(20) {
                _ if stretch == 9 => Some("globex"),
                0 => Some("globex"),
                1..=9 => Some("acme"),
                _ => None,
            };
            let entry = NewEntry {
                tenant: owner.map(tenant),
                ..NewEntry::new(kind(if rare { "rare" } else { "usual" }))
            };
            timed.clock.pass(HOUR * u32::try_from(numbers.below(3)).unwrap());
            timed.store(entry);
        }
        if stretch == 10 {
            timed.turn_back(HOUR * 24 * 12);
        }
    }
    timed
}

/// What a selection gives is what a filter over all lines gives; so do lookups, both ways.
fn compare(snapshot: &Snapshot, all: &[Row], numbers: &mut Numbers) {
    let last = all.len() as u64;
    let time = |numbers: &mut Numbers| {
        let some = numbers.below(3) > 0;
        some.then(|| all[usize::try_from(numbers.below(last)).unwrap()].at)
    };
    let scopes = [
        Scope::Operator,
        Scope::Untenanted,
        Scope::Tenant(tenant("acme")),
        Scope::Tenant(tenant("globex")),
        Scope::Tenant(tenant("nobody")),
    ];
    let kinds = [None, Some("rare"), Some("usual"), Some("sys_clock"), Some("none")];
    let scope = scopes[usize::try_from(numbers.below(5)).unwrap()].clone();
    let own_kind = kinds[usize::try_from(numbers.below(5)).unwrap()].map(kind);
    let is_part = numbers.below(2) == 0;
    let selection = Selection {
        from: if is_part { numbers.below(last) } else { 0 },
        to: is_part.then(|| numbers.below(last + 10)),
        kind: own_kind.clone(),
        since: time(numbers),
        until: time(numbers),
        scope: scope.clone(),
    };
    let wanted = |row: &&Row| {
        (selection.from..=selection.to.unwrap_or(u64::MAX)).contains(&row.seq)
            && own_kind.as_ref().is_none_or(|kind| kind.as_str() == row.kind)
            && scope.admits(row.tenant.as_deref())
            && selection.since.is_none_or(|since| row.at >= since)
            && selection.until.is_none_or(|until| row.at < until)
    };
    let mut expected = seqs(&all.iter().filter(wanted).cloned().collect::<Vec<_>>());
    assert_eq!(
        seqs(&scanned(snapshot, selection.clone())),
        expected,
        "{selection:?}"
    );
    let by = match (&own_kind, &scope) {
        (Some(kind), _) => By::Kind(kind.clone()),
        (None, Scope::Operator) => return,
        (None, _) => By::Scope,
    };
    let lookup = Lookup {
        from: selection.from,
        to: selection.to,
        since: selection.since,
        until: selection.until,
        ..Lookup::new(scope.clone(), by)
    };
    assert_eq!(found(snapshot, lookup.clone()), expected, "{lookup:?}");
    expected.reverse();
    let order = Order::NewestFirst;
    assert_eq!(
        found(snapshot, Lookup { order, ..lookup }),
        expected,
        "{selection:?}"
    );
}

#[test]
fn a_scan_of_some_records_gives_what_a_filter_over_all_gives() {
    let mut timed = mixed();
    let snapshot = timed.ledger().snapshot();
    let all = scanned(&snapshot, Selection::all(Scope::Operator));
    assert_eq!(all.len(), 16 * 40 + 2);
    assert!(
        all.windows(2).any(|pair| pair[1].at < pair[0].at),
        "time was turned back"
    );
    let mut numbers = Numbers(2);
    for _ in 0..400 {
        compare(&snapshot, &all, &mut numbers);
    }
    timed.close();
    let reader = Reader::open(timed.place.storage()).unwrap();
    for _ in 0..100 {
        compare(&reader.snapshot().unwrap(), &all, &mut numbers);
    }
}

/// A reader that counts the bytes of segments that are read.
struct Counted {
    reader: Reader,
    bytes: Arc<AtomicU64>,
}

impl Counted {
    fn new(place: &Place) -> Self {
        let bytes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&bytes);
        let hooked = Hooked::new(place.storage(), move |before| {
            if let Before::ReadSegment(bytes) = before {
                counter.fetch_add(bytes as u64, Ordering::Relaxed);
            }
        });
        Self {
            reader: Reader::open(Arc::new(hooked)).unwrap(),
            bytes,
        }
    }

    /// How many records there are, and the bytes that were read for them.
    fn scan(&self, selection: Selection) -> (usize, u64) {
        let snapshot = self.reader.snapshot().unwrap();
        self.bytes.store(0, Ordering::Relaxed);
        let count = scanned(&snapshot, selection).len();
        (count, self.bytes.load(Ordering::Relaxed))
    }
}

fn segment_bytes(place: &Place) -> u64 {
    let files = place.storage.list().unwrap().files;
    let segments = files
        .iter()
        .filter(|(name, _)| name.to_string().ends_with(".jsonl"));
    segments.map(|(_, bytes)| bytes).sum()
}

#[test]
fn what_a_scan_reads_grows_with_what_it_gives_and_not_with_the_ledger() {
    let mut place = Place::new();
    place.options.segment_bytes = 40_000;
    let rare = |kind: Option<&str>| Selection {
        kind: kind.map(super::kind),
        ..Selection::all(Scope::Tenant(tenant("rare")))
    };
    let add = |numbers: Range<u64>, every: u64| {
        let ledger = if place.storage.list().unwrap().files.is_empty() {
            place.create()
        } else {
            place.open()
        };
        for n in numbers {
            let owner = if n % every == 0 { "rare" } else { "usual" };
            let entry = NewEntry {
                tenant: Some(tenant(owner)),
                ..NewEntry::new(kind("event"))
            };
            submit(&ledger, entry, "{}").unwrap();
        }
        ledger.seal().unwrap();
        ledger.close().unwrap();
        (Counted::new(&place).scan(rare(None)), segment_bytes(&place))
    };
    let ((count, read), all) = add(0..500, 50);
    assert_eq!(count, 10);
    assert!(read < all / 5, "{read} of {all} bytes were read");
    let (grown, all) = add(501..1_500, u64::MAX);
    assert_eq!(grown, (10, read), "of {all} bytes");
    let ((count, more), _) = add(1_500..2_000, 50);
    assert_eq!(count, 20);
    assert!(read < more && more <= 2 * read + 4_096, "{read}, then {more}");
    // A kind that nearly all records have, and a tenant: the rarer of the two is looked up.
    let counted = Counted::new(&place);
    assert_eq!(counted.scan(rare(Some("event"))), (20, more));
    // What has nearly all is read from one end to the other, once.
    let usual = Selection::all(Scope::Tenant(tenant("usual")));
    let (count, read) = counted.scan(usual);
    let all = segment_bytes(&place);
    assert!(count > 1_900 && read <= all, "{read} of {all} bytes");
}

#[test]
fn a_time_range_touches_the_segments_of_that_time_only() {
    let mut timed = mixed();
    let all = scanned(&timed.ledger().snapshot(), Selection::all(Scope::Operator));
    timed.close();
    let total = segment_bytes(&timed.place);
    let counted = Counted::new(&timed.place);
    for middle in [100, 300, 600] {
        let within = Selection {
            since: Some(all[middle].at),
            until: Some(all[middle + 5].at),
            ..Selection::all(Scope::Operator)
        };
        let is_within = |row: &&Row| row.at >= all[middle].at && row.at < all[middle + 5].at;
        let (count, read) = counted.scan(within);
        assert_eq!(count, all.iter().filter(is_within).count());
        // Time was turned back, so that two stretches of the ledger may be of one time; and the open end is read.
        assert!(read < total / 4, "{read} of {total} bytes");
    }
    let nothing = Selection {
        since: Some(Timestamp::MAX),
        ..Selection::all(Scope::Operator)
    };
    let (count, read) = counted.scan(nothing);
    assert!(count == 0 && read < 10_000, "{read} of {total} bytes");
}

#[test]
fn where_the_index_cannot_be_had_lines_are_read_up_to_the_damage() {
    let place = Place::new();
    let ledger = place.create();
    for n in 0..300 {
        let entry = NewEntry::new(kind(if n % 10 == 0 { "rare" } else { "usual" }));
        submit(&ledger, entry, "{}").unwrap();
    }
    ledger.close().unwrap();
    let rare = || {
        let reader = Reader::open(place.storage()).unwrap();
        let mut scan = reader.snapshot().unwrap().scan(Selection {
            kind: Some(kind("rare")),
            ..Selection::all(Scope::Operator)
        });
        let mut seqs = Vec::new();
        loop {
            match scan.next_line() {
                Ok(Some(line)) => seqs.push(line.seq),
                Ok(None) => return (seqs, None),
                Err(error) => return (seqs, error.seq()),
            }
        }
    };
    let all: Vec<u64> = (0..30).map(|n| 10 * n + 1).collect();
    assert_eq!(rare(), (all.clone(), None));
    // A line that is none of them, in a sealed segment.
    let files = place.storage.list().unwrap().files;
    let named = |ending: &str| -> Vec<String> {
        let names = files.iter().map(|(name, _)| name.to_string());
        names.filter(|name| name.ends_with(ending)).collect()
    };
    let segment = &named(".jsonl")[6];
    let mut bytes = place.storage.raw(segment).unwrap();
    let first: u64 = segment[9..29].parse().unwrap();
    let place_in_file = (0..).find(|n| (first + n) % 10 != 1).unwrap();
    let lines: Vec<usize> = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::len)
        .collect();
    let damaged = usize::try_from(place_in_file).unwrap();
    bytes[lines[..damaged].iter().sum::<usize>() + 20] ^= 1;
    place.storage.put_raw(segment, &bytes);
    assert_eq!(rare(), (all.clone(), None), "it need not be read");
    for index in named(".idx") {
        place.storage.remove_raw(&index);
    }
    let seq = first + place_in_file;
    let before: Vec<u64> = all.into_iter().filter(|rare| *rare < seq).collect();
    assert!(before.len() > 3);
    assert_eq!(rare(), (before, Some(seq)));
}
