//! Heads: when they are signed, over what, and what it means that one is older, newer, missing or another's.

use ledgerstone_engine::storage::sim::Fault;
use ledgerstone_engine::{Code, ErrorKind};
use ledgerstone_formats::checkpoint::{Head, Signer};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// A ledger with `groups` groups of two records, each under a head of its own, closed.
fn closed(groups: usize) -> Machine {
    let machine = Machine::signed();
    let mut running = machine.create().unwrap();
    for _ in 0..groups {
        running.append(&["{}", "{}"]).unwrap();
        running.pass(&machine, SECOND);
    }
    running.close();
    machine.kill()
}

#[test]
fn a_head_covers_a_group_within_a_second_whatever_comes_after() {
    let machine = Machine::signed();
    let mut running = machine.create().unwrap();
    let mut acknowledged = Vec::new();
    for tick in 0_u32..60 {
        // A burst, a pause, single groups.
        if tick < 20 || tick % 13 == 0 {
            running.append(&["{}"]).unwrap();
            acknowledged.push((tick, running.ledger.snapshot().size()));
        }
        running.pass(&machine, TICK);
        let due = acknowledged
            .iter()
            .filter(|(at, _)| at + 10 <= tick)
            .map(|(_, size)| *size)
            .max();
        assert!(
            machine.head_size() >= due,
            "at {tick}: {:?}, due {due:?}",
            machine.head_size()
        );
        assert_eq!(machine.head_size_beside(), machine.head_size());
    }
    let operations = machine.disk.operations();
    running.pass(&machine, 100 * SECOND);
    assert_eq!(machine.disk.operations(), operations, "no head twice");
}

#[test]
fn a_head_is_signed_at_a_seal_and_at_the_close() {
    let machine = Machine::signed();
    let mut running = machine.create().unwrap();
    running.append(&["{}"]).unwrap();
    assert_eq!(machine.head_size(), Some(1));
    running.writer.seal().unwrap();
    assert_eq!(
        (machine.head_size(), machine.head_size_beside()),
        (Some(2), Some(2))
    );
    let seal = machine
        .disk
        .raw("segments/00000000000000000000.seal.json")
        .unwrap();
    let seal = ledgerstone_formats::segment::Seal::parse(&seal).unwrap();
    assert_eq!(seal.head.as_bytes(), machine.disk.raw("checkpoint").unwrap());
    running.append(&["{}"]).unwrap();
    assert_eq!(machine.head_size(), Some(2));
    running.close();
    assert_eq!(
        (machine.head_size(), machine.head_size_beside()),
        (Some(3), Some(3))
    );
    machine.assert_whole();
}

#[test]
fn an_unsigned_ledger_keeps_the_same_rules() {
    let machine = Machine::unsigned();
    let mut running = machine.create().unwrap();
    running.append(&["{}"]).unwrap();
    running.pass(&machine, SECOND);
    assert_eq!(
        (machine.head_size(), machine.head_size_beside()),
        (Some(2), Some(2))
    );
    running.append(&["{}"]).unwrap();
    running.writer.seal().unwrap();
    running.close();
    machine.assert_whole();
    assert!(machine.disk.raw("checkpoint").is_none());
    let behind = machine.kill();
    assert!(behind.disk.remove_raw("head"));
    assert_eq!(
        behind.open().unwrap().1.read_only.unwrap().code(),
        Some(Code::Evidence)
    );
}

#[test]
fn no_head_covers_what_was_not_acknowledged() {
    let machine = Machine::signed();
    let mut running = machine.create().unwrap();
    running.append(&["{}"]).unwrap();
    machine
        .disk
        .fail_at(machine.disk.operations() + 1, Fault::LandsButFails);
    running.append(&["{}"]).unwrap_err();
    running.pass(&machine, 2 * SECOND);
    drop(running);
    // The group before it is acknowledged and not under a head either: a failed ledger signs nothing.
    assert_eq!(machine.head_size(), Some(1));
}

/// Two states of one ledger: the one closed, and the one that it had before.
fn earlier_and_later() -> (Machine, Machine) {
    let earlier = closed(1);
    let later = earlier.kill();
    let mut running = later.open_clean();
    running.append(&["{}", "{}"]).unwrap();
    running.close();
    (earlier, later.kill())
}

#[test]
fn an_older_head_in_the_directory_is_brought_up_to_date() {
    let (earlier, later) = earlier_and_later();
    later
        .disk
        .put_raw("checkpoint", &earlier.disk.raw("checkpoint").unwrap());
    assert_eq!((later.head_size(), later.head_size_beside()), (Some(3), Some(5)));
    later.assert_whole();
    let running = later.open_clean();
    assert_eq!(later.head_size(), Some(5));
    assert_eq!(running.ledger.snapshot().size(), 5);
}

#[test]
fn a_head_beside_the_key_that_is_behind_or_gone_is_brought_up_to_date() {
    let (earlier, later) = earlier_and_later();
    for head in [earlier.keys.own.raw("head"), None] {
        let machine = later.kill();
        match &head {
            Some(head) => machine.keys.own.put_raw("head", head),
            None => assert!(machine.keys.own.remove_raw("head")),
        }
        let report = machine.verify();
        assert_eq!(report.findings, []);
        let usable = head.is_some();
        let told = |notes: &[String]| notes.iter().any(|note| note.contains("head beside the key"));
        assert_eq!(told(&report.notes), !usable, "{:?}", report.notes);
        let (running, recovered) = machine.open().unwrap();
        assert!(recovered.read_only.is_none(), "{recovered:?}");
        assert_eq!(told(&recovered.notes), !usable);
        drop(running);
        assert_eq!(machine.keys.own.raw("head"), later.keys.own.raw("head"));
        machine.open_clean();
    }
}

/// What lies there is the one thing that shows an older state put back: it is not written over unseen.
#[test]
fn what_lies_beside_the_key_and_is_no_head_is_refused() {
    let machine = closed(1);
    let stranger = closed(1).keys.own.raw("head").unwrap();
    for bytes in [b"no head".as_slice(), b"", &stranger] {
        let machine = machine.kill();
        machine.keys.own.put_raw("head", bytes);
        assert_refused(&machine, Code::Evidence);
    }
}

/// Both heads older: what is past them was perhaps not acknowledged, and is told.
#[test]
fn records_past_both_heads_are_kept_and_told() {
    let (earlier, later) = earlier_and_later();
    later
        .disk
        .put_raw("checkpoint", &earlier.disk.raw("checkpoint").unwrap());
    later
        .keys
        .own
        .put_raw("head", &earlier.keys.own.raw("head").unwrap());
    assert_eq!(later.verify().code(), Some(Code::Unfinished));
    let (running, recovered) = later.open().unwrap();
    let adopted = recovered.adopted.unwrap();
    assert_eq!((adopted.first, adopted.last, adopted.head_size), (3, 4, 3));
    assert_eq!((later.head_size(), later.head_size_beside()), (Some(6), Some(6)));
    running.close();
    later.assert_whole();
}

#[track_caller]
fn assert_refused(machine: &Machine, code: Code) {
    let report = machine.verify();
    assert_eq!(report.code(), Some(code), "{:?}", report.findings);
    let (running, recovered) = machine.open().unwrap();
    let error = recovered.read_only.unwrap();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Corrupt, Some(code)),
        "{error}"
    );
    drop(running);
    assert_eq!(machine.disk.log(), [], "nothing was written");
    assert_eq!(machine.keys.own.log(), []);
}

#[test]
fn an_older_state_put_back_is_refused() {
    let (earlier, later) = earlier_and_later();
    earlier
        .keys
        .own
        .put_raw("head", &later.keys.own.raw("head").unwrap());
    assert_refused(&earlier, Code::RolledBack);
    // Its head kept, too: records are missing.
    let (earlier, later) = earlier_and_later();
    earlier
        .disk
        .put_raw("checkpoint", &later.disk.raw("checkpoint").unwrap());
    assert_refused(&earlier, Code::Truncated);
}

#[test]
fn a_head_in_the_directory_that_is_damaged_or_gone_is_refused() {
    let machine = closed(1);
    let head = machine.disk.raw("checkpoint").unwrap();
    let stranger = closed(1).disk.raw("checkpoint").unwrap();
    let mut spaced = head.clone();
    spaced.push(b'\n');
    for bytes in [
        &head[..head.len() / 2],
        &head[..head.len() - 1],
        &[],
        &spaced,
        b"no head",
        &stranger,
    ] {
        let machine = machine.kill();
        machine.disk.put_raw("checkpoint", bytes);
        assert_refused(&machine, Code::Evidence);
    }
    for at in (0..head.len()).step_by(3) {
        let machine = machine.kill();
        machine
            .disk
            .flip_bit("checkpoint", at as u64, 1 << (at % 7))
            .unwrap();
        assert_refused(&machine, Code::Evidence);
    }
    let machine = machine.kill();
    assert!(machine.disk.remove_raw("checkpoint"));
    assert_refused(&machine, Code::Evidence);
}

/// Without a signature only the records tell, and those that are sealed are not read at an open: but the last seal says
/// the same of them.
#[test]
fn an_unsigned_head_with_another_root_than_the_last_seal_is_refused() {
    let machine = Machine::unsigned();
    let mut running = machine.create().unwrap();
    running.append(&["{}"]).unwrap();
    running.writer.seal().unwrap();
    running.close();
    let head = machine.disk.raw("head").unwrap();
    let (root, tail) = (head.len() - 45, head.len() - 2);
    for at in root..tail {
        let machine = machine.kill();
        machine.disk.flip_bit("head", at as u64, 1).unwrap();
        assert_refused(&machine, Code::Evidence);
    }
    machine.kill().open_clean();
}

#[test]
fn an_unsigned_head_over_no_records_is_refused() {
    let machine = Machine::unsigned();
    drop(machine.create().unwrap());
    let machine = machine.kill();
    assert_eq!(machine.head_size(), Some(1));
    let head = machine.disk.raw("head").unwrap();
    let size = head.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    machine.disk.flip_bit("head", size as u64, 1).unwrap();
    assert_eq!(machine.head_size(), Some(0));
    assert_refused(&machine, Code::Evidence);
}

/// Signs with the ledger's own key what is not so: whoever has the key can, and every other head tells.
#[test]
fn a_head_over_other_records_is_refused() {
    let machine = closed(1);
    let key = String::from_utf8(machine.keys.own.raw("ledger.json").unwrap()).unwrap();
    let signer = Signer::parse(key.trim_end()).unwrap();
    let forged = |size| {
        let head = Head {
            origin: signer.verifier().origin().clone(),
            size,
            root: Hash::ZERO,
        };
        signer.sign(&head).unwrap()
    };
    for (size, code) in [
        (1, Code::Rewritten),
        (3, Code::Rewritten),
        // In the middle of a group.
        (2, Code::Rewritten),
    ] {
        let inside = machine.kill();
        inside.disk.put_raw("checkpoint", &forged(size));
        let beside = machine.kill();
        beside.keys.own.put_raw("head", &forged(size));
        for machine in [inside, beside] {
            assert_refused(&machine, code);
        }
    }
}

#[test]
fn without_its_key_a_ledger_is_read_only_and_goes_on_with_it() {
    let machine = closed(1);
    let key = machine.keys.own.raw("ledger.json").unwrap();
    let stranger = closed(0).keys.own.raw("ledger.json").unwrap();
    for other in [None, Some(stranger), Some(b"no key".to_vec())] {
        let machine = machine.kill();
        match other {
            Some(other) => machine.keys.own.put_raw("ledger.json", &other),
            None => assert!(machine.keys.own.remove_raw("ledger.json")),
        }
        let (running, recovered) = machine.open().unwrap();
        let error = recovered.read_only.unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(running.ledger.snapshot().size(), 3);
        drop(running);
        assert_eq!(machine.disk.log(), [], "nothing was written");
        machine.assert_whole();
        machine.keys.own.put_raw("ledger.json", &key);
        machine.open_clean();
    }
}

/// A seal that somebody took away, with the head beside the key: the seal is made again, and no head goes back.
#[test]
fn no_head_goes_back_when_an_older_segment_is_sealed_again() {
    let machine = Machine::signed();
    let mut running = machine.create().unwrap();
    running.append(&["{}"]).unwrap();
    running.writer.seal().unwrap();
    running.append(&["{}", "{}"]).unwrap();
    running.close();
    let seal = "segments/00000000000000000000.seal.json";
    let (machine, before) = (machine.kill(), machine.disk.raw(seal).unwrap());
    assert!(machine.disk.remove_raw(seal) && machine.keys.own.remove_raw("head"));
    let rehearsal = machine.kill();
    drop(rehearsal.open().unwrap());
    for number in 0..=rehearsal.disk.operations() {
        let machine = machine.kill();
        machine.disk.power_off_at(number);
        drop(machine.open());
        assert_eq!(machine.head_size(), Some(4), "cut before {number}");
    }
    assert_eq!(rehearsal.disk.raw(seal).unwrap(), before);
    rehearsal.kill().open_clean();
}
