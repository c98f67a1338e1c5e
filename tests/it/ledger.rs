//! The crate as a service uses it: create, submit, seal, close, reopen; what an interrupted append leaves.

use std::path::Path;
use std::sync::Arc;

use ledgerstone_engine::keystore::{FileKeys, KeyStore};
use ledgerstone_engine::storage::Storage;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::verify::{Report, VerifyOptions, verify};
use ledgerstone_engine::{
    Batch, Code, ErrorKind, Ledger, LedgerIdentity, NewEntry, Options, Precondition, Receipt, Recovered,
    Scope, Selection,
};
use ledgerstone_formats::ids::{EntityId, Kind, Tenant};

fn places(dir: &Path) -> (Arc<dyn Storage>, Arc<dyn KeyStore>) {
    (Arc::new(Disk::new(dir)), Arc::new(FileKeys::beside(dir).unwrap()))
}

fn create(dir: &Path, options: Options) -> Ledger {
    let (storage, keys) = places(dir);
    let identity = LedgerIdentity {
        name: "ledger.example".to_owned(),
        signed: true,
    };
    Ledger::create(storage, keys, &identity, options).unwrap()
}

fn open(dir: &Path, options: Options) -> (Ledger, Recovered) {
    let (storage, keys) = places(dir);
    Ledger::open(storage, keys, options).unwrap()
}

fn check(dir: &Path) -> Report {
    let (storage, keys) = places(dir);
    verify(
        storage.as_ref(),
        Some(keys.as_ref()),
        &VerifyOptions::default(),
        &mut |_| {},
    )
    .unwrap()
}

fn append(ledger: &Ledger, tenant: &str, bodies: &[String]) -> Vec<Receipt> {
    let mut batch = Batch::new();
    let mut drafter = ledger.drafter();
    for (index, body) in bodies.iter().enumerate() {
        let entry = NewEntry {
            tenant: Some(Tenant::new(tenant).unwrap()),
            id: Some(EntityId::new(&format!("id-{index}")).unwrap()),
            ..NewEntry::new(Kind::new("audit_entry").unwrap())
        };
        batch
            .push(drafter.draft(entry, body.as_bytes()).unwrap())
            .unwrap();
    }
    ledger.submit(batch).unwrap().wait().unwrap()
}

fn bodies(count: usize) -> Vec<String> {
    (0..count)
        .map(|n| format!("{{\"n\": {n}, \"x\":\"1E400 \\u0000\"}}"))
        .collect()
}

#[test]
fn what_is_acknowledged_comes_back_byte_for_byte_across_segments_and_a_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let options = Options {
        segment_bytes: 4_000,
        ..Options::default()
    };
    let ledger = create(&dir, options.clone());
    let mut receipts = Vec::new();
    for round in 0..20 {
        receipts.extend(append(
            &ledger,
            if round % 2 == 0 { "acme" } else { "globex" },
            &bodies(5),
        ));
    }
    assert_eq!(receipts.last().unwrap().seq, 100);
    assert_eq!(receipts.last().unwrap().tseq, Some(49));
    let head = ledger.close().unwrap();
    assert_eq!(head.next_seq(), 101);

    let report = check(&dir);
    assert_eq!(report.code(), None, "{:?}", report.findings);
    assert_eq!(report.head_size, Some(101));
    assert!(report.sealed > 3, "{report:?}");

    let (ledger, recovered) = open(&dir, options);
    assert!(
        recovered.read_only.is_none() && recovered.adopted.is_none() && recovered.torn.is_none(),
        "{recovered:?}"
    );
    let snapshot = ledger.snapshot();
    let mut scan = snapshot.scan(Selection {
        from: 1,
        ..Selection::all(Scope::Operator)
    });
    let (expected, mut read) = (bodies(5), 0);
    while let Some(line) = scan.next_line().unwrap() {
        assert_eq!(line.record().body(), expected[read % 5].as_bytes());
        assert_eq!(line.record().hash, receipts[read].hash);
        read += 1;
    }
    assert_eq!(read, 100);
    let acme = Scope::Tenant(Tenant::new("acme").unwrap());
    assert!(snapshot.get(1, &acme).unwrap().is_some());
    assert!(snapshot.get(6, &acme).unwrap().is_none(), "the other tenant's");
    assert!(snapshot.get(1, &Scope::Untenanted).unwrap().is_none());
    let more = append(&ledger, "acme", &bodies(1));
    assert_eq!((more[0].seq, more[0].tseq), (101, Some(50)));
    assert!(ledger.seal().unwrap().is_some());
    ledger.close().unwrap();
    assert_eq!(check(&dir).code(), None);
}

/// A copy of a ledger as a killed process leaves it: taken while the process still lives.
fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(copied.success());
}

#[test]
fn groups_past_the_head_are_kept_and_told_and_a_torn_tail_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let slow_heads = Options {
        head_delay_max: std::time::Duration::from_secs(3_600),
        ..Options::default()
    };
    let ledger = create(&dir, slow_heads);
    append(&ledger, "acme", &bodies(3));
    let killed = folder.path().join("killed");
    copy(&dir, &killed);
    std::fs::copy(folder.path().join("ledger.key"), folder.path().join("killed.key")).unwrap();
    std::fs::copy(
        folder.path().join("ledger.key.head"),
        folder.path().join("killed.key.head"),
    )
    .unwrap();
    ledger.close().unwrap();

    let report = check(&killed);
    assert_eq!(report.code(), Some(Code::Unfinished), "{:?}", report.findings);
    let segment = killed.join("segments/00000000000000000000.jsonl");
    let mut bytes = std::fs::read(&segment).unwrap();
    let whole = bytes.len();
    bytes.extend_from_slice(b"{\"v\":1,\"seq\":4,\"at\":\"20");
    std::fs::write(&segment, &bytes).unwrap();
    assert_eq!(check(&killed).code(), Some(Code::Unfinished));

    let (ledger, recovered) = open(&killed, Options::default());
    let torn = recovered.torn.unwrap();
    assert_eq!((torn.offset, torn.length), (whole as u64, 23));
    let adopted = recovered.adopted.unwrap();
    assert_eq!((adopted.first, adopted.last, adopted.head_size), (1, 3, 1));
    let told = ledger.snapshot();
    assert_eq!(told.size(), 6, "two records of the recovery");
    assert_eq!(
        told.head_size(),
        Some(6),
        "under a head before a producer is let in"
    );
    ledger.close().unwrap();
    assert_eq!(check(&killed).code(), None);
    let kept = std::fs::read_dir(killed.join("quarantine"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(std::fs::read(kept.path()).unwrap(), &bytes[whole..]);
}

#[test]
fn a_damaged_ledger_opens_for_reading_only_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let ledger = create(&dir, Options::default());
    append(&ledger, "acme", &bodies(3));
    ledger.close().unwrap();
    let segment = dir.join("segments/00000000000000000000.jsonl");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.len() - 30;
    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let (ledger, recovered) = open(&dir, Options::default());
    let error = recovered.read_only.unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(
        (error.code(), error.seq()),
        (Some(Code::Altered), Some(3)),
        "{error}"
    );
    let draft = ledger
        .draft(NewEntry::new(Kind::new("a").unwrap()), b"{}")
        .unwrap();
    assert_eq!(
        ledger.submit(draft.into()).unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    drop(ledger);
    assert_eq!(std::fs::read(&segment).unwrap(), bytes);
    let report = check(&dir);
    assert_eq!(
        (report.code(), report.findings[0].seq),
        (Some(Code::Altered), Some(3))
    );
}

#[test]
fn a_counter_altered_in_a_sealed_line_is_not_carried_on() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let ledger = create(&dir, Options::default());
    append(&ledger, "acme", &bodies(3));
    ledger.seal().unwrap();
    ledger.close().unwrap();
    let segment = dir.join("segments/00000000000000000000.jsonl");
    let text = std::fs::read_to_string(&segment).unwrap();
    let altered = text.replacen("\"tseq\":2", "\"tseq\":8", 1);
    assert_ne!(altered, text);
    std::fs::remove_file(&segment).unwrap();
    std::fs::write(&segment, altered).unwrap();
    let (ledger, _) = open(&dir, Options::default());
    let of = |tenant: &str| NewEntry {
        tenant: Some(Tenant::new(tenant).unwrap()),
        ..NewEntry::new(Kind::new("audit_entry").unwrap())
    };
    let submit = |tenant| {
        ledger
            .submit(ledger.draft(of(tenant), b"{}").unwrap().into())
            .unwrap()
            .wait()
    };
    let error = submit("acme").unwrap_err();
    assert_eq!(
        (error.code(), error.seq()),
        (Some(Code::Altered), Some(3)),
        "{error}"
    );
    assert_eq!(ledger.stats().size, 4);
}

#[test]
fn a_stream_ends_with_the_first_batch_that_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = create(&folder.path().join("ledger"), Options::default());
    let kind = || NewEntry::new(Kind::new("spec").unwrap());
    let batch = |entry: NewEntry| Batch::from(ledger.draft(entry, b"{}").unwrap());
    let stream = ledger.stream();
    assert!(
        ledger
            .submit(batch(kind()).in_stream(&stream))
            .unwrap()
            .wait()
            .is_ok()
    );
    // The kind began without revisions, so a batch that asks for them is refused.
    let revisions = ledgerstone_formats::draft::Revisions::Counted;
    let counted = NewEntry { revisions, ..kind() };
    let refused = ledger.submit(batch(counted).in_stream(&stream)).unwrap().wait();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    let later = ledger.submit(batch(kind()).in_stream(&stream));
    assert_eq!(later.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(
        ledger.submit(batch(kind())).unwrap().wait().is_ok(),
        "others go on"
    );
    assert_eq!(ledger.snapshot().size(), 3);
}

#[test]
fn a_full_queue_refuses_and_ready_waits_for_room() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let ledger = Arc::new(create(
        &dir,
        Options {
            queue_records_max: 4,
            ..Options::default()
        },
    ));
    let producers = (0..8).map(|_| {
        let ledger = Arc::clone(&ledger);
        std::thread::spawn(move || {
            let mut stored = 0;
            while stored < 50 {
                let draft = ledger
                    .draft(NewEntry::new(Kind::new("audit_entry").unwrap()), b"{}")
                    .unwrap();
                match ledger.submit(draft.into()) {
                    Ok(ticket) => stored += ticket.wait().unwrap().len(),
                    Err(error) if error.kind() == ErrorKind::Busy => ledger.ready().wait(),
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    producers
        .collect::<Vec<_>>()
        .into_iter()
        .for_each(|producer| producer.join().unwrap());
    assert_eq!(ledger.snapshot().size(), 401);
    Arc::into_inner(ledger).unwrap().close().unwrap();
    assert_eq!(check(&dir).code(), None);
}

#[test]
fn stats_count_groups_times_and_refusals_by_cause_and_prometheus_can_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        queue_records_max: 10,
        ..Options::default()
    };
    let ledger = create(&folder.path().join("ledger"), options);
    let kind = || NewEntry::new(Kind::new("spec").unwrap());
    let batch = |count: usize| {
        let mut batch = Batch::new();
        for _ in 0..count {
            batch.push(ledger.draft(kind(), b"{}").unwrap()).unwrap();
        }
        batch
    };
    for count in [3, 7] {
        ledger.submit(batch(count)).unwrap().wait().unwrap();
    }
    ledger.checkpoint().unwrap();
    let mut absent = batch(2);
    absent.require(Precondition::Size(99));
    let conflict = ledger.submit(absent).unwrap().wait().unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::Conflict);
    assert_eq!(
        ledger.submit(Batch::new()).unwrap_err().kind(),
        ErrorKind::Invalid
    );

    let stats = ledger.stats();
    // One of them was the genesis record's, before the ledger was opened.
    assert_eq!((stats.groups, stats.records, stats.group_records), (2, 10, 7));
    assert_eq!((stats.size, stats.head_size, stats.unheaded), (11, 11, None));
    assert_eq!((stats.append.count, stats.sync.count), (2, 2));
    assert!(stats.sync.p50 <= stats.sync.p99 && stats.sync.sum > std::time::Duration::ZERO);
    assert_eq!((stats.refused.conflict, stats.refused.total()), (2, 2));
    assert!(stats.head_age.is_some());

    let text = stats.to_prometheus("books \"of\" record");
    let name = "ledger=\"books \\\"of\\\" record\"";
    for line in [
        format!("ledgerstone_size_records{{{name}}} 11"),
        format!("ledgerstone_records_total{{{name}}} 10"),
        format!("ledgerstone_refused_records_total{{{name},cause=\"conflict\"}} 2"),
        format!("ledgerstone_sync_seconds_count{{{name}}} 2"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    // Each figure is led by its help and its type, and every line is of one of the three forms.
    for line in text.lines() {
        let (name, rest) = line.split_once(['{', ' ']).unwrap();
        match name {
            "#" => assert!(rest.starts_with("HELP ledgerstone_") || rest.starts_with("TYPE ledgerstone_")),
            name => {
                assert!(name.starts_with("ledgerstone_"), "{line}");
                let value = rest.rsplit_once(' ').unwrap().1;
                value
                    .parse::<f64>()
                    .unwrap_or_else(|error| panic!("{line}: {error}"));
            }
        }
    }
}
