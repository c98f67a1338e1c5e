//! The index of a segment that is written to, in memory: one thread puts records in, any number look them up, and
//! nobody waits for anybody.
//!
//! Made of pages that never move. A page is a hash table whose chains only grow at their front, so a reader that holds
//! an older front sees the older state. Readers pass over records past their snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::index::Posting;

/// Postings of the first page of a segment.
const PAGE_POSTINGS_MIN: usize = 1 << 10;
/// Postings of the largest page: about 4 MiB, so that making one does not hold the writer up.
const PAGE_POSTINGS_MAX: usize = 1 << 17;
/// Stands where nothing follows.
const NONE: u32 = u32::MAX;

/// A part of the index, shared with readers.
#[derive(Debug)]
pub(crate) struct Page {
    /// Front of the chain of keys, by the hash's low bits.
    buckets: Box<[AtomicU32]>,
    keys: Box<[KeyCell]>,
    postings: Box<[PostingCell]>,
    keys_used: AtomicU32,
}

#[derive(Debug)]
struct KeyCell {
    hash: AtomicU64,
    next: AtomicU32,
    newest: AtomicU32,
}

#[derive(Debug)]
struct PostingCell {
    seq: AtomicU64,
    offset: AtomicU32,
    older: AtomicU32,
}

impl Page {
    fn new(capacity: usize) -> Self {
        let none = || AtomicU32::new(NONE);
        let key = || KeyCell {
            hash: AtomicU64::new(0),
            next: none(),
            newest: none(),
        };
        let posting = || PostingCell {
            seq: AtomicU64::new(0),
            offset: AtomicU32::new(0),
            older: none(),
        };
        Self {
            buckets: (0..capacity).map(|_| none()).collect(),
            keys: (0..capacity).map(|_| key()).collect(),
            postings: (0..capacity).map(|_| posting()).collect(),
            keys_used: AtomicU32::new(0),
        }
    }

    fn bucket(&self, hash: u64) -> &AtomicU32 {
        // The capacity is a power of two.
        let mask = self.buckets.len() as u64 - 1;
        &self.buckets[usize::try_from(hash & mask).expect("below the number of buckets")]
    }

    fn find(&self, hash: u64) -> Option<&KeyCell> {
        let mut at = self.bucket(hash).load(Ordering::Acquire);
        while at != NONE {
            let key = &self.keys[at as usize];
            if key.hash.load(Ordering::Relaxed) == hash {
                return Some(key);
            }
            at = key.next.load(Ordering::Relaxed);
        }
        None
    }

    /// Postings of a hash, newest first.
    fn newest_first(&self, hash: u64) -> impl Iterator<Item = Posting> + '_ {
        let newest = self
            .find(hash)
            .map_or(NONE, |key| key.newest.load(Ordering::Acquire));
        self.chain(hash, newest)
    }

    fn chain(&self, hash: u64, newest: u32) -> impl Iterator<Item = Posting> + '_ {
        let mut at = newest;
        std::iter::from_fn(move || {
            let cell = self.postings.get(at as usize)?;
            at = cell.older.load(Ordering::Relaxed);
            Some(Posting {
                hash,
                seq: cell.seq.load(Ordering::Relaxed),
                offset: cell.offset.load(Ordering::Relaxed),
            })
        })
    }
}

/// The pages of one segment, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pages(Arc<Vec<Arc<Page>>>);

impl Pages {
    /// Postings of a hash, newest first.
    pub(crate) fn newest_first(&self, hash: u64) -> impl Iterator<Item = Posting> + '_ {
        self.0.iter().rev().flat_map(move |page| page.newest_first(hash))
    }

    /// A posting of the first record.
    pub(crate) fn first(&self) -> Option<Posting> {
        let page = self.0.first()?;
        let used = page.keys_used.load(Ordering::Acquire) as usize;
        let hashes = page.keys[..used]
            .iter()
            .map(|key| key.hash.load(Ordering::Relaxed));
        let oldest = hashes.filter_map(|hash| page.newest_first(hash).last());
        oldest.min_by_key(|posting| posting.seq)
    }

    /// All postings, sorted by hash and sequence number. Nothing may be put in any more.
    pub(crate) fn sorted(&self) -> Vec<Posting> {
        let mut all = Vec::new();
        for page in self.0.iter() {
            let used = page.keys_used.load(Ordering::Acquire) as usize;
            for key in &page.keys[..used] {
                let hash = key.hash.load(Ordering::Relaxed);
                all.extend(page.chain(hash, key.newest.load(Ordering::Acquire)));
            }
        }
        all.sort_unstable();
        all
    }
}

/// The one side that puts records in.
#[derive(Debug, Default)]
pub(crate) struct PageWriter {
    pages: Pages,
    keys_used: u32,
    postings_used: u32,
}

impl PageWriter {
    /// The pages as they are now; a page that is added later is not among them.
    pub(crate) fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Puts a record in under a hash. True when a page was added, which readers have to be given.
    pub(crate) fn insert(&mut self, posting: Posting) -> bool {
        let grown = self.grow_if_full();
        let page = self.pages.0.last().expect("grown above");
        let at = self.postings_used;
        let cell = &page.postings[at as usize];
        cell.seq.store(posting.seq, Ordering::Relaxed);
        cell.offset.store(posting.offset, Ordering::Relaxed);
        match page.find(posting.hash) {
            Some(key) => {
                cell.older
                    .store(key.newest.load(Ordering::Relaxed), Ordering::Relaxed);
                // The cell is whole before a reader can come to it.
                key.newest.store(at, Ordering::Release);
            }
            None => {
                let bucket = page.bucket(posting.hash);
                let key = &page.keys[self.keys_used as usize];
                key.hash.store(posting.hash, Ordering::Relaxed);
                key.newest.store(at, Ordering::Relaxed);
                key.next.store(bucket.load(Ordering::Relaxed), Ordering::Relaxed);
                bucket.store(self.keys_used, Ordering::Release);
                self.keys_used += 1;
                page.keys_used.store(self.keys_used, Ordering::Release);
            }
        }
        self.postings_used += 1;
        grown
    }

    fn grow_if_full(&mut self) -> bool {
        let capacity = self.pages.0.last().map(|page| page.postings.len());
        if capacity.is_some_and(|capacity| (self.postings_used as usize) < capacity) {
            return false;
        }
        let capacity = capacity.map_or(PAGE_POSTINGS_MIN, |capacity| {
            (capacity * 2).min(PAGE_POSTINGS_MAX)
        });
        let mut pages = self.pages.0.to_vec();
        pages.push(Arc::new(Page::new(capacity)));
        self.pages = Pages(Arc::new(pages));
        (self.keys_used, self.postings_used) = (0, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn seqs(pages: &Pages, hash: u64) -> Vec<u64> {
        pages.newest_first(hash).map(|posting| posting.seq).collect()
    }

    #[test]
    fn what_was_put_in_is_found_newest_first_over_all_pages() {
        let mut writer = PageWriter::default();
        let count = 3 * PAGE_POSTINGS_MIN as u64;
        for seq in 0..count {
            for hash in [seq % 10, 1_000 + seq, u64::MAX] {
                writer.insert(Posting { hash, seq, offset: 7 });
            }
        }
        let pages = writer.pages();
        assert_eq!(seqs(pages, u64::MAX), (0..count).rev().collect::<Vec<_>>());
        assert_eq!(seqs(pages, 1_000), [0]);
        let threes = (0..count).rev().filter(|seq| seq % 10 == 3);
        assert_eq!(seqs(pages, 3), threes.collect::<Vec<_>>());
        assert_eq!(seqs(pages, 999), [0_u64; 0]);
        let sorted = pages.sorted();
        assert_eq!(sorted.len() as u64, 3 * count);
        assert!(sorted.is_sorted());
    }

    /// Whatever a reader sees of a key is a whole run from some record back to the first.
    #[test]
    fn readers_see_a_run_while_records_are_put_in() {
        let mut writer = PageWriter::default();
        writer.insert(Posting {
            hash: 5,
            seq: 0,
            offset: 0,
        });
        let pages = writer.pages().clone();
        let count = PAGE_POSTINGS_MIN as u64;
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut last = 0;
                    while last < count - 1 {
                        let seen = seqs(&pages, 5);
                        assert_eq!(seen, (0..seen.len() as u64).rev().collect::<Vec<_>>());
                        assert!(seen.len() as u64 > last);
                        last = seen.len() as u64 - 1;
                    }
                });
            }
            for seq in 1..count {
                assert!(!writer.insert(Posting {
                    hash: 5,
                    seq,
                    offset: 0
                }));
            }
        });
    }
}
