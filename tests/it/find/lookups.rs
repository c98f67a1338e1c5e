//! What is stored is found: in the open segment, in sealed ones, after reopening, without sidecars and with bad ones.

use super::*;

/// What a record is found by.
#[derive(Debug, Clone)]
struct Known {
    seq: u64,
    kind: &'static str,
    tenant: Option<&'static str>,
    id: String,
    corr: Option<String>,
}

const KINDS: [&str; 2] = ["audit_entry", "spec"];
const TENANTS: [Option<&str>; 3] = [None, Some("acme"), Some("globex")];

/// Appends records of which every tenant has the same kinds, ids and correlation ids.
fn fill(ledger: &Ledger, known: &mut Vec<Known>, count: usize) {
    let mut drafter = ledger.drafter();
    for _ in 0..count {
        let n = known.len();
        let record = Known {
            seq: n as u64 + 1,
            kind: KINDS[n % 2],
            tenant: TENANTS[n % 3],
            id: format!("thing-{}", n / 6 % 5),
            corr: (!n.is_multiple_of(4)).then(|| format!("req-{}", n / 18)),
        };
        let entry = NewEntry {
            tenant: record.tenant.map(tenant),
            id: Some(id(&record.id)),
            corr: record.corr.as_deref().map(|corr| Correlation::new(corr).unwrap()),
            ..NewEntry::new(kind(record.kind))
        };
        let draft = drafter.draft(entry, format!("{{\"n\":{n}}}").as_bytes()).unwrap();
        let receipt = ledger.submit(draft.into()).unwrap().wait().unwrap();
        assert_eq!(receipt[0].seq, record.seq);
        known.push(record);
    }
}

fn found(snapshot: &ledgerstone_engine::Snapshot, lookup: Lookup) -> Vec<u64> {
    let mut matches = snapshot.find(lookup).unwrap();
    let mut seqs = Vec::new();
    while let Some(line) = matches.next_line().unwrap() {
        seqs.push(line.seq);
    }
    seqs
}

/// Asks everything that can be asked, both ways, and compares with the list.
fn ask_everything(snapshot: &ledgerstone_engine::Snapshot, known: &[Known]) {
    let compare = |lookup: Lookup, fits: &dyn Fn(&Known) -> bool| {
        let seqs = known.iter().filter(|known| fits(known)).map(|known| known.seq);
        let expected: Vec<u64> = seqs
            .filter(|seq| (lookup.from..=lookup.to.unwrap_or(u64::MAX)).contains(seq))
            .collect();
        assert_eq!(found(snapshot, lookup.clone()), expected, "{lookup:?}");
        let mut backwards = found(
            snapshot,
            Lookup {
                order: Order::NewestFirst,
                ..lookup
            },
        );
        backwards.reverse();
        assert_eq!(backwards, expected);
    };
    let last = known.len() as u64;
    for own in TENANTS {
        let scope = Scope::of(own.map(tenant).as_ref());
        for (from, to) in [
            (0, None),
            (last / 3, Some(last / 2)),
            (last, None),
            (last + 1, None),
            (0, Some(0)),
        ] {
            let all = |by| Lookup {
                from,
                to,
                ..Lookup::new(scope.clone(), by)
            };
            for thing in 0..6 {
                let name = format!("thing-{thing}");
                for own_kind in KINDS {
                    let by = By::Entity {
                        kind: kind(own_kind),
                        id: id(&name),
                    };
                    compare(all(by), &|known| {
                        known.kind == own_kind && known.tenant == own && known.id == name
                    });
                }
            }
            for req in [0, 1, known.len() / 18, 1_000] {
                let corr = format!("req-{req}");
                let by = By::Correlation(Correlation::new(&corr).unwrap());
                compare(all(by), &|known| {
                    known.tenant == own && known.corr.as_deref() == Some(&corr)
                });
            }
            if own.is_some() {
                compare(all(By::Scope), &|known| known.tenant == own);
            }
            compare(all(By::Kind(kind("spec"))), &|known| {
                known.kind == "spec" && known.tenant == own
            });
        }
    }
}

#[test]
fn everything_stored_is_found_by_everything_that_it_has() {
    let place = Place::new();
    let ledger = place.create();
    let mut known = Vec::new();
    fill(&ledger, &mut known, 100);
    let early = ledger.snapshot();
    ask_everything(&early, &known);
    let before = known.clone();
    fill(&ledger, &mut known, 60);
    ask_everything(&ledger.snapshot(), &known);
    // A snapshot does not see what came later, in segments that were sealed since.
    ask_everything(&early, &before);
    assert!(ledger.stats().segments > 5);
    ledger.close().unwrap();

    let ledger = place.open();
    ask_everything(&ledger.snapshot(), &known);
    fill(&ledger, &mut known, 20);
    ask_everything(&ledger.snapshot(), &known);
    ledger.close().unwrap();
    // By a process that does not hold it.
    let reader = ledgerstone_engine::Reader::open(place.storage()).unwrap();
    ask_everything(&reader.snapshot().unwrap(), &known);
}

#[test]
fn sidecars_are_made_again_where_they_are_gone_or_another_s() {
    let place = Place::new();
    let ledger = place.create();
    let mut known = Vec::new();
    fill(&ledger, &mut known, 120);
    ledger.close().unwrap();
    let name = |first: u64| format!("segments/{first:020}.idx");
    let firsts: Vec<u64> = (0..=120)
        .filter(|first| place.storage.raw(&name(*first)).is_some())
        .collect();
    assert!(firsts.len() > 4, "{firsts:?}");
    let whole: Vec<Vec<u8>> = firsts
        .iter()
        .map(|first| place.storage.raw(&name(*first)).unwrap())
        .collect();
    place.storage.remove_raw(&name(firsts[1]));
    place.storage.put_raw(&name(firsts[2]), &whole[3]);
    place.storage.put_raw(&name(firsts[3]), &whole[3][..1_024]);
    place.storage.put_raw(&name(firsts[4]), b"");
    let reader = ledgerstone_engine::Reader::open(place.storage()).unwrap();
    ask_everything(&reader.snapshot().unwrap(), &known);
    assert_eq!(place.storage.raw(&name(firsts[1])), None, "reading never writes");

    let ledger = place.open();
    ask_everything(&ledger.snapshot(), &known);
    ledger.close().unwrap();
    for (first, whole) in firsts.iter().zip(&whole) {
        assert_eq!(
            place.storage.raw(&name(*first)).as_ref(),
            Some(whole),
            "the same bytes again"
        );
    }
}

#[test]
fn a_flipped_bit_in_a_sidecar_changes_no_answer() {
    let place = Place::new();
    let ledger = place.create();
    let mut known = Vec::new();
    fill(&ledger, &mut known, 40);
    ledger.close().unwrap();
    let name = format!("segments/{:020}.idx", 0);
    let whole = place.storage.raw(&name).unwrap();
    for bit in (0..whole.len() * 8).step_by(3_001) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        place.storage.put_raw(&name, &flipped);
        let reader = ledgerstone_engine::Reader::open(place.storage()).unwrap();
        ask_everything(&reader.snapshot().unwrap(), &known);
    }
}

#[test]
fn a_page_ends_with_a_cursor_where_there_is_more() {
    let place = Place::new();
    let ledger = place.create();
    let mut known = Vec::new();
    fill(&ledger, &mut known, 60);
    let snapshot = ledger.snapshot();
    let lookup = Lookup::new(Scope::Tenant(tenant("acme")), By::Scope);
    let (mut cursor, mut pages) = (None, Vec::new());
    loop {
        let from = cursor.map_or(0, |cursor| cursor + 1);
        let page = snapshot
            .page(
                Lookup {
                    from,
                    ..lookup.clone()
                },
                7,
            )
            .unwrap();
        pages.push(page.lines.len());
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, [7, 7, 6]);
    assert_eq!(snapshot.count(lookup.clone()).unwrap(), 20);
    assert_eq!(snapshot.page(lookup, 1_000).unwrap().lines.len(), 20);
    let of_all = Lookup::new(Scope::Operator, By::Scope);
    assert_eq!(snapshot.find(of_all).unwrap_err().kind(), ErrorKind::Invalid);
}

/// Whoever forges a sidecar, checksums and all, makes the writer and readers ask the lines instead where what the seal
/// counts is not in it, or where it leads to no record.
#[test]
fn a_sidecar_made_up_from_nothing_is_not_believed() {
    let place = Place::new();
    let ledger = place.create();
    let mut known = Vec::new();
    fill(&ledger, &mut known, 40);
    ledger.close().unwrap();
    let name = format!("segments/{:020}.idx", 0);
    let whole = place.storage.raw(&name).unwrap();
    let seal_again = |bytes: &mut [u8], block: usize| {
        let block = &mut bytes[block * 1_024..][..1_024];
        let crc32 = crc32fast::hash(&block[..1_020]);
        block[1_020..].copy_from_slice(&crc32.to_le_bytes());
    };
    let forge = |at: usize, change: u8| {
        let mut forged = whole.clone();
        forged[at] ^= change;
        seal_again(&mut forged, at / 1_024);
        forged
    };
    let mut empty = whole[..1_024].to_vec();
    empty[72..80].fill(0);
    seal_again(&mut empty, 0);
    // Another secret; no postings at all; an offset and a number of the first posting that are another's.
    for forged in [forge(8, 1), empty, forge(1_024 + 12, 3), forge(1_024 + 8, 1)] {
        place.storage.put_raw(&name, &forged);
        let reader = ledgerstone_engine::Reader::open(place.storage()).unwrap();
        ask_everything(&reader.snapshot().unwrap(), &known);
    }
}
