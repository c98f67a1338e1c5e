//! From a producer to the writer and back: batches whole or not at all, an answer for everybody, room or `Busy`.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ledgerstone_engine::keystore::MemKeys;
use ledgerstone_engine::storage::mem::Mem;
use ledgerstone_engine::{ErrorKind, Ready};
use ledgerstone_formats::draft::{Entry, Revisions};
use ledgerstone_formats::json::Checker;
use ledgerstone_formats::limits::GROUP_RECORDS_MAX;

use super::*;

fn is_ready(ready: Ready) -> bool {
    pin!(ready).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
}

/// A ledger with threads of its own, in memory.
fn threaded(options: Options) -> (Mem, MemKeys, Ledger) {
    let (storage, keys) = (Mem::new(), MemKeys::new());
    let identity = LedgerIdentity {
        name: "ledger.example".to_owned(),
        signed: true,
    };
    let ledger = Ledger::create(
        Arc::new(storage.clone()),
        Arc::new(keys.clone()),
        &identity,
        options,
    )
    .unwrap();
    (storage, keys, ledger)
}

#[track_caller]
fn assert_whole(storage: &Mem, keys: &MemKeys, size: u64) {
    let report = verify(storage, Some(keys), &VerifyOptions { jobs: 1 }, &mut |_| {}).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(
        (report.size, report.head_size, report.beside_size),
        (Some(size), Some(size), Some(size))
    );
}

#[test]
fn what_waits_is_one_group_and_everybody_is_answered_for_himself() {
    let machine = Machine::signed();
    let mut running = machine.create().unwrap();
    let counts = [1_usize, 3, 2, 1];
    let batches = counts.map(|count| running.batch(&vec!["{}"; count]));
    let tickets = batches.clone().map(|batch| running.ledger.submit(batch).unwrap());
    assert_eq!(running.ledger.stats().queue_records, 7);
    assert_eq!(running.writer.step(), Step::Committed(7));
    let mut seq = 1;
    for (batch, ticket) in batches.iter().zip(tickets) {
        let receipts = ticket.wait().unwrap();
        assert_eq!(receipts.len(), batch.len());
        for receipt in receipts {
            assert_eq!((receipt.seq, receipt.tseq), (seq, Some(seq - 1)));
            let line = running
                .ledger
                .snapshot()
                .get(seq, &Scope::Operator)
                .unwrap()
                .unwrap();
            assert!(
                String::from_utf8(line)
                    .unwrap()
                    .contains(&receipt.hash.to_string())
            );
            seq += 1;
        }
    }
    let stats = running.ledger.stats();
    assert_eq!((stats.groups, stats.records, stats.queue_records), (1, 7, 0));
    assert_eq!(running.writer.step(), Step::Idle);
}

/// A batch goes as a whole into the next group when this one has no room for it.
#[test]
fn a_batch_is_never_split_over_two_groups() {
    let machine = Machine::signed().with(|options| options.queue_bytes_max = 1 << 30);
    let mut running = machine.create().unwrap();
    let large = running.draft(&format!("{{\"x\":\"{}\"}}", "y".repeat(2_000_000)));
    let batch = |count| {
        let mut batch = Batch::new();
        for _ in 0..count {
            batch.push(large.clone()).unwrap();
        }
        batch
    };
    // 64 MiB hold 33 of them.
    assert!(batch(33).has_room_for(&running.draft("{}")) && !batch(33).has_room_for(&large));
    let tickets = [20, 14, 2, 33].map(|count| running.ledger.submit(batch(count)).unwrap());
    for records in [20, 16, 33] {
        assert_eq!(running.writer.step(), Step::Committed(records));
    }
    let times = tickets.map(|ticket| {
        let receipts = ticket.wait().unwrap();
        assert!(receipts.iter().all(|receipt| receipt.at == receipts[0].at));
        receipts[0].at
    });
    assert!(times[0] < times[1] && times[1] == times[2] && times[2] < times[3]);
    let mut batch = Batch::new();
    let small = running.draft("{}");
    for _ in 0..GROUP_RECORDS_MAX {
        batch.push(small.clone()).unwrap();
    }
    assert_eq!(batch.push(small).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(batch.len(), GROUP_RECORDS_MAX);
}

#[test]
fn a_full_queue_refuses_and_says_when_there_is_room() {
    let machine = Machine::signed().with(|options| options.queue_records_max = 4);
    let mut running = machine.create().unwrap();
    assert!(is_ready(running.ledger.ready()));
    let first = running.submit(&["{}", "{}", "{}"]).unwrap();
    let batch = running.batch(&["{}", "{}"]);
    let busy = running.ledger.submit(batch.clone()).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy, "{busy}");
    assert!(!is_ready(running.ledger.ready()));
    let second = running.submit(&["{}"]).unwrap();
    assert_eq!(running.writer.step(), Step::Committed(4));
    assert!(is_ready(running.ledger.ready()));
    let third = running.ledger.submit(batch).unwrap();
    assert_eq!(running.writer.step(), Step::Committed(2));
    for ticket in [first, second, third] {
        ticket.wait().unwrap();
    }
}

#[test]
fn a_batch_larger_than_the_queue_is_taken_when_nothing_else_waits() {
    let machine = Machine::signed().with(|options| {
        options.queue_records_max = 2;
        options.queue_bytes_max = 100;
    });
    let mut running = machine.create().unwrap();
    let large = running.submit(&["{}"; 5]).unwrap();
    assert_eq!(running.submit(&["{}"]).unwrap_err().kind(), ErrorKind::Busy);
    assert!(!is_ready(running.ledger.ready()));
    assert_eq!(running.writer.step(), Step::Committed(5));
    assert_eq!(large.wait().unwrap().len(), 5);
    let one = running.submit(&["{}"]).unwrap();
    assert_eq!(running.submit(&["{}"; 5]).unwrap_err().kind(), ErrorKind::Busy);
    running.writer.step();
    one.wait().unwrap();
}

#[test]
fn a_dropped_ticket_takes_nothing_back() {
    let machine = Machine::signed();
    let mut running = machine.create().unwrap();
    drop(running.submit(&["{}"]).unwrap());
    assert_eq!(running.append(&["{}"]).unwrap()[0].seq, 2);
    running.close();
    machine.assert_whole();
}

#[test]
fn a_ticket_answers_once() {
    let machine = Machine::signed();
    let mut running = machine.create().unwrap();
    let mut ticket = pin!(running.submit(&["{}"]).unwrap());
    let mut context = Context::from_waker(Waker::noop());
    assert!(ticket.as_mut().poll(&mut context).is_pending());
    running.writer.step();
    let Poll::Ready(Ok(receipts)) = ticket.as_mut().poll(&mut context) else {
        panic!("committed and not answered");
    };
    assert_eq!(receipts[0].seq, 1);
    let Poll::Ready(Err(error)) = ticket.as_mut().poll(&mut context) else {
        panic!("an answer was given twice");
    };
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[test]
fn what_is_no_batch_of_a_producer_is_refused() {
    let machine = Machine::signed();
    let mut running = machine.create().unwrap();
    let empty = running.ledger.submit(Batch::new()).unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::Invalid);
    for kind in ["sys_genesis", "sys_recovery", "sys_unheard_of"] {
        let error = running.ledger.draft(entry(kind), b"{}").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        // Nor by way of a draft made by hand.
        let made = Entry {
            kind: Kind::new(kind).unwrap(),
            tenant: None,
            id: EntityId::new("a").unwrap(),
            minted: false,
            corr: None,
            key: None,
            revisions: Revisions::AsKind,
        };
        let draft = Draft::new(made, [1; 16], b"{}", 100, &mut Checker::new()).unwrap();
        let mut batch = running.batch(&["{}"]);
        batch.push(draft).unwrap();
        let error = running.ledger.submit(batch).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    assert_eq!(running.writer.step(), Step::Idle);
}

/// The first record of a kind decides whether the kind counts revisions, also within one group.
#[test]
fn a_batch_that_asks_for_revisions_of_a_kind_without_is_refused_alone() {
    let machine = Machine::signed();
    let mut running = machine.create().unwrap();
    let batch = |kind: &str, revisions| {
        let entry = NewEntry {
            revisions,
            ..entry(kind)
        };
        Batch::from(running.ledger.draft(entry, b"{}").unwrap())
    };
    let plan = [
        (batch("plain", Revisions::AsKind), Ok(None)),
        (batch("spec", Revisions::Counted), Ok(Some(1))),
        (batch("plain", Revisions::Counted), Err(ErrorKind::Invalid)),
        (batch("spec", Revisions::AsKind), Ok(Some(2))),
        (batch("plain", Revisions::AsKind), Ok(None)),
        (batch("spec", Revisions::Counted), Ok(Some(3))),
    ];
    let later = [
        (batch("plain", Revisions::Counted), Err(ErrorKind::Invalid)),
        (batch("spec", Revisions::Counted), Ok(Some(4))),
    ];
    let mut mixed = batch("new", Revisions::AsKind);
    mixed
        .push(batch("new", Revisions::Counted).drafts()[0].clone())
        .unwrap();
    // What a refused batch says of a kind decides nothing.
    let after = [
        (mixed, Err(ErrorKind::Invalid)),
        (batch("new", Revisions::Counted), Ok(Some(1))),
    ];
    for group in [plan.to_vec(), later.to_vec(), after.to_vec()] {
        let tickets: Vec<_> = group
            .into_iter()
            .map(|(batch, expected)| (running.ledger.submit(batch).unwrap(), expected))
            .collect();
        running.writer.step();
        for (ticket, expected) in tickets {
            let answer = ticket
                .wait()
                .map(|receipts| receipts[0].rev)
                .map_err(|error| error.kind());
            assert_eq!(answer, expected);
        }
    }
    running.close();
    machine.assert_whole();
}

#[test]
fn tickets_are_awaited_and_waited_for() {
    let (storage, keys, ledger) = threaded(Options {
        queue_records_max: 8,
        ..Options::default()
    });
    let ledger = Arc::new(ledger);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let waited = {
        let ledger = Arc::clone(&ledger);
        std::thread::spawn(move || {
            for _ in 0..50 {
                loop {
                    let draft = ledger.draft(entry("audit_entry"), b"{}").unwrap();
                    match ledger.submit(draft.into()) {
                        Ok(ticket) => break drop(ticket.wait().unwrap()),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Busy),
                    }
                    ledger.ready().wait();
                }
            }
        })
    };
    runtime.block_on(async {
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let ledger = Arc::clone(&ledger);
                tokio::spawn(async move {
                    for _ in 0..5 {
                        let draft = ledger.draft(entry("audit_entry"), b"{}").unwrap();
                        let batch = Batch::from(draft);
                        let ticket = loop {
                            match ledger.submit(batch.clone()) {
                                Ok(ticket) => break ticket,
                                Err(error) => assert_eq!(error.kind(), ErrorKind::Busy),
                            }
                            ledger.ready().await;
                        };
                        ticket.await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    waited.join().unwrap();
    assert_eq!(Arc::into_inner(ledger).unwrap().close().unwrap().next_seq(), 151);
    assert_whole(&storage, &keys, 151);
}

#[test]
fn a_ledger_that_is_dropped_commits_what_waits_and_leaves_a_head() {
    let (storage, keys, ledger) = threaded(Options::default());
    let mut drafter = ledger.drafter();
    let tickets: Vec<_> = (0..100)
        .map(|_| {
            let draft = drafter.draft(entry("audit_entry"), b"{}").unwrap();
            ledger.submit(draft.into()).unwrap()
        })
        .collect();
    drop(ledger);
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    assert_whole(&storage, &keys, 101);
    let (ledger, recovered) = Ledger::open(Arc::new(storage), Arc::new(keys), Options::default()).unwrap();
    assert!(
        recovered.adopted.is_none() && recovered.read_only.is_none(),
        "{recovered:?}"
    );
    drop(ledger);
}

/// In steps too: what waits is committed after the ledger is dropped, and until then nobody else gets in.
#[test]
fn the_writer_holds_the_ledger_until_it_is_dropped_too() {
    let machine = Machine::signed();
    let running = machine.create().unwrap();
    let ticket = running.submit(&["{}"]).unwrap();
    let Running { ledger, mut writer } = running;
    drop(ledger);
    assert_eq!(machine.open().unwrap_err().kind(), ErrorKind::Held);
    assert_eq!(writer.step(), Step::Committed(1));
    assert_eq!(writer.step(), Step::Closed);
    assert_eq!(ticket.wait().unwrap()[0].seq, 1);
    assert_eq!(machine.head_size(), Some(2), "the last step signs");
    assert_eq!(machine.open().unwrap_err().kind(), ErrorKind::Held);
    drop(writer);
    machine.open_clean();
}
