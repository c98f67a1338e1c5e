//! The storage's operations as sequences of system calls, written once for every file system below.
//!
//! Each sequence stands in the comment of its function; `·` is a point where a crash may fall, and after each of them
//! the same call made again ends in the same state.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ledgerstone_formats::filler;
use ledgerstone_formats::names::{DIRS, FileName, QUARANTINE_DIR, QuarantineName, SEGMENTS_DIR, TEMP_SUFFIX};

use super::files::Files;
use super::listing::list;
use super::open_file::{OpenFile, Sequential};
use super::segment_file::SegmentFile;
use super::{Append, FileError, Listing, Lock, Mapped, ReadAt, Storage};

/// Longest text that is read from LOCK.
const HOLDER_BYTES_MAX: usize = 4_096;
const SEGMENT_MODE: u32 = 0o644;
/// Of a file that never changes under its name.
const PUBLISHED_MODE: u32 = 0o444;

impl<F: Files> Storage for F {
    fn lock(&self, holder: &str) -> io::Result<Box<dyn Lock>> {
        match self
            .try_lock(holder)
            .map_err(|e| FileError::wrap("lock", self.shown(Path::new("")), e))?
        {
            Some(lock) => Ok(lock),
            None => Err(io::Error::new(io::ErrorKind::WouldBlock, holder_text(self)?)),
        }
    }

    fn holder(&self) -> io::Result<Option<String>> {
        let locked = self
            .is_locked()
            .map_err(|e| FileError::wrap("lock", self.shown(Path::new("")), e))?;
        locked.then(|| holder_text(self)).transpose()
    }

    fn list(&self) -> io::Result<Listing> {
        list(self)
    }

    fn open(&self, name: &FileName) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(OpenFile::open(self, &path_of(name), false)?))
    }

    /// mkdir(DIRECTORY) · fsync(parent) · mkdir(each below) · fsync(DIRECTORY)
    fn create_directories(&self) -> io::Result<()> {
        make_directory(self, "")?;
        DIRS.iter()
            .try_for_each(|directory| make_directory(self, directory))?;
        sync_directory(self, "")
    }

    /// creat(SEGMENT, EXCL) · fsync(segments/)
    fn create(&self, name: &FileName) -> io::Result<Box<dyn Append>> {
        let FileName::Segment(_) = name else {
            return Err(not_allowed(self, "create", name));
        };
        let path = path_of(name);
        let file = OpenFile::create(self, &path, SEGMENT_MODE)?;
        sync_directory(self, SEGMENTS_DIR)?;
        Ok(Box::new(SegmentFile::new(file)))
    }

    fn reopen(&self, name: &FileName, len: u64) -> io::Result<Box<dyn Append>> {
        let FileName::Segment(segment) = name else {
            return Err(not_allowed(self, "reopen", name));
        };
        let file = open_unsealed(self, *segment)?;
        let found = file.byte_len()?;
        if found != len {
            return Err(file.wrong_len("reopen", found, len));
        }
        Ok(Box::new(SegmentFile::new(file)))
    }

    fn publish(&self, name: &FileName, bytes: &[u8]) -> io::Result<()> {
        match name {
            FileName::Identity | FileName::Seal(_) => put_new(self, &path_of(name), bytes, PUBLISHED_MODE),
            _ => Err(not_allowed(self, "publish", name)),
        }
    }

    fn replace_head(&self, name: &FileName, bytes: &[u8]) -> io::Result<()> {
        match name {
            FileName::Checkpoint | FileName::Head => replace(self, &path_of(name), bytes, PUBLISHED_MODE),
            _ => Err(not_allowed(self, "replace", name)),
        }
    }

    fn replace_derived(
        &self,
        name: &FileName,
        write: &mut dyn FnMut(&mut dyn io::Write) -> io::Result<()>,
    ) -> io::Result<()> {
        match name {
            FileName::Index(_) | FileName::Merged { .. } => {
                replace_with(self, &path_of(name), PUBLISHED_MODE, write)
            }
            _ => Err(not_allowed(self, "replace", name)),
        }
    }

    /// rename(NAME, TEMP) · unlink(TEMP)
    fn remove_derived(&self, name: &FileName) -> io::Result<()> {
        let FileName::Merged { .. } = name else {
            return Err(not_allowed(self, "remove", name));
        };
        let path = path_of(name);
        let temp = temp_of(&path);
        let wrap = |error| FileError::wrap("remove", self.shown(&path), error);
        match self.rename_over(&path, &temp) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed.map_err(wrap)?,
        }
        self.remove_temp(&temp).map_err(wrap)
    }

    fn map(&self, name: &FileName) -> io::Result<Mapped> {
        match name {
            FileName::Index(_) | FileName::Merged { .. } => {
                OpenFile::open(self, &path_of(name), false)?.map()
            }
            _ => Err(not_allowed(self, "map", name)),
        }
    }

    /// publish(COPY) · ftruncate(SEGMENT) · fsync(SEGMENT)
    fn quarantine(&self, segment: u64, keep: u64) -> io::Result<QuarantineName> {
        let file = open_unsealed(self, segment)?;
        let len = file.byte_len()?;
        if len < keep {
            return Err(file.wrong_len("set aside from", len, keep));
        }
        let name = if len == keep {
            // Nothing is cut before its copy is durable: one that is there is.
            find_copy(self, segment, keep)?
        } else {
            let bytes = file.read_range(keep, len)?;
            let name = QuarantineName::of(segment, keep, &bytes);
            put_new(
                self,
                &path_of(&FileName::Quarantine(name.clone())),
                &bytes,
                PUBLISHED_MODE,
            )?;
            file.truncate(keep)?;
            name
        };
        // Also when a call before this one was cut short here: the cut may be in the cache only.
        file.sync_all()?;
        Ok(name)
    }

    /// pread · pwrite · pread, for each piece; fdatasync
    fn settle(&self, segment: u64, from: u64, to: u64) -> io::Result<()> {
        let file = open_unsealed(self, segment)?;
        let len = file.byte_len()?;
        if len < to {
            return Err(file.wrong_len("settle", len, to));
        }
        file.each_piece(from, to, |at, piece| {
            file.write_all("settle", at, piece)?;
            let mut again = vec![0; piece.len()];
            let read = file.read_at(at, &mut again)?;
            if read == piece.len() && again == piece {
                Ok(())
            } else {
                Err(file.invalid("settle", format!("bytes from {at} on read back otherwise")))
            }
        })?;
        file.sync_data()
    }

    /// pread · ftruncate · fsync
    fn trim_filler(&self, segment: u64, len: u64) -> io::Result<()> {
        let file = open_unsealed(self, segment)?;
        let found = file.byte_len()?;
        if found < len {
            return Err(file.wrong_len("trim", found, len));
        }
        file.each_piece(len, found, |at, piece| {
            if filler::is_filler(at, piece) {
                return Ok(());
            }
            Err(file.invalid("trim", format!("bytes from {at} on are not filler")))
        })?;
        if found > len {
            file.truncate(len)?;
        }
        file.sync_all()
    }

    /// fchmod · fsync
    fn protect(&self, segment: u64) -> io::Result<()> {
        let file = OpenFile::open(self, &path_of(&FileName::Segment(segment)), false)?;
        file.forbid_writing()?;
        file.sync_all()
    }

    /// mkdir(quarantine/) · fsync(segments/) · fsync(quarantine/) · fsync(DIRECTORY)
    fn sync_directories(&self) -> io::Result<()> {
        make_directory(self, QUARANTINE_DIR)?;
        DIRS.iter()
            .chain(&[""])
            .try_for_each(|directory| sync_directory(self, directory))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Files::free_bytes(self)
            .map_err(|e| FileError::wrap("ask the free space of", self.shown(Path::new("")), e))
    }
}

/// creat(TEMP, EXCL) · pwrite · fsync · rename(TEMP, NAME, NOREPLACE) · fsync(directory); where NAME is there with the
/// same bytes: fsync(NAME) · fsync(directory).
pub(crate) fn put_new(files: &dyn Files, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    match OpenFile::open(files, path, false) {
        Ok(there) => return adopt(files, path, &there, bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let temp = write_temp(files, path, mode, &mut |file| file.write_all(bytes))?;
    match files.rename_new(&temp, path) {
        Ok(()) => sync_directory(files, parent(path)),
        Err(error) => {
            remove_temp_of_failed(files, &temp);
            if error.kind() == io::ErrorKind::AlreadyExists {
                return adopt(files, path, &OpenFile::open(files, path, false)?, bytes);
            }
            Err(FileError::wrap("rename to", files.shown(path), error))
        }
    }
}

/// creat(TEMP, EXCL) · pwrite · fsync · rename(TEMP, NAME) · fsync(directory)
pub(crate) fn replace(files: &dyn Files, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace_with(files, path, mode, &mut |file| file.write_all(bytes))
}

fn replace_with(
    files: &dyn Files,
    path: &Path,
    mode: u32,
    write: &mut dyn FnMut(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    let temp = write_temp(files, path, mode, write)?;
    if let Err(error) = files.rename_over(&temp, path) {
        remove_temp_of_failed(files, &temp);
        return Err(FileError::wrap("rename to", files.shown(path), error));
    }
    sync_directory(files, parent(path))
}

/// The name is taken. With the same bytes it is what a call before this one made, perhaps not durably.
fn adopt(files: &dyn Files, path: &Path, there: &OpenFile, bytes: &[u8]) -> io::Result<()> {
    let mut same = there.byte_len()? == bytes.len() as u64;
    there.each_piece(0, if same { bytes.len() as u64 } else { 0 }, |at, piece| {
        // `at` is below the length of `bytes`, which is a usize.
        let at = usize::try_from(at).map_err(io::Error::other)?;
        same &= bytes[at..at + piece.len()] == *piece;
        Ok(())
    })?;
    if !same {
        let text = "the file exists with other bytes";
        return Err(there.error("publish", io::Error::new(io::ErrorKind::AlreadyExists, text)));
    }
    there.sync_all()?;
    sync_directory(files, parent(path))
}

fn temp_of(path: &Path) -> PathBuf {
    let mut temp = path.as_os_str().to_owned();
    temp.push(TEMP_SUFFIX);
    PathBuf::from(temp)
}

fn write_temp(
    files: &dyn Files,
    path: &Path,
    mode: u32,
    write: &mut dyn FnMut(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let temp = temp_of(path);
    let file = match OpenFile::create(files, &temp, mode) {
        // Left by a write cut short. Never written into: it may be a link to something else.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            files
                .remove_temp(&temp)
                .map_err(|e| FileError::wrap("remove", files.shown(&temp), e))?;
            OpenFile::create(files, &temp, mode)?
        }
        created => created?,
    };
    let mut sequential = Sequential::new(&file);
    let written = write(&mut sequential).and_then(|()| sequential.flush());
    match written.and_then(|()| file.sync_all()) {
        Ok(()) => Ok(temp),
        Err(error) => {
            remove_temp_of_failed(files, &temp);
            Err(error)
        }
    }
}

/// Gives a full disk its space back. The caller has an error to report already, and the next write removes the file
/// too.
fn remove_temp_of_failed(files: &dyn Files, temp: &Path) {
    let _less_grave = files.remove_temp(temp);
}

fn find_copy(files: &dyn Files, segment: u64, keep: u64) -> io::Result<QuarantineName> {
    let copies = list(files)?.files.into_iter().filter_map(|(name, _)| match name {
        FileName::Quarantine(copy) if (copy.segment, copy.offset) == (segment, keep) => Some(copy),
        _ => None,
    });
    copies.min().ok_or_else(|| {
        let text = format!("nothing from {keep} on, and no copy of it in {QUARANTINE_DIR}/");
        let path = path_of(&FileName::Segment(segment));
        let error = io::Error::new(io::ErrorKind::NotFound, text);
        FileError::wrap("set aside from", files.shown(&path), error)
    })
}

/// Opens a segment to write to it, which its seal forbids.
fn open_unsealed(files: &dyn Files, segment: u64) -> io::Result<OpenFile> {
    let path = path_of(&FileName::Segment(segment));
    match files.open(&path_of(&FileName::Seal(segment)), false) {
        Ok(_) => {
            let error = io::Error::new(io::ErrorKind::PermissionDenied, "the segment is sealed");
            return Err(FileError::wrap("write to", files.shown(&path), error));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(FileError::wrap("open the seal of", files.shown(&path), error)),
    }
    OpenFile::open(files, &path, true)
}

fn holder_text(files: &dyn Files) -> io::Result<String> {
    let file = match OpenFile::open(files, &path_of(&FileName::Lock), false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        opened => opened?,
    };
    let mut text = vec![0; HOLDER_BYTES_MAX];
    let read = file.read_at(0, &mut text)?;
    Ok(String::from_utf8_lossy(&text[..read]).trim_end().to_owned())
}

fn make_directory(files: &dyn Files, directory: impl AsRef<Path>) -> io::Result<()> {
    let path = directory.as_ref();
    files
        .make_directory(path)
        .map_err(|e| FileError::wrap("make directory", files.shown(path), e))
}

fn sync_directory(files: &dyn Files, directory: impl AsRef<Path>) -> io::Result<()> {
    let path = directory.as_ref();
    files
        .sync_directory(path)
        .map_err(|e| FileError::wrap("sync directory", files.shown(path), e))
}

fn path_of(name: &FileName) -> PathBuf {
    name.to_string().into()
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn not_allowed(files: &dyn Files, operation: &'static str, name: &FileName) -> io::Error {
    let error = io::Error::new(
        io::ErrorKind::InvalidInput,
        "a file of this name is never written so",
    );
    FileError::wrap(operation, files.shown(&path_of(name)), error)
}
