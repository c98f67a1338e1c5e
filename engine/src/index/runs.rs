//! The postings of one key over all parts, in the order of the ledger or against it.

use std::sync::Arc;

use crate::index::sidecar::{Run, Sidecar};
use crate::index::{Part, Posting};

/// A part of which a block is bad: what it says cannot be told, so it is asked no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadPart {
    /// First sequence number of the part.
    pub(crate) first: u64,
    /// First sequence number past it.
    pub(crate) end: u64,
    /// Level of its file.
    pub(crate) level: u8,
}

impl BadPart {
    pub(crate) fn of(sidecar: &Sidecar) -> Self {
        let subject = sidecar.subject();
        Self {
            first: subject.first,
            end: subject.end,
            level: subject.level,
        }
    }
}

/// Which way to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they were stored.
    OldestFirst,
    /// Against it.
    NewestFirst,
}

/// Postings of one hash with `from <= seq < end`.
#[derive(Debug)]
pub(crate) struct Postings {
    parts: Arc<Vec<Part>>,
    hash: u64,
    from: u64,
    end: u64,
    order: Order,
    /// Parts that are still to be asked.
    left: std::ops::Range<usize>,
    current: Option<Source>,
}

#[derive(Debug)]
enum Source {
    File(Run, BadPart),
    /// Next one last.
    Memory(Vec<Posting>),
}

impl Postings {
    pub(crate) fn new(parts: Arc<Vec<Part>>, hash: u64, from: u64, end: u64, order: Order) -> Self {
        // The part before the first that begins past `from` may hold it.
        let first = parts
            .partition_point(|part| part.first() <= from)
            .saturating_sub(1);
        let last = parts.partition_point(|part| part.first() < end);
        Self {
            left: first..last.max(first),
            parts,
            hash,
            from,
            end,
            order,
            current: None,
        }
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> Result<Option<Posting>, BadPart> {
        loop {
            if let Some(source) = &mut self.current {
                let found = match (source, self.order) {
                    (Source::File(run, bad), Order::OldestFirst) => run.next().map_err(|_| *bad)?,
                    (Source::File(run, bad), Order::NewestFirst) => run.previous().map_err(|_| *bad)?,
                    (Source::Memory(left), _) => left.pop(),
                };
                if let Some(found) = found.filter(|found| (self.from..self.end).contains(&found.seq)) {
                    return Ok(Some(found));
                }
                self.current = None;
            }
            let next = match self.order {
                Order::OldestFirst => self.left.next(),
                Order::NewestFirst => self.left.next_back(),
            };
            let Some(next) = next else { return Ok(None) };
            self.current = Some(self.open(next)?);
        }
    }

    fn open(&self, part: usize) -> Result<Source, BadPart> {
        let start = match self.order {
            Order::OldestFirst => self.from,
            Order::NewestFirst => self.end,
        };
        match &self.parts[part] {
            Part::File(sidecar) => {
                let bad = BadPart::of(sidecar);
                let run = Run::at(sidecar, self.hash, start).map_err(|_| bad)?;
                Ok(Source::File(run, bad))
            }
            Part::Memory { pages, .. } => {
                let wanted = |found: &Posting| (self.from..self.end).contains(&found.seq);
                let mut found: Vec<Posting> = pages.newest_first(self.hash).filter(wanted).collect();
                if self.order == Order::NewestFirst {
                    found.reverse();
                }
                Ok(Source::Memory(found))
            }
        }
    }
}
