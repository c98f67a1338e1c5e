//! A file that is open, with its name for errors.

use std::io;
use std::path::Path;

use ledgerstone_formats::limits::SEGMENT_BYTES_MAX;

use super::files::{Files, Handle};
use super::{FileError, Mapped, ReadAt};

/// Bytes that are compared, settled or looked at in one piece.
const PIECE_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct OpenFile {
    handle: Box<dyn Handle>,
    shown: String,
}

impl OpenFile {
    pub(crate) fn open(files: &dyn Files, path: &Path, write: bool) -> io::Result<Self> {
        let shown = files.shown(path);
        match files.open(path, write) {
            Ok(handle) => Ok(Self { handle, shown }),
            Err(error) => Err(FileError::wrap("open", shown, error)),
        }
    }

    pub(crate) fn create(files: &dyn Files, path: &Path, mode: u32) -> io::Result<Self> {
        let shown = files.shown(path);
        match files.create_new(path, mode) {
            Ok(handle) => Ok(Self { handle, shown }),
            Err(error) => Err(FileError::wrap("create", shown, error)),
        }
    }

    pub(crate) fn error(&self, operation: &'static str, error: io::Error) -> io::Error {
        FileError::wrap(operation, self.shown.as_str(), error)
    }

    pub(crate) fn invalid(&self, operation: &'static str, text: String) -> io::Error {
        self.error(operation, io::Error::new(io::ErrorKind::InvalidData, text))
    }

    pub(crate) fn wrong_len(&self, operation: &'static str, found: u64, expected: u64) -> io::Error {
        self.invalid(
            operation,
            format!("the file has {found} bytes, expected {expected}"),
        )
    }

    pub(crate) fn byte_len(&self) -> io::Result<u64> {
        self.handle.len().map_err(|e| self.error("ask the length of", e))
    }

    /// Until all of `bytes` is written or an error says why not.
    pub(crate) fn write_all(
        &self,
        operation: &'static str,
        mut offset: u64,
        mut bytes: &[u8],
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.handle.write_at(offset, bytes) {
                Ok(0) => return Err(self.error(operation, io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    bytes = &bytes[written..];
                    offset += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(operation, error)),
            }
        }
        Ok(())
    }

    /// Writes bytes with one call and gives how many were taken, `least` of them or an error.
    pub(crate) fn write_once(&self, offset: u64, bytes: &[u8], least: usize) -> io::Result<usize> {
        loop {
            match self.handle.write_at(offset, bytes) {
                Ok(written) if written >= least => return Ok(written),
                Ok(written) => {
                    let text = format!("only {written} of {least} bytes were taken");
                    let error = io::Error::new(io::ErrorKind::StorageFull, text);
                    return Err(self.error("append to", error));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error("append to", error)),
            }
        }
    }

    /// Calls `each` with the bytes `from..to`, in order, a bounded piece at a time.
    pub(crate) fn each_piece(
        &self,
        from: u64,
        to: u64,
        mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut buffer =
            vec![0; PIECE_BYTES.min(usize::try_from(to.saturating_sub(from)).unwrap_or(PIECE_BYTES))];
        let mut at = from;
        while at < to {
            let want = buffer.len().min(usize::try_from(to - at).unwrap_or(buffer.len()));
            let read = self.read_at(at, &mut buffer[..want])?;
            if read < want {
                return Err(self.wrong_len("read", at + read as u64, to));
            }
            each(at, &buffer[..read])?;
            at += read as u64;
        }
        Ok(())
    }

    /// The bytes `from..to`, at most as many as a segment can have.
    pub(crate) fn read_range(&self, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let len = to.saturating_sub(from);
        if len > SEGMENT_BYTES_MAX {
            let text = format!("{len} bytes, expected at most {SEGMENT_BYTES_MAX}");
            return Err(self.error("read", io::Error::new(io::ErrorKind::FileTooLarge, text)));
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        let read = self.read_at(from, &mut bytes)?;
        if read < bytes.len() {
            return Err(self.wrong_len("read", from + read as u64, to));
        }
        Ok(bytes)
    }

    pub(crate) fn map(&self) -> io::Result<Mapped> {
        self.handle.map().map_err(|e| self.error("map", e))
    }

    pub(crate) fn truncate(&self, len: u64) -> io::Result<()> {
        self.handle.truncate(len).map_err(|e| self.error("cut", e))
    }

    pub(crate) fn forbid_writing(&self) -> io::Result<()> {
        self.handle
            .forbid_writing()
            .map_err(|e| self.error("take the write permission of", e))
    }

    pub(crate) fn sync_data(&self) -> io::Result<()> {
        self.handle.sync_data().map_err(|e| self.error("sync", e))
    }

    pub(crate) fn sync_all(&self) -> io::Result<()> {
        self.handle.sync_all().map_err(|e| self.error("sync", e))
    }
}

/// Writes a new file from its start, in large pieces.
pub(crate) struct Sequential<'a> {
    file: &'a OpenFile,
    offset: u64,
    pending: Vec<u8>,
}

impl<'a> Sequential<'a> {
    pub(crate) fn new(file: &'a OpenFile) -> Self {
        Self {
            file,
            offset: 0,
            pending: Vec::new(),
        }
    }
}

impl io::Write for Sequential<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all("write", self.offset, &self.pending)?;
        self.offset += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

impl ReadAt for OpenFile {
    fn path(&self) -> &str {
        &self.shown
    }

    fn len(&self) -> io::Result<u64> {
        self.byte_len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.handle.read_at(offset + filled as u64, &mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error("read", error)),
            }
        }
        Ok(filled)
    }
}
