//! Index files on their way to the disk. A failure costs time at the next open and nothing else.

use std::io;
use std::sync::Arc;

use ledgerstone_formats::names::FileName;

use crate::commit::shared::SegmentInfo;
use crate::index::about::{About, OpenSpan};
use crate::index::build::sidecar_of;
use crate::index::encode::Encoder;
use crate::index::merge::{Merge, MergeError};
use crate::index::sidecar::{Sidecar, Subject};
use crate::index::{Index, Part};
use crate::storage::{Mapped, Storage};

/// Writes the sidecar of a segment that was just sealed, and lets lookups go to the file instead of the memory. Where
/// it cannot be written, the index stays as it is.
pub(crate) fn seal_part(storage: &dyn Storage, index: &Index, subject: &Subject, bytes: u64) {
    let own = parts_of(index, subject);
    let name = FileName::Index(subject.first);
    let written = match write_merged(storage, &name, subject, &About::default(), &own, || false) {
        // What was saved of the segment when the ledger was closed is bad: the lines are still there.
        Err(MergeError::Bad(_)) => write_from_lines(storage, index, subject, bytes),
        written => written.ok(),
    };
    match written {
        Some(sidecar) => index.put(Part::File(sidecar)),
        None => index.count_failure(),
    }
}

/// Writes the index of a segment that has no seal, unless it was written by an earlier close.
pub(crate) fn save_part(storage: &dyn Storage, index: &Index, subject: &Subject, open: OpenSpan) {
    let own = parts_of(index, subject);
    if own.iter().any(|part| part.end() == Some(subject.end)) {
        return;
    }
    let about = About {
        segments: Vec::new(),
        open: Some(open),
    };
    let name = FileName::Index(subject.first);
    if write_merged(storage, &name, subject, &about, &own, || false).is_err() {
        index.count_failure();
    }
}

fn parts_of(index: &Index, subject: &Subject) -> Vec<Part> {
    let parts = index.parts();
    let own = parts
        .iter()
        .filter(|part| (subject.first..subject.end).contains(&part.first()));
    own.cloned().collect()
}

fn write_from_lines(
    storage: &dyn Storage,
    index: &Index,
    subject: &Subject,
    bytes: u64,
) -> Option<Arc<Sidecar>> {
    let segment = SegmentInfo {
        first: subject.first,
        bytes,
        sealed: true,
    };
    let file = sidecar_of(storage, &segment, subject.end, index.recipe()).ok()?;
    let name = FileName::Index(subject.first);
    storage
        .replace_derived(&name, &mut |out| out.write_all(&file))
        .ok()?;
    map(storage, &name).ok()
}

/// Writes a sidecar that was made again, and uses the file.
pub(crate) fn store(storage: &dyn Storage, index: &Index, first: u64, bytes: &Mapped) {
    let name = FileName::Index(first);
    let written = storage.replace_derived(&name, &mut |file| file.write_all(bytes.as_ref()));
    match written.and_then(|()| map(storage, &name)) {
        Ok(sidecar) => {
            let subject = *sidecar.subject();
            let memory = crate::index::runs::BadPart {
                first: subject.first,
                end: subject.end,
                level: subject.level,
            };
            index.replace(memory, vec![Part::File(sidecar)]);
        }
        Err(_) => index.count_failure(),
    }
}

/// Writes the postings of several parts to one file, and opens it. `stop` is asked now and then whether to give up.
pub(crate) fn write_merged(
    storage: &dyn Storage,
    name: &FileName,
    subject: &Subject,
    about: &About,
    parts: &[Part],
    stop: impl Fn() -> bool,
) -> Result<Arc<Sidecar>, MergeError> {
    let mut bad = None;
    let written = storage.replace_derived(name, &mut |file| {
        let merge = Merge::of(parts);
        let mut encoder = Encoder::new(subject, about, merge.entries(), file)?;
        let merged = merge.run(|posting| {
            if stop() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            encoder.push(posting)
        });
        match merged {
            Ok(()) => encoder.finish(),
            Err(MergeError::Io(error)) => Err(error),
            Err(MergeError::Bad(part)) => {
                bad = Some(part);
                Err(io::ErrorKind::InvalidData.into())
            }
        }
    });
    match (written, bad) {
        (_, Some(part)) => Err(MergeError::Bad(part)),
        (Err(error), None) => Err(MergeError::Io(error)),
        (Ok(()), None) => map(storage, name).map_err(MergeError::Io),
    }
}

fn map(storage: &dyn Storage, name: &FileName) -> io::Result<Arc<Sidecar>> {
    let unusable = |bad| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{name} reads back otherwise: {bad}"),
        )
    };
    Sidecar::open(storage.map(name)?).map(Arc::new).map_err(unusable)
}
