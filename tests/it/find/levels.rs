//! Index files are brought together by tens: what a lookup and an open touch grows with the logarithm of the ledger.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ledgerstone_engine::keystore::KeyStore;
use ledgerstone_engine::verify::{VerifyOptions, verify};
use ledgerstone_engine::{Code, Snapshot};
use ledgerstone_formats::names::FileName;
use ledgerstone_tests::hooked::{Before, Hooked};

use super::*;

/// How long background work may take before a test gives up, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A ledger of which every group makes a segment.
fn place() -> Place {
    Place {
        options: Options {
            segment_bytes: 1,
            saved_index_bytes_min: 0,
            ..Options::default()
        },
        ..Place::new()
    }
}

/// Appends `count` segments of one record each; every seventh record belongs to one request.
fn grow(ledger: &Ledger, count: u64) {
    for _ in 0..count {
        let n = ledger.snapshot().size();
        let entry = NewEntry {
            tenant: Some(tenant("acme")),
            corr: n.is_multiple_of(7).then(|| Correlation::new("req").unwrap()),
            key: Some(IdempotencyKey::new(&format!("key-{n}")).unwrap()),
            ..spec(&format!("thing-{n}"))
        };
        submit(ledger, entry, &format!("{{\"n\":{n}}}")).unwrap();
    }
}

pub(super) fn wait_for_parts(ledger: &Ledger, most: u64) {
    let begun = Instant::now();
    while ledger.stats().index_parts > most {
        assert!(begun.elapsed() < PATIENCE, "{:?}", ledger.stats());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Asks for what there is and for what there is not.
fn check_answers(snapshot: &Snapshot) {
    let size = snapshot.size();
    let scope = || Scope::Tenant(tenant("acme"));
    let own = |by| snapshot.count(Lookup::new(scope(), by)).unwrap();
    let request = By::Correlation(Correlation::new("req").unwrap());
    assert_eq!(
        own(request),
        (1..size).filter(|n| n.is_multiple_of(7)).count() as u64
    );
    assert_eq!(own(By::Scope), size - 1);
    for n in (1..size).step_by(97).chain([1, size - 1]) {
        let latest = snapshot
            .latest(scope(), kind("spec"), id(&format!("thing-{n}")))
            .unwrap();
        let expected = format!("{{\"n\":{n}}}}}");
        assert!(
            String::from_utf8(latest.unwrap()).unwrap().ends_with(&expected),
            "{n}"
        );
        assert_eq!(
            own(By::Key(IdempotencyKey::new(&format!("key-{n}")).unwrap())),
            1,
            "{n}"
        );
    }
    assert_eq!(own(By::Correlation(Correlation::new("none").unwrap())), 0);
}

fn merged(place: &Place) -> Vec<FileName> {
    let files = place.storage().list().unwrap().files;
    let names = files.into_iter().map(|(name, _)| name);
    names
        .filter(|name| matches!(name, FileName::Merged { .. }))
        .collect()
}

fn findings(place: &Place) -> Vec<(Code, Option<FileName>)> {
    let report = verify(
        place.storage().as_ref(),
        Some(place.keys.as_ref() as &dyn KeyStore),
        &VerifyOptions { jobs: 1 },
        &mut |_| (),
    )
    .unwrap();
    let findings = report.findings.into_iter();
    findings.map(|finding| (finding.code, finding.file)).collect()
}

#[test]
fn a_thousand_segments_are_asked_and_opened_by_a_few_files() {
    let place = place();
    let ledger = place.create();
    grow(&ledger, 1_006);
    // One of a thousand, seven sidecars, and what is not sealed yet.
    wait_for_parts(&ledger, 9);
    check_answers(&ledger.snapshot());
    ledger.close().unwrap();
    assert_eq!(merged(&place).len(), 1);

    let counts = Arc::new([const { AtomicU64::new(0) }; 2]);
    let seen = Arc::clone(&counts);
    let hooked = Hooked::new(place.storage(), move |before| match before {
        Before::Open => drop(seen[0].fetch_add(1, Ordering::Relaxed)),
        Before::Map => drop(seen[1].fetch_add(1, Ordering::Relaxed)),
        _ => {}
    });
    let taken = || [0, 1].map(|at| counts[at].swap(0, Ordering::Relaxed));
    let (ledger, _) = Ledger::open(Arc::new(hooked), place.keys.clone(), place.options.clone()).unwrap();
    let [opened, mapped] = taken();
    assert!(opened <= 30, "{opened} files were opened");
    assert!(mapped <= 12, "{mapped} files were mapped");
    // What is not there is known without reading a line, also by the writer; what is there by the lines that hold it.
    let none = Lookup::new(
        Scope::Untenanted,
        By::Correlation(Correlation::new("req").unwrap()),
    );
    assert_eq!(ledger.snapshot().count(none).unwrap(), 0);
    assert_eq!(taken()[0], 0);
    grow(&ledger, 1);
    assert!(taken()[0] <= 12);
    check_answers(&ledger.snapshot());
    ledger.close().unwrap();
    assert_eq!(findings(&place), []);
}

#[test]
fn merged_files_that_are_gone_or_bad_change_no_answer_and_are_made_again() {
    let place = place();
    let ledger = place.create();
    grow(&ledger, 220);
    wait_for_parts(&ledger, 2 + 2 + 1);
    ledger.close().unwrap();
    let names = merged(&place);
    assert_eq!(names.len(), 4, "{names:?}");
    let read = |name: &FileName| place.storage.raw(&name.to_string()).unwrap();
    let before: Vec<Vec<u8>> = names.iter().map(read).collect();

    for name in &names {
        place.storage.remove_raw(&name.to_string());
    }
    let ledger = place.open();
    check_answers(&ledger.snapshot());
    grow(&ledger, 1);
    wait_for_parts(&ledger, 2 + 2 + 2);
    ledger.close().unwrap();
    let again: Vec<Vec<u8>> = names.iter().map(read).collect();
    assert!(before == again, "the same sidecars give the same files");

    // One bit in each block of the largest, also while it is in use.
    let (name, whole) = names
        .iter()
        .zip(&before)
        .max_by_key(|(_, bytes)| bytes.len())
        .unwrap();
    for block in 0..whole.len() / 1_024 {
        let mut bytes = whole.clone();
        bytes[block * 1_024 + 30] ^= 1;
        place.storage.put_raw(&name.to_string(), &bytes);
        assert_eq!(
            findings(&place),
            [(Code::Index, Some(name.clone()))],
            "block {block}"
        );
        let ledger = place.open();
        check_answers(&ledger.snapshot());
        ledger.close().unwrap();
    }
}

#[test]
fn a_sidecar_that_turns_out_bad_is_written_again_by_the_ledger_that_is_open() {
    let place = place();
    let ledger = place.create();
    grow(&ledger, 7);
    ledger.close().unwrap();
    let name = FileName::Index(3).to_string();
    let whole = place.storage.raw(&name).unwrap();
    let mut bytes = whole.clone();
    // In the block of postings, which nobody reads at an open but for the counts of kinds.
    bytes[1_024 + 1_023] ^= 1;
    place.storage.put_raw(&name, &bytes);
    let ledger = place.open();
    check_answers(&ledger.snapshot());
    ledger.close().unwrap();
    assert_eq!(place.storage.raw(&name).unwrap(), whole);
    assert_eq!(findings(&place), []);
}

#[test]
fn a_forged_merged_index_is_named_by_verify() {
    let (place, other) = (place(), place());
    for place in [&place, &other] {
        let ledger = place.create();
        grow(&ledger, 12);
        wait_for_parts(&ledger, 5);
        ledger.close().unwrap();
    }
    let [name] = merged(&place).try_into().unwrap();
    // Whole, of the same form, and about other lines.
    let foreign = other.storage.raw(&merged(&other)[0].to_string()).unwrap();
    place.storage.put_raw(&name.to_string(), &foreign);
    let found = findings(&place);
    assert!(found.contains(&(Code::Index, Some(name))), "{found:?}");
    let ledger = place.open();
    check_answers(&ledger.snapshot());
    ledger.close().unwrap();
}
