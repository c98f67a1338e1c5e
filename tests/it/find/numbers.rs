//! Numbers of more tenants and things than are kept in memory.

use super::*;

/// More than twice as many as are kept for sure.
const THINGS: usize = 150_000;
const BATCH: usize = 10_000;

#[test]
fn what_was_not_asked_for_long_is_counted_on_all_the_same() {
    let place = Place::new();
    let place = Place {
        options: Options {
            segment_bytes: 64 << 20,
            queue_records_max: usize::MAX / 2,
            queue_bytes_max: usize::MAX / 2,
            ..Options::default()
        },
        ..place
    };
    let ledger = place.create();
    for round in 0..2 {
        let mut drafter = ledger.drafter();
        let mut tickets = Vec::new();
        for batch_number in 0..THINGS / BATCH {
            let mut batch = Batch::new();
            for number in batch_number * BATCH..(batch_number + 1) * BATCH {
                let entry = NewEntry {
                    tenant: Some(tenant(&format!("t{number}"))),
                    ..spec("thing")
                };
                batch.push(drafter.draft(entry, b"{}").unwrap()).unwrap();
            }
            tickets.push(ledger.submit(batch).unwrap());
        }
        for receipt in tickets.into_iter().flat_map(|ticket| ticket.wait().unwrap()) {
            assert_eq!(
                (receipt.tseq, receipt.rev),
                (Some(round), Some(round + 1)),
                "{receipt:?}"
            );
        }
    }
    ledger.close().unwrap();
}
