//! Postings of several parts, brought into one order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::Arc;

use crate::index::blocks::BLOCK_ENTRIES;
use crate::index::runs::BadPart;
use crate::index::sidecar::Sidecar;
use crate::index::{Part, Posting};

/// Why parts could not be brought together.
#[derive(Debug)]
pub(crate) enum MergeError {
    /// A part is not what it was.
    Bad(BadPart),
    /// What was made of them could not be written.
    Io(io::Error),
}

/// Several parts about to be brought together, in bounded memory but for those that are in memory already.
pub(crate) struct Merge(Vec<Source>);

impl Merge {
    pub(crate) fn of(parts: &[Part]) -> Self {
        Self(parts.iter().map(Source::of).collect())
    }

    /// How many postings they have.
    pub(crate) fn entries(&self) -> u64 {
        self.0.iter().map(|source| source.entries() as u64).sum()
    }

    /// Gives all postings in order.
    pub(crate) fn run(mut self, mut each: impl FnMut(Posting) -> io::Result<()>) -> Result<(), MergeError> {
        let mut next = BinaryHeap::with_capacity(self.0.len());
        for (source, postings) in self.0.iter_mut().enumerate() {
            let first = postings.next().map_err(MergeError::Bad)?;
            next.extend(first.map(|posting| Reverse((posting, source))));
        }
        while let Some(Reverse((posting, source))) = next.pop() {
            each(posting).map_err(MergeError::Io)?;
            let following = self.0[source].next().map_err(MergeError::Bad)?;
            next.extend(following.map(|posting| Reverse((posting, source))));
        }
        Ok(())
    }
}

enum Source {
    File(Cursor),
    Memory(std::vec::IntoIter<Posting>),
}

impl Source {
    fn of(part: &Part) -> Self {
        match part {
            Part::File(sidecar) => Self::File(Cursor::new(sidecar)),
            Part::Memory { pages, .. } => Self::Memory(pages.sorted().into_iter()),
        }
    }

    fn entries(&self) -> usize {
        match self {
            Self::File(cursor) => cursor.sidecar.entries(),
            Self::Memory(postings) => postings.len(),
        }
    }

    fn next(&mut self) -> Result<Option<Posting>, BadPart> {
        match self {
            Self::File(cursor) => cursor.next(),
            Self::Memory(postings) => Ok(postings.next()),
        }
    }
}

/// All postings of a file, block by block, each compared with its checksum and with the one before.
pub(crate) struct Cursor {
    sidecar: Arc<Sidecar>,
    /// The next block to read.
    block: usize,
    /// Next one last.
    read: Vec<Posting>,
    last: Option<Posting>,
}

impl Cursor {
    pub(crate) fn new(sidecar: &Arc<Sidecar>) -> Self {
        Self {
            sidecar: Arc::clone(sidecar),
            block: 0,
            read: Vec::with_capacity(BLOCK_ENTRIES),
            last: None,
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Posting>, BadPart> {
        let bad = BadPart::of(&self.sidecar);
        if self.read.is_empty() {
            if self.block * BLOCK_ENTRIES >= self.sidecar.entries() {
                return Ok(None);
            }
            let block = self.sidecar.block(self.block).map_err(|_| bad)?;
            self.read
                .extend((0..block.len()).rev().map(|index| block.get(index)));
            self.block += 1;
        }
        let posting = self.read.pop();
        let subject = self.sidecar.subject();
        let in_place = |posting: &Posting| {
            (subject.first..subject.end).contains(&posting.seq)
                && self
                    .last
                    .is_none_or(|last| (last.hash, last.seq) < (posting.hash, posting.seq))
        };
        if !posting.as_ref().is_none_or(in_place) {
            return Err(bad);
        }
        self.last = posting;
        Ok(posting)
    }
}
