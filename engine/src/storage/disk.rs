//! A ledger in a directory of a local Linux file system.
//!
//! Needs `flock` and `renameat2` with `RENAME_NOREPLACE` (ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS from 2.2). Network
//! file systems are not supported: their locks and syncs promise other things.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where the engine's files are opened, made and renamed"
)]

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledgerstone_formats::names::{DIRS, DOOR, FileName, TEMP_SUFFIX};
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with, statvfs};
use rustix::io::Errno;

use super::doorway::reach;
use super::files::{Entry, Files, Handle};
use super::{Doorway, FileError, Lock, Mapped};

/// How often a lock that only askers hold is tried again: each holds it for microseconds.
const LOCK_TRIES_MAX: u32 = 10_000;
const DIRECTORY_MODE: u32 = 0o755;

/// The directory of one ledger.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    /// Names the directory; nothing is opened or made yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            root: directory.into(),
        }
    }

    /// The directory, as it was given.
    pub fn directory(&self) -> &Path {
        &self.root
    }

    fn at(&self, path: &Path) -> PathBuf {
        if path.as_os_str().is_empty() {
            self.root.clone()
        } else {
            self.root.join(path)
        }
    }
}

/// The lock is an `flock` of the ledger's directory itself: a LOCK file can be removed and made again while it is held.
#[derive(Debug)]
struct DirectoryLock {
    directory: Arc<File>,
    disk: Disk,
}

impl Disk {
    /// Connects to the socket at which the holder takes what others bring.
    pub(crate) fn reach_door(&self) -> io::Result<UnixStream> {
        open_directory(&self.root)
            .and_then(|directory| reach(&directory))
            .map_err(|e| FileError::wrap("reach", self.root.join(DOOR).display().to_string(), e))
    }

    /// Makes `LOCK` anew: whatever stood there, a link perhaps, is not written through.
    fn tell_holder(&self, holder: &str) -> io::Result<()> {
        let path = self.root.join(FileName::Lock.to_string());
        let temp = self.root.join(FileName::Lock.temp());
        let wrap = |operation| {
            let shown = path.display().to_string();
            move |error| FileError::wrap(operation, shown, error)
        };
        match fs::remove_file(&temp) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(wrap("write")(error)),
            _ => {}
        }
        let mut make = OpenOptions::new();
        let text = make
            .write(true)
            .create_new(true)
            .open(&temp)
            .map_err(wrap("write"))?;
        match text.write_all_at(holder.as_bytes(), 0) {
            // Nobody is kept out of a ledger on a full disk for lack of a name.
            Err(error) if is_no_room(&error) => text.set_len(0),
            written => written,
        }
        .map_err(wrap("write"))?;
        fs::rename(&temp, &path).map_err(wrap("rename to"))
    }
}

impl Lock for DirectoryLock {
    fn open_door(&self, holder: &str) -> io::Result<Doorway> {
        let path = self.disk.root.join(DOOR).display().to_string();
        let doorway = Doorway::make(&self.directory).map_err(|e| FileError::wrap("make", path, e))?;
        self.disk.tell_holder(holder)?;
        Ok(doorway)
    }
}

impl Drop for DirectoryLock {
    /// A child that was forked and has not yet called `exec` shares the open directory: closing it here would not be
    /// enough. Where unlocking fails the file is closed next, which unlocks too.
    fn drop(&mut self) {
        let _closed_next = self.directory.unlock();
    }
}

impl Files for Disk {
    fn shown(&self, path: &Path) -> String {
        self.at(path).display().to_string()
    }

    /// `flock(DIRECTORY, EX|NB)`; creat(LOCK.tmp, EXCL) · pwrite · rename(LOCK.tmp, LOCK), none of it synced: the text
    /// only informs.
    fn try_lock(&self, holder: &str) -> io::Result<Option<Box<dyn Lock>>> {
        let directory = open_directory(&self.root)?;
        for _ in 0..LOCK_TRIES_MAX {
            match directory.try_lock() {
                Ok(()) => {
                    let lock = DirectoryLock {
                        directory: Arc::new(directory),
                        disk: self.clone(),
                    };
                    self.tell_holder(holder)?;
                    return Ok(Some(Box::new(lock)));
                }
                Err(TryLockError::Error(error)) => return Err(error),
                // A holder keeps askers out too; if one gets in, there was no holder, only another asker.
                Err(TryLockError::WouldBlock) => match directory.try_lock_shared() {
                    Ok(()) => std::thread::yield_now(),
                    Err(TryLockError::WouldBlock) => return Ok(None),
                    Err(TryLockError::Error(error)) => return Err(error),
                },
            }
        }
        Ok(None)
    }

    fn is_locked(&self) -> io::Result<bool> {
        let directory = match open_directory(&self.root) {
            Err(error) if is_no_directory(&error) => return Ok(false),
            opened => opened?,
        };
        match directory.try_lock_shared() {
            Ok(()) => directory.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn open(&self, path: &Path, write: bool) -> io::Result<Box<dyn Handle>> {
        // Without NONBLOCK a named pipe under a ledger's name would hold the caller for ever.
        let opened = OpenOptions::new()
            .read(true)
            .write(write)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(self.at(path));
        let file = opened.map_err(|error| if is_no_file(&error) { not_a_file() } else { error })?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(not_a_file());
        }
        if write && meta.permissions().mode() & 0o200 == 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the file is read-only",
            ));
        }
        Ok(Box::new(file))
    }

    fn create_new(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Handle>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(self.at(path))?;
        Ok(Box::new(file))
    }

    /// mkdir(DIRECTORY) · fsync(its parent), and so for each directory above that is missing.
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        if path.as_os_str().is_empty() {
            make_with_parents(&self.root)
        } else {
            make_one(&self.at(path))
        }
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(renameat_with(
            CWD,
            self.at(from),
            CWD,
            self.at(to),
            RenameFlags::NOREPLACE,
        )?)
    }

    fn remove_temp(&self, path: &Path) -> io::Result<()> {
        if !path.to_string_lossy().ends_with(TEMP_SUFFIX) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a temporary file",
            ));
        }
        fs::remove_file(self.at(path))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        open_directory(&self.at(path))?.sync_all()
    }

    fn entries(&self, path: &Path, each: &mut dyn FnMut(&str, Entry)) -> io::Result<()> {
        for entry in fs::read_dir(self.at(path))? {
            let entry = entry?;
            let what = match fs::metadata(entry.path()) {
                Ok(meta) if meta.is_dir() => Entry::Directory,
                Ok(meta) if meta.is_file() => Entry::File {
                    len: meta.len(),
                    protected: meta.permissions().mode() & 0o222 == 0,
                },
                // Neither; or renamed or removed since: a head's temporary file; or a link that leads nowhere.
                Ok(_) => Entry::Other,
                Err(error) if error.kind() == io::ErrorKind::NotFound || is_link(&entry) => Entry::Other,
                Err(error) if is_of_a_ledger(path, &entry) => {
                    return Err(FileError::wrap(
                        "look at",
                        entry.path().display().to_string(),
                        error,
                    ));
                }
                Err(_) => Entry::Other,
            };
            each(&entry.file_name().to_string_lossy(), what);
        }
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = statvfs(&self.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl Handle for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }

    fn forbid_writing(&self) -> io::Result<()> {
        let mode = self.metadata()?.permissions().mode();
        self.set_permissions(Permissions::from_mode(mode & !0o222))
    }

    fn map(&self) -> io::Result<Mapped> {
        Mapped::of_file(self)
    }
}

/// Opened as a directory or not at all: a named pipe would hold the caller for ever.
fn open_directory(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::DIRECTORY.bits().cast_signed())
        .open(path)
}

fn is_no_directory(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

/// A link to itself, a directory, a socket: opening them fails before they can be looked at.
fn is_no_file(error: &io::Error) -> bool {
    [Errno::LOOP, Errno::ISDIR, Errno::NXIO]
        .iter()
        .any(|no_file| error.raw_os_error() == Some(no_file.raw_os_error()))
}

fn is_no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn is_link(entry: &fs::DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_symlink())
}

/// True for what a ledger has under this name: to take it for something else would make its records missing.
fn is_of_a_ledger(directory: &Path, entry: &fs::DirEntry) -> bool {
    let path = directory.join(entry.file_name());
    let path = path.to_string_lossy();
    DIRS.contains(&&*path) || FileName::parse(&path).is_some()
}

fn make_one(directory: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(DIRECTORY_MODE).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        made => made,
    }
}

fn make_with_parents(directory: &Path) -> io::Result<()> {
    let parent = match directory.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return make_one(directory),
    };
    match make_one(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_with_parents(parent)?;
            make_one(directory)?;
        }
        made => made?,
    }
    File::open(parent)?.sync_all()
}
