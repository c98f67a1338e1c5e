//! Stored lines in order. Each is checked against its own hash and digest before it is handed out.

use std::sync::Arc;

use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::{Record, RecordError};

use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::read::seek;
use crate::read::snapshot::Selection;
use crate::segment::lines::{LineReader, Piece};
use crate::segment::list::Segments;
use crate::storage::Storage;

/// A running scan. Ends at the first line that is not what it was.
#[derive(Debug)]
pub struct Scan {
    storage: Arc<dyn Storage>,
    segments: Segments,
    /// The next segment to open.
    index: usize,
    reader: Option<LineReader>,
    /// First sequence number of the segment that is read.
    segment: u64,
    next_seq: u64,
    /// First sequence number past the selection.
    end: u64,
    selection: Selection,
    line: Vec<u8>,
}

/// A stored line and where it stands.
#[derive(Debug)]
pub struct StoredLine<'a> {
    /// Its bytes, without LF.
    pub bytes: &'a [u8],
    /// Its parts.
    pub record: Record<'a>,
    /// The file.
    pub file: FileName,
    /// Line of the file, from 1.
    pub line: u64,
    /// Byte offset in the file.
    pub offset: u64,
}

impl Scan {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        segments: Segments,
        size: u64,
        selection: Selection,
    ) -> Self {
        let end = selection.to.map_or(size, |to| size.min(to.saturating_add(1)));
        let index = segments.place_of(selection.from).unwrap_or(0);
        // Where the first segments are gone no other one's lines stand in for theirs.
        let next_seq = segments
            .get(index)
            .map_or(0, |info| info.first.min(selection.from));
        Self {
            storage,
            segments,
            index,
            reader: None,
            segment: 0,
            next_seq,
            end,
            selection,
            line: Vec::new(),
        }
    }

    /// The next line of the selection.
    ///
    /// # Errors
    /// `Corrupt` with the place of a line that is not what it was; `Unavailable` for I/O.
    pub fn next_line(&mut self) -> Result<Option<StoredLine<'_>>, Error> {
        let offset = loop {
            if self.next_seq >= self.end || self.selection.from >= self.end {
                return Ok(None);
            }
            let offset = self.read_line()?;
            let seq = self.next_seq;
            self.next_seq += 1;
            if seq < self.selection.from {
                continue;
            }
            let record = self.check(seq, offset)?;
            let admitted = self
                .selection
                .scope
                .admits(record.header.tenant.as_ref().map(|(tenant, _)| tenant.as_ref()));
            let kind = self.selection.kind.as_ref();
            if admitted && kind.is_none_or(|kind| kind.as_str() == record.header.kind) {
                break offset;
            }
        };
        let record =
            Record::parse(&self.line).map_err(|error| self.damage(self.next_seq - 1, offset, &error))?;
        Ok(Some(StoredLine {
            bytes: &self.line,
            line: record.header.seq - self.segment + 1,
            record,
            file: FileName::Segment(self.segment),
            offset,
        }))
    }

    /// Copies the next line, whichever it is, and gives its offset.
    fn read_line(&mut self) -> Result<u64, Error> {
        loop {
            if self.reader.is_none() {
                self.open_segment()?;
            }
            let reader = self.reader.as_mut().expect("opened above");
            let unreadable = |error| {
                Error::io("a segment cannot be read", error)
                    .in_file(FileName::Segment(self.segment))
                    .at_seq(self.next_seq)
            };
            match reader.next_piece().map_err(unreadable)? {
                Some(Piece::Line { offset, bytes }) => {
                    self.line.clear();
                    self.line.extend_from_slice(bytes);
                    return Ok(offset);
                }
                Some(Piece::Rest { offset, .. }) => {
                    return Err(self.damage(self.next_seq, offset, &"no line ends here"));
                }
                None => self.reader = None,
            }
        }
    }

    fn open_segment(&mut self) -> Result<(), Error> {
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
        let io = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => missing(info.first),
            _ => Error::io("a segment cannot be read", error).in_file(name.clone()),
        };
        let (mut offset, mut seq) = (0, info.first);
        if self.selection.from > info.first {
            let file = self.storage.open(&name).map_err(io)?;
            (offset, seq) =
                seek::near(file.as_ref(), info.first, info.bytes, self.selection.from).map_err(io)?;
        }
        self.reader =
            Some(LineReader::open(self.storage.as_ref(), info.first, offset, info.bytes).map_err(io)?);
        self.segment = info.first;
        self.next_seq = seq;
        self.index += 1;
        Ok(())
    }

    fn check(&self, seq: u64, offset: u64) -> Result<Record<'_>, Error> {
        let record = Record::parse(&self.line).map_err(|error| self.damage(seq, offset, &error))?;
        record
            .check_hashes()
            .map_err(|error| self.damage(seq, offset, &error))?;
        if record.header.seq != seq {
            let cause = format!("expected seq {seq}, found {}", record.header.seq);
            return Err(self.damage(seq, offset, &cause));
        }
        Ok(record)
    }

    fn damage(&self, seq: u64, offset: u64, cause: &dyn std::fmt::Display) -> Error {
        let cause = cause.to_string();
        let newer = matches!(Record::parse(&self.line), Err(RecordError::Newer(_)));
        let code = if newer { Code::Newer } else { Code::Altered };
        let finding = Finding::new(code, cause)
            .in_file(FileName::Segment(self.segment))
            .at_seq(seq);
        Error::corrupt(vec![finding.at_line(seq - self.segment + 1, offset)])
    }
}
