//! What fails is answered: who waits is told, nothing more is written or signed, and the next open says what landed.

use ledgerstone_engine::storage::sim::{Call, Fault, Operation};
use ledgerstone_engine::{Code, ErrorKind};

use super::*;

/// A ledger with a group under its head, at work.
pub(super) struct Working {
    pub(super) machine: Machine,
    pub(super) running: Running,
    pub(super) told: Told,
}

impl Working {
    pub(super) fn new() -> Self {
        Self::on(Machine::signed())
    }

    pub(super) fn on(machine: Machine) -> Self {
        let mut told = Told::default();
        let mut running = machine.create().unwrap();
        told.append(&mut running, &["{}", "{}"]).unwrap();
        running.pass(&machine, Duration::from_secs(1));
        assert_eq!(machine.head_size(), Some(3));
        Self {
            machine,
            running,
            told,
        }
    }

    /// Makes the `nth` operation from now on fail.
    pub(super) fn fail(&self, nth: u64, fault: Fault) {
        self.machine
            .disk
            .fail_at(self.machine.disk.operations() + nth, fault);
    }

    /// The call that failed was one of those that write a sidecar, which nobody waits for.
    fn failed_at_a_sidecar(&self) -> bool {
        let log = self.machine.disk.log();
        let failed = log
            .iter()
            .rposition(|operation| operation.fault.is_some())
            .unwrap();
        // The last of them is the sync of the directory after the rename.
        log[failed - 1..=failed]
            .iter()
            .any(|operation| operation.path.contains(".idx"))
    }

    /// The ledger has failed with `kind`: it takes, writes and signs nothing any more.
    #[track_caller]
    pub(super) fn assert_latched(&mut self, kind: ErrorKind) {
        let before = (self.machine.disk.operations(), self.machine.keys.own.operations());
        let refused = self.running.submit(&["{}"]).unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused}");
        assert_eq!(
            self.running.pass(&self.machine, Duration::from_secs(10)),
            Step::Closed
        );
        self.running.writer.seal().unwrap_err();
        assert_eq!(
            self.running.ledger.seal().unwrap_err().to_string(),
            refused.to_string()
        );
        assert_eq!(
            self.running.ledger.checkpoint().unwrap_err().to_string(),
            refused.to_string()
        );
        let after = (self.machine.disk.operations(), self.machine.keys.own.operations());
        assert_eq!(after, before, "something was written: {}", log_of(&self.machine));
    }

    /// Nothing was done after the operation that failed but giving a temporary file's space back.
    #[track_caller]
    pub(super) fn assert_nothing_after_the_fault(&self) {
        let log = self.machine.disk.log();
        let failed = log
            .iter()
            .rposition(|operation| operation.fault.is_some())
            .unwrap();
        let is_write = |operation: &&Operation| operation.call != Call::RemoveTemp;
        let after: Vec<_> = log[failed + 1..].iter().filter(is_write).collect();
        assert_eq!(after, Vec::<&Operation>::new(), "{}", log_of(&self.machine));
    }
}

/// What the next open finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Torn,
    Group,
}

#[track_caller]
fn assert_found(machine: &Machine, told: &Told, expected: Found) {
    let (running, recovered) = machine.open().unwrap();
    assert!(recovered.read_only.is_none(), "{recovered:?}");
    let found = match (&recovered.torn, &recovered.adopted) {
        (None, None) => Found::Nothing,
        (Some(_), None) => Found::Torn,
        (None, Some(_)) => Found::Group,
        (Some(_), Some(_)) => panic!("{recovered:?}"),
    };
    let of = || log_of(machine);
    assert_eq!(found, expected, "{}", of());
    told.check(&running.ledger.snapshot(), &of);
    let size = running.ledger.snapshot().size();
    drop(running);
    // What it says now stays so, whatever the power does.
    let after = machine.crash(Survival::LoseAll);
    let running = after.open_clean();
    assert_eq!(running.ledger.snapshot().size(), size, "{}", of());
    told.check(&running.ledger.snapshot(), &of);
}

/// What is made to fail of a group's write, as operation 0, and its sync; what a next process finds; what a restarted
/// machine finds.
type Row = (&'static [(u64, Fault)], Found, Found);

/// A group's write and its sync: how each fails, and what a next process and a restarted machine find.
#[test]
fn an_append_or_sync_that_fails_latches_and_the_next_open_says_what_landed() {
    use Found::{Group, Nothing, Torn};
    let rows: [Row; 8] = [
        (&[(0, Fault::Fails)], Nothing, Nothing),
        (&[(0, Fault::Full)], Nothing, Nothing),
        (&[(0, Fault::LandsButFails)], Group, Nothing),
        (&[(0, Fault::Short(300)), (1, Fault::Full)], Torn, Nothing),
        (&[(1, Fault::Fails)], Group, Nothing),
        (&[(1, Fault::Full)], Group, Nothing),
        (&[(1, Fault::Short(1))], Group, Torn),
        (&[(1, Fault::LandsButFails)], Group, Group),
    ];
    for (faults, killed, power_lost) in rows {
        let mut working = Working::new();
        for (nth, fault) in faults {
            working.fail(*nth, *fault);
        }
        let long = format!("{{\"long\":\"{}\"}}", "x".repeat(900));
        let batches = [
            working.running.batch(&[&long, "{}"]),
            working.running.batch(&["{}"]),
        ];
        let tickets = batches.map(|batch| {
            working
                .told
                .submitted
                .extend(batch.drafts().iter().map(Draft::digest));
            working.running.ledger.submit(batch).unwrap()
        });
        assert_eq!(working.running.writer.step(), Step::Closed);
        for ticket in tickets {
            let error = ticket.wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
            assert!(error.to_string().contains(SEGMENT), "{error}");
        }
        assert_eq!(
            working.running.ledger.snapshot().size(),
            3,
            "visible only when durable"
        );
        working.assert_latched(ErrorKind::Unknown);
        working.assert_nothing_after_the_fault();
        assert_eq!(working.machine.head_size(), Some(3));
        let snapshot = working.running.ledger.snapshot();
        working.told.check(&snapshot, &|| log_of(&working.machine));
        assert_found(&working.machine.kill(), &working.told, killed);
        assert_found(
            &working.machine.crash(Survival::LoseAll),
            &working.told,
            power_lost,
        );
    }
}

/// The group was in the page cache only, clean after a failed sync, and its pages went between two looks at them.
#[test]
fn a_group_that_only_the_page_cache_knew_is_lost_whole_and_the_ledger_goes_on() {
    let mut working = Working::new();
    working.fail(1, Fault::Fails);
    working.told.append(&mut working.running, &["{}"]).unwrap_err();
    let machine = working.machine.kill();
    machine.disk.drop_clean_pages();
    assert_found(&machine, &working.told, Found::Torn);
}

#[test]
fn a_disk_nearly_full_refuses_producers_before_anything_is_written() {
    let mut working = Working::new();
    let reserve = working.machine.options.disk_free_min_bytes;
    let operations = working.machine.disk.operations();
    for free in [0, reserve - 1, reserve, reserve + 300] {
        working.machine.disk.set_free_bytes(free);
        let error = working.running.append(&["{}"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    assert_eq!(
        working.machine.disk.operations(),
        operations,
        "{}",
        log_of(&working.machine)
    );
    assert_eq!(working.running.ledger.stats().refused.total(), 4);
    working.machine.disk.set_free_bytes(reserve + 2_000);
    working.told.append(&mut working.running, &["{}"]).unwrap();
    // The reserve is for what makes the stored records safe: heads and seals.
    working.machine.disk.set_free_bytes(reserve / 2);
    working.running.writer.seal().unwrap();
    assert_eq!(working.machine.head_size(), Some(4));
    let error = working.running.append(&["{}"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    working.running.close();
    working.machine.assert_whole();
}

/// A ledger whose process was killed in the middle of an append.
fn torn() -> (Machine, Told, u64) {
    let mut working = Working::new();
    let long = format!("{{\"long\":\"{}\"}}", "x".repeat(2_000));
    working.fail(0, Fault::Short(1_500));
    working.fail(1, Fault::Fails);
    working.told.append(&mut working.running, &[&long]).unwrap_err();
    (working.machine.kill(), working.told, 1_500)
}

#[test]
fn a_recovery_that_finds_the_disk_full_cuts_nothing() {
    let (torn, told, length) = torn();
    let bytes = torn.disk.raw(SEGMENT).unwrap();
    let machine = torn.kill();
    machine.disk.set_free_bytes(length - 1);
    let (mut running, recovered) = machine.open().unwrap();
    let error = recovered.read_only.unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("1500 bytes are needed"), "{error}");
    assert_eq!(machine.disk.raw(SEGMENT).unwrap(), bytes);
    told.check(&running.ledger.snapshot(), &|| log_of(&machine));
    assert_eq!(
        running.submit(&["{}"]).unwrap_err().to_string(),
        error.to_string()
    );
    assert_eq!(running.pass(&machine, Duration::from_secs(9)), Step::Closed);
    assert_eq!(machine.head_size(), Some(3));
    drop(running);
    let machine = machine.kill();
    machine.disk.set_free_bytes(1 << 20);
    assert_found(&machine, &told, Found::Torn);
}

/// However much room there is: all of it done, or the ledger reads only and the next open does it.
#[test]
fn a_recovery_that_runs_out_of_space_anywhere_is_done_by_the_next() {
    let (torn, told, length) = torn();
    let mut opened = 0;
    for free in (0..length + 1_600).step_by(100) {
        let machine = torn.kill();
        machine.disk.set_free_bytes(free);
        let (running, recovered) = machine.open().unwrap();
        told.check(&running.ledger.snapshot(), &|| log_of(&machine));
        drop(running);
        if let Some(error) = recovered.read_only {
            assert!(
                matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown),
                "{error}"
            );
        } else {
            opened += 1;
        }
        let machine = machine.kill();
        machine.disk.set_free_bytes(1 << 20);
        let (running, recovered) = machine.open().unwrap();
        assert!(recovered.read_only.is_none(), "{free} bytes free: {recovered:?}");
        told.check(&running.ledger.snapshot(), &|| log_of(&machine));
        running.close();
        machine.assert_whole();
    }
    assert!(opened > 0, "with room enough it is done at once");
}

/// Another process that does not ask for the lock.
#[test]
fn a_file_that_somebody_else_has_changed_is_not_written_to() {
    let len = |machine: &Machine| machine.disk.raw(SEGMENT).unwrap().len() as u64;
    let intrusions: [fn(&Machine, u64); 2] = [
        |machine, len| {
            let mut file = machine.disk.reopen(&FileName::Segment(0), len).unwrap();
            file.append(len, b"{\"not\":\"ours\"}\n").unwrap();
        },
        |machine, len| {
            machine.disk.quarantine(0, len - 10).unwrap();
        },
    ];
    for intrude in intrusions {
        let mut working = Working::new();
        intrude(&working.machine, len(&working.machine));
        let bytes = working.machine.disk.raw(SEGMENT).unwrap();
        let error = working.running.append(&["{}"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
        assert_eq!(working.machine.disk.raw(SEGMENT).unwrap(), bytes);
        let machine = working.machine.kill();
        assert_eq!(
            machine.open().unwrap().1.read_only.unwrap().kind(),
            ErrorKind::Corrupt
        );
        assert_eq!(machine.disk.raw(SEGMENT).unwrap(), bytes);
    }
}

/// The operations of a head's publication, on the ledger's disk and on the key's.
#[test]
fn a_head_that_cannot_be_published_latches() {
    let _judged = python::Batch::shared();
    let (head, beside) = {
        let mut working = Working::new();
        working.running.append(&["{}"]).unwrap();
        let before = (
            working.machine.disk.operations(),
            working.machine.keys.own.operations(),
        );
        working.running.pass(&working.machine, Duration::from_secs(1));
        (
            working.machine.disk.operations() - before.0,
            working.machine.keys.own.operations() - before.1,
        )
    };
    assert_eq!((head, beside), (5, 5));
    for (nth, fault) in (0..head + beside)
        .flat_map(|nth| [Fault::Fails, Fault::Full, Fault::LandsButFails].map(|fault| (nth, fault)))
    {
        let mut working = Working::new();
        working.told.append(&mut working.running, &["{}"]).unwrap();
        let waiting = working.running.batch(&["{}"]);
        if nth < head {
            working.fail(nth, fault);
        } else {
            let keys = &working.machine.keys.own;
            keys.fail_at(keys.operations() + nth - head, fault);
        }
        assert_eq!(
            working.running.pass(&working.machine, Duration::from_secs(1)),
            Step::Closed
        );
        assert_eq!(
            working.running.ledger.submit(waiting).unwrap_err().kind(),
            ErrorKind::Unknown
        );
        working.assert_latched(ErrorKind::Unknown);
        for machine in [working.machine.kill(), working.machine.crash(Survival::LoseAll)] {
            let (running, recovered) = machine.open().unwrap();
            assert!(recovered.read_only.is_none(), "{fault:?} at {nth}: {recovered:?}");
            working
                .told
                .check(&running.ledger.snapshot(), &|| log_of(&machine));
            running.close();
            machine.assert_whole();
        }
    }
}

#[test]
fn a_seal_or_a_new_segment_that_fails_answers_who_waits_and_latches() {
    let _judged = python::Batch::shared();
    let operations = {
        let mut working = Working::new();
        let before = working.machine.disk.operations();
        working.running.writer.seal().unwrap();
        working.running.append(&["{}"]).unwrap();
        working.machine.disk.operations() - before
    };
    for (nth, fault) in
        (0..operations).flat_map(|nth| [Fault::Fails, Fault::LandsButFails].map(|fault| (nth, fault)))
    {
        let mut working = Working::new();
        working.fail(nth, fault);
        let batch = working.running.batch(&["{}"]);
        working
            .told
            .submitted
            .extend(batch.drafts().iter().map(Draft::digest));
        let ticket = working.running.ledger.submit(batch).unwrap();
        if working.running.writer.seal().is_ok() {
            working.running.writer.step();
        }
        let error = match ticket.wait() {
            Err(error) => error,
            Ok(_) => {
                assert!(working.failed_at_a_sidecar(), "{fault:?} at {nth}");
                assert_eq!(working.running.ledger.stats().index_failures, 1);
                continue;
            }
        };
        assert!(
            matches!(error.kind(), ErrorKind::Unknown | ErrorKind::Unavailable),
            "{error}"
        );
        working.assert_latched(ErrorKind::Unknown);
        working.assert_nothing_after_the_fault();
        for survival in [Survival::LoseAll, Survival::KeepAll] {
            let machine = working.machine.crash(survival);
            let (running, recovered) = machine.open().unwrap();
            assert!(recovered.read_only.is_none(), "{fault:?} at {nth}: {recovered:?}");
            let size = running.ledger.snapshot().size();
            assert!(
                error.kind() == ErrorKind::Unknown || size == 3,
                "it said that nothing is stored"
            );
            working
                .told
                .check(&running.ledger.snapshot(), &|| log_of(&machine));
            running.close();
            machine.assert_whole();
        }
    }
}

/// What is under a head has been read again: a bit that flipped on the way is found before it is signed for.
#[test]
fn settling_that_fails_leaves_the_ledger_readable_and_is_done_by_the_next_open() {
    let mut working = Working::new();
    working.told.append(&mut working.running, &["{}"]).unwrap();
    let killed = working.machine.kill();
    let settling: Vec<u64> = {
        let rehearsal = killed.kill();
        drop(rehearsal.open().unwrap());
        let log = rehearsal.disk.log();
        let first = log
            .iter()
            .position(|operation| operation.path == SEGMENT)
            .unwrap() as u64;
        vec![first, first + 1]
    };
    for number in settling {
        let machine = killed.kill();
        machine.disk.fail_at(number, Fault::Fails);
        let (running, recovered) = machine.open().unwrap();
        assert_eq!(recovered.read_only.unwrap().kind(), ErrorKind::Unavailable);
        working
            .told
            .check(&running.ledger.snapshot(), &|| log_of(&machine));
        assert_eq!(
            machine.head_size(),
            Some(3),
            "nothing is signed over bytes that may be lost"
        );
        drop(running);
        assert_found(&machine.kill(), &working.told, Found::Group);
    }
}

#[test]
fn a_ledger_that_is_open_for_reading_answers_with_the_reason() {
    let working = Working::new();
    working.running.close();
    let machine = working.machine.kill();
    machine.disk.flip_bit(SEGMENT, 900, 1).unwrap();
    let (mut running, recovered) = machine.open().unwrap();
    let reason = recovered.read_only.unwrap();
    assert_eq!(
        (reason.kind(), reason.code()),
        (ErrorKind::Corrupt, Some(Code::Altered))
    );
    for error in [
        running.submit(&["{}"]).map(drop).unwrap_err(),
        running.ledger.seal().map(drop).unwrap_err(),
        running.ledger.checkpoint().map(drop).unwrap_err(),
        running.writer.seal().unwrap_err(),
    ] {
        assert_eq!(
            (error.kind(), error.to_string()),
            (reason.kind(), reason.to_string())
        );
    }
    assert_eq!(running.writer.step(), Step::Closed);
    let snapshot = running.ledger.snapshot();
    assert_eq!(
        (snapshot.size(), snapshot.head_size()),
        (1, Some(3)),
        "what is whole can be read"
    );
    assert!(snapshot.get(0, &Scope::Operator).unwrap().is_some());
    assert_eq!(
        running.ledger.close().unwrap_err().to_string(),
        reason.to_string()
    );
    assert_eq!(machine.disk.log(), []);
}
