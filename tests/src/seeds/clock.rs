//! What a ledger says that the time was.

use std::sync::Arc;

use ledgerstone_engine::{Reader, Scope, Selection};
use ledgerstone_formats::record::Record;

use crate::machine::Machine;

const FIRST_SEGMENT: &str = "segments/00000000000000000000.jsonl";

/// Time of the last record that is there, of a ledger that is not finished too.
pub(super) fn last_micros(machine: &Machine) -> Option<i64> {
    let Ok(reader) = Reader::open(Arc::new(machine.disk.clone())) else {
        let line = machine.disk.raw(FIRST_SEGMENT)?;
        return Some(
            Record::parse(line.strip_suffix(b"\n")?)
                .ok()?
                .header
                .at
                .as_micros(),
        );
    };
    let snapshot = reader.snapshot().ok()?;
    let mut scan = snapshot.scan(Selection {
        from: snapshot.size().saturating_sub(1),
        ..Selection::all(Scope::Operator)
    });
    let last = scan.next_line().ok()??;
    Some(last.record().header.at.as_micros())
}
