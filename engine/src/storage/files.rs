//! The calls to a file system that the storage is made of.
//!
//! [`durable`](super::durable) puts them in order, once: the disk and the simulated disk differ only below this line,
//! so a crash played on the one is a crash of the sequence that runs on the other.

use std::fmt;
use std::io;
use std::path::Path;

use super::{Lock, Mapped};

/// One directory tree. Paths are relative to it; the empty path is the directory itself.
pub(crate) trait Files: fmt::Debug + Send + Sync {
    /// The path as the operator would write it.
    fn shown(&self, path: &Path) -> String;

    /// Takes the exclusive lock of the directory and leaves `holder` for others to read; `None` when it is taken.
    fn try_lock(&self, holder: &str) -> io::Result<Option<Box<dyn Lock>>>;

    /// True while somebody holds the lock.
    fn is_locked(&self) -> io::Result<bool>;

    /// Opens a file to read; to write too if `write`, which a file without write permission refuses, even to root.
    fn open(&self, path: &Path, write: bool) -> io::Result<Box<dyn Handle>>;

    /// Makes a file that is not there and opens it to read and write, whatever `mode` says of later opens.
    fn create_new(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Handle>>;

    /// Makes a directory; one that is there is fine. For the empty path: those above it too, and their entries durable.
    fn make_directory(&self, path: &Path) -> io::Result<()>;

    /// Renames within a directory, over what is there.
    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames within a directory; fails with `AlreadyExists` if `to` is there.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes the file of a write cut short. The path ends in the suffix of such files; any other is refused.
    fn remove_temp(&self, path: &Path) -> io::Result<()>;

    /// Makes the entries of a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Calls `each` with every entry of a directory, in no order.
    fn entries(&self, path: &Path, each: &mut dyn FnMut(&str, Entry)) -> io::Result<()>;

    /// Bytes that may still be written.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// What an entry of a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Directory,
    /// A file.
    File {
        /// Length in bytes.
        len: u64,
        /// Its permissions let nobody write to it.
        protected: bool,
    },
    /// Neither, or it cannot be told.
    Other,
}

/// An open file.
pub(crate) trait Handle: fmt::Debug + Send + Sync {
    fn len(&self) -> io::Result<u64>;
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Bytes and length are durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Bytes, length and permissions are durable.
    fn sync_all(&self) -> io::Result<()>;
    fn forbid_writing(&self) -> io::Result<()>;
    /// All bytes, of a file that nobody writes to.
    fn map(&self) -> io::Result<Mapped>;
}
