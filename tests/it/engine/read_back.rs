//! What reads back otherwise than it was acknowledged is not signed.

use ledgerstone_engine::{Code, ErrorKind};
use ledgerstone_tests::forge;

use super::faults_answered::Working;
use super::*;

#[test]
fn bytes_that_read_back_otherwise_are_not_signed() {
    for at in [5, 200, 350] {
        let mut working = Working::new();
        let before = working.machine.disk.raw(SEGMENT).unwrap().len() as u64;
        working.running.append(&["{}"]).unwrap();
        working.machine.disk.flip_bit(SEGMENT, before + at, 1).unwrap();
        assert_eq!(
            working.running.pass(&working.machine, Duration::from_secs(1)),
            Step::Closed
        );
        working.assert_latched(ErrorKind::Corrupt);
        assert_eq!(working.machine.head_size(), Some(3));
        let machine = working.machine.kill();
        let error = machine.open().unwrap().1.read_only.unwrap();
        assert_eq!(
            (error.code(), error.seq()),
            (Some(Code::Altered), Some(3)),
            "{error}"
        );
    }
}

/// A line that is whole and follows the one before, but is not the one that was acknowledged.
#[test]
fn another_record_in_the_place_of_the_acknowledged_one_is_not_signed() {
    let mut working = Working::new();
    let before = working.machine.disk.raw(SEGMENT).unwrap().len();
    working.running.append(&[r#"{"amount":100}"#]).unwrap();
    let end = usize::try_from(working.running.ledger.snapshot().segments()[0].bytes).unwrap();
    let line = working.machine.disk.raw(SEGMENT).unwrap()[before..end].to_vec();
    let forged = forge::edit(line.strip_suffix(b"\n").unwrap(), |_, body| {
        *body = br#"{"amount":900}"#.to_vec();
    });
    for (at, (old, new)) in (before as u64..).zip(line.iter().zip(&forged)) {
        working.machine.disk.flip_bit(SEGMENT, at, old ^ new).unwrap();
    }
    assert_eq!(
        working.running.pass(&working.machine, Duration::from_secs(1)),
        Step::Closed
    );
    working.assert_latched(ErrorKind::Corrupt);
    assert_eq!(working.machine.head_size(), Some(3));
}
