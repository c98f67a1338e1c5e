//! A record that is sent again under its key is stored once, wherever its first copy lies by then.

use super::*;

fn keyed(key: &str) -> NewEntry {
    NewEntry {
        key: Some(IdempotencyKey::new(key).unwrap()),
        tenant: Some(tenant("acme")),
        corr: Some(Correlation::new("req").unwrap()),
        ..NewEntry::new(kind("audit_entry"))
    }
}

#[test]
fn the_same_record_again_gets_the_first_receipt() {
    let place = Place::new();
    let mut ledger = place.create();
    let first: Vec<Receipt> = (0..60)
        .map(|n| submit(&ledger, keyed(&format!("k{n}")), &format!("{{\"n\":{n}}}")).unwrap())
        .collect();
    assert!(ledger.stats().segments > 3);
    for reopened in [false, true] {
        if reopened {
            ledger.close().unwrap();
            ledger = place.open();
        }
        let size = ledger.stats().size;
        for (n, first) in first.iter().enumerate() {
            let again = submit(&ledger, keyed(&format!("k{n}")), &format!("{{\"n\":{n}}}")).unwrap();
            let expected = Receipt {
                replayed: true,
                ..first.clone()
            };
            assert_eq!(again, expected, "id, time and hash are the first record's");
        }
        assert_eq!(ledger.stats().size, size);
    }
}

#[test]
fn another_record_under_the_key_is_a_conflict_that_names_the_first() {
    let place = Place::new();
    let ledger = place.create();
    let first = submit(&ledger, keyed("k"), "{}").unwrap();
    let with = |change: &dyn Fn(&mut NewEntry)| {
        let mut entry = keyed("k");
        change(&mut entry);
        entry
    };
    let others = [
        (keyed("k"), "{ }"),
        (with(&|entry| entry.corr = None), "{}"),
        (with(&|entry| entry.kind = kind("other")), "{}"),
        (with(&|entry| entry.id = Some(id("given"))), "{}"),
    ];
    for (entry, body) in others {
        let error = submit(&ledger, entry, body).unwrap_err();
        assert_eq!(
            (error.kind(), error.seq()),
            (ErrorKind::Conflict, Some(first.seq)),
            "{error}"
        );
    }
    // Another tenant's keys, and those of nobody, are others.
    for owner in [Some(tenant("globex")), None] {
        let entry = with(&|entry| entry.tenant = owner.clone());
        assert!(!submit(&ledger, entry, "{}").unwrap().replayed);
    }
    assert_eq!(ledger.stats().refused.total(), 4);
}

#[test]
fn of_a_batch_only_what_is_not_stored_yet_is_stored() {
    let place = Place::new();
    let ledger = place.create();
    let mut drafter = ledger.drafter();
    let batch = |drafter: &mut ledgerstone_engine::Drafter, keys: &[u32]| {
        let mut batch = Batch::new();
        for key in keys {
            let body = format!("{{\"n\":{key}}}");
            batch
                .push(drafter.draft(keyed(&key.to_string()), body.as_bytes()).unwrap())
                .unwrap();
        }
        batch
    };
    let first = ledger
        .submit(batch(&mut drafter, &[1, 3]))
        .unwrap()
        .wait()
        .unwrap();
    let both = ledger
        .submit(batch(&mut drafter, &[0, 1, 2, 3, 4]))
        .unwrap()
        .wait()
        .unwrap();
    let told: Vec<(u64, Option<u64>, bool)> = both
        .iter()
        .map(|receipt| (receipt.seq, receipt.tseq, receipt.replayed))
        .collect();
    let (a, b) = (first[0].seq, first[1].seq);
    assert_eq!(
        told,
        [
            (3, Some(2), false),
            (a, Some(0), true),
            (4, Some(3), false),
            (b, Some(1), true),
            (5, Some(4), false)
        ]
    );
    let twice = ledger
        .submit(batch(&mut drafter, &[7, 7]))
        .unwrap()
        .wait()
        .unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Invalid);
    // One conflict refuses all.
    let mut mixed = batch(&mut drafter, &[8]);
    mixed
        .push(drafter.draft(keyed("1"), b"{\"n\":\"other\"}").unwrap())
        .unwrap();
    let error = ledger.submit(mixed).unwrap().wait().unwrap_err();
    assert_eq!((error.kind(), error.seq()), (ErrorKind::Conflict, Some(a)));
    assert_eq!(ledger.stats().size, 6);
}
