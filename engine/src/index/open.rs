//! The index of segments that have no seal, made while somebody reads their lines anyway.

use std::sync::Arc;

use ledgerstone_formats::record::Record;

use crate::index::keys::Recipe;
use crate::index::memory::PageWriter;
use crate::index::sidecar::Sidecar;
use crate::index::{Part, Posting};

/// Takes in records line by line; those of a group that is not whole are kept apart.
#[derive(Debug)]
pub(crate) struct OpenIndex {
    recipe: Recipe,
    /// Segments that have ended.
    ended: Vec<Part>,
    /// First sequence number that the pages may have.
    first: Option<u64>,
    active: PageWriter,
    /// Of the group that is not whole yet.
    pending: Vec<Posting>,
    hashes: Vec<u64>,
}

impl OpenIndex {
    pub(crate) fn new(recipe: Recipe) -> Self {
        Self {
            recipe,
            ended: Vec::new(),
            first: None,
            active: PageWriter::default(),
            pending: Vec::new(),
            hashes: Vec::new(),
        }
    }

    /// Goes on with the next segment.
    pub(crate) fn begin_segment(&mut self, first: u64) {
        let pages = std::mem::take(&mut self.active);
        self.ended.extend(self.first.map(|first| Part::Memory {
            first,
            pages: pages.pages().clone(),
        }));
        self.first = Some(first);
        self.pending.clear();
    }

    /// Goes on after the records that a file knows of.
    pub(crate) fn go_on_after(&mut self, saved: &Arc<Sidecar>) {
        self.ended.push(Part::File(Arc::clone(saved)));
        self.first = Some(saved.subject().end);
    }

    /// Takes in a record that begins at a byte offset; `whole` says that it ends its group.
    pub(crate) fn add(&mut self, record: &Record<'_>, offset: u64, whole: bool) {
        self.hashes.clear();
        self.recipe.of_record(record, &mut self.hashes);
        // A hit is checked against its record: an offset that no segment can have leads to none.
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        let seq = record.header.seq;
        let postings = self.hashes.iter().map(|hash| Posting {
            hash: *hash,
            seq,
            offset,
        });
        self.pending.extend(postings);
        if whole {
            for posting in self.pending.drain(..) {
                self.active.insert(posting);
            }
        }
    }

    /// The parts, and the pages to go on with and their first record.
    pub(crate) fn finish(mut self) -> (Vec<Part>, PageWriter, u64) {
        self.ended.extend(self.first.map(|first| Part::Memory {
            first,
            pages: self.active.pages().clone(),
        }));
        (self.ended, self.active, self.first.unwrap_or(0))
    }
}
