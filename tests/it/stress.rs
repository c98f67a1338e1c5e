//! The whole ledger with real threads on a real file system: many submit, read and seal, then it closes while tickets
//! are still waited for. Every record that was acknowledged is there, once, where its receipt says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledgerstone_engine::keystore::FileKeys;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::{
    Batch, ErrorKind, Ledger, LedgerIdentity, NewEntry, Options, Reader, Receipt, Scope, Selection, Snapshot,
    Ticket,
};
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::ids::{Kind, Tenant};
use ledgerstone_tests::check::assert_verdict;
use ledgerstone_tests::cli::Place;
use ledgerstone_tests::is_long;

const PRODUCERS: u64 = 8;

fn batches_each() -> u64 {
    if is_long() { 5_000 } else { 150 }
}

fn open() -> (Place, Ledger) {
    let place = Place::new();
    let directory = place.join("l");
    let identity = LedgerIdentity {
        name: "ledger.example".to_owned(),
        signed: true,
    };
    let options = Options {
        segment_bytes: 60_000,
        head_delay_max: Duration::from_millis(20),
        queue_records_max: 64,
        ..Options::default()
    };
    let keys = Arc::new(FileKeys::beside(&directory).unwrap());
    let ledger = Ledger::create(Arc::new(Disk::new(&directory)), keys, &identity, options).unwrap();
    (place, ledger)
}

fn submit(ledger: &Ledger, producer: u64, number: u64) -> Ticket {
    let mut batch = Batch::new();
    for part in 0..1 + number % 3 {
        let entry = NewEntry {
            tenant: Some(Tenant::new(&format!("p-{producer}")).unwrap()),
            ..NewEntry::new(Kind::new("entry").unwrap())
        };
        let body = format!("{{\"producer\":{producer},\"batch\":{number},\"part\":{part}}}");
        batch.push(ledger.draft(entry, body.as_bytes()).unwrap()).unwrap();
    }
    loop {
        match ledger.submit(batch.clone()) {
            Err(error) if error.kind() == ErrorKind::Busy => ledger.ready().wait(),
            submitted => return submitted.unwrap(),
        }
    }
}

/// Number and hash of each record, its producer's bodies in order.
fn stored(snapshot: &Snapshot) -> (BTreeMap<u64, Hash>, BTreeMap<String, Vec<String>>) {
    let (mut hashes, mut bodies) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
    let mut scan = snapshot.scan(Selection::all(Scope::Operator));
    while let Some(line) = scan.next_line().unwrap() {
        hashes.insert(line.seq, line.record().hash);
        if let Some((tenant, _)) = &line.record().header.tenant {
            let body = String::from_utf8(line.record().body().to_vec()).unwrap();
            bodies.entry(tenant.to_string()).or_default().push(body);
        }
    }
    assert_eq!(hashes.len() as u64, snapshot.size());
    (hashes, bodies)
}

/// Reads until told to stop: sizes only grow, heads are never ahead, and the last records can be read.
fn read_on(ledger: &Ledger, stop: &AtomicBool) {
    let mut size = 0;
    while !stop.load(Ordering::Relaxed) {
        let snapshot = ledger.snapshot();
        assert!(snapshot.size() >= size && snapshot.head_size() <= Some(snapshot.size()));
        size = snapshot.size();
        assert!(snapshot.get(size - 1, &Scope::Operator).unwrap().is_some());
        assert_eq!(snapshot.get(size, &Scope::Operator).unwrap(), None);
    }
}

#[test]
fn what_many_threads_were_told_is_stored_once_and_in_the_order_of_each() {
    let (place, ledger) = open();
    let stop = AtomicBool::new(false);
    let receipts: Vec<Receipt> = std::thread::scope(|scope| {
        let ledger = &ledger;
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                scope.spawn(move || {
                    let tickets = (0..batches_each()).map(|number| submit(ledger, producer, number));
                    // Half of them wait for each, half for all at the end.
                    if producer % 2 == 0 {
                        return tickets
                            .flat_map(|ticket| ticket.wait().unwrap())
                            .collect::<Vec<_>>();
                    }
                    let tickets: Vec<_> = tickets.collect();
                    tickets
                        .into_iter()
                        .flat_map(|ticket| ticket.wait().unwrap())
                        .collect()
                })
            })
            .collect();
        let others = [
            scope.spawn(|| read_on(ledger, &stop)),
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    ledger.seal().unwrap();
                    ledger.checkpoint().unwrap();
                }
            }),
        ];
        let receipts = producers
            .into_iter()
            .flat_map(|producer| producer.join().unwrap())
            .collect();
        stop.store(true, Ordering::Relaxed);
        others.into_iter().for_each(|other| other.join().unwrap());
        receipts
    });
    // Closed while these are waited for: closing commits what waits.
    let last: Vec<_> = (0..20).map(|number| submit(&ledger, PRODUCERS, number)).collect();
    let waiting = std::thread::spawn(|| {
        last.into_iter()
            .flat_map(|ticket| ticket.wait().unwrap())
            .collect::<Vec<_>>()
    });
    let chain = ledger.close().unwrap();
    let receipts = [receipts, waiting.join().unwrap()].concat();

    assert_eq!(chain.next_seq(), 1 + receipts.len() as u64);
    let reader = Reader::open(Arc::new(Disk::new(place.join("l")))).unwrap();
    let (hashes, bodies) = stored(&reader.snapshot().unwrap());
    let told: BTreeMap<u64, Hash> = receipts
        .iter()
        .map(|receipt| (receipt.seq, receipt.hash))
        .collect();
    assert_eq!(told.len(), receipts.len());
    assert!(told.iter().all(|(seq, hash)| hashes.get(seq) == Some(hash)));
    for producer in 0..=PRODUCERS {
        let batches = if producer == PRODUCERS { 20 } else { batches_each() };
        let expected = (0..batches).flat_map(|number| {
            (0..1 + number % 3)
                .map(move |part| format!("{{\"producer\":{producer},\"batch\":{number},\"part\":{part}}}"))
        });
        assert!(
            bodies[&format!("p-{producer}")]
                .iter()
                .eq(&expected.collect::<Vec<_>>()),
            "producer {producer}"
        );
    }
    assert_verdict(&place.join("l"), 0);
}
