//! The index of the open segment, saved at close.

use ledgerstone_engine::verify::{VerifyOptions, verify};
use ledgerstone_engine::{Code, Reader};
use ledgerstone_formats::names::FileName;

use super::*;

/// A ledger of one segment, closed.
fn closed(records: usize) -> Place {
    let place = Place {
        options: Options {
            saved_index_bytes_min: 0,
            ..Options::default()
        },
        ..Place::new()
    };
    let ledger = place.create();
    append(&ledger, records);
    ledger.close().unwrap();
    place
}

fn append(ledger: &Ledger, records: usize) {
    for _ in 0..records {
        let n = ledger.snapshot().size();
        submit(
            ledger,
            spec(&format!("thing-{}", n % 5)),
            &format!("{{\"n\":{n}}}"),
        )
        .unwrap();
    }
}

fn segment(place: &Place) -> Vec<u8> {
    place.storage.raw(&FileName::Segment(0).to_string()).unwrap()
}

fn check_answers(snapshot: &ledgerstone_engine::Snapshot) {
    for thing in 0..5 {
        let by = By::Entity {
            kind: kind("spec"),
            id: id(&format!("thing-{thing}")),
        };
        let expected = (1..snapshot.size()).filter(|n| n % 5 == thing).count() as u64;
        let lookup = Lookup::new(Scope::Untenanted, by);
        assert_eq!(snapshot.count(lookup).unwrap(), expected, "thing-{thing}");
    }
}

fn codes(place: &Place) -> Vec<Code> {
    let report = verify(
        place.storage().as_ref(),
        Some(place.keys.as_ref()),
        &VerifyOptions { jobs: 1 },
        &mut |_| (),
    );
    report
        .unwrap()
        .findings
        .iter()
        .map(|finding| finding.code)
        .collect()
}

#[test]
fn a_closed_ledger_is_opened_and_gone_on_with_from_what_was_saved() {
    let place = closed(40);
    for round in 0..3 {
        let ledger = place.open();
        check_answers(&ledger.snapshot());
        append(&ledger, round);
        check_answers(&ledger.snapshot());
        ledger.close().unwrap();
        check_answers(&Reader::open(place.storage()).unwrap().snapshot().unwrap());
        assert_eq!(codes(&place), []);
    }
    // Sealed from there, the sidecar holds what was saved and what came later.
    let ledger = place.open();
    append(&ledger, 3);
    ledger.seal().unwrap();
    check_answers(&ledger.snapshot());
    append(&ledger, 3);
    check_answers(&ledger.snapshot());
    ledger.close().unwrap();
    assert_eq!(codes(&place), []);
}

#[test]
fn what_was_saved_of_a_ledger_that_went_on_since_is_used_for_its_first_records_only() {
    let place = closed(40);
    let name = FileName::Index(0).to_string();
    let saved = place.storage.raw(&name).unwrap();
    let ledger = place.open();
    append(&ledger, 7);
    ledger.close().unwrap();
    place.storage.put_raw(&name, &saved);
    check_answers(&Reader::open(place.storage()).unwrap().snapshot().unwrap());
    assert_eq!(codes(&place), []);
    let ledger = place.open();
    check_answers(&ledger.snapshot());
    append(&ledger, 1);
    ledger.close().unwrap();
    assert_eq!(codes(&place), []);
}

/// Killed between the seal and the sidecar.
#[test]
fn what_was_saved_of_a_segment_that_was_sealed_since_is_nobody_s_fault_and_made_again() {
    let place = closed(40);
    let name = FileName::Index(0).to_string();
    let saved = place.storage.raw(&name).unwrap();
    let ledger = place.open();
    append(&ledger, 5);
    ledger.seal().unwrap();
    ledger.close().unwrap();
    let sealed = place.storage.raw(&name).unwrap();
    place.storage.put_raw(&name, &saved);
    assert_eq!(codes(&place), []);
    check_answers(&Reader::open(place.storage()).unwrap().snapshot().unwrap());
    let ledger = place.open();
    check_answers(&ledger.snapshot());
    ledger.close().unwrap();
    assert_eq!(place.storage.raw(&name).unwrap(), sealed);
    assert_eq!(codes(&place), []);
}

/// The open segment is not read by an open; nothing is stored upon it before it is.
#[test]
fn nothing_is_stored_upon_a_line_that_was_altered_since_the_close() {
    let place = closed(40);
    let whole = segment(&place);
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    place.storage.put_raw(&FileName::Segment(0).to_string(), &altered);
    let opened = Ledger::open(place.storage(), place.keys.clone(), place.options.clone()).unwrap();
    let (ledger, _) = opened;
    let error = submit(&ledger, spec("thing-0"), "{}").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    drop(ledger);
    assert_eq!(segment(&place), altered);
    assert_eq!(codes(&place), [Code::Altered]);
}

#[test]
fn a_saved_index_that_is_bad_or_another_s_changes_no_answer() {
    let place = closed(40);
    let name = FileName::Index(0).to_string();
    let saved = place.storage.raw(&name).unwrap();
    for at in (0..saved.len()).step_by(61) {
        let mut bytes = saved.clone();
        bytes[at] ^= 4;
        place.storage.put_raw(&name, &bytes);
        assert_eq!(codes(&place), [Code::Index], "byte {at}");
        check_answers(&Reader::open(place.storage()).unwrap().snapshot().unwrap());
        let ledger = place.open();
        check_answers(&ledger.snapshot());
        ledger.close().unwrap();
    }
    let other = closed(40).storage.raw(&name).unwrap();
    place.storage.put_raw(&name, &other);
    let ledger = place.open();
    check_answers(&ledger.snapshot());
    ledger.close().unwrap();
}
