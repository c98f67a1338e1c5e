//! The records that the index names, one after the other.

use std::sync::Arc;

use ledgerstone_formats::limits::LINE_BYTES_MAX;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;
use ledgerstone_formats::time::Timestamp;

use crate::commit::shared::SegmentInfo;
use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::index::repair::Repairs;
use crate::index::runs::{BadPart, Order, Postings};
use crate::index::{Index, Posting};
use crate::read::lookup::Lookup;
use crate::read::scan::StoredLine;
use crate::read::snapshot::{Scope, Snapshot};

/// How much of a segment is read for a line at first, in bytes: few are longer.
const READ_BYTES: usize = 2_048;

/// A running lookup.
#[derive(Debug)]
pub struct Matches {
    snapshot: Snapshot,
    index: Arc<Index>,
    lookup: Lookup,
    hash: u64,
    postings: Postings,
    line: Vec<u8>,
    /// The record that it stands on, and the segment that holds it.
    found: Option<(Posting, SegmentInfo)>,
    repairs: Repairs,
}

impl Matches {
    pub(super) fn new(snapshot: Snapshot, index: Arc<Index>, lookup: Lookup, hash: u64) -> Self {
        Self {
            postings: snapshot.postings(&index, &lookup, hash),
            snapshot,
            index,
            lookup,
            hash,
            line: Vec::new(),
            found: None,
            repairs: Repairs::default(),
        }
    }

    /// The next record.
    ///
    /// # Errors
    /// `Corrupt` with the place of a line that is not what it was; `Unavailable` for I/O.
    pub fn next_line(&mut self) -> Result<Option<StoredLine<'_>>, Error> {
        self.step()?;
        Ok(self.line())
    }

    /// Goes to the next record; false when there is none.
    pub(super) fn step(&mut self) -> Result<bool, Error> {
        self.found = None;
        loop {
            let posting = match self.postings.next() {
                Ok(Some(posting)) => posting,
                Ok(None) => return Ok(false),
                Err(bad) => {
                    self.remake(bad)?;
                    continue;
                }
            };
            let segment = self.segment_of(posting.seq)?;
            if self.pass_over(&segment) {
                continue;
            }
            self.read(&posting, &segment)?;
            let declared = &self.index.recipe().declared;
            let admitted = self.checked(&posting, &segment).and_then(|record| {
                let lookup = &self.lookup;
                let admitted = lookup.with_key(|key| lookup.admits(key, &record, declared));
                admitted.map(|admitted| (admitted, record.header.at))
            });
            match admitted {
                Ok((true, _)) => {
                    self.go_on_after(posting.seq);
                    self.found = Some((posting, segment));
                    return Ok(true);
                }
                Ok((false, at)) => self.leave_behind(posting.seq, &segment, at),
                Err(error) => self.doubt_index(&posting, error)?,
            }
        }
    }

    /// Goes on after a record that is not wanted. Within a segment times grow: past the span nothing more is.
    fn leave_behind(&mut self, seq: u64, segment: &SegmentInfo, at: Timestamp) {
        let span = self.lookup.span();
        let is_past = match self.lookup.order {
            Order::OldestFirst => span.is_after(at),
            Order::NewestFirst => span.is_before(at),
        };
        if !is_past {
            self.go_on_after(seq);
            return;
        }
        let place = self.snapshot.segments.place_of(seq).unwrap_or(0);
        let next = || self.snapshot.segments.get(place + 1).map(|next| next.first);
        let end = self.snapshot.times.end(segment).or_else(next);
        self.leave_segment(segment, end.unwrap_or(self.snapshot.size()));
    }

    fn leave_segment(&mut self, segment: &SegmentInfo, end: u64) {
        self.go_on_after(match self.lookup.order {
            Order::OldestFirst => end - 1,
            Order::NewestFirst => segment.first,
        });
        self.postings = self.snapshot.postings(&self.index, &self.lookup, self.hash);
    }

    /// The line that it stands on, if it stands on one.
    pub(super) fn line(&self) -> Option<StoredLine<'_>> {
        self.found.map(|(posting, segment)| StoredLine {
            bytes: &self.line,
            seq: posting.seq,
            file: FileName::Segment(segment.first),
            line: posting.seq - segment.first + 1,
            offset: u64::from(posting.offset),
        })
    }

    /// Whether the whole segment of a record is of another time; if so, what is left begins after it.
    fn pass_over(&mut self, segment: &SegmentInfo) -> bool {
        let other = self.snapshot.times.end_of_other(segment, &self.lookup.span());
        if let Some(end) = other {
            self.leave_segment(segment, end);
        }
        other.is_some()
    }

    /// No record stands where the index says. Is the record at fault, or the index?
    fn doubt_index(&mut self, posting: &Posting, error: Error) -> Result<(), Error> {
        let is_whole = self
            .snapshot
            .get(posting.seq, &Scope::Operator)
            .is_ok_and(|line| line.is_some());
        let doubted = self.index.file_holding(posting.seq);
        match doubted.filter(|part| is_whole && !self.repairs.has(*part)) {
            Some(part) => self.remake(part),
            None => Err(error),
        }
    }

    /// What is left of the lookup, should the index have to be asked anew.
    fn go_on_after(&mut self, seq: u64) {
        match self.lookup.order {
            Order::OldestFirst => self.lookup.from = seq + 1,
            Order::NewestFirst => match seq.checked_sub(1) {
                Some(before) => self.lookup.to = Some(before),
                None => self.lookup.from = u64::MAX,
            },
        }
    }

    /// A part with a bad block is missing, not empty: it is made again from the lines.
    fn remake(&mut self, bad: BadPart) -> Result<(), Error> {
        self.repairs.remake(
            self.snapshot.storage.as_ref(),
            &self.index,
            &self.snapshot.segments,
            bad,
        )?;
        self.postings = self.snapshot.postings(&self.index, &self.lookup, self.hash);
        Ok(())
    }

    fn segment_of(&self, seq: u64) -> Result<SegmentInfo, Error> {
        self.snapshot.segments.holding(seq).ok_or_else(|| {
            let finding = Finding::new(Code::Missing, format!("no file holds the record with seq {seq}"));
            Error::corrupt(vec![finding.at_seq(seq)])
        })
    }

    /// Reads the line of a posting, without its LF.
    fn read(&mut self, posting: &Posting, segment: &SegmentInfo) -> Result<(), Error> {
        let unreadable = |error| {
            Error::io("a segment cannot be read", error)
                .in_file(FileName::Segment(segment.first))
                .at_seq(posting.seq)
        };
        let file = self.snapshot.files.get(segment.first).map_err(unreadable)?;
        let offset = u64::from(posting.offset);
        let mut searched = 0;
        self.line.clear();
        while searched <= LINE_BYTES_MAX {
            let want = READ_BYTES.max(searched);
            self.line.resize(searched + want, 0);
            let read = file
                .read_at(offset + searched as u64, &mut self.line[searched..])
                .map_err(unreadable)?;
            self.line.truncate(searched + read);
            if let Some(lf) = memchr::memchr(b'\n', &self.line[searched..]) {
                self.line.truncate(searched + lf);
                break;
            }
            searched += read;
            if read < want {
                break;
            }
        }
        Ok(())
    }

    fn checked(&self, posting: &Posting, segment: &SegmentInfo) -> Result<Record<'_>, Error> {
        let cause = match Record::parse(&self.line) {
            Ok(record) => match record.check_hashes() {
                Ok(()) if record.header.seq == posting.seq => return Ok(record),
                Ok(()) => format!("expected seq {}, found {}", posting.seq, record.header.seq),
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let finding = Finding::new(Code::Altered, cause)
            .in_file(FileName::Segment(segment.first))
            .at_seq(posting.seq);
        let line = posting.seq - segment.first + 1;
        Err(Error::corrupt(vec![
            finding.at_line(line, u64::from(posting.offset)),
        ]))
    }
}
