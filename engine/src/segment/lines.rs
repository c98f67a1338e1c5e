//! A segment's lines, read forward in chunks.

use std::io;

use ledgerstone_formats::limits::LINE_BYTES_MAX;
use ledgerstone_formats::names::FileName;

use crate::storage::{ReadAt, Storage};

/// How much is read at once, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// What stands next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A line without its LF.
    Line {
        /// Offset of its first byte.
        offset: u64,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// Bytes up to the end that no LF ends, or more than a line can have: no line starts here.
    Rest {
        /// Offset of the first of them.
        offset: u64,
        /// As many of them as a line could have.
        bytes: &'a [u8],
    },
}

/// Reads lines from an offset up to a limit. Its memory is bounded by the longest line.
#[derive(Debug)]
pub(crate) struct LineReader {
    file: Box<dyn ReadAt>,
    buffer: Vec<u8>,
    /// The part of the buffer that is not handed out yet.
    start: usize,
    /// Bytes of that part already searched for LF.
    searched: usize,
    /// Offset in the file of the buffer's end.
    read_to: u64,
    limit: u64,
}

impl LineReader {
    /// From `offset` up to `limit`, or the end of the file if that comes first.
    pub(crate) fn open(storage: &dyn Storage, segment: u64, offset: u64, limit: u64) -> io::Result<Self> {
        let file = storage.open(&FileName::Segment(segment))?;
        Ok(Self {
            file,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            read_to: offset,
            limit,
        })
    }

    /// Offset of what comes next.
    pub(crate) fn offset(&self) -> u64 {
        self.read_to - (self.buffer.len() - self.start) as u64
    }

    /// Lets the reader go on to a later limit, for a file that has grown.
    pub(crate) fn extend_to(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// The next line; `None` at the limit.
    pub(crate) fn next_piece(&mut self) -> io::Result<Option<Piece<'_>>> {
        loop {
            let offset = self.offset();
            let unseen = self.start + self.searched;
            if let Some(found) = memchr::memchr(b'\n', &self.buffer[unseen..]) {
                let (from, to) = (self.start, unseen + found);
                (self.start, self.searched) = (to + 1, 0);
                return Ok(Some(Piece::Line {
                    offset,
                    bytes: &self.buffer[from..to],
                }));
            }
            self.searched = self.buffer.len() - self.start;
            if self.searched > LINE_BYTES_MAX || !self.fill()? {
                let bytes = &self.buffer[self.start..];
                return Ok((!bytes.is_empty()).then_some(Piece::Rest { offset, bytes }));
            }
        }
    }

    /// The next bytes, lines or not: at most `max` of them, fewer where a chunk ends, none at the limit or the end of
    /// the file.
    pub(crate) fn next_bytes(&mut self, max: u64) -> io::Result<&[u8]> {
        if self.start == self.buffer.len() {
            self.fill()?;
        }
        let held = (self.buffer.len() - self.start) as u64;
        let count = usize::try_from(held.min(max)).expect("no more than is held");
        let from = self.start;
        (self.start, self.searched) = (from + count, 0);
        Ok(&self.buffer[from..self.start])
    }

    /// Whole lines, as many as a chunk holds: `(offset, bytes)`, the last byte an LF. `None` when no line is left.
    pub(crate) fn next_block(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            let offset = self.offset();
            let held = &self.buffer[self.start..];
            if held.len() >= CHUNK_BYTES || self.read_to >= self.limit {
                if let Some(last) = memchr::memrchr(b'\n', held) {
                    let block = held[..=last].to_vec();
                    (self.start, self.searched) = (self.start + last + 1, 0);
                    return Ok(Some((offset, block)));
                }
                if held.len() > LINE_BYTES_MAX {
                    return Ok(None);
                }
            }
            if !self.fill()? {
                if memchr::memchr(b'\n', &self.buffer[self.start..]).is_none() {
                    return Ok(None);
                }
                // The file is shorter than the limit says: what it holds is all there is.
                self.limit = self.read_to;
            }
        }
    }

    /// Reads on; false at the limit or the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        let wanted = self.limit.saturating_sub(self.read_to).min(CHUNK_BYTES as u64);
        let wanted = usize::try_from(wanted).expect("no more than a chunk");
        if wanted == 0 {
            return Ok(false);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let held = self.buffer.len();
        self.buffer.resize(held + wanted, 0);
        let read = self.file.read_at(self.read_to, &mut self.buffer[held..])?;
        self.buffer.truncate(held + read);
        self.read_to += read as u64;
        Ok(read > 0)
    }
}
