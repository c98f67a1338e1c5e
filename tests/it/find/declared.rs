//! Indexes that a kind declares: what is in a body is found by it, before and after the declaration, wherever it lies.

use ledgerstone_engine::verify::{Report, VerifyOptions, verify};
use ledgerstone_engine::{Code, Reader, Snapshot};
use ledgerstone_formats::names::FileName;

use super::*;

/// With segments of five records or so, and an index saved of the open one.
fn place() -> Place {
    let mut place = Place::new();
    place.options.segment_bytes = 2_500;
    place.options.saved_index_bytes_min = 0;
    place
}

const OWNERS: [Option<&str>; 2] = [None, Some("acme")];

fn body(n: usize) -> String {
    format!(
        "{{\"type\":\"t{}\",\"nr\":{},\"tags\":[\"g{}\",\"g{}\",\"g{}\",null],\"n\":{n}}}",
        n % 3,
        n / 4,
        n % 5,
        n % 5,
        n % 7
    )
}

/// Appends records `from` to `to` of two kinds; only every other record is of the declared one.
fn fill(ledger: &Ledger, numbers: std::ops::Range<usize>) {
    for n in numbers {
        let entry = NewEntry {
            tenant: OWNERS[n / 2 % 2].map(tenant),
            id: Some(id(&format!("thing-{}", n % 6))),
            ..NewEntry::new(kind(["event", "other"][n % 2]))
        };
        submit(ledger, entry, &body(n)).unwrap();
    }
}

fn event() -> Vec<DeclaredIndex> {
    vec![
        index("about", &["/type", "/nr"], false),
        index("tag", &["/tags/-"], false),
        index("thing", &["id", "/type"], false),
    ]
}

fn numbers(snapshot: &Snapshot, lookup: Lookup) -> Vec<usize> {
    let mut matches = snapshot.find(lookup).unwrap();
    let mut found = Vec::new();
    while let Some(line) = matches.next_line().unwrap() {
        let body: serde_json::Value = serde_json::from_slice(line.record().body()).unwrap();
        found.push(usize::try_from(body["n"].as_u64().unwrap()).unwrap());
    }
    found
}

fn ask_everything(snapshot: &Snapshot, count: usize) {
    for (at, owner) in OWNERS.into_iter().enumerate() {
        let scope = Scope::of(owner.map(tenant).as_ref());
        let compare = |name: &str, values: &[&str], fits: &dyn Fn(usize) -> bool| {
            let own = |n: &usize| n.is_multiple_of(2) && n / 2 % 2 == at && fits(*n);
            let mut expected: Vec<usize> = (0..count).filter(own).collect();
            let lookup = Lookup::new(scope.clone(), By::Index(indexed("event", name, values)));
            assert_eq!(numbers(snapshot, lookup.clone()), expected, "{name} {values:?}");
            expected.reverse();
            let order = Order::NewestFirst;
            assert_eq!(numbers(snapshot, Lookup { order, ..lookup }), expected);
        };
        for part in 0..8_usize {
            let (kind, tag) = (format!("t{part}"), format!("g{part}"));
            compare("tag", &[&tag], &|n| n % 5 == part || n % 7 == part);
            for nr in 0..=count / 4 {
                compare("about", &[&kind, &nr.to_string()], &|n| {
                    n % 3 == part && n / 4 == nr
                });
            }
            compare("thing", &["thing-2", &kind], &|n| n % 6 == 2 && n % 3 == part);
        }
    }
}

fn check(place: &Place) -> Report {
    let storage = place.storage();
    verify(
        storage.as_ref(),
        Some(place.keys.as_ref()),
        &VerifyOptions { jobs: 1 },
        &mut |_| {},
    )
    .unwrap()
}

fn expect_whole(place: &Place) {
    let report = check(place);
    assert_eq!(report.findings, []);
    assert!(
        !report.notes.iter().any(|note| note.contains("declared")),
        "{:?}",
        report.notes
    );
}

#[test]
fn what_a_body_holds_is_found_in_open_and_sealed_segments_and_after_reopening() {
    let mut place = place();
    place.options.families = vec![family("event", event())];
    let ledger = place.create();
    fill(&ledger, 0..40);
    ask_everything(&ledger.snapshot(), 40);
    assert!(ledger.stats().segments > 3);
    ledger.close().unwrap();
    expect_whole(&place);
    // The declaration is a record: nobody has to say it again, and saying it again records nothing.
    for again in [Vec::new(), vec![family("event", event()[..1].to_vec())]] {
        place.options.families = again;
        let ledger = place.open();
        assert_eq!(ledger.stats().size, 42);
        ask_everything(&ledger.snapshot(), 40);
        ledger.close().unwrap();
        ask_everything(&Reader::open(place.storage()).unwrap().snapshot().unwrap(), 40);
    }
}

#[test]
fn an_index_holds_for_records_that_were_there_before_it() {
    let mut place = place();
    let ledger = place.create();
    fill(&ledger, 0..150);
    levels::wait_for_parts(&ledger, 9);
    ledger.close().unwrap();
    let is_merged = |name: &FileName| matches!(name, FileName::Merged { .. });
    let files = place.storage.list().unwrap().files;
    assert!(files.iter().any(|(name, _)| is_merged(name)), "{files:?}");
    place.options.families = vec![family("event", event()[..1].to_vec())];
    let ledger = place.open();
    assert_eq!(ledger.stats().size, 152);
    let tags = Lookup::new(Scope::Untenanted, By::Index(indexed("event", "tag", &["g1"])));
    assert_eq!(
        ledger.snapshot().find(tags).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    ledger.close().unwrap();
    expect_whole(&place);
    place.options.families = vec![family("event", event()), family("later", event())];
    let ledger = place.open();
    assert_eq!(ledger.stats().size, 154);
    ask_everything(&ledger.snapshot(), 150);
    fill(&ledger, 150..170);
    ask_everything(&ledger.snapshot(), 170);
    ledger.close().unwrap();
    expect_whole(&place);
    ask_everything(&Reader::open(place.storage()).unwrap().snapshot().unwrap(), 170);
}

/// Files made for other declarations are of no use, whoever puts them there: they would hide records.
#[test]
fn an_index_made_with_other_declarations_is_missing_and_never_empty() {
    let mut place = place();
    let ledger = place.create();
    fill(&ledger, 0..60);
    ledger.close().unwrap();
    let names = |place: &Place| -> Vec<String> {
        let listing = place.storage.list().unwrap();
        let names = listing.files.iter().map(|(name, _)| name.to_string());
        names.filter(|name| name.ends_with(".idx")).collect()
    };
    let before: Vec<_> = names(&place)
        .into_iter()
        .map(|name| (place.storage.raw(&name).unwrap(), name))
        .collect();
    place.options.families = vec![family("event", event())];
    place.open().close().unwrap();
    for (bytes, name) in &before {
        assert_ne!(
            place.storage.raw(name).as_ref(),
            Some(bytes),
            "{name} was made again"
        );
    }
    for (bytes, name) in &before {
        place.storage.put_raw(name, bytes);
    }
    ask_everything(&Reader::open(place.storage()).unwrap().snapshot().unwrap(), 60);
    let report = check(&place);
    assert_eq!(report.findings, []);
    assert!(
        report.notes.iter().any(|note| note.contains("declared")),
        "{:?}",
        report.notes
    );
    let ledger = place.open();
    ask_everything(&ledger.snapshot(), 60);
    ledger.close().unwrap();
    // A file for which a merged one stands is not looked at, and stays.
    for name in names(&place) {
        place.storage.remove_raw(&name);
    }
    ask_everything(&place.open().snapshot(), 60);
    expect_whole(&place);
}

/// Whoever can write the directory can make an index that leads elsewhere, with checksums that are right.
#[test]
fn an_index_of_other_postings_is_named_by_verify() {
    for families in [Vec::new(), vec![family("event", event())]] {
        let mut place = place();
        place.options.families = families;
        let ledger = place.create();
        fill(&ledger, 0..40);
        ledger.close().unwrap();
        let name = FileName::Index(0).to_string();
        let mut bytes = place.storage.raw(&name).unwrap();
        // The offset of the second posting.
        bytes[1_024 + 16 + 12] ^= 1;
        let crc32 = crc32fast::hash(&bytes[1_024..2_044]);
        bytes[2_044..2_048].copy_from_slice(&crc32.to_le_bytes());
        place.storage.put_raw(&name, &bytes);
        let findings = check(&place).findings;
        let found: Vec<_> = findings
            .iter()
            .map(|finding| (finding.code, finding.file.clone()))
            .collect();
        assert_eq!(found, [(Code::Index, Some(FileName::Index(0)))]);
    }
}

#[test]
fn a_kind_that_no_segment_has_leaves_their_files_as_they_are() {
    let mut place = place();
    let ledger = place.create();
    fill(&ledger, 0..40);
    ledger.seal().unwrap();
    ledger.close().unwrap();
    let name = format!("segments/{:020}.idx", 0);
    let before = place.storage.raw(&name).unwrap();
    place.options.families = vec![family("later", event())];
    place.open().close().unwrap();
    assert_eq!(place.storage.raw(&name).unwrap(), before);
    expect_whole(&place);
}

#[test]
fn what_cannot_be_declared_or_asked_for_is_refused() {
    let mut place = place();
    place.options.families = vec![family("event", event())];
    let ledger = place.create();
    fill(&ledger, 0..4);
    let asks = [
        indexed("event", "nothing", &["x"]),
        indexed("other", "tag", &["x"]),
        indexed("event", "about", &["x"]),
        indexed("event", "tag", &[&"x".repeat(257)]),
    ];
    for ask in asks {
        let error = ledger
            .snapshot()
            .find(Lookup::new(Scope::Untenanted, By::Index(ask)))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    // What an index cannot take would not be found by it.
    let long = format!("{{\"type\":\"{}\",\"nr\":1}}", "x".repeat(257));
    let many = format!("{{\"tags\":[{}]}}", vec!["1"; 1_025].join(","));
    for body in [&long, &many] {
        let error = submit(&ledger, NewEntry::new(kind("event")), body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        submit(&ledger, NewEntry::new(kind("other")), body).unwrap();
    }
    let size = ledger.stats().size;
    ledger.close().unwrap();
    let refused = [
        (family("event", vec![index("tag", &["/other/-"], false)]), Some(1)),
        (family("event", vec![index("nr", &["/nr"], true)]), Some(2)),
        (family("other", vec![index("nr", &["/nr"], true)]), Some(3)),
    ];
    for (wanted, seq) in refused {
        place.options.families = vec![wanted.clone()];
        let error = Ledger::open(place.storage(), place.keys.clone(), place.options.clone()).unwrap_err();
        assert_eq!(
            (error.kind(), error.seq()),
            (ErrorKind::Conflict, seq),
            "{wanted:?}: {error}"
        );
    }
    place.options.families = Vec::new();
    assert_eq!(place.open().stats().size, size, "nothing was recorded");
}
