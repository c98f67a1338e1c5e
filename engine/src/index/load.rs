//! The index of a ledger that is opened: from the sidecars that fit, from the lines where there is none.

use std::sync::Arc;

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::segment::Seal;

use crate::commit::shared::SegmentInfo;
use crate::entropy::Entropy;
use crate::error::Error;
use crate::index::build::{pages_of, sidecar_of};
use crate::index::keys::HashKey;
use crate::index::memory::PageWriter;
use crate::index::sidecar::Sidecar;
use crate::index::{Index, Part};
use crate::storage::{Mapped, Storage};

/// What a sealed segment's sidecar has to be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedSpan {
    /// First sequence number.
    pub(crate) first: u64,
    /// First sequence number past it.
    pub(crate) end: u64,
    /// Hash of its last record.
    pub(crate) last_hash: Hash,
}

impl SealedSpan {
    pub(crate) fn of(seal: &Seal) -> Self {
        Self {
            first: seal.first,
            end: seal.last + 1,
            last_hash: seal.last_hash,
        }
    }
}

/// An index with what is to be done about it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) index: Index,
    /// Of the last segment without a seal.
    pub(crate) active: PageWriter,
    /// Sidecars that were not there, or were not those of the segment.
    pub(crate) rebuilt: Vec<(u64, Mapped)>,
}

/// Loads what there is and makes what there is not. Reads only.
pub(crate) fn load(
    storage: &dyn Storage,
    segments: &[SegmentInfo],
    sealed: &[SealedSpan],
) -> Result<Loaded, Error> {
    let mut there: Vec<Option<Sidecar>> = sealed.iter().map(|span| fitting(storage, span)).collect();
    let key = there.iter().flatten().next().map(|sidecar| sidecar.subject().key);
    let key = match key {
        Some(key) => key,
        None => new_key()?,
    };
    let (mut parts, mut rebuilt, mut active) = (Vec::new(), Vec::new(), PageWriter::default());
    for (at, segment) in segments.iter().enumerate() {
        let sidecar = there.get_mut(at).and_then(Option::take);
        let sidecar = sidecar.filter(|sidecar| sidecar.subject().key == key);
        let part = match sidecar {
            Some(sidecar) => Part::File(Arc::new(sidecar)),
            None if at < sealed.len() => {
                let bytes = Mapped::from(sidecar_of(storage, segment, &key)?);
                rebuilt.push((segment.first, bytes.clone()));
                let sidecar = Sidecar::open(bytes).expect("what was just encoded can be read");
                Part::File(Arc::new(sidecar))
            }
            None => {
                active = pages_of(storage, segment, &key)?;
                Part::Memory {
                    first: segment.first,
                    pages: active.pages().clone(),
                }
            }
        };
        parts.push(part);
    }
    Ok(Loaded {
        index: Index::new(key, parts),
        active,
        rebuilt,
    })
}

/// The sidecar of a sealed segment, if there is one that can be used: whatever is wrong with it, it is made again.
fn fitting(storage: &dyn Storage, span: &SealedSpan) -> Option<Sidecar> {
    let bytes = storage.map(&FileName::Index(span.first)).ok()?;
    let sidecar = Sidecar::open(bytes).ok()?;
    let subject = sidecar.subject();
    let found = (subject.first, subject.end, subject.last_hash);
    (found == (span.first, span.end, span.last_hash)).then_some(sidecar)
}

fn new_key() -> Result<HashKey, Error> {
    let salt = Entropy::new().salt();
    salt.map(HashKey)
        .map_err(|error| Error::io("the operating system gives no random bytes", error))
}
