//! Sidecars on their way to the disk. A failure costs time at the next open and nothing else.

use std::io;
use std::sync::Arc;

use ledgerstone_formats::names::FileName;

use crate::index::sidecar::{Sidecar, Subject, encode};
use crate::index::{Index, Part};
use crate::storage::{Mapped, Storage};

/// Writes the sidecar of a segment that was just sealed, and lets lookups go to the file instead of the memory. Where
/// it cannot be written, the index stays in memory.
pub(crate) fn seal_part(storage: &dyn Storage, index: &Index, first: u64, subject: &Subject) {
    let pages = index.parts().iter().find_map(|part| match part {
        Part::Memory { first: own, pages } if *own == first => Some(pages.clone()),
        Part::Memory { .. } | Part::File(_) => None,
    });
    let Some(pages) = pages else { return };
    let bytes = Mapped::from(encode(subject, &pages.sorted()));
    store(storage, index, first, &bytes);
}

/// Writes a sidecar and uses the file.
pub(crate) fn store(storage: &dyn Storage, index: &Index, first: u64, bytes: &Mapped) {
    match write_and_map(storage, first, bytes) {
        Ok(sidecar) => index.put(Part::File(Arc::new(sidecar))),
        // The lines are still there to make it from.
        Err(_) => index.count_failure(),
    }
}

fn write_and_map(storage: &dyn Storage, first: u64, bytes: &Mapped) -> io::Result<Sidecar> {
    let name = FileName::Index(first);
    storage.replace_derived(&name, bytes.as_ref())?;
    let unusable = |bad| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{name} reads back otherwise: {bad}"),
        )
    };
    Sidecar::open(storage.map(&name)?).map_err(unusable)
}
