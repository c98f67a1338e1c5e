//! A simulated disk that fails as disks, kernels and power supplies do, the same way each time.
//!
//! It runs the very sequences of calls that the real disk runs. Below them:
//!
//! - **Live and durable bytes are kept apart**, by sector of 512 bytes for files and by entry for directories. A
//!   crash of the process ([`Sim::kill`]) keeps what is live. A loss of power ([`Sim::crash`]) keeps what is durable
//!   and, of what was on its way, any part: a sector is there or not, whole, whatever was written before or after it;
//!   so are the length of a file (which grows at least to its last sector that is there), a permission, an entry of a
//!   directory. A sector or length changed more than once may be in any state that it had. A rename is there whole or
//!   not at all. What is missing inside a file reads as zeros, or as what was there before a cut that was not synced.
//! - **A sync makes durable what it names**: a file's bytes, length and permission, not its entry; a directory's
//!   entries.
//! - **After a failed sync its sectors are clean and on no medium** but for those that landed: a later sync succeeds
//!   and does nothing for them. Writing them again makes them dirty again. They can still be read, until the cache
//!   drops them ([`Sim::drop_clean_pages`], [`Sim::drop_clean_pages_at`]). Lengths, permissions and entries, which a
//!   journal keeps, stay on their way.
//! - **Every call that changes something has a number**, from 0 for each boot: it can be made to fail before or after
//!   its effect, or halfway ([`Sim::fail_at`]), and the power can go before it ([`Sim::power_off_at`]). Writes beyond
//!   the free space are short, then fail. A write is short at any byte where the file grows, and at the end of a
//!   sector where it does not.
//! - Reads fail where [`Sim::set_unreadable`] says, and bits flip where [`Sim::flip_bit`] says.
//! - Locks end with the process.
//!
//! Not modelled: a sector that is half written, a medium that says that it has what it has not, and changes to the
//! ledger's own directory's entry above it. There is no clock and no randomness here but the seeds that are passed in.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledgerstone_formats::limits::SECTOR_BYTES;
use ledgerstone_formats::names::{FileName, TEMP_SUFFIX};

use super::files::{Entry, Files, Handle};
use super::{Lock, Mapped};

mod faults;
mod file;
mod fs;
mod survival;

pub use faults::{Call, Fault, Operation};
pub use survival::Survival;

use faults::Faults;
use fs::{FileSystem, Inode, Node};
use survival::Choices;

/// Bytes that a new disk has.
const CAPACITY_BYTES_DEFAULT: u64 = 1 << 40;

/// A simulated disk; clones are the same disk.
#[derive(Clone)]
pub struct Sim {
    state: Arc<Mutex<State>>,
}

struct State {
    fs: FileSystem,
    faults: Faults,
    holder: Option<String>,
    capacity_bytes: u64,
}

impl fmt::Debug for Sim {
    /// By hand: a derived one would print every byte of the disk.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("operations", &self.operations())
            .finish_non_exhaustive()
    }
}

impl Default for Sim {
    fn default() -> Self {
        Self::new()
    }
}

impl Sim {
    /// A disk with an empty directory.
    pub fn new() -> Self {
        Self::boot(FileSystem::new(), Faults::default(), CAPACITY_BYTES_DEFAULT)
    }

    /// How many operations were done since this boot: the number of the next one.
    pub fn operations(&self) -> u64 {
        self.state().faults.log().len() as u64
    }

    /// The operations since this boot, the first one of number 0 first.
    pub fn log(&self) -> Vec<Operation> {
        self.state().faults.log().to_vec()
    }

    /// Makes the operation of this number go wrong.
    pub fn fail_at(&self, number: u64, fault: Fault) {
        self.state().faults.plan(number, fault);
    }

    /// Lets the power go before the operation of this number: it and all after it, reads too, fail.
    pub fn power_off_at(&self, number: u64) {
        self.state().faults.power_off_at(number);
    }

    /// The disk as the machine finds it when it is started again after a loss of power now. This one stays as it is, so
    /// that other survivals can be tried.
    pub fn crash(&self, survival: Survival) -> Self {
        let state = self.state();
        let after = state.fs.after_power_loss(&mut Choices::new(survival));
        Self::boot(after, state.faults.of_the_medium(), state.capacity_bytes)
    }

    /// The disk as the next process finds it when this one is killed now.
    pub fn kill(&self) -> Self {
        let state = self.state();
        Self::boot(
            state.fs.clone(),
            state.faults.of_the_medium(),
            state.capacity_bytes,
        )
    }

    /// How many changes are on their way: all combinations of n are [`Survival::Mask`] of 0 up to 2^n. Lengths are
    /// among them, and a file's sectors only count where a crash could leave an entry of it.
    pub fn unsynced(&self) -> u32 {
        let mut choices = Choices::new(Survival::KeepAll);
        self.state().fs.after_power_loss(&mut choices);
        choices.drawn()
    }

    /// Sets how many more bytes may be written; cutting and removing gives bytes back.
    pub fn set_free_bytes(&self, free_bytes: u64) {
        let mut state = self.state();
        state.capacity_bytes = state.fs.used_bytes().saturating_add(free_bytes);
    }

    /// Makes bytes of a file unreadable, or readable again with `None`; a crash does not change it.
    pub fn set_unreadable(&self, path: &str, bytes: Option<Range<u64>>) {
        self.state().faults.set_unreadable(path, bytes);
    }

    /// Makes every byte readable again, also of files that are gone and may come back.
    pub fn make_readable(&self) {
        self.state().faults.make_readable();
    }

    /// Flips the bits of `mask` in a byte of a file, on the medium and for its readers.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    pub fn flip_bit(&self, path: &str, offset: u64, mask: u8) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.fs.inode(path)?;
        state.fs.file_mut(inode)?.flip(index(offset)?, mask);
        Ok(())
    }

    /// Empties the page cache of all that is clean: what a failed sync lost is now gone for readers too.
    pub fn drop_clean_pages(&self) {
        self.state().fs.drop_clean_pages();
    }

    /// The same just before the operation of this number, between two looks that somebody takes at a file.
    pub fn drop_clean_pages_at(&self, number: u64) {
        self.state().faults.drop_pages_at(number);
    }

    /// What an operator with an editor does: makes or replaces a file, durably, whatever its name. Its permissions
    /// stay.
    pub fn put_raw(&self, path: &str, bytes: &[u8]) {
        self.state().fs.put(path, bytes);
    }

    /// What an operator does too: removes a file, durably. False when there was none.
    pub fn remove_raw(&self, path: &str) -> bool {
        self.state().fs.take(path)
    }

    /// A file's live bytes, whatever its name.
    pub fn raw(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.fs.inode(path).ok()?;
        Some(state.fs.file(inode).ok()?.bytes().to_vec())
    }

    fn boot(fs: FileSystem, faults: Faults, capacity_bytes: u64) -> Self {
        let state = State {
            fs,
            faults,
            holder: None,
            capacity_bytes,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held is a failed test, which reads the log at most.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn powered(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        state.faults.expect_power()?;
        Ok(state)
    }

    /// Does an operation that happens or does not.
    fn act<T>(
        &self,
        call: Call,
        path: &str,
        act: impl FnOnce(&mut FileSystem) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        match state.begin(call, path)? {
            None => act(&mut state.fs),
            Some(fault @ Fault::LandsButFails) => act(&mut state.fs).and(Err(fault.error())),
            Some(fault) => Err(fault.error()),
        }
    }

    fn handle(&self, path: &str, inode: Inode) -> Box<dyn Handle> {
        Box::new(SimHandle {
            sim: self.clone(),
            path: path.to_owned(),
            inode,
        })
    }
}

impl Files for Sim {
    fn shown(&self, path: &Path) -> String {
        path.display().to_string()
    }

    fn try_lock(&self, holder: &str) -> io::Result<Option<Box<dyn Lock>>> {
        let mut state = self.powered()?;
        if state.holder.is_some() {
            return Ok(None);
        }
        state.holder = Some(holder.to_owned());
        // Its text informs and nothing depends on it: to let it be lost would double the crashes to try for nothing.
        state.fs.put(&FileName::Lock.to_string(), holder.as_bytes());
        Ok(Some(Box::new(SimLock(self.clone()))))
    }

    fn is_locked(&self) -> io::Result<bool> {
        Ok(self.powered()?.holder.is_some())
    }

    fn open(&self, path: &Path, write: bool) -> io::Result<Box<dyn Handle>> {
        let (path, state) = (text(path), self.powered()?);
        let inode = state.fs.inode(&path)?;
        if write && state.fs.file(inode)?.is_read_only() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        drop(state);
        Ok(self.handle(&path, inode))
    }

    fn create_new(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Handle>> {
        let path = text(path);
        if self.powered()?.fs.node(&path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = self.act(Call::Create, &path, |fs| fs.create(&path, mode & 0o200 == 0))?;
        Ok(self.handle(&path, inode))
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        let path = text(path);
        match self.powered()?.fs.node(&path) {
            Ok(Node::Directory) => return Ok(()),
            Ok(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => {}
        }
        self.act(Call::MakeDirectory, &path, |fs| fs.make_directory(&path))
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (text(from), text(to));
        self.act(Call::Rename { to: to.clone() }, &from, |fs| fs.rename(&from, &to))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.powered()?.fs.node(&text(to)).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.rename_over(from, to)
    }

    fn remove_temp(&self, path: &Path) -> io::Result<()> {
        let path = text(path);
        if !path.ends_with(TEMP_SUFFIX) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a temporary file",
            ));
        }
        self.act(Call::RemoveTemp, &path, |fs| fs.remove(&path))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let path = text(path);
        self.act(Call::SyncDirectory, &path, |fs| fs.sync_directory(&path))
    }

    fn entries(&self, path: &Path, each: &mut dyn FnMut(&str, Entry)) -> io::Result<()> {
        let state = self.powered()?;
        for (name, node) in state.fs.entries(&text(path))? {
            let entry = match node {
                Node::Directory => Entry::Directory,
                Node::File(inode) => {
                    let file = state.fs.file(*inode)?;
                    Entry::File {
                        len: file.bytes().len() as u64,
                        protected: file.is_read_only(),
                    }
                }
            };
            each(name, entry);
        }
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.powered()?.free_bytes())
    }
}

impl State {
    /// Notes an operation that is about to be done, and says what is to go wrong with it.
    fn begin(&mut self, call: Call, path: &str) -> io::Result<Option<Fault>> {
        if self.faults.drops_pages_now() {
            self.fs.drop_clean_pages();
        }
        self.faults.begin(call, path)
    }

    fn free_bytes(&self) -> u64 {
        self.capacity_bytes.saturating_sub(self.fs.used_bytes())
    }

    /// How many of `len` bytes from `offset` on a file takes.
    fn room(&self, inode: Inode, offset: u64, len: usize) -> io::Result<usize> {
        let end = offset + len as u64;
        let grows = end.saturating_sub(self.fs.file(inode)?.bytes().len() as u64);
        let missing = grows.saturating_sub(self.free_bytes());
        match usize::try_from(missing)
            .ok()
            .and_then(|missing| len.checked_sub(missing))
        {
            Some(0) | None if len > 0 => Err(Fault::Full.error()),
            room => Ok(room.unwrap_or(0)),
        }
    }

    /// How many of `len` bytes from `offset` on a write takes that is short after `taken`: what stays within the file
    /// is taken by whole sectors.
    fn short(&self, inode: Inode, offset: u64, len: usize, taken: usize) -> io::Result<usize> {
        let end = offset + taken as u64;
        if taken == 0 || end > self.fs.file(inode)?.bytes().len() as u64 {
            return Ok(taken);
        }
        Ok(index(end.next_multiple_of(SECTOR_BYTES) - offset)?.min(len))
    }
}

#[derive(Debug)]
struct SimLock(Sim);

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.state().holder = None;
    }
}

#[derive(Debug)]
struct SimHandle {
    sim: Sim,
    path: String,
    inode: Inode,
}

impl SimHandle {
    fn sync(&self) -> io::Result<()> {
        let mut state = self.sim.state();
        let fault = state.begin(Call::Sync, &self.path)?;
        let file = state.fs.file_mut(self.inode)?;
        match fault {
            None | Some(Fault::LandsButFails) => file.sync(),
            Some(Fault::Short(sectors)) => file.sync_fails(sectors),
            Some(Fault::Fails | Fault::Full) => file.sync_fails(0),
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }
}

impl Handle for SimHandle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.sim.powered()?.fs.file(self.inode)?.bytes().len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.sim.powered()?;
        let bytes = state.fs.file(self.inode)?.bytes();
        let rest = bytes.get(index(offset)?..).unwrap_or_default();
        let read = state
            .faults
            .readable(&self.path, offset, rest.len().min(buffer.len()))?;
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.sim.state();
        let call = Call::Write {
            offset,
            len: bytes.len() as u64,
        };
        let fault = state.begin(call, &self.path)?;
        let mut taken = state.room(self.inode, offset, bytes.len())?;
        match fault {
            None | Some(Fault::LandsButFails) => {}
            Some(Fault::Short(len)) => {
                taken = state.short(self.inode, offset, taken, taken.min(index(len)?))?;
            }
            Some(fault @ (Fault::Fails | Fault::Full)) => return Err(fault.error()),
        }
        state
            .fs
            .file_mut(self.inode)?
            .write(index(offset)?, &bytes[..taken]);
        match fault {
            Some(fault @ Fault::LandsButFails) => Err(fault.error()),
            _ => Ok(taken),
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let len_index = index(len)?;
        self.sim.act(Call::Truncate { len }, &self.path, |fs| {
            fs.file_mut(self.inode)?.truncate(len_index);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn forbid_writing(&self) -> io::Result<()> {
        self.sim.act(Call::ForbidWriting, &self.path, |fs| {
            fs.file_mut(self.inode)?.forbid_writing();
            Ok(())
        })
    }

    /// A copy: what happens to the medium later does not show in it, as in pages that stay in the cache.
    fn map(&self) -> io::Result<Mapped> {
        let mut bytes = vec![0; index(self.len()?)?];
        let read = self.read_at(0, &mut bytes)?;
        bytes.truncate(read);
        Ok(Mapped::from(bytes))
    }
}

/// The paths of a ledger are ASCII.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn index(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}
