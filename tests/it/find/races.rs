//! Of several that require the same, exactly one is stored.

use std::thread;

use super::*;

fn target(name: &str) -> Target {
    Target {
        kind: kind("spec"),
        tenant: None,
        id: id(name),
    }
}

fn requiring(ledger: &Ledger, name: &str, body: &str, precondition: Precondition) -> Batch {
    let mut batch = Batch::from(ledger.draft(spec(name), body.as_bytes()).unwrap());
    batch.require(precondition);
    batch
}

/// Submits at once from many threads and gives the one receipt and the errors.
fn race(ledger: &Ledger, precondition: &Precondition) -> (Receipt, Vec<ledgerstone_engine::Error>) {
    let outcomes: Vec<_> = thread::scope(|scope| {
        let racers: Vec<_> = (0..16)
            .map(|n| {
                let batch = requiring(ledger, "one", &format!("{{\"racer\":{n}}}"), precondition.clone());
                scope.spawn(move || ledger.submit(batch)?.wait())
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    let winner = won.into_iter().next().unwrap().unwrap().remove(0);
    (winner, lost.into_iter().map(Result::unwrap_err).collect())
}

#[test]
fn one_of_many_creates_and_one_of_many_makes_each_revision() {
    let place = Place::new();
    let ledger = place.create();
    let (winner, losers) = race(&ledger, &Precondition::Absent(target("one")));
    assert_eq!(winner.rev, Some(1));
    for error in &losers {
        assert_eq!(
            (error.kind(), error.seq()),
            (ErrorKind::Conflict, Some(winner.seq)),
            "{error}"
        );
    }
    for revision in 1..30 {
        let (winner, losers) = race(&ledger, &Precondition::Revision(target("one"), revision));
        assert_eq!(winner.rev, Some(revision + 1));
        for error in &losers {
            assert_eq!(
                (error.kind(), error.seq()),
                (ErrorKind::Conflict, Some(winner.seq)),
                "{error}"
            );
        }
    }
    let size = ledger.stats().size;
    let (winner, _) = race(&ledger, &Precondition::Size(size));
    assert_eq!(winner.seq, size);
    ledger.close().unwrap();
    let ledger = place.open();
    assert_eq!(
        submit(&ledger, spec("one"), "{}").unwrap().rev,
        Some(32),
        "counted from what is stored"
    );
}

#[test]
fn what_does_not_hold_is_refused_and_the_rest_of_the_queue_is_stored() {
    let place = Place::new();
    let ledger = place.create();
    let first = submit(&ledger, spec("one"), "{}").unwrap();
    let refused = [
        (Precondition::Absent(target("one")), Some(first.seq)),
        (Precondition::Exists(target("two")), None),
        (Precondition::Revision(target("one"), 2), Some(first.seq)),
        (Precondition::Revision(target("two"), 1), None),
        (Precondition::Size(1), Some(1)),
    ];
    for (precondition, seq) in refused {
        let ticket = ledger
            .submit(requiring(&ledger, "three", "{}", precondition.clone()))
            .unwrap();
        let error = ticket.wait().unwrap_err();
        assert_eq!(
            (error.kind(), error.seq()),
            (ErrorKind::Conflict, seq),
            "{precondition:?}: {error}"
        );
    }
    let held = Precondition::Exists(target("one"));
    assert_eq!(
        ledger
            .submit(requiring(&ledger, "two", "{}", held))
            .unwrap()
            .wait()
            .unwrap()[0]
            .rev,
        Some(1)
    );
    let mut seen = HashMap::new();
    for name in ["one", "two", "three"] {
        let latest = ledger
            .snapshot()
            .latest(Scope::Untenanted, kind("spec"), id(name))
            .unwrap();
        seen.insert(name, latest.is_some());
    }
    assert_eq!(
        seen,
        HashMap::from([("one", true), ("two", true), ("three", false)])
    );
}
