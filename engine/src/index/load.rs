//! The index of a ledger that is opened: from the sidecars that fit, from the lines where there is none.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::segment::Seal;

use crate::commit::shared::SegmentInfo;
use crate::entropy::Entropy;
use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::index::build::{pages_of, sidecar_of};
use crate::index::keys::{HashKey, Key};
use crate::index::memory::PageWriter;
use crate::index::sidecar::Sidecar;
use crate::index::{Index, Part};
use crate::storage::{Mapped, Storage};

/// What a sealed segment's sidecar has to be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedSpan {
    /// First sequence number.
    pub(crate) first: u64,
    /// First sequence number past it.
    pub(crate) end: u64,
    /// Hash of its last record.
    pub(crate) last_hash: Hash,
    /// Records of each kind.
    pub(crate) kinds: BTreeMap<String, u64>,
}

impl SealedSpan {
    pub(crate) fn of(seal: &Seal) -> Self {
        Self {
            first: seal.first,
            end: seal.last + 1,
            last_hash: seal.last_hash,
            kinds: seal.kinds.clone(),
        }
    }
}

/// An index with what is to be done about it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) index: Index,
    /// First sequence number past what is there.
    pub(crate) end: u64,
    /// Of the last segment without a seal.
    pub(crate) active: PageWriter,
    /// Sidecars that were not there, or were not those of the segment.
    pub(crate) rebuilt: Vec<(u64, Mapped)>,
}

/// Loads what there is and makes what there is not. Reads only.
///
/// # Errors
/// `Corrupt` where records are missing between two segments: an index that knows nothing of them would hide them.
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
    let mut end = 0;
    for (at, segment) in segments.iter().enumerate() {
        if segment.first != end {
            return Err(missing(end));
        }
        let sidecar = there.get_mut(at).and_then(Option::take);
        let sidecar = sidecar.filter(|sidecar| sidecar.subject().key == key);
        let part = match sidecar {
            Some(sidecar) => {
                end = sidecar.subject().end;
                Part::File(Arc::new(sidecar))
            }
            None if at < sealed.len() => {
                let bytes = Mapped::from(sidecar_of(storage, segment, &key)?);
                rebuilt.push((segment.first, bytes.clone()));
                let sidecar = Sidecar::open(bytes).expect("what was just encoded can be read");
                end = sidecar.subject().end;
                Part::File(Arc::new(sidecar))
            }
            None => {
                (active, end) = pages_of(storage, segment, &key)?;
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
        end,
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
    // The seal counts the records of each kind: a file made up from nothing does not have them.
    let counts = span.kinds.iter().all(|(kind, count)| {
        let hash = subject.key.hash(&Key::Kind(kind));
        sidecar.count(hash).is_ok_and(|found| found as u64 == *count)
    });
    (counts && found == (span.first, span.end, span.last_hash)).then_some(sidecar)
}

fn missing(seq: u64) -> Error {
    let finding = Finding::new(Code::Missing, format!("no file holds the record with seq {seq}"));
    Error::corrupt(vec![finding.at_seq(seq)])
}

fn new_key() -> Result<HashKey, Error> {
    let salt = Entropy::new().salt();
    salt.map(HashKey)
        .map_err(|error| Error::io("the operating system gives no random bytes", error))
}
