//! Stored lines in order: read one after the other, or only those that the index names where these are few.

use std::collections::VecDeque;

use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;

use crate::error::Error;
use crate::read::lookup::Lookup;
use crate::read::matches::Matches;
use crate::read::snapshot::{Selection, Snapshot};
use crate::read::stretches::Stretch;
use crate::read::walk::Walk;

/// A stored line and where it stands.
#[derive(Debug)]
pub struct StoredLine<'a> {
    /// Its bytes, without LF. They were found whole: their hashes were compared.
    pub bytes: &'a [u8],
    /// Its sequence number.
    pub seq: u64,
    /// The file.
    pub file: FileName,
    /// Line of the file, from 1.
    pub line: u64,
    /// Byte offset in the file.
    pub offset: u64,
}

impl<'a> StoredLine<'a> {
    /// Its parts. Taken apart anew each time: many want the bytes alone.
    pub fn record(&self) -> Record<'a> {
        Record::parse(self.bytes).expect("it was taken apart when it was found")
    }
}

/// A running scan. Ends at the first line that it reads and that is not what it was: where only some lines are wanted,
/// that need not be the first such line there is. One that is to read to the end fails there when a head covers more.
#[derive(Debug)]
pub struct Scan {
    snapshot: Snapshot,
    selection: Selection,
    /// What is still to be read; none before it begins.
    left: Option<VecDeque<Stretch>>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    None,
    Index(Box<Matches>),
    Lines(Box<Walk>),
}

impl Scan {
    pub(crate) fn new(snapshot: Snapshot, selection: Selection) -> Self {
        Self {
            snapshot,
            selection,
            left: None,
            source: Source::None,
        }
    }

    /// The next line of the selection.
    ///
    /// # Errors
    /// `Corrupt` with the place of a line that is not what it was; `Unavailable` for I/O.
    pub fn next_line(&mut self) -> Result<Option<StoredLine<'_>>, Error> {
        loop {
            let found = match &mut self.source {
                Source::None => false,
                Source::Index(matches) => matches.step()?,
                Source::Lines(walk) => walk.step()?,
            };
            if found {
                break;
            }
            let (snapshot, selection) = (&self.snapshot, &self.selection);
            let left = self.left.get_or_insert_with(|| snapshot.stretches(selection));
            let Some(stretch) = left.pop_front() else {
                // Whoever reads to the end is not left in the belief that this is all there was.
                if selection.to.is_none_or(|to| to >= snapshot.size()) {
                    snapshot.check_complete()?;
                }
                return Ok(None);
            };
            self.source = self.open(stretch)?;
        }
        match &self.source {
            Source::None => Ok(None),
            Source::Index(matches) => Ok(matches.line()),
            Source::Lines(walk) => Ok(Some(walk.line())),
        }
    }

    fn open(&self, stretch: Stretch) -> Result<Source, Error> {
        let selection = self.selection.clone();
        let Some(by) = stretch.by else {
            let from = stretch.records.start;
            let selection = Selection { from, ..selection };
            let walk = self.snapshot.walk(selection, stretch.records.end);
            return Ok(Source::Lines(Box::new(walk)));
        };
        let lookup = Lookup {
            kind: selection.kind,
            from: stretch.records.start,
            // An empty range has no stretch.
            to: Some(stretch.records.end - 1),
            since: selection.since,
            until: selection.until,
            ..Lookup::new(selection.scope, by)
        };
        Ok(Source::Index(Box::new(self.snapshot.find(lookup)?)))
    }
}
