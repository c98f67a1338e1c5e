//! Cases that a review of the format named, each by itself; the ones that are not here stand where their subject is.

use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::storage::sim::Fault;
use ledgerstone_engine::{Code, ErrorKind};
use ledgerstone_formats::limits::{GROUP_BYTES_MAX, GROUP_RECORDS_MAX};

use super::faults_answered::Working;
use super::*;

/// A body that fills some sectors.
fn long(bytes: usize) -> String {
    format!("{{\"long\":\"{}\"}}", "x".repeat(bytes))
}

/// A group whose sync failed: only the page cache of this boot has it.
fn in_cache_only() -> (Machine, Told) {
    let mut working = Working::new();
    working.fail(1, Fault::Fails);
    working
        .told
        .append(&mut working.running, &[&long(900), "{}"])
        .unwrap_err();
    (working.machine.kill(), working.told)
}

/// What an opening in the same boot shows, it has shown to somebody: it stays.
#[test]
fn a_group_whose_sync_failed_is_shown_by_the_next_process_and_outlasts_a_reboot() {
    let (machine, mut told) = in_cache_only();
    let (mut running, recovered) = machine.open().unwrap();
    assert!(
        recovered.read_only.is_none() && recovered.adopted.is_some(),
        "{recovered:?}"
    );
    let shown = running.ledger.snapshot();
    assert_eq!(shown.size(), 6, "the group and the record that tells of it");
    let lines: Vec<_> = (0..6)
        .map(|seq| shown.get(seq, &Scope::Operator).unwrap())
        .collect();
    told.append(&mut running, &["{}"]).unwrap();
    for survival in [Survival::LoseAll, Survival::KeepAll, Survival::Seeded(1)] {
        let after = machine.crash(survival);
        let (running, recovered) = after.open().unwrap();
        assert!(recovered.read_only.is_none(), "{survival:?}: {recovered:?}");
        let snapshot = running.ledger.snapshot();
        for (seq, line) in (0..).zip(&lines) {
            assert_eq!(
                &snapshot.get(seq, &Scope::Operator).unwrap(),
                line,
                "{survival:?}, seq {seq}"
            );
        }
        told.check(&snapshot, &|| log_of(&machine));
    }
}

/// The other order: nobody opened it in that boot, so nobody was shown anything, and it is gone whole.
#[test]
fn a_group_whose_sync_failed_is_gone_after_a_reboot_that_comes_first() {
    let (machine, told) = in_cache_only();
    let after = machine.crash(Survival::KeepAll);
    let (running, recovered) = after.open().unwrap();
    assert!(
        recovered.read_only.is_none() && recovered.adopted.is_none(),
        "{recovered:?}"
    );
    told.check(&running.ledger.snapshot(), &|| log_of(&after));
}

/// A write that took one byte. Were the rest written by another call, the first sector could be on the medium as it was
/// between the two, NUL after the byte, with all others behind it: that is no tail that an append leaves.
#[test]
fn an_append_that_was_short_is_a_torn_tail_whatever_the_power_does() {
    for taken in [1, 300, 700] {
        let mut working = Working::new();
        working.fail(0, Fault::Short(taken));
        let disk = &working.machine.disk;
        disk.power_off_at(disk.operations() + 2);
        working
            .told
            .append(&mut working.running, &[&long(3_000)])
            .unwrap_err();
        for seed in 0..64 {
            let machine = working.machine.crash(Survival::Seeded(seed));
            let (running, recovered) = machine.open().unwrap();
            assert!(
                recovered.read_only.is_none(),
                "{taken} taken, seed {seed}: {recovered:?}"
            );
            working
                .told
                .check(&running.ledger.snapshot(), &|| log_of(&machine));
        }
    }
}

/// The key's disk keeps all that it was given and the ledger's disk nothing that was not synced: were a head ever
/// signed over bytes that only a cache had, this would look like a ledger that was set back.
#[test]
fn no_head_is_signed_over_bytes_that_are_not_settled() {
    let (machine, told) = in_cache_only();
    let rehearsal = machine.kill();
    drop(rehearsal.open().unwrap());
    for number in 0..=rehearsal.disk.operations() {
        let machine = machine.kill();
        machine.disk.power_off_at(number);
        drop(machine.open());
        let after = machine.crash(Survival::LoseAll);
        let keys = machine.keys.own.crash(Survival::KeepAll);
        if let Some(head) = keys.raw("head") {
            after.keys.own.put_raw("head", &head);
        }
        let (running, recovered) = after.open().unwrap();
        assert!(
            recovered.read_only.is_none(),
            "cut before {number}: {recovered:?}"
        );
        told.check(&running.ledger.snapshot(), &|| log_of(&machine));
    }
}

/// A tail set aside, and at once another at the same offset: the copies differ in name, and each has its record.
#[test]
fn the_same_offset_torn_twice_leaves_two_copies_and_two_records() {
    let mut working = Working::new();
    let offset = working.machine.disk.raw(SEGMENT).unwrap().len() as u64;
    let tear = |running: &mut Running, machine: &Machine, told: &mut Told, bytes| {
        let next = machine.disk.operations();
        machine.disk.fail_at(next, Fault::Short(700));
        machine.disk.fail_at(next + 1, Fault::Fails);
        told.append(running, &[&long(bytes)]).unwrap_err();
    };
    tear(&mut working.running, &working.machine, &mut working.told, 900);
    let machine = working.machine.kill();
    // The first recovery ends when the tail is cut and nothing is recorded; then its record is torn at that very place.
    let rehearsal = machine.kill();
    drop(rehearsal.open().unwrap());
    let record = rehearsal
        .disk
        .log()
        .iter()
        .rposition(|operation| operation.path == SEGMENT)
        .unwrap() as u64
        - 1;
    machine.disk.fail_at(record, Fault::Short(300));
    machine.disk.fail_at(record + 1, Fault::Fails);
    assert!(machine.open().unwrap().1.read_only.is_some());
    let machine = machine.kill();
    let (running, recovered) = machine.open().unwrap();
    assert_eq!(recovered.torn.map(|torn| torn.offset), Some(offset));
    let copies: Vec<_> = machine
        .disk
        .list()
        .unwrap()
        .files
        .into_iter()
        .filter_map(|(name, _)| match name {
            FileName::Quarantine(copy) => Some((copy.offset, copy.length)),
            _ => None,
        })
        .collect();
    assert_eq!(copies, [(offset, 300), (offset, 700)]);
    let mut scan = running.ledger.snapshot().scan(Selection {
        kind: Some(Kind::new("sys_recovery").unwrap()),
        ..Selection::all(Scope::Operator)
    });
    let mut named = HashSet::new();
    while let Some(line) = scan.next_line().unwrap() {
        assert!(named.insert(line.record().header.id.to_string()), "named twice");
    }
    assert_eq!(named.len(), 2);
    working
        .told
        .check(&running.ledger.snapshot(), &|| log_of(&machine));
    running.close();
    machine.assert_whole();
}

/// The seal is there and the next segment's file is not; or it is there, empty; or it has a group.
#[test]
fn a_seal_without_a_next_segment_and_a_next_segment_that_is_empty_are_in_order() {
    let mut working = Working::new();
    working.running.writer.seal().unwrap();
    let sealed = working.machine.kill();
    working
        .machine
        .disk
        .power_off_at(working.machine.disk.operations() + 2);
    working.told.append(&mut working.running, &["{}"]).unwrap_err();
    let empty = working.machine.crash(Survival::KeepAll);
    let files = |machine: &Machine| machine.disk.list().unwrap().files.len();
    assert_eq!(files(&empty), files(&sealed) + 1);
    for machine in [sealed, empty] {
        machine.assert_whole();
        let mut running = machine.open_clean();
        running.append(&["{}"]).unwrap();
        assert_eq!(running.ledger.snapshot().segments().len(), 2);
        running.close();
        machine.assert_whole();
    }
}

/// The lock is on the directory: its file only tells who holds it.
#[test]
fn a_lock_file_removed_by_hand_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("ledger");
    let machine = Machine::signed();
    drop(machine.create().unwrap());
    machine.write_to(&place);
    let disk = Disk::new(&place);
    let held = disk.lock("mine").unwrap();
    fs::remove_file(place.join("LOCK")).unwrap();
    let error = Disk::new(&place).lock("theirs").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(disk.holder().unwrap().as_deref(), Some(""));
    drop(held);
    drop(disk.lock("theirs").unwrap());
}

/// Lines behind the last group that nobody submitted, whole ones too, are damage and stay.
#[test]
fn a_file_that_somebody_else_made_longer_is_refused_at_the_next_opening() {
    let working = Working::new();
    let machine = working.machine.kill();
    let mut grown = machine.disk.raw(SEGMENT).unwrap();
    let last = grown[..grown.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap();
    grown.extend_from_within(last + 1..);
    machine.disk.put_raw(SEGMENT, &grown);
    let error = machine.open().unwrap().1.read_only.unwrap();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Corrupt, Some(Code::Altered)),
        "{error}"
    );
    assert_eq!(machine.disk.raw(SEGMENT).unwrap(), grown);
}

/// The largest groups there can be: killed at the sync they are kept whole, torn they are set aside whole.
fn assert_largest(bodies: &[&str], more: &str) {
    let Working {
        machine, mut running, ..
    } = Working::new();
    let batch = running.batch(bodies);
    assert!(
        !batch.has_room_for(&running.draft(more)),
        "a record more would fit"
    );
    let headed = machine.disk.raw(SEGMENT).unwrap().len();
    let next = machine.disk.operations();
    machine.disk.fail_at(next + 1, Fault::Fails);
    let ticket = running.ledger.submit(batch).unwrap();
    running.writer.step();
    assert_eq!(ticket.wait().unwrap_err().kind(), ErrorKind::Unknown);
    let killed = machine.kill();
    let written = killed.disk.raw(SEGMENT).unwrap();
    assert!(written.len() - headed <= GROUP_BYTES_MAX);
    let torn = machine.kill();
    torn.disk.put_raw(SEGMENT, &written[..written.len() - 1]);

    let (running, recovered) = killed.open().unwrap();
    assert!(recovered.read_only.is_none(), "{recovered:?}");
    assert_eq!(recovered.adopted.unwrap().last, 2 + bodies.len() as u64);
    assert_eq!(running.ledger.snapshot().size(), 3 + bodies.len() as u64 + 1);
    drop(running);
    let (running, recovered) = torn.open().unwrap();
    assert!(recovered.read_only.is_none(), "{recovered:?}");
    assert_eq!(
        recovered.torn.unwrap().length,
        (written.len() - 1 - headed) as u64
    );
    assert_eq!(running.ledger.snapshot().size(), 4);
    assert_eq!(
        verify(&torn.disk, None, &VerifyOptions { jobs: 0 }, &mut |_| {})
            .unwrap()
            .findings,
        []
    );
}

#[test]
fn a_group_of_65536_records_is_kept_whole_or_set_aside_whole() {
    assert_largest(&vec!["{}"; GROUP_RECORDS_MAX], "{}");
}

#[test]
fn a_group_of_64_mib_is_kept_whole_or_set_aside_whole() {
    let body = long(2_000_000);
    let count = GROUP_BYTES_MAX / (body.len() + 400);
    assert_largest(&vec![body.as_str(); count], &body);
}
