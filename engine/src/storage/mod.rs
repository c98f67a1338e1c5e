//! Everything the engine may do to the world.
//!
//! Absent on purpose: overwrite, rename over, delete. What shortens or rewrites bytes is a narrow call that says what
//! it is for, and can do nothing else.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use ledgerstone_formats::names::{FileName, QuarantineName};

pub mod disk;
mod doorway;
pub(crate) mod durable;
mod error;
pub(crate) mod files;
mod listing;
mod mapped;
pub mod mem;
pub(crate) mod open_file;
mod segment_file;
pub mod sim;

pub use doorway::Doorway;
pub use error::FileError;
pub use mapped::Mapped;

/// Names in [`Listing::unknown`]; a later version's segments are named beyond it.
pub const UNKNOWN_NAMES_MAX: usize = 1_000;

/// A place where one ledger's files live.
///
/// Every method that returns `Ok` has made its effect durable, but for [`Append::append`], which waits for
/// [`Append::sync`]. After an error the effect may or may not have happened; the same call again is safe, and its `Ok`
/// means what it says. Errors name the file ([`FileError`]).
///
/// What is written once stays: a segment that has a seal, or is protected, fails with `PermissionDenied` wherever it
/// would be opened for writing. Calls that a file's name does not allow fail with `InvalidInput`.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Takes the ledger for this process; `holder` is what others are told meanwhile (one line of JSON). All that
    /// write need it: temporary files and the order of syncs are one writer's.
    ///
    /// # Errors
    /// `WouldBlock` when another holder has it, in this process too: the error's text is that holder's line.
    fn lock(&self, holder: &str) -> io::Result<Box<dyn Lock>>;

    /// What `LOCK` says of the process that holds the ledger; `None` when nobody does. Empty when `LOCK` was removed.
    fn holder(&self) -> io::Result<Option<String>>;

    /// All files below the directory. Empty where the directory does not exist.
    fn list(&self) -> io::Result<Listing>;

    /// Opens a file for reading.
    fn open(&self, name: &FileName) -> io::Result<Box<dyn ReadAt>>;

    /// Makes the directories of a new ledger, and their entries durable. Existing ones are fine.
    fn create_directories(&self) -> io::Result<()>;

    /// Makes an empty segment to append to; its entry is durable on return. Fails with `AlreadyExists`.
    fn create(&self, name: &FileName) -> io::Result<Box<dyn Append>>;

    /// Opens an existing segment to append at `len`, which must be its length: `InvalidData` where it is not.
    fn reopen(&self, name: &FileName, len: u64) -> io::Result<Box<dyn Append>>;

    /// Makes `ledger.json` or a seal, read-only, with these bytes, whole or not at all. The same bytes again are fine;
    /// other bytes under the name fail with `AlreadyExists`.
    fn publish(&self, name: &FileName, bytes: &[u8]) -> io::Result<()>;

    /// Replaces `checkpoint` or `head`, whole or not at all.
    fn replace_head(&self, name: &FileName, bytes: &[u8]) -> io::Result<()>;

    /// Replaces an index, whole or not at all, with what `write` writes. It is derived from the segments, and can be
    /// made again at any time.
    fn replace_derived(
        &self,
        name: &FileName,
        write: &mut dyn FnMut(&mut dyn io::Write) -> io::Result<()>,
    ) -> io::Result<()>;

    /// Removes an index of several segments; one that is not there is fine. Not durable: it may come back.
    fn remove_derived(&self, name: &FileName) -> io::Result<()>;

    /// The bytes of an index, mapped where the file system can.
    fn map(&self, name: &FileName) -> io::Result<Mapped>;

    /// Saves the bytes of a segment from `keep` to its end in `quarantine/`, then cuts them off and syncs the segment.
    /// Nothing is cut unless the copy is durable. When the copy is there already and the bytes are gone, that is
    /// success (of several copies from that offset, the first by name). The bytes are held in memory.
    ///
    /// # Errors
    /// `InvalidData` when the segment is shorter than `keep`; `NotFound` when there is nothing to save and no copy.
    fn quarantine(&self, segment: u64, keep: u64) -> io::Result<QuarantineName>;

    /// Writes the bytes `from..to` of a segment again, unchanged, at their place, and syncs. A failed write or sync
    /// leaves pages that look clean; writing them again is the one way to know that they are on the medium. What the
    /// bytes say is the caller's to judge, again after this: a page that went back to the medium's bytes in between is
    /// settled as those. `InvalidData` when the segment ends before `to`.
    fn settle(&self, segment: u64, from: u64, to: u64) -> io::Result<()>;

    /// Cuts a segment to `len` and syncs it, if all bytes from there are filler; else fails with `InvalidData`.
    fn trim_filler(&self, segment: u64, len: u64) -> io::Result<()>;

    /// Takes away the write permission of a sealed segment. A mode is a courtesy, not a defence.
    fn protect(&self, segment: u64) -> io::Result<()>;

    /// Makes the entries of the ledger's directories durable. `quarantine/`, which copies often lose for being empty,
    /// is made again.
    fn sync_directories(&self) -> io::Result<()>;

    /// Bytes that may still be written.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// The ledger is this process's own until it is dropped.
pub trait Lock: fmt::Debug + Send + Sync {
    /// Makes the socket at which others can bring their records; from then on they are told `holder`, which names it.
    /// For ledgers in a directory.
    ///
    /// # Errors
    /// `Unsupported` for all others; `AlreadyExists` where something that is no socket has its name.
    fn open_door(&self, _holder: &str) -> io::Result<Doorway> {
        let text = "the ledger is in no directory where a socket could be";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }
}

/// A file that is read at any offset.
pub trait ReadAt: fmt::Debug + Send + Sync {
    /// The file, as errors name it.
    fn path(&self) -> &str;

    /// Length in bytes, now.
    fn len(&self) -> io::Result<u64>;

    /// Fills as much of `buffer` as there is from `offset` on; less than asked only at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// The whole file; fails with `FileTooLarge` beyond `bytes_max`.
    fn read_all(&self, bytes_max: u64) -> io::Result<Vec<u8>> {
        let len = self.len()?;
        if len > bytes_max {
            let text = format!("{len} bytes, expected at most {bytes_max}");
            let error = io::Error::new(io::ErrorKind::FileTooLarge, text);
            return Err(FileError::wrap("read", self.path(), error));
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        let read = self.read_at(0, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// True when there is nothing in it.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// A segment that only grows. Behind its end there may be filler that this handle has laid: it alone is written over.
pub trait Append: fmt::Debug + Send {
    /// Writes `bytes` at `offset`, which must be the end: as the file system has it now, or where the filler begins
    /// that this handle has laid, the file being as long as it was made. Where it is not, nothing is written and the
    /// error, `InvalidData`, names both lengths. That what is written over is filler is not read again: the handle
    /// keeps account of what it has laid, and after an error of what it has none.
    fn append(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// The same, and in the same write filler behind the bytes, up to `to`. That not all of the filler was taken is no
    /// error. Gives the length of the file.
    fn append_with_filler(&mut self, offset: u64, bytes: &[u8], to: u64) -> io::Result<u64>;

    /// Everything appended is on stable storage.
    fn sync(&mut self) -> io::Result<()>;
}

/// What a directory holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files of the ledger with their lengths, sorted by name.
    pub files: Vec<(FileName, u64)>,
    /// Segments whose permissions let somebody write to them.
    pub unprotected: BTreeSet<u64>,
    /// Paths that are no part of the ledger, sorted, at most [`UNKNOWN_NAMES_MAX`] but for the segments of a later
    /// version. A directory ends in `/` and is not looked into; `….tmp` of a known name is left out.
    pub unknown: Vec<String>,
    /// How many paths are no part of the ledger, named or not.
    pub unknown_count: u64,
}

impl Listing {
    /// Length of a file, where it is there.
    pub fn len_of(&self, name: &FileName) -> Option<u64> {
        let place = self.files.binary_search_by(|(file, _)| file.cmp(name));
        place.ok().map(|place| self.files[place].1)
    }
}
