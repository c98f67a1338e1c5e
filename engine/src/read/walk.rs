//! Lines read one after the other. Each is checked against its own hash and digest before it is handed out.

use std::sync::Arc;

use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::{Record, RecordError};

use crate::commit::shared::SegmentInfo;
use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::read::scan::StoredLine;
use crate::read::seek;
use crate::read::snapshot::Selection;
use crate::read::times::{Span, Times};
use crate::segment::lines::{LineReader, Piece};
use crate::segment::list::Segments;
use crate::storage::Storage;

/// A running walk. Ends at the first line that is not what it was.
#[derive(Debug)]
pub(crate) struct Walk {
    storage: Arc<dyn Storage>,
    segments: Segments,
    times: Arc<Times>,
    /// The next segment to open.
    index: usize,
    reader: Option<LineReader>,
    /// The segment that is read.
    segment: SegmentInfo,
    next_seq: u64,
    /// First sequence number past the walk.
    end: u64,
    selection: Selection,
    span: Span,
    line: Vec<u8>,
    /// Where it begins in its file.
    offset: u64,
}

impl Walk {
    /// Over the records of a selection that are before `end`.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        segments: Segments,
        times: Arc<Times>,
        end: u64,
        selection: Selection,
    ) -> Self {
        let index = segments.place_of(selection.from).unwrap_or(0);
        // Where the first segments are gone no other one's lines stand in for theirs.
        let next_seq = segments
            .get(index)
            .map_or(0, |info| info.first.min(selection.from));
        Self {
            storage,
            segments,
            times,
            index,
            reader: None,
            segment: SegmentInfo::default(),
            next_seq,
            end,
            span: selection.span(),
            selection,
            line: Vec::new(),
            offset: 0,
        }
    }

    /// Goes to the next line of the selection; false when there is none.
    pub(crate) fn step(&mut self) -> Result<bool, Error> {
        while self.next_seq < self.end && self.selection.from < self.end {
            if !self.read_line()? {
                continue;
            }
            let seq = self.next_seq;
            self.next_seq += 1;
            if seq < self.selection.from {
                continue;
            }
            let header = &self.check(seq)?.header;
            if self.selection.admits(header) {
                return Ok(true);
            }
            // Within a segment times grow.
            if self.span.is_after(header.at) {
                self.leave_segment();
            }
        }
        Ok(false)
    }

    /// The line that it stands on.
    pub(crate) fn line(&self) -> StoredLine<'_> {
        let seq = self.next_seq - 1;
        StoredLine {
            bytes: &self.line,
            seq,
            file: FileName::Segment(self.segment.first),
            line: seq - self.segment.first + 1,
            offset: self.offset,
        }
    }

    /// Copies the next line, whichever it is; false where a segment was passed over instead.
    fn read_line(&mut self) -> Result<bool, Error> {
        loop {
            if self.reader.is_none() && !self.open_segment()? {
                return Ok(false);
            }
            let reader = self.reader.as_mut().expect("opened above");
            let unreadable = |error| {
                Error::io("a segment cannot be read", error)
                    .in_file(FileName::Segment(self.segment.first))
                    .at_seq(self.next_seq)
            };
            match reader.next_piece().map_err(unreadable)? {
                Some(Piece::Line { offset, bytes }) => {
                    self.line.clear();
                    self.line.extend_from_slice(bytes);
                    self.offset = offset;
                    return Ok(true);
                }
                Some(Piece::Rest { offset, .. }) => {
                    self.offset = offset;
                    return Err(self.damage(self.next_seq, &"no line ends here"));
                }
                None => self.reader = None,
            }
        }
    }

    /// Opens the next segment, or passes over it.
    fn open_segment(&mut self) -> Result<bool, Error> {
        let missing = |seq: u64| {
            let finding = Finding::new(Code::Missing, format!("no file holds the record with seq {seq}"));
            Error::corrupt(vec![finding.at_seq(seq)])
        };
        let info = self
            .segments
            .get(self.index)
            .ok_or_else(|| missing(self.next_seq))?;
        let name = FileName::Segment(info.first);
        if info.first != self.next_seq {
            return Err(missing(self.next_seq));
        }
        self.index += 1;
        if let Some(end) = self.times.end_of_other(&info, &self.span) {
            self.next_seq = end;
            return Ok(false);
        }
        let io = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => missing(info.first),
            _ => Error::io("a segment cannot be read", error).in_file(name.clone()),
        };
        let (mut offset, mut seq) = (0, info.first);
        if self.selection.from > info.first || self.span.since.is_some() {
            let file = self.storage.open(&name).map_err(io)?;
            let (from, span) = (self.selection.from, self.span);
            let is_early = |line: &seek::LineStart| line.seq <= from || span.is_before(line.at);
            (offset, seq) = seek::near(file.as_ref(), info.first, info.bytes, is_early).map_err(io)?;
        }
        self.reader =
            Some(LineReader::open(self.storage.as_ref(), info.first, offset, info.bytes).map_err(io)?);
        self.segment = info;
        self.next_seq = seq;
        Ok(true)
    }

    /// Nothing more of the segment is wanted.
    fn leave_segment(&mut self) {
        let next = || self.segments.get(self.index).map(|next| next.first);
        let end = self.times.end(&self.segment).or_else(next);
        (self.reader, self.next_seq) = (None, end.unwrap_or(self.end));
    }

    fn check(&self, seq: u64) -> Result<Record<'_>, Error> {
        let record = Record::parse(&self.line).map_err(|error| self.damage(seq, &error))?;
        record.check_hashes().map_err(|error| self.damage(seq, &error))?;
        if record.header.seq != seq {
            let cause = format!("expected seq {seq}, found {}", record.header.seq);
            return Err(self.damage(seq, &cause));
        }
        Ok(record)
    }

    fn damage(&self, seq: u64, cause: &dyn std::fmt::Display) -> Error {
        let cause = cause.to_string();
        let newer = matches!(Record::parse(&self.line), Err(RecordError::Newer(_)));
        let code = if newer { Code::Newer } else { Code::Altered };
        let finding = Finding::new(code, cause)
            .in_file(FileName::Segment(self.segment.first))
            .at_seq(seq);
        Error::corrupt(vec![finding.at_line(seq - self.segment.first + 1, self.offset)])
    }
}
