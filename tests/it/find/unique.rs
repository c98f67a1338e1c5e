//! Values that no two things have at a time: judged for every batch, wherever the things' records lie.

use std::thread;

use ledgerstone_engine::{Error, Reader};

use super::*;

fn place() -> Place {
    let mut place = Place::new();
    let spec = vec![
        index("slug", &["/slug"], true),
        index("mail", &["/mails/-"], true),
        index("role", &["/role"], false),
    ];
    place.options.families = vec![family("spec", spec)];
    place
}

fn slug(slug: &str) -> String {
    format!("{{\"slug\":\"{slug}\"}}")
}

fn conflict(outcome: Result<Receipt, Error>) -> Option<u64> {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    error.seq()
}

#[test]
fn of_many_racing_for_a_value_one_has_it_and_the_others_are_told_by_whom() {
    let place = place();
    let ledger = place.create();
    for round in 0..20 {
        let body = slug(&format!("s{round}"));
        let outcomes: Vec<_> = thread::scope(|scope| {
            let racers: Vec<_> = (0..16)
                .map(|racer| {
                    let (ledger, body) = (&ledger, &body);
                    scope.spawn(move || submit(ledger, spec(&format!("r{round}-{racer}")), body))
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "{round}");
        let winner = won.into_iter().next().unwrap().unwrap();
        for outcome in lost {
            assert_eq!(conflict(outcome), Some(winner.seq));
        }
    }
    assert!(ledger.stats().segments > 1);
    ledger.close().unwrap();
    let ledger = place.open();
    for round in 0..20 {
        assert!(conflict(submit(&ledger, spec("late"), &slug(&format!("s{round}")))).is_some());
    }
}

#[test]
fn the_newest_record_of_each_thing_says_what_it_has() {
    let place = place();
    let ledger = place.create();
    let first = submit(&ledger, spec("a"), &slug("x")).unwrap();
    assert_eq!(conflict(submit(&ledger, spec("b"), &slug("x"))), Some(first.seq));
    let again = submit(&ledger, spec("a"), &slug("x")).unwrap();
    assert_eq!(again.rev, Some(2), "what it has it keeps");
    assert_eq!(conflict(submit(&ledger, spec("b"), &slug("x"))), Some(again.seq));
    submit(&ledger, spec("a"), &slug("y")).unwrap();
    let taken = submit(&ledger, spec("b"), &slug("x")).unwrap();
    assert_eq!(conflict(submit(&ledger, spec("a"), &slug("x"))), Some(taken.seq));
    // Another tenant's, another kind's and what has no value are free.
    let other = NewEntry {
        tenant: Some(tenant("acme")),
        ..spec("b")
    };
    submit(&ledger, other, &slug("x")).unwrap();
    submit(&ledger, NewEntry::new(kind("note")), &slug("x")).unwrap();
    for body in ["{}", "{\"slug\":null}", "{\"slug\":\"\"}", "{\"slug\":[\"x\"]}"] {
        submit(&ledger, spec(&format!("none-{body}")), body).unwrap();
    }
    // Each of several values is held.
    submit(&ledger, spec("m"), "{\"mails\":[\"one\",\"two\",\"one\"]}").unwrap();
    assert!(conflict(submit(&ledger, spec("n"), "{\"mails\":[\"three\",\"two\"]}")).is_some());
    submit(&ledger, spec("m"), "{\"mails\":[\"one\"]}").unwrap();
    submit(&ledger, spec("n"), "{\"mails\":[\"three\",\"two\"]}").unwrap();
}

#[test]
fn a_batch_is_judged_record_by_record() {
    let place = place();
    let ledger = place.create();
    let batch = |records: &[(&str, &str)]| {
        let mut batch = Batch::new();
        for (name, value) in records {
            batch
                .push(ledger.draft(spec(name), slug(value).as_bytes()).unwrap())
                .unwrap();
        }
        ledger.submit(batch).unwrap().wait()
    };
    let a = batch(&[("a", "1"), ("b", "2")]).unwrap()[0].seq;
    let error = batch(&[("c", "3"), ("d", "3")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    let error = batch(&[("c", "4"), ("d", "1")]).unwrap_err();
    assert_eq!((error.kind(), error.seq()), (ErrorKind::Conflict, Some(a)));
    let error = batch(&[("c", "1"), ("a", "5")]).unwrap_err();
    assert_eq!(
        (error.kind(), error.seq()),
        (ErrorKind::Conflict, Some(a)),
        "a has it until later"
    );
    batch(&[("a", "5"), ("c", "1"), ("c", "6"), ("b", "1"), ("b", "1")]).unwrap();
    assert!(conflict(submit(&ledger, spec("z"), &slug("1"))).is_some());
    for free in ["2", "3", "4"] {
        submit(&ledger, spec(&format!("free-{free}")), &slug(free)).unwrap();
    }
}

/// A batch that is judged while the group before it is being built: it waits, and is judged against what is durable.
#[test]
fn what_a_group_frees_or_takes_is_known_to_the_batches_behind_it() {
    let place = place();
    let storage = place.storage();
    let clock = Arc::new(ledgerstone_engine::clock::SystemClock::new());
    let identity = LedgerIdentity {
        name: "ledger.example".to_owned(),
        signed: true,
    };
    let (ledger, mut writer) = Ledger::create_stepped(
        storage,
        place.keys.clone(),
        clock,
        &identity,
        place.options.clone(),
    )
    .unwrap();
    let send = |name: &str, body: &str| {
        let draft = ledger.draft(spec(name), body.as_bytes()).unwrap();
        ledger.submit(draft.into()).unwrap()
    };
    let sent = [
        send("a", &slug("x")),
        send("b", &slug("x")),
        send("a", &slug("y")),
        send("c", &slug("x")),
        send("d", "{}"),
        send("e", &slug("y")),
    ];
    while !matches!(writer.step(), ledgerstone_engine::Step::Idle) {}
    let told = sent.map(|ticket| match ticket.wait() {
        Ok(receipts) => Ok(receipts[0].seq),
        Err(error) => Err((error.kind(), error.seq())),
    });
    let lost = |seq| Err((ErrorKind::Conflict, Some(seq)));
    assert_eq!(told, [Ok(2), lost(2), Ok(3), Ok(4), Ok(5), lost(3)]);
}

#[test]
fn a_value_can_be_required_to_be_free() {
    let place = place();
    let ledger = place.create();
    let role = |role: &str| format!("{{\"role\":\"{role}\"}}");
    let first = submit(&ledger, spec("a"), &role("chair")).unwrap();
    let requiring = |name: &str, body: &str, owner: Option<&str>| {
        let mut batch = Batch::from(ledger.draft(spec(name), body.as_bytes()).unwrap());
        batch.require(Precondition::Unique {
            tenant: owner.map(tenant),
            value: indexed("spec", "role", &["chair"]),
        });
        ledger
            .submit(batch)
            .unwrap()
            .wait()
            .map(|mut receipts| receipts.remove(0))
    };
    assert_eq!(conflict(requiring("b", &role("chair"), None)), Some(first.seq));
    assert_eq!(conflict(requiring("b", "{}", None)), Some(first.seq));
    requiring("a", &role("chair"), None).unwrap();
    requiring("b", &role("clerk"), Some("acme")).unwrap();
    // An index that is not unique holds the value of several things: every one of them counts.
    let second = submit(&ledger, spec("c"), &role("chair")).unwrap();
    assert_eq!(conflict(requiring("b", "{}", None)), Some(second.seq));
    submit(&ledger, spec("c"), &role("clerk")).unwrap();
    assert!(conflict(requiring("b", "{}", None)).is_some(), "a has it still");
    submit(&ledger, spec("a"), "{}").unwrap();
    requiring("b", &role("chair"), None).unwrap();
    let unknown = Precondition::Unique {
        tenant: None,
        value: indexed("spec", "unknown", &["x"]),
    };
    let mut batch = Batch::from(ledger.draft(spec("b"), b"{}").unwrap());
    batch.require(unknown);
    assert_eq!(
        ledger.submit(batch).unwrap().wait().unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn a_record_sent_again_under_its_key_is_not_judged_again() {
    let place = place();
    let ledger = place.create();
    let keyed = |name: &str| NewEntry {
        key: Some(IdempotencyKey::new(name).unwrap()),
        ..spec(name)
    };
    let first = submit(&ledger, keyed("a"), &slug("x")).unwrap();
    submit(&ledger, spec("a"), &slug("y")).unwrap();
    submit(&ledger, spec("b"), &slug("x")).unwrap();
    let again = submit(&ledger, keyed("a"), &slug("x")).unwrap();
    assert_eq!((again.seq, again.replayed), (first.seq, true));
    ledger.close().unwrap();
    let reader = Reader::open(place.storage()).unwrap().snapshot().unwrap();
    assert_eq!(reader.size(), 5);
}
