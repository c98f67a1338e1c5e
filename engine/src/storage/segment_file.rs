//! A segment that is open to append to.

use std::io;
use std::ops::Range;

use ledgerstone_formats::filler;
use ledgerstone_formats::limits::SECTOR_BYTES;

use super::Append;
use super::open_file::OpenFile;

#[derive(Debug)]
pub(crate) struct SegmentFile {
    file: OpenFile,
    /// Filler that was laid through this handle and not written over yet: up to the end of the file.
    filler: Range<u64>,
}

impl SegmentFile {
    pub(crate) fn new(file: OpenFile) -> Self {
        Self { file, filler: 0..0 }
    }

    /// fstat · pwrite. The comparison keeps bytes from landing behind somebody else's, or over them. A write that
    /// takes a part is not gone on with: of two writes to one sector the medium may have the first alone, with NUL
    /// where the second went on, and no torn tail looks like that.
    fn write(&mut self, offset: u64, bytes: &[u8], least: usize) -> io::Result<u64> {
        let (start, len) = if self.filler.is_empty() {
            (offset, offset)
        } else {
            (self.filler.start, self.filler.end)
        };
        let found = self.file.byte_len()?;
        if found != len {
            return Err(self.file.wrong_len("append to", found, len));
        }
        if offset != start {
            let text = format!("its records end at {start}, expected {offset}");
            return Err(self.file.invalid("append to", text));
        }
        // Until the write is done nobody knows what is filler.
        self.filler = 0..0;
        let taken = self.file.write_once(offset, bytes, least)?;
        let end = offset + least as u64;
        let mut len = len.max(offset + taken as u64);
        // The file ends inside a sector of filler: a group that goes over it and is lost would leave NUL behind what
        // there is of the filler, and no torn tail looks like that.
        if len > end && !len.is_multiple_of(SECTOR_BYTES) {
            self.file.truncate(end)?;
            len = end;
        }
        self.filler = end..len;
        Ok(len)
    }
}

impl Append for SegmentFile {
    fn append(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write(offset, bytes, bytes.len()).map(drop)
    }

    fn append_with_filler(&mut self, offset: u64, bytes: &[u8], to: u64) -> io::Result<u64> {
        let mut both =
            Vec::with_capacity(usize::try_from(to.saturating_sub(offset)).map_err(io::Error::other)?);
        both.extend_from_slice(bytes);
        filler::extend(&mut both, offset + bytes.len() as u64, to);
        self.write(offset, &both, bytes.len())
    }

    /// fdatasync: the length is data, since the bytes cannot be read without it.
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}
