//! The index of a ledger that is opened: from the files that fit, from the lines where there is none.

use std::sync::Arc;

use ledgerstone_formats::names::FileName;

use crate::commit::shared::SegmentInfo;
use crate::entropy::Entropy;
use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::index::Part;
use crate::index::about::{SealedSpan, kinds_of};
use crate::index::build::{pages_of, sidecar_of};
use crate::index::catalog::Catalog;
use crate::index::keys::{HashKey, Key, Recipe};
use crate::index::saved::Saved;
use crate::index::sidecar::Sidecar;
use crate::storage::{Mapped, Storage};

/// The parts of an index with what is to be done about them.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) parts: Vec<Part>,
    /// First sequence number past what is there.
    pub(crate) end: u64,
    /// Sidecars that were not there, or were not those of the segment.
    pub(crate) rebuilt: Vec<(u64, Mapped)>,
}

/// The secret that the index files of a ledger share, or a new one where there is no file that can be used.
pub(crate) fn key_of(
    storage: &dyn Storage,
    catalog: &Catalog,
    segments: impl IntoIterator<Item = u64>,
) -> Result<HashKey, Error> {
    if let Some(merged) = catalog.sidecars().next() {
        return Ok(merged.subject().key);
    }
    let mut sidecars = segments
        .into_iter()
        .filter_map(|first| Sidecar::open(storage.map(&FileName::Index(first)).ok()?).ok());
    match sidecars.next() {
        Some(sidecar) => Ok(sidecar.subject().key),
        None => new_key(),
    }
}

/// Loads the index of sealed segments, and makes what there is not. Reads only. What is declared is found through the
/// index, and put in afterwards.
///
/// # Errors
/// `Corrupt` where records are missing between two segments: an index that knows nothing of them would hide them.
pub(crate) fn load_sealed(
    storage: &dyn Storage,
    catalog: &Catalog,
    spans: &[SealedSpan],
    key: &HashKey,
) -> Result<Loaded, Error> {
    let mut loaded = Loaded::default();
    let mut left = spans;
    while let Some(span) = left.first() {
        loaded.expect_next(span.first)?;
        let merged = catalog.at(span.first).filter(|(sidecar, merged)| {
            left.starts_with(merged) && sidecar.subject().key == *key && has_kinds(sidecar, merged)
        });
        let (sidecar, count) = match merged {
            Some((sidecar, merged)) => (Arc::clone(sidecar), merged.len()),
            None => (loaded.sidecar(storage, span, key)?, 1),
        };
        loaded.end = sidecar.subject().end;
        loaded.parts.push(Part::File(sidecar));
        left = &left[count..];
    }
    Ok(loaded)
}

impl Loaded {
    /// Indexes the lines of a segment that has no seal.
    pub(crate) fn add_open(
        &mut self,
        storage: &dyn Storage,
        segment: &SegmentInfo,
        recipe: &Recipe,
    ) -> Result<(), Error> {
        self.expect_next(segment.first)?;
        let (mut first, mut offset) = (segment.first, 0);
        // Lines are only added to such a segment: what was saved of its beginning holds.
        if let Some(saved) = Saved::read(storage, segment.first, segment.bytes, &recipe.key) {
            (first, offset) = (saved.sidecar.subject().end, saved.open.bytes);
            self.parts.push(Part::File(saved.sidecar));
        }
        let (pages, end) = pages_of(storage, segment, (first, offset), recipe)?;
        self.parts.push(Part::Memory {
            first,
            pages: pages.pages().clone(),
        });
        self.end = end;
        Ok(())
    }

    fn expect_next(&self, first: u64) -> Result<(), Error> {
        if first == self.end {
            Ok(())
        } else {
            Err(missing(self.end))
        }
    }

    fn sidecar(
        &mut self,
        storage: &dyn Storage,
        span: &SealedSpan,
        key: &HashKey,
    ) -> Result<Arc<Sidecar>, Error> {
        if let Some(sidecar) = fitting(storage, span, key) {
            return Ok(Arc::new(sidecar));
        }
        let segment = SegmentInfo {
            first: span.first,
            bytes: span.bytes,
            sealed: true,
        };
        let bytes = Mapped::from(sidecar_of(storage, &segment, span.end, &Recipe::plain(*key))?);
        self.rebuilt.push((span.first, bytes.clone()));
        Ok(Arc::new(
            Sidecar::open(bytes).expect("what was just encoded can be read"),
        ))
    }
}

/// The sidecar of a sealed segment, if there is one that can be used: whatever is wrong with it, it is made again.
pub(crate) fn fitting(storage: &dyn Storage, span: &SealedSpan, key: &HashKey) -> Option<Sidecar> {
    let bytes = storage.map(&FileName::Index(span.first)).ok()?;
    let sidecar = Sidecar::open(bytes).ok()?;
    let subject = sidecar.subject();
    let own = (subject.first, subject.end, subject.last_hash) == (span.first, span.end, span.last_hash);
    (own && subject.level == 0 && subject.key == *key && has_kinds(&sidecar, std::slice::from_ref(span)))
        .then_some(sidecar)
}

/// The seals count the records of each kind: a file made up from nothing does not have them.
fn has_kinds(sidecar: &Sidecar, spans: &[SealedSpan]) -> bool {
    kinds_of(spans).into_iter().all(|(kind, count)| {
        let hash = sidecar.subject().key.hash(&Key::Kind(kind));
        sidecar.count(hash).is_ok_and(|found| found as u64 == count)
    })
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
