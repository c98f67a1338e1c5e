//! Lookups: where the records stand that share a key.
//!
//! The index of the open segment is in memory ([`memory`]), a sealed one's in a file beside it ([`sidecar`]). Both can
//! be made again from the lines at any time: they cost time, never an answer. A hit is checked against its record; a
//! miss is believed only when every block that was asked was whole.

pub(crate) mod about;
mod blocks;
pub(crate) mod build;
pub(crate) mod catalog;
pub(crate) mod declared;
mod encode;
pub(crate) mod families;
pub(crate) mod keys;
mod levels;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod merge;
pub(crate) mod open;
pub(crate) mod records;
pub(crate) mod repair;
pub(crate) mod runs;
pub(crate) mod saved;
pub(crate) mod sidecar;
pub(crate) mod store;
pub(crate) mod upkeep;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledgerstone_formats::hash::Hash;

use crate::index::blocks::BadBlock;
use crate::index::declared::Declared;
use crate::index::keys::{HASH_KEY_BYTES, HashKey, Key, Recipe};
use crate::index::memory::Pages;
use crate::index::runs::BadPart;
use crate::index::sidecar::Sidecar;

/// That a record stands under a key. Ordered by hash, then by place in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Posting {
    /// Hash of the key.
    pub(crate) hash: u64,
    /// The record.
    pub(crate) seq: u64,
    /// Byte offset of its line in its segment.
    pub(crate) offset: u32,
}

/// The index of some records in a row.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// Of records that are sealed, or were when the file was made.
    File(Arc<Sidecar>),
    /// Of a segment that is written to, or not sealed yet.
    Memory {
        /// First sequence number of the segment.
        first: u64,
        /// Its postings.
        pages: Pages,
    },
}

impl Part {
    /// How many records of a range have this hash.
    pub(crate) fn count(&self, hash: u64, records: &Range<u64>) -> Result<u64, BadBlock> {
        match self {
            Self::File(sidecar) => {
                let from = sidecar.lower_bound(hash, records.start)?;
                let end = sidecar.lower_bound(hash, records.end)?;
                Ok(end.saturating_sub(from) as u64)
            }
            Self::Memory { pages, .. } => {
                let own = pages.newest_first(hash);
                Ok(own.filter(|posting| records.contains(&posting.seq)).count() as u64)
            }
        }
    }

    /// Whether a record has this hash; a part of which a block is bad is made again when it is asked.
    fn has(&self, hash: u64) -> bool {
        match self {
            Self::File(sidecar) => sidecar.count(hash).is_ok_and(|count| count > 0),
            Self::Memory { pages, .. } => pages.newest_first(hash).next().is_some(),
        }
    }

    /// First sequence number that it may have.
    pub(crate) fn first(&self) -> u64 {
        match self {
            Self::File(sidecar) => sidecar.subject().first,
            Self::Memory { first, .. } => *first,
        }
    }

    /// First sequence number past it; none for one that still grows.
    pub(crate) fn end(&self) -> Option<u64> {
        match self {
            Self::File(sidecar) => Some(sidecar.subject().end),
            Self::Memory { .. } => None,
        }
    }
}

/// The index of a ledger, as it is now: shared by the writer, the notary and readers.
#[derive(Debug)]
pub(crate) struct Index {
    recipe: Recipe,
    /// In order, without gaps.
    parts: Mutex<Arc<Vec<Part>>>,
    /// First sequence numbers of parts whose file is bad, and which were made again in memory.
    damaged: Mutex<BTreeSet<u64>>,
    /// Files that could not be written.
    failures: AtomicU64,
}

impl Index {
    pub(crate) fn new(recipe: Recipe, parts: Vec<Part>) -> Self {
        Self {
            recipe,
            parts: Mutex::new(Arc::new(parts)),
            damaged: Mutex::default(),
            failures: AtomicU64::new(0),
        }
    }

    /// Of a ledger that is open for reading only: nobody asks it.
    pub(crate) fn empty() -> Self {
        Self::new(Recipe::plain(HashKey([0; HASH_KEY_BYTES])), Vec::new())
    }

    /// Takes the declarations that its records have to be found by.
    pub(crate) fn declare(&mut self, declared: Declared) {
        self.recipe.declared = declared;
    }

    /// Whether a file was made with what is declared for the kinds of its records.
    pub(crate) fn is_bound(&self, sidecar: &Sidecar) -> bool {
        let digest = self.recipe.digest_of(sidecar);
        digest.is_ok_and(|digest| digest == sidecar.subject().declared)
    }

    /// What binds a file of the parts that begin among these records.
    pub(crate) fn declared_in(&self, records: &Range<u64>) -> Hash {
        let parts = self.parts();
        self.recipe.declared.digest(|kind| {
            let hash = self.key().hash(&Key::Kind(kind));
            let mut own = parts.iter().filter(|part| records.contains(&part.first()));
            own.any(|part| part.has(hash))
        })
    }

    /// Secret of the hashes.
    pub(crate) fn key(&self) -> &HashKey {
        &self.recipe.key
    }

    /// What its hashes are made with.
    pub(crate) fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The parts of this moment. They may know of records that are not published yet.
    pub(crate) fn parts(&self) -> Arc<Vec<Part>> {
        Arc::clone(&self.lock())
    }

    /// The file that knows of a record.
    pub(crate) fn file_holding(&self, seq: u64) -> Option<BadPart> {
        let parts = self.parts();
        let place = parts.partition_point(|part| part.first() <= seq).checked_sub(1)?;
        match &parts[place] {
            Part::File(sidecar) => Some(BadPart::of(sidecar)),
            Part::Memory { .. } => None,
        }
    }

    /// Takes in a part, in place of those about the same records.
    pub(crate) fn put(&self, part: Part) {
        let mut parts = self.lock();
        let first = part.first();
        let end = part.end().unwrap_or(first + 1);
        let from = parts.partition_point(|other| other.first() < first);
        let to = parts.partition_point(|other| other.first() < end);
        let mut next = Vec::with_capacity(parts.len() + 1);
        next.extend_from_slice(&parts[..from]);
        next.push(part);
        next.extend_from_slice(&parts[to..]);
        *parts = Arc::new(next);
    }

    /// Takes in what was made in place of a part, unless something else has taken its place meanwhile.
    pub(crate) fn replace(&self, bad: BadPart, made: Vec<Part>) {
        let mut parts = self.lock();
        let Ok(place) = parts.binary_search_by_key(&bad.first, Part::first) else {
            return;
        };
        if let Part::File(sidecar) = &parts[place]
            && BadPart::of(sidecar) == bad
        {
            let mut next = parts.to_vec();
            next.splice(place..=place, made);
            *parts = Arc::new(next);
        }
    }

    /// The file of a part is bad: it is to be written again.
    pub(crate) fn note_damage(&self, first: u64) {
        self.damaged().insert(first);
    }

    /// A part whose file is to be written again.
    pub(crate) fn take_damage(&self) -> Option<u64> {
        self.damaged().pop_first()
    }

    /// Whether the file of a segment is to be written again.
    pub(crate) fn is_damaged(&self, first: u64) -> bool {
        self.damaged().contains(&first)
    }

    /// Whether a part's file is to be written again.
    pub(crate) fn has_damage(&self) -> bool {
        !self.damaged().is_empty()
    }

    fn damaged(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        // No code that can panic runs under this lock.
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An index file could not be written.
    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// How many index files could not be written.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Vec<Part>>> {
        // No code that can panic leaves the list half changed.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
