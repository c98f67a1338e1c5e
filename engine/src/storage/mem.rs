//! A ledger in memory, for tests and examples: durable as long as the process.
//!
//! Written apart from the sequences of the disk, straight from the contract, so that the two check each other.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledgerstone_formats::filler;
use ledgerstone_formats::names::{DIRS, FileName, QuarantineName};

use super::files::Entry;
use super::listing::Collected;
use super::{Append, FileError, Listing, Lock, Mapped, ReadAt, Storage};

/// Bytes that a new one has room for.
const FREE_BYTES_DEFAULT: u64 = 1 << 40;

/// Files in memory; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Mem {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    files: BTreeMap<String, Contents>,
    has_directories: bool,
    holder: Option<String>,
    free_bytes: u64,
}

#[derive(Debug, Default)]
struct Contents {
    bytes: Vec<u8>,
    read_only: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            files: BTreeMap::new(),
            has_directories: false,
            holder: None,
            free_bytes: FREE_BYTES_DEFAULT,
        }
    }
}

impl Mem {
    /// No file, no directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many more bytes may be written; what is written takes from it.
    pub fn set_free_bytes(&self, free_bytes: u64) {
        self.state().free_bytes = free_bytes;
    }

    /// What an operator with an editor does: makes or replaces a file, whatever its name. Its permissions stay.
    pub fn put_raw(&self, path: &str, bytes: &[u8]) {
        self.state().files.entry(path.to_owned()).or_default().bytes = bytes.to_vec();
    }

    /// A file's bytes, whatever its name.
    pub fn raw(&self, path: &str) -> Option<Vec<u8>> {
        Some(self.state().files.get(path)?.bytes.clone())
    }

    /// What an operator does too: removes a file. False when there was none.
    pub fn remove_raw(&self, path: &str) -> bool {
        self.state().files.remove(path).is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held is a failed test; the bytes are whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn file(&mut self, path: &str) -> io::Result<&mut Contents> {
        self.files
            .get_mut(path)
            .ok_or_else(|| FileError::wrap("open", path, io::ErrorKind::NotFound.into()))
    }

    /// A segment that may still be written to, and its path.
    fn unsealed(&mut self, segment: u64) -> io::Result<(&mut Contents, String)> {
        let path = FileName::Segment(segment).to_string();
        let sealed = self.files.contains_key(&FileName::Seal(segment).to_string());
        let file = self.file(&path)?;
        if sealed || file.read_only {
            return Err(FileError::wrap(
                "write to",
                path,
                io::ErrorKind::PermissionDenied.into(),
            ));
        }
        Ok((file, path))
    }

    /// A segment as [`State::unsealed`], with at least `len` bytes.
    fn unsealed_of(&mut self, segment: u64, len: u64) -> io::Result<(&mut Contents, usize)> {
        let (file, path) = self.unsealed(segment)?;
        match usize::try_from(len) {
            Ok(len) if len <= file.bytes.len() => Ok((file, len)),
            _ => Err(wrong_len("write to", &path, file.bytes.len(), len)),
        }
    }

    fn replace(&mut self, path: String, bytes: &[u8]) -> io::Result<()> {
        self.take(&path, bytes)?;
        let contents = Contents {
            bytes: bytes.to_vec(),
            read_only: true,
        };
        self.files.insert(path, contents);
        Ok(())
    }

    fn take(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        match self.free_bytes.checked_sub(bytes.len() as u64) {
            Some(left) => {
                self.free_bytes = left;
                Ok(())
            }
            None => Err(FileError::wrap("write", path, io::ErrorKind::StorageFull.into())),
        }
    }

    fn put_new(&mut self, path: String, bytes: &[u8]) -> io::Result<()> {
        self.expect_directory(&path)?;
        match self.files.get(&path) {
            Some(there) if there.bytes == bytes => Ok(()),
            Some(_) => Err(FileError::wrap(
                "publish",
                path,
                io::ErrorKind::AlreadyExists.into(),
            )),
            None => {
                self.take(&path, bytes)?;
                self.files.insert(
                    path,
                    Contents {
                        bytes: bytes.to_vec(),
                        read_only: true,
                    },
                );
                Ok(())
            }
        }
    }

    fn expect_directory(&self, path: &str) -> io::Result<()> {
        if self.has_directories || !path.contains('/') {
            return Ok(());
        }
        Err(FileError::wrap("create", path, io::ErrorKind::NotFound.into()))
    }
}

impl Storage for Mem {
    fn lock(&self, holder: &str) -> io::Result<Box<dyn Lock>> {
        let mut state = self.state();
        if let Some(holder) = &state.holder {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, holder.clone()));
        }
        state.holder = Some(holder.to_owned());
        let text = Contents {
            bytes: holder.into(),
            read_only: false,
        };
        state.files.insert(FileName::Lock.to_string(), text);
        Ok(Box::new(MemLock(self.clone())))
    }

    fn holder(&self) -> io::Result<Option<String>> {
        Ok(self.state().holder.clone())
    }

    fn list(&self) -> io::Result<Listing> {
        let mut listing = Collected::default();
        let mut others = BTreeSet::new();
        for (path, file) in &self.state().files {
            let other = match path.split_once('/') {
                Some((top, rest)) if DIRS.contains(&top) => {
                    rest.split_once('/').map(|(below, _)| format!("{top}/{below}"))
                }
                other => other.map(|(top, _)| top.to_owned()),
            };
            match other {
                Some(directory) => {
                    others.insert(directory);
                }
                None => {
                    let (len, protected) = (file.bytes.len() as u64, file.read_only);
                    listing.add(path.clone(), Entry::File { len, protected });
                }
            }
        }
        others
            .into_iter()
            .for_each(|directory| listing.add(directory, Entry::Directory));
        Ok(listing.finish())
    }

    fn open(&self, name: &FileName) -> io::Result<Box<dyn ReadAt>> {
        let path = name.to_string();
        self.state().file(&path)?;
        Ok(Box::new(MemFile {
            mem: self.clone(),
            path,
        }))
    }

    fn create_directories(&self) -> io::Result<()> {
        self.state().has_directories = true;
        Ok(())
    }

    fn create(&self, name: &FileName) -> io::Result<Box<dyn Append>> {
        let FileName::Segment(_) = name else {
            return Err(not_allowed("create", name));
        };
        let (path, mut state) = (name.to_string(), self.state());
        state.expect_directory(&path)?;
        if state.files.contains_key(&path) {
            return Err(FileError::wrap(
                "create",
                path,
                io::ErrorKind::AlreadyExists.into(),
            ));
        }
        state.files.insert(path.clone(), Contents::default());
        Ok(Box::new(MemSegment::new(self, path)))
    }

    fn reopen(&self, name: &FileName, len: u64) -> io::Result<Box<dyn Append>> {
        let FileName::Segment(segment) = name else {
            return Err(not_allowed("reopen", name));
        };
        let mut state = self.state();
        let (file, path) = state.unsealed(*segment)?;
        if file.bytes.len() as u64 != len {
            return Err(wrong_len("reopen", &path, file.bytes.len(), len));
        }
        Ok(Box::new(MemSegment::new(self, path)))
    }

    fn publish(&self, name: &FileName, bytes: &[u8]) -> io::Result<()> {
        match name {
            FileName::Identity | FileName::Seal(_) => self.state().put_new(name.to_string(), bytes),
            _ => Err(not_allowed("publish", name)),
        }
    }

    fn replace_head(&self, name: &FileName, bytes: &[u8]) -> io::Result<()> {
        let (FileName::Checkpoint | FileName::Head) = name else {
            return Err(not_allowed("replace", name));
        };
        self.state().replace(name.to_string(), bytes)
    }

    fn replace_derived(
        &self,
        name: &FileName,
        write: &mut dyn FnMut(&mut dyn io::Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let (FileName::Index(_) | FileName::Merged { .. }) = name else {
            return Err(not_allowed("replace", name));
        };
        let mut bytes = Vec::new();
        write(&mut bytes)?;
        self.state().replace(name.to_string(), &bytes)
    }

    fn remove_derived(&self, name: &FileName) -> io::Result<()> {
        let FileName::Merged { .. } = name else {
            return Err(not_allowed("remove", name));
        };
        self.state().files.remove(&name.to_string());
        Ok(())
    }

    fn map(&self, name: &FileName) -> io::Result<Mapped> {
        let (FileName::Index(_) | FileName::Merged { .. }) = name else {
            return Err(not_allowed("map", name));
        };
        let bytes = self.state().file(&name.to_string())?.bytes.clone();
        Ok(Mapped::from(bytes))
    }

    fn quarantine(&self, segment: u64, keep: u64) -> io::Result<QuarantineName> {
        let mut state = self.state();
        let (file, keep_len) = state.unsealed_of(segment, keep)?;
        let tail = file.bytes[keep_len..].to_vec();
        if tail.is_empty() {
            let copies = state.files.keys().filter_map(|path| match FileName::parse(path) {
                Some(FileName::Quarantine(copy)) => Some(copy),
                _ => None,
            });
            let copy = copies
                .filter(|copy| (copy.segment, copy.offset) == (segment, keep))
                .min();
            let path = FileName::Segment(segment).to_string();
            let none = || FileError::wrap("set aside from", path, io::ErrorKind::NotFound.into());
            return copy.ok_or_else(none);
        }
        let name = QuarantineName::of(segment, keep, &tail);
        state.put_new(FileName::Quarantine(name.clone()).to_string(), &tail)?;
        state.unsealed(segment)?.0.bytes.truncate(keep_len);
        Ok(name)
    }

    fn settle(&self, segment: u64, _from: u64, to: u64) -> io::Result<()> {
        self.state().unsealed_of(segment, to).map(|_| ())
    }

    fn trim_filler(&self, segment: u64, len: u64) -> io::Result<()> {
        let mut state = self.state();
        let (file, keep) = state.unsealed_of(segment, len)?;
        if !filler::is_filler(len, &file.bytes[keep..]) {
            let path = FileName::Segment(segment).to_string();
            return Err(FileError::wrap("trim", path, io::ErrorKind::InvalidData.into()));
        }
        file.bytes.truncate(keep);
        Ok(())
    }

    fn protect(&self, segment: u64) -> io::Result<()> {
        self.state()
            .file(&FileName::Segment(segment).to_string())?
            .read_only = true;
        Ok(())
    }

    fn sync_directories(&self) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.state().free_bytes)
    }
}

#[derive(Debug)]
struct MemLock(Mem);

impl Lock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        self.0.state().holder = None;
    }
}

#[derive(Debug)]
struct MemFile {
    mem: Mem,
    path: String,
}

impl ReadAt for MemFile {
    fn path(&self) -> &str {
        &self.path
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.mem.state().file(&self.path)?.bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.mem.state();
        let bytes = &state.file(&self.path)?.bytes;
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| bytes.get(at..))
            .unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }
}

/// A segment in memory, and the filler that was laid through this handle and not written over yet.
#[derive(Debug)]
struct MemSegment {
    file: MemFile,
    filler: Option<(u64, u64)>,
}

impl MemSegment {
    fn new(mem: &Mem, path: String) -> Self {
        let mem = mem.clone();
        Self {
            file: MemFile { mem, path },
            filler: None,
        }
    }
}

impl Append for MemSegment {
    fn append(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.append_with_filler(offset, bytes, 0).map(drop)
    }

    fn append_with_filler(&mut self, offset: u64, bytes: &[u8], to: u64) -> io::Result<u64> {
        let path = &self.file.path;
        let mut state = self.file.mem.state();
        let found = state.file(path)?.bytes.len();
        let (start, len) = self.filler.unwrap_or((offset, offset));
        if found as u64 != len {
            return Err(wrong_len("append to", path, found, len));
        }
        if start != offset {
            return Err(wrong_len("append to", path, found, offset));
        }
        let end = offset + bytes.len() as u64;
        let mut all = bytes.to_vec();
        // All of it or none: no file ends inside a sector of filler.
        if to <= len.saturating_add(state.free_bytes) {
            all.extend((end..to).map(filler::byte_at));
        }
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let (over, grown) = all.split_at(all.len().min(found - at));
        state.take(path, grown)?;
        let file = &mut state.file(path)?.bytes;
        file[at..at + over.len()].copy_from_slice(over);
        file.extend_from_slice(grown);
        let len = file.len() as u64;
        self.filler = (len > end).then_some((end, len));
        Ok(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wrong_len(operation: &'static str, path: &str, found: usize, expected: u64) -> io::Error {
    let text = format!("the file has {found} bytes, expected {expected}");
    FileError::wrap(operation, path, io::Error::new(io::ErrorKind::InvalidData, text))
}

fn not_allowed(operation: &'static str, name: &FileName) -> io::Error {
    FileError::wrap(operation, name.to_string(), io::ErrorKind::InvalidInput.into())
}
