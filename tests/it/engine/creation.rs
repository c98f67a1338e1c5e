//! Creation cut, failed and refused: a directory becomes a ledger or stays none, with one key, and never half of both.

use ledgerstone_engine::storage::sim::{Call, Fault};
use ledgerstone_engine::{Code, ErrorKind};
use ledgerstone_formats::checkpoint::{Head, Signer};
use ledgerstone_formats::ids::Origin;

use super::*;

/// Changes on their way of which all combinations are tried.
const CHANGES_MAX: u32 = 6;
/// Crashes tried by seed where there are more.
const SEEDS: u64 = 6;
const FAULTS: [Fault; 6] = [
    Fault::Fails,
    Fault::Full,
    Fault::LandsButFails,
    Fault::Short(0),
    Fault::Short(1),
    Fault::Short(600),
];

/// An operation of the ledger's disk or of the key's.
#[derive(Debug, Clone, Copy)]
enum At {
    Disk(u64),
    Keys(u64),
}

impl At {
    fn power_off(self, machine: &Machine) {
        match self {
            Self::Disk(number) => machine.disk.power_off_at(number),
            Self::Keys(number) => machine.keys.own.power_off_at(number),
        }
    }

    fn fail(self, machine: &Machine, fault: Fault) {
        match self {
            Self::Disk(number) => machine.disk.fail_at(number, fault),
            Self::Keys(number) => machine.keys.own.fail_at(number, fault),
        }
    }
}

/// Every operation of a creation on this machine.
fn operations(machine: &Machine) -> Vec<At> {
    let rehearsal = machine.kill();
    rehearsal.create().unwrap();
    let disk = (0..rehearsal.disk.operations()).map(At::Disk);
    disk.chain((0..rehearsal.keys.own.operations()).map(At::Keys))
        .collect()
}

/// Creates or, where the ledger is complete, opens; then the ledger is good, whatever the power does.
#[track_caller]
fn assert_finished(machine: &Machine, of: &dyn Fn() -> String) {
    let key = machine.keys.own.raw("ledger.json");
    let running = match machine.create() {
        Err(error) if error.kind() == ErrorKind::Invalid && error.file() == Some(&FileName::Identity) => {
            let (running, recovered) = machine.open().unwrap_or_else(|e| panic!("{e}: {}", of()));
            assert!(recovered.read_only.is_none(), "{recovered:?}: {}", of());
            running
        }
        created => created.unwrap_or_else(|e| panic!("{e}: {}", of())),
    };
    drop(running);
    if key.is_some() {
        assert_eq!(machine.keys.own.raw("ledger.json"), key, "another key: {}", of());
    }
    for survival in [Survival::LoseAll, Survival::KeepAll] {
        let after = machine.crash(survival);
        let report = after.verify();
        assert_eq!(report.findings, [], "{survival:?}, {}", of());
        assert_eq!(after.head_size(), report.size, "{}", of());
    }
}

/// Cuts or not, only what cannot be told from a finished creation may be there without a complete one.
#[track_caller]
fn assert_no_half_ledger(machine: &Machine, of: &dyn Fn() -> String) {
    if machine.disk.raw("ledger.json").is_some() {
        assert_eq!(machine.head_size(), Some(1), "a ledger without a head: {}", of());
        assert!(machine.open().unwrap().1.read_only.is_none(), "{}", of());
    } else {
        assert_eq!(machine.open().unwrap_err().kind(), ErrorKind::Missing, "{}", of());
    }
}

#[test]
fn a_creation_cut_anywhere_is_finished_by_the_next() {
    for empty in [Machine::signed(), Machine::unsigned()] {
        for at in operations(&empty) {
            let machine = empty.kill();
            at.power_off(&machine);
            machine.create().unwrap_err();
            let of = |what: &dyn std::fmt::Debug| format!("cut at {at:?}, {what:?}:{}", log_of(&machine));
            for survival in machine.survivals(CHANGES_MAX, SEEDS) {
                assert_no_half_ledger(&machine.crash(survival), &|| of(&survival));
                assert_finished(&machine.crash(survival), &|| of(&survival));
            }
            assert_finished(&machine.kill(), &|| of(&"killed"));
        }
    }
}

#[test]
fn a_creation_cut_twice_is_finished_by_the_third() {
    let _judged = python::Batch::shared();
    let empty = Machine::signed();
    for (nth, first) in (0..).zip(operations(&empty)) {
        let cut = empty.kill();
        first.power_off(&cut);
        cut.create().unwrap_err();
        let start = if nth % 2 == 0 {
            cut.kill()
        } else {
            cut.crash(Survival::Seeded(nth))
        };
        if start.disk.raw("ledger.json").is_some() {
            continue;
        }
        // Every other operation: which ones changes with the first cut.
        let seconds = operations(&start)
            .into_iter()
            .skip(usize::from(nth % 4 < 2))
            .step_by(2);
        for second in seconds {
            let machine = start.kill();
            second.power_off(&machine);
            machine.create().unwrap_err();
            let of = || format!("cut at {first:?}, then {second:?}:{}", log_of(&machine));
            assert_finished(&machine.crash(Survival::LoseAll), &of);
            assert_finished(&machine.crash(Survival::Seeded(nth)), &of);
        }
    }
}

#[test]
fn a_creation_that_fails_anywhere_is_finished_by_the_next() {
    let _judged = python::Batch::shared();
    for empty in [Machine::signed(), Machine::unsigned()] {
        for at in operations(&empty) {
            for fault in FAULTS {
                let machine = empty.kill();
                at.fail(&machine, fault);
                let created = machine.create();
                let log = [machine.disk.log(), machine.keys.own.log()].concat();
                let hit = log.iter().find(|operation| operation.fault.is_some()).unwrap();
                // Of a small file the rest is written too; a segment takes a group with one write or not at all.
                let is_short_write = match (fault, &hit.call) {
                    (Fault::Short(taken @ 1..), Call::Write { len, .. }) => {
                        hit.path != SEGMENT || taken >= *len
                    }
                    _ => false,
                };
                let of = || format!("{fault:?} at {at:?}:{}", log_of(&machine));
                assert_eq!(created.is_ok(), is_short_write, "{}", of());
                drop(created);
                for survival in [Survival::LoseAll, Survival::KeepAll] {
                    assert_finished(&machine.crash(survival), &of);
                }
                assert_finished(&machine.kill(), &of);
            }
        }
    }
}

/// A creation that failed leaves pages that look written. The next one, on the same boot, must write them again.
#[test]
fn a_genesis_that_only_the_page_cache_knows_is_settled() {
    let empty = Machine::signed();
    for (number, operation) in (0..).zip({
        let rehearsal = empty.kill();
        rehearsal.create().unwrap();
        rehearsal.disk.log()
    }) {
        if operation.call != Call::Sync || operation.path != SEGMENT {
            continue;
        }
        let machine = empty.kill();
        machine.disk.fail_at(number, Fault::Fails);
        machine.create().unwrap_err();
        let machine = machine.kill();
        drop(machine.create().unwrap());
        machine.crash(Survival::LoseAll).assert_whole();
        return;
    }
    panic!("the genesis line is not synced");
}

/// What a refused creation leaves as it was.
fn state(machine: &Machine) -> Vec<(String, Option<Vec<u8>>)> {
    let files = machine.disk.list().unwrap().files;
    let mut state: Vec<_> = files
        .iter()
        .filter(|(name, _)| *name != FileName::Lock)
        .map(|(name, _)| (name.to_string(), machine.disk.raw(&name.to_string())))
        .collect();
    for name in ["ledger.json", "head"] {
        state.push((format!("beside: {name}"), machine.keys.own.raw(name)));
    }
    state
}

#[track_caller]
fn assert_refused(machine: &Machine, kind: ErrorKind) -> Error {
    let before = state(machine);
    let error = machine.create().unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(state(machine), before, "{error}");
    error
}

/// A machine with a ledger of this many more records, at rest.
fn ledger(records: usize) -> Machine {
    let machine = Machine::signed();
    let mut running = machine.create().unwrap();
    for _ in 0..records {
        running.append(&["{}"]).unwrap();
    }
    running.close();
    machine.kill()
}

#[test]
fn a_ledger_that_is_there_is_refused() {
    assert_refused(&ledger(1), ErrorKind::Invalid);
    let machine = ledger(0);
    let running = machine.open_clean();
    assert_eq!(machine.create().unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(machine.open().unwrap_err().kind(), ErrorKind::Held);
    drop(running);
    machine.open_clean();
}

#[test]
fn what_is_more_than_a_beginning_is_refused() {
    // Its identity gone, a ledger is a damaged ledger and not a place for a new one.
    let machine = ledger(2);
    assert!(machine.disk.remove_raw("ledger.json"));
    assert_eq!(
        assert_refused(&machine, ErrorKind::Corrupt).code(),
        Some(Code::Evidence)
    );
    let segment = machine.disk.raw(SEGMENT).unwrap();
    let line = segment.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    // Cut to its first line: the heads still say how much it was.
    machine.disk.put_raw(SEGMENT, &segment[..line]);
    assert_refused(&machine, ErrorKind::Corrupt);
    // Its checkpoint gone too: the head beside the key says so.
    let without = machine.kill();
    assert!(without.disk.remove_raw("checkpoint"));
    assert_refused(&without, ErrorKind::Corrupt);
    assert!(without.disk.remove_raw(SEGMENT));
    assert_refused(&without, ErrorKind::Invalid);
    // The head beside the key gone: the checkpoint says so.
    assert!(machine.keys.own.remove_raw("head"));
    assert_refused(&machine, ErrorKind::Corrupt);
    machine.disk.put_raw(SEGMENT, &segment[..line - 1]);
    assert_refused(&machine, ErrorKind::Corrupt);
    assert!(machine.disk.remove_raw(SEGMENT));
    assert_refused(&machine, ErrorKind::Corrupt);
    // A seal without the rest.
    assert!(machine.disk.remove_raw("checkpoint"));
    machine
        .disk
        .put_raw("segments/00000000000000000000.seal.json", b"{}");
    assert_refused(&machine, ErrorKind::Corrupt);
}

/// A machine on which a creation was cut just before the identity.
fn unfinished() -> Machine {
    let machine = ledger(0);
    assert!(machine.disk.remove_raw("ledger.json"));
    machine
}

#[test]
fn an_unfinished_ledger_is_finished_only_with_its_own_heads() {
    drop(unfinished().create().unwrap());
    for garbage in [b"".as_slice(), b"hello", &[0; 200]] {
        let machine = unfinished();
        machine.disk.put_raw("checkpoint", garbage);
        assert_refused(&machine, ErrorKind::Corrupt);
        let machine = unfinished();
        machine.keys.own.put_raw("head", garbage);
        assert_refused(&machine, ErrorKind::Corrupt);
    }
    // Signed with its key, at another size or root.
    let machine = unfinished();
    let key = String::from_utf8(machine.keys.own.raw("ledger.json").unwrap()).unwrap();
    let signer = Signer::parse(key.trim_end()).unwrap();
    for (size, root) in [(2, Hash::ZERO), (1, Hash::ZERO)] {
        let head = Head {
            origin: signer.verifier().origin().clone(),
            size,
            root,
        };
        let machine = machine.kill();
        machine.keys.own.put_raw("head", &signer.sign(&head).unwrap());
        assert_refused(&machine, ErrorKind::Corrupt);
    }
}

#[test]
fn an_unfinished_ledger_of_another_name_or_key_is_refused() {
    let machine = unfinished();
    let other = LedgerIdentity {
        name: "other.example".to_owned(),
        signed: true,
    };
    let before = state(&machine);
    let error = machine.create_as(&other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(state(&machine), before);
    // With another ledger's key; with none.
    let stranger = ledger(0);
    machine
        .keys
        .own
        .put_raw("ledger.json", &stranger.keys.own.raw("ledger.json").unwrap());
    assert_refused(&machine, ErrorKind::Unavailable);
    assert!(machine.keys.own.remove_raw("ledger.json"));
    assert_refused(&machine, ErrorKind::Unavailable);
}

#[test]
fn a_key_is_used_again_only_for_the_ledger_it_was_made_for() {
    // A creation cut after the key: the next has the same one.
    let empty = Machine::signed();
    let rehearsal = empty.kill();
    rehearsal.create().unwrap();
    let log = rehearsal.disk.log();
    let segment = log
        .iter()
        .position(|operation| operation.call == Call::Create)
        .unwrap();
    let machine = empty.kill();
    machine.disk.power_off_at(segment as u64 + 1);
    machine.create().unwrap_err();
    let machine = machine.crash(Survival::LoseAll);
    let key = machine
        .keys
        .own
        .raw("ledger.json")
        .expect("the key is durable before the segment");
    assert!(machine.disk.raw(SEGMENT).is_none());
    drop(machine.create().unwrap());
    assert_eq!(machine.keys.own.raw("ledger.json").unwrap(), key);
    // A key of another name, of no ledger at all, or no key.
    for text in [
        Signer::key_text(&Origin::new("other.example/1").unwrap(), &[7; 32]),
        Signer::key_text(&Origin::new("ledger.example/1").unwrap(), &[7; 32]),
        "no key".to_owned(),
    ] {
        let machine = empty.kill();
        machine.keys.own.put_raw("ledger.json", text.as_bytes());
        assert_refused(&machine, ErrorKind::Invalid);
    }
    // A key that has signed a ledger which is gone.
    let machine = empty.kill();
    let gone = ledger(0);
    for name in ["ledger.json", "head"] {
        machine.keys.own.put_raw(name, &gone.keys.own.raw(name).unwrap());
    }
    assert_refused(&machine, ErrorKind::Invalid);
}

#[test]
fn signed_and_unsigned_are_not_mixed_up() {
    for signed in [true, false] {
        let machine = Machine::of(!signed);
        let identity = LedgerIdentity {
            signed,
            ..machine.identity()
        };
        let before = state(&machine);
        machine.create_as(&identity).unwrap_err();
        assert_eq!(state(&machine), before, "asked for signed: {signed}");
    }
    // A key that is there makes no signed ledger of an unsigned one.
    let machine = Machine::signed();
    let key = Signer::key_text(&Origin::new("ledger.example/1").unwrap(), &[7; 32]);
    machine.keys.own.put_raw("ledger.json", key.as_bytes());
    let identity = LedgerIdentity {
        signed: false,
        ..machine.identity()
    };
    let error = machine.create_as(&identity).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(machine.disk.raw(SEGMENT).is_none());

    let machine = Machine::unsigned();
    drop(machine.create().unwrap());
    assert!(machine.disk.raw("head").is_some() && machine.disk.raw("checkpoint").is_none());
    assert!(machine.keys.own.raw("ledger.json").is_none(), "no key was made");
    machine.assert_whole();
    assert!(machine.disk.remove_raw("ledger.json"));
    assert!(machine.keys.own.remove_raw("head"));
    drop(machine.create().unwrap());
    machine.assert_whole();
}

#[test]
fn a_clock_before_the_program_was_made_is_refused() {
    let machine = Machine::signed();
    machine
        .clock
        .turn_to(ledgerstone_engine::clock::EARLIEST_MICROS - 1);
    assert_refused(&machine, ErrorKind::Unavailable);
    machine.clock.turn_to(-5);
    assert_refused(&machine, ErrorKind::Unavailable);
    machine.clock.turn_to(ledgerstone_engine::clock::EARLIEST_MICROS);
    drop(machine.create().unwrap());
}

#[test]
fn a_name_that_cannot_be_part_of_an_origin_is_refused_before_a_key_is_made() {
    let machine = Machine::signed();
    for name in ["two words", "a+b", &"x".repeat(255)] {
        let identity = LedgerIdentity {
            name: name.to_owned(),
            signed: true,
        };
        let error = machine.create_as(&identity).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name:?}: {error}");
        assert_eq!(machine.keys.own.log(), [], "{name:?}");
    }
}
