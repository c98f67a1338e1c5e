//! Merged indexes as a catalogue: what the seals of their segments say, so that an open reads a number of files that
//! grows with the logarithm of the ledger.
//!
//! Believed as far as names and lengths in the directory bear it out: what is in sealed files is for `verify` to say.

use std::sync::Arc;

use ledgerstone_formats::names::FileName;

use crate::index::about::SealedSpan;
use crate::index::levels::FAN;
use crate::index::sidecar::Sidecar;
use crate::storage::{Listing, Storage};

/// Merged indexes that can be used, in order; no two are about the same segment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    merged: Vec<(Arc<Sidecar>, Vec<SealedSpan>)>,
    /// Merged indexes that are there and not used: a larger one has taken their place, or something is wrong with them.
    pub(crate) unused: Vec<FileName>,
}

impl Catalog {
    /// Opens the merged indexes that fit what is there.
    pub(crate) fn read(storage: &dyn Storage, listing: &Listing) -> Self {
        let mut names: Vec<(u64, u64)> = listing
            .files
            .iter()
            .filter_map(|(name, _)| match name {
                FileName::Merged { first, end } => Some((*first, *end)),
                _ => None,
            })
            .collect();
        // Of those that begin with the same record the largest first.
        names.sort_by_key(|(first, end)| (*first, u64::MAX - end));
        let (mut catalog, mut next) = (Self::default(), 0);
        for (first, end) in names {
            let name = FileName::Merged { first, end };
            let fitting = (first >= next).then(|| open(storage, listing, &name)).flatten();
            match fitting {
                Some(found) => {
                    next = end;
                    catalog.merged.push(found);
                }
                None => catalog.unused.push(name),
            }
        }
        catalog
    }

    /// The merged index that begins with a record, and its segments.
    pub(crate) fn at(&self, first: u64) -> Option<&(Arc<Sidecar>, Vec<SealedSpan>)> {
        let place = self
            .merged
            .binary_search_by_key(&first, |(sidecar, _)| sidecar.subject().first);
        place.ok().map(|place| &self.merged[place])
    }

    /// What the seal says of the segment that begins with a record.
    pub(crate) fn span(&self, first: u64) -> Option<&SealedSpan> {
        let place = self
            .merged
            .partition_point(|(sidecar, _)| sidecar.subject().first <= first);
        let (_, spans) = &self.merged[place.checked_sub(1)?];
        let place = spans.binary_search_by_key(&first, |span| span.first).ok()?;
        Some(&spans[place])
    }

    /// The merged indexes.
    pub(crate) fn sidecars(&self) -> impl Iterator<Item = &Sidecar> {
        self.merged.iter().map(|(sidecar, _)| sidecar.as_ref())
    }
}

fn open(
    storage: &dyn Storage,
    listing: &Listing,
    name: &FileName,
) -> Option<(Arc<Sidecar>, Vec<SealedSpan>)> {
    let FileName::Merged { first, end } = *name else {
        return None;
    };
    let sidecar = Sidecar::open(storage.map(name).ok()?).ok()?;
    let spans = sidecar.about().ok()?.segments;
    let subject = sidecar.subject();
    let count = FAN.checked_pow(u32::from(subject.level))?;
    let (last, mut next) = (spans.last()?, first);
    let fits = spans.iter().all(|span| {
        let follows = span.first == next && span.end > span.first;
        next = span.end;
        follows
            && listing.len_of(&FileName::Segment(span.first)) == Some(span.bytes)
            && listing.len_of(&FileName::Seal(span.first)) == Some(span.seal_bytes)
    });
    let own = (subject.first, subject.end, subject.last_hash) == (first, end, last.last_hash);
    (fits && own && last.end == end && spans.len() as u64 == count).then(|| (Arc::new(sidecar), spans))
}
