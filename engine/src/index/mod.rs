//! Lookups: where the records stand that share a key.
//!
//! The index of the open segment is in memory ([`memory`]), a sealed one's in a file beside it ([`sidecar`]). Both can
//! be made again from the lines at any time: they cost time, never an answer. A hit is checked against its record; a
//! miss is believed only when every block that was asked was whole.

mod blocks;
pub(crate) mod build;
pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod runs;
pub(crate) mod sidecar;
pub(crate) mod store;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::index::keys::{HASH_KEY_BYTES, HashKey};
use crate::index::memory::Pages;
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
    /// First sequence number that it may have.
    pub(crate) fn first(&self) -> u64 {
        match self {
            Self::File(sidecar) => sidecar.subject().first,
            Self::Memory { first, .. } => *first,
        }
    }
}

/// The index of a ledger, as it is now: shared by the writer, the notary and readers.
#[derive(Debug)]
pub(crate) struct Index {
    key: HashKey,
    /// In order, without gaps.
    parts: Mutex<Arc<Vec<Part>>>,
    /// Sidecars that could not be written.
    failures: AtomicU64,
}

impl Index {
    pub(crate) fn new(key: HashKey, parts: Vec<Part>) -> Self {
        Self {
            key,
            parts: Mutex::new(Arc::new(parts)),
            failures: AtomicU64::new(0),
        }
    }

    /// Of a ledger that is open for reading only: nobody asks it.
    pub(crate) fn empty() -> Self {
        Self::new(HashKey([0; HASH_KEY_BYTES]), Vec::new())
    }

    /// Secret of the hashes.
    pub(crate) fn key(&self) -> &HashKey {
        &self.key
    }

    /// The parts of this moment. They may know of records that are not published yet.
    pub(crate) fn parts(&self) -> Arc<Vec<Part>> {
        Arc::clone(&self.lock())
    }

    /// Takes in a part, in place of those that begin with the same record.
    pub(crate) fn put(&self, part: Part) {
        let mut parts = self.lock();
        let mut next = parts.to_vec();
        match next.binary_search_by_key(&part.first(), Part::first) {
            Ok(at) => next[at] = part,
            Err(at) => next.insert(at, part),
        }
        *parts = Arc::new(next);
    }

    /// A sidecar could not be written.
    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// How many sidecars could not be written.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Vec<Part>>> {
        // No code that can panic leaves the list half changed.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
