//! Segments: what ends one, what a group of it may rely on, and what is there between two.

use std::os::unix::fs::PermissionsExt;

use ledgerstone_engine::keystore::{FileKeys, MemKeys};
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::storage::mem::Mem;
use ledgerstone_engine::{ErrorKind, SegmentInfo};
use ledgerstone_formats::filler;
use ledgerstone_formats::record::Record;

use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn segments(running: &Running) -> Vec<(u64, bool)> {
    let snapshot = running.ledger.snapshot();
    snapshot
        .segments()
        .iter()
        .map(|info| (info.first, info.sealed))
        .collect()
}

#[test]
fn a_segment_ends_by_size_between_groups() {
    let machine = Machine::signed().with(|options| options.segment_bytes = 2_000);
    let mut running = machine.create().unwrap();
    for count in [1, 5, 2, 3, 1, 1, 4, 5] {
        running.append(&vec!["{}"; count]).unwrap();
        let unsealed = segments(&running).iter().filter(|(_, sealed)| !sealed).count();
        assert_eq!(
            unsealed, 1,
            "the writer goes on in one segment, the others are sealed"
        );
    }
    let infos = running.ledger.snapshot().segments().to_vec();
    assert!(infos.len() > 2, "{infos:?}");
    for SegmentInfo { first, bytes, sealed } in infos {
        let file = machine.disk.raw(&FileName::Segment(first).to_string()).unwrap();
        let (lines, rest) = file.split_at(usize::try_from(bytes).unwrap());
        assert!(filler::is_filler(bytes, rest) && (!sealed || rest.is_empty()));
        let last = lines
            .strip_suffix(b"\n")
            .unwrap()
            .rsplit(|byte| *byte == b'\n')
            .next()
            .unwrap();
        let group = Record::parse(last).unwrap().header.group;
        assert!(
            group.is_none_or(|place| place.index + 1 == place.count),
            "a group is split"
        );
        assert!(!sealed || bytes >= 2_000, "ended before it was full");
        let length = file.len() as u64;
        let written = machine.disk.reopen(&FileName::Segment(first), length).map(drop);
        assert_eq!(written.is_err(), sealed);
    }
    running.close();
    machine.assert_whole();
}

#[test]
fn a_segment_ends_by_age_whether_a_group_comes_or_not() {
    let machine = Machine::signed().with(|options| options.segment_age_max = Some(HOUR));
    let mut running = machine.create().unwrap();
    assert_eq!(running.pass(&machine, HOUR - Duration::from_secs(1)), Step::Idle);
    assert_eq!(running.pass(&machine, Duration::from_secs(1)), Step::Ended);
    assert_eq!(segments(&running), [(0, true)]);
    // No record, no segment, however long.
    assert_eq!(running.pass(&machine, 3 * HOUR), Step::Idle);
    running.append(&["{}"]).unwrap();
    running.append(&["{}"]).unwrap();
    assert_eq!(segments(&running), [(0, true), (1, false)]);
    machine.clock.pass(HOUR);
    running.append(&["{}"]).unwrap();
    assert_eq!(segments(&running), [(0, true), (1, true), (3, false)]);
    // The age is that of its first record, also after the ledger was opened again.
    machine.clock.pass(HOUR / 2);
    running.append(&["{}"]).unwrap();
    running.close();
    let mut running = machine.open_clean();
    assert_eq!(
        running.pass(&machine, HOUR / 2 - Duration::from_secs(1)),
        Step::Idle
    );
    assert_eq!(running.pass(&machine, Duration::from_secs(1)), Step::Ended);
    running.close();
    machine.assert_whole();
}

#[test]
fn a_segment_ends_with_the_month() {
    for by_month in [true, false] {
        let machine = Machine::signed().with(|options| options.segment_by_month = by_month);
        let mut running = machine.create().unwrap();
        // From noon of 22 November to the last microsecond of the 30th.
        machine.clock.pass(8 * DAY + 12 * HOUR - Duration::from_micros(1));
        running.append(&["{}"]).unwrap();
        assert_eq!(segments(&running), [(0, false)]);
        running.append(&["{}"]).unwrap();
        let december = if by_month {
            vec![(0, true), (2, false)]
        } else {
            vec![(0, false)]
        };
        assert_eq!(segments(&running), december, "a microsecond later it is December");
        let ended = running.pass(&machine, 31 * DAY + HOUR);
        assert_eq!(ended, if by_month { Step::Ended } else { Step::Idle });
        running.close();
        machine.assert_whole();
    }
}

#[test]
fn an_empty_segment_is_never_sealed() {
    let machine = Machine::signed();
    let mut running = machine.create().unwrap();
    running.writer.seal().unwrap();
    running.writer.seal().unwrap();
    assert_eq!(running.ledger.seal().unwrap(), None);
    assert_eq!(segments(&running), [(0, true)]);
    running.close();
    let machine = machine.kill();
    // The next segment's file was made, and the process killed before it wrote to it.
    drop(machine.disk.create(&FileName::Segment(1)).unwrap());
    let machine = machine.kill();
    machine.assert_whole();
    let mut running = machine.open_clean();
    running.writer.seal().unwrap();
    assert_eq!(running.pass(&machine, 40 * DAY), Step::Idle);
    running.append(&["{}"]).unwrap();
    assert_eq!(segments(&running), [(0, true), (1, false)]);
    running.close();
    machine.assert_whole();
}

/// A file of the next segment that is not empty, while the one before it has no seal: the writer may be that far.
#[test]
fn an_ended_segment_is_sealed_at_the_next_open() {
    let _judged = python::Batch::shared();
    let machine = Machine::signed().with(|options| options.segment_bytes = 1_000);
    let mut running = machine.create().unwrap();
    running.append(&["{}", "{}"]).unwrap();
    let operations = machine.disk.operations();
    running.append(&["{}"]).unwrap();
    running.close();
    for number in operations..machine.disk.operations() {
        let cut = Machine::signed().with(|options| options.segment_bytes = 1_000);
        let mut running = cut.create().unwrap();
        running.append(&["{}", "{}"]).unwrap();
        cut.disk.power_off_at(number);
        let stored = running.append(&["{}"]).is_ok();
        for after in [cut.kill(), cut.crash(Survival::LoseAll)] {
            let (mut running, recovered) = after.open().unwrap();
            assert!(
                recovered.read_only.is_none(),
                "cut before {number}: {recovered:?}"
            );
            running.append(&["{}"]).unwrap();
            let found = segments(&running);
            assert!(
                found.starts_with(&[(0, true), (3, false)]) && found.len() == 2,
                "{found:?}"
            );
            assert!(!stored || running.ledger.snapshot().size() >= 5);
            running.close();
            after.assert_whole();
        }
    }
}

#[test]
fn at_most_one_ended_segment_waits_for_its_seal() {
    let (storage, keys) = (Mem::new(), MemKeys::new());
    let identity = LedgerIdentity {
        name: "ledger.example".to_owned(),
        signed: true,
    };
    let options = Options {
        segment_bytes: 1,
        ..Options::default()
    };
    let ledger = Ledger::create(
        Arc::new(storage.clone()),
        Arc::new(keys.clone()),
        &identity,
        options,
    )
    .unwrap();
    let mut drafter = ledger.drafter();
    for _ in 0..100 {
        let draft = drafter.draft(entry("audit_entry"), b"{}").unwrap();
        ledger.submit(draft.into()).unwrap().wait().unwrap();
        let unsealed = ledger
            .snapshot()
            .segments()
            .iter()
            .filter(|info| !info.sealed)
            .count();
        assert!(unsealed <= 2, "{unsealed} segments without a seal");
    }
    assert_eq!(ledger.close().unwrap().next_seq(), 101);
    let report = verify(&storage, Some(&keys), &VerifyOptions { jobs: 1 }, &mut |_| {}).unwrap();
    assert_eq!((report.findings.as_slice(), report.segments), (&[][..], 101));
}

#[test]
fn what_is_written_once_is_read_only_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let machine = Machine::signed();
    let keys = FileKeys::beside(&ledger).unwrap();
    let (opened, mut writer) = Ledger::create_stepped(
        Arc::new(Disk::new(&ledger)),
        Arc::new(keys),
        machine.clock(),
        &machine.identity(),
        Options::default(),
    )
    .unwrap();
    writer.seal().unwrap();
    let mode = |path: &str| fs::metadata(ledger.join(path)).unwrap().permissions().mode() & 0o777;
    for path in [
        SEGMENT,
        "segments/00000000000000000000.seal.json",
        "ledger.json",
        "checkpoint",
    ] {
        assert_eq!(mode(path), 0o444, "{path}");
    }
    assert_eq!(
        fs::metadata(folder.path().join("ledger.key"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    drop((opened, writer));
    let sealed = Disk::new(&ledger)
        .reopen(&FileName::Segment(0), 0)
        .map(drop)
        .unwrap_err();
    assert_eq!(sealed.kind(), io::ErrorKind::PermissionDenied);
}

#[test]
fn settings_outside_the_limits_are_refused() {
    let refused: [fn(&mut Options); 6] = [
        |options| options.segment_bytes = 0,
        |options| options.segment_bytes = 1 << 30,
        |options| options.body_bytes_max = 17 << 20,
        |options| options.queue_records_max = 0,
        |options| options.queue_bytes_max = 0,
        |options| options.body_bytes_max = usize::MAX,
    ];
    for change in refused {
        let machine = Machine::signed().with(change);
        assert_eq!(machine.create().unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(machine.disk.log(), []);
    }
}
