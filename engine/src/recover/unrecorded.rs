//! Quarantine files that no record of the ledger names.

use std::ops::ControlFlow;

use ledgerstone_formats::names::QuarantineName;
use ledgerstone_formats::records::system;

use crate::error::Error;
use crate::index::Index;
use crate::index::keys::Key;
use crate::index::records::{Hit, each_record};
use crate::segment::list::Segments;
use crate::storage::Storage;

/// The files that are to be told of.
pub(crate) fn unrecorded(
    storage: &dyn Storage,
    segments: &Segments,
    index: &Index,
    quarantine: &[QuarantineName],
) -> Result<Vec<QuarantineName>, Error> {
    let mut left = Vec::new();
    for name in quarantine {
        if !is_recorded(storage, segments, index, &name.to_string())? {
            left.push(name.clone());
        }
    }
    Ok(left)
}

fn is_recorded(storage: &dyn Storage, segments: &Segments, index: &Index, id: &str) -> Result<bool, Error> {
    let key = Key::Entity {
        kind: system::RECOVERY,
        tenant: None,
        id,
    };
    let mut found = false;
    each_record(storage, segments, index, &key, 0, |hit| match hit {
        Hit::Record(_) => {
            found = true;
            ControlFlow::Break(())
        }
        // It is told once more: a record too many is better than none.
        Hit::Altered { .. } => ControlFlow::Continue(()),
    })?;
    Ok(found)
}
