//! Producers, readers, whoever seals and whoever closes, in every order that a scheduler comes upon. A wait with a time
//! limit never ends by it here, so that a wake-up that is forgotten is a deadlock, which the scheduler reports.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::ids::Kind;
use ledgerstone_races::keystore::MemKeys;
use ledgerstone_races::storage::sim::{Fault, Sim};
use ledgerstone_races::verify::{VerifyOptions, verify};
use ledgerstone_races::{
    Batch, ErrorKind, Ledger, LedgerIdentity, NewEntry, Options, Reader, Receipt, Scope, Selection, Snapshot,
};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::Mutex;
use shuttle::{Config, Runner, thread};

/// Schedules of each kind in the normal run; `LEDGERSTONE_SCHEDULES` sets another number.
const SCHEDULES: usize = 200;
/// Places where the order is changed, of a schedule that otherwise runs threads by priority.
const CHANGES: usize = 3;
const STACK_BYTES: usize = 1 << 20;

/// Tries a scenario under schedules by chance, and under those with few changes of order.
fn race(scenario: impl Fn() + Send + Sync + 'static) {
    let count = std::env::var("LEDGERSTONE_SCHEDULES").map_or(SCHEDULES, |text| text.parse().unwrap());
    let scenario = Arc::new(scenario);
    let schedulers: [Box<dyn Scheduler + Send>; 2] = [
        Box::new(RandomScheduler::new(count)),
        Box::new(PctScheduler::new(CHANGES, count)),
    ];
    for scheduler in schedulers {
        let mut config = Config::new();
        config.stack_size = STACK_BYTES;
        let scenario = Arc::clone(&scenario);
        Runner::new(scheduler, config).run(move || scenario());
    }
}

/// A ledger on a disk of its own, and what was acknowledged.
struct Books {
    disk: Sim,
    keys: MemKeys,
    ledger: Arc<Ledger>,
    told: Arc<Mutex<BTreeMap<u64, Hash>>>,
}

impl Books {
    fn new(change: impl FnOnce(&mut Options)) -> Self {
        let (disk, keys) = (Sim::new(), MemKeys::new());
        let identity = LedgerIdentity {
            name: "ledger.example".to_owned(),
            signed: true,
        };
        // No head is ever late: what is due is due because somebody asked for it.
        let mut options = Options {
            head_delay_max: Duration::from_secs(3_600),
            ..Options::default()
        };
        change(&mut options);
        let ledger =
            Ledger::create(Arc::new(disk.clone()), Arc::new(keys.clone()), &identity, options).unwrap();
        Self {
            disk,
            keys,
            ledger: Arc::new(ledger),
            told: Arc::default(),
        }
    }

    /// A thread that appends so many batches of two records, one after the other, until it is refused for good.
    fn producer(&self, batches: usize) -> thread::JoinHandle<Option<ErrorKind>> {
        let (ledger, told) = (Arc::clone(&self.ledger), Arc::clone(&self.told));
        thread::spawn(move || {
            for _ in 0..batches {
                let ticket = loop {
                    match ledger.submit(batch(&ledger)) {
                        Err(error) if error.kind() == ErrorKind::Busy => ledger.ready().wait(),
                        Err(error) => return Some(error.kind()),
                        Ok(ticket) => break ticket,
                    }
                };
                match ticket.wait() {
                    Ok(receipts) => tell(&told, &receipts),
                    Err(error) => return Some(error.kind()),
                }
            }
            None
        })
    }

    /// All that was acknowledged is there, once, in order; nobody else's record is.
    fn close(self, submitted: u64) {
        let ledger = Arc::into_inner(self.ledger).unwrap();
        let closed = ledger.close();
        let told = self.told.lock().unwrap().clone();
        match &closed {
            Ok(chain) => assert_eq!((chain.next_seq(), told.len() as u64), (1 + submitted, submitted)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unknown),
        }
        let reader = Reader::open(Arc::new(self.disk.clone())).unwrap();
        let stored = hashes(&reader.snapshot().unwrap());
        assert!(stored.len() as u64 <= 1 + submitted);
        for (seq, hash) in told {
            assert_eq!(stored.get(&seq), Some(&hash), "seq {seq}");
        }
        if closed.is_ok() {
            let report = verify(
                &self.disk,
                Some(&self.keys),
                &VerifyOptions { jobs: 1 },
                &mut |_| {},
            )
            .unwrap();
            assert_eq!(
                (report.findings, report.head_size),
                (Vec::new(), Some(1 + submitted))
            );
        }
    }
}

fn batch(ledger: &Ledger) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..2 {
        batch
            .push(
                ledger
                    .draft(NewEntry::new(Kind::new("entry").unwrap()), b"{}")
                    .unwrap(),
            )
            .unwrap();
    }
    batch
}

fn tell(told: &Mutex<BTreeMap<u64, Hash>>, receipts: &[Receipt]) {
    let mut told = told.lock().unwrap();
    for receipt in receipts {
        assert_eq!(
            told.insert(receipt.seq, receipt.hash),
            None,
            "seq {} was given twice",
            receipt.seq
        );
    }
}

fn hashes(snapshot: &Snapshot) -> BTreeMap<u64, Hash> {
    let mut scan = snapshot.scan(Selection::all(Scope::Operator));
    let mut hashes = BTreeMap::new();
    while let Some(line) = scan.next_line().unwrap() {
        hashes.insert(line.seq, line.record().hash);
    }
    assert_eq!(hashes.len() as u64, snapshot.size());
    hashes
}

#[test]
fn producers_readers_and_whoever_seals_do_not_hinder_each_other() {
    race(|| {
        let books = Books::new(|_| {});
        let producers = [books.producer(2), books.producer(1)];
        let sealing = {
            let ledger = Arc::clone(&books.ledger);
            thread::spawn(move || ledger.seal().unwrap().map(|seal| seal.count))
        };
        let reading = {
            let (ledger, told) = (Arc::clone(&books.ledger), Arc::clone(&books.told));
            thread::spawn(move || {
                let mut size = 0;
                for _ in 0..3 {
                    // Whoever has a receipt finds the record.
                    let told = told.lock().unwrap().clone();
                    let snapshot = ledger.snapshot();
                    let stored = hashes(&snapshot);
                    assert!(told.iter().all(|(seq, hash)| stored.get(seq) == Some(hash)));
                    assert!(snapshot.size() >= size && snapshot.head_size() <= Some(snapshot.size()));
                    size = snapshot.size();
                    thread::yield_now();
                }
            })
        };
        assert!(producers.map(|producer| producer.join().unwrap()) == [None, None]);
        assert!(sealing.join().unwrap().is_some_and(|count| count >= 1));
        reading.join().unwrap();
        books.close(6);
    });
}

#[test]
fn a_queue_that_is_full_wakes_everybody_who_waits_for_room() {
    race(|| {
        let books = Books::new(|options| options.queue_records_max = 2);
        let producers = [books.producer(2), books.producer(2), books.producer(2)];
        assert!(producers.map(|producer| producer.join().unwrap()) == [None; 3]);
        books.close(12);
    });
}

#[test]
fn tickets_heads_and_room_that_are_waited_for_while_the_ledger_closes_are_answered() {
    race(|| {
        let books = Books::new(|options| options.queue_records_max = 4);
        let tickets = [(); 2].map(|()| books.ledger.submit(batch(&books.ledger)).unwrap());
        let waiting = tickets.map(|ticket| {
            let told = Arc::clone(&books.told);
            thread::spawn(move || tell(&told, &ticket.wait().unwrap()))
        });
        let room = books.ledger.ready();
        let for_room = thread::spawn(move || room.wait());
        let snapshot = books.ledger.snapshot();
        let told = Arc::clone(&books.told);
        let reading = thread::spawn(move || hashes(&snapshot).len());
        let Books {
            disk, keys, ledger, ..
        } = books;
        // Closing commits what waits.
        assert_eq!(Arc::into_inner(ledger).unwrap().close().unwrap().next_seq(), 5);
        waiting.into_iter().for_each(|waiting| waiting.join().unwrap());
        for_room.join().unwrap();
        assert!(reading.join().unwrap() >= 1);
        assert_eq!(told.lock().unwrap().len(), 4);
        let report = verify(&disk, Some(&keys), &VerifyOptions { jobs: 1 }, &mut |_| {}).unwrap();
        assert_eq!((report.findings, report.head_size), (Vec::new(), Some(5)));
    });
}

#[test]
fn heads_and_seals_are_waited_for_by_several_at_once() {
    race(|| {
        let books = Books::new(|options| options.segment_bytes = 900);
        let producers = [books.producer(2), books.producer(2)];
        let waiting = [false, true].map(|seals| {
            let ledger = Arc::clone(&books.ledger);
            thread::spawn(move || {
                if seals {
                    ledger.seal().unwrap();
                }
                let before = ledger.snapshot().size();
                ledger.checkpoint().unwrap();
                assert!(ledger.snapshot().head_size() >= Some(before));
            })
        });
        assert!(producers.map(|producer| producer.join().unwrap()) == [None, None]);
        waiting.into_iter().for_each(|waiting| waiting.join().unwrap());
        books.close(8);
    });
}

#[test]
fn a_disk_that_fails_answers_everybody_and_what_was_acknowledged_is_stored() {
    // Before, in and after the first group, in a seal, in a head.
    for after in 0..12 {
        race_few(move || {
            let books = Books::new(|options| {
                options.segment_bytes = 900;
                options.queue_records_max = 4;
            });
            books.disk.fail_at(books.disk.operations() + after, Fault::Fails);
            let producers = [books.producer(2), books.producer(2)];
            let ledger = Arc::clone(&books.ledger);
            let sealing = thread::spawn(move || drop(ledger.seal().and_then(|_| ledger.checkpoint())));
            for producer in producers {
                let refused = producer.join().unwrap();
                assert!(
                    matches!(refused, None | Some(ErrorKind::Unknown | ErrorKind::Unavailable)),
                    "{refused:?}"
                );
            }
            sealing.join().unwrap();
            books.close(8);
        });
    }
}

/// [`race`] for a scenario that comes in many forms.
fn race_few(scenario: impl Fn() + Send + Sync + 'static) {
    let count = std::env::var("LEDGERSTONE_SCHEDULES").map_or(SCHEDULES, |text| text.parse().unwrap()) / 5;
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    Runner::new(RandomScheduler::new(count), config).run(scenario);
}
