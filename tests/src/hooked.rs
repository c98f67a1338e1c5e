//! A storage that does something of a test's before a call is made.

use std::fmt;
use std::io;
use std::sync::Arc;

use ledgerstone_engine::storage::{Append, Listing, Lock, Mapped, ReadAt, Storage};
use ledgerstone_formats::names::{FileName, QuarantineName};

/// What a hook is told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// [`Append::append`], with filler or without.
    Append,
    /// [`Storage::map`].
    Map,
    /// [`Storage::open`], after the directory was listed perhaps.
    Open,
    /// [`ReadAt::read_at`] of a segment, of so many bytes at most.
    ReadSegment(usize),
    /// [`Storage::replace_head`].
    ReplaceHead,
    /// [`Storage::settle`].
    Settle,
}

type Hook = Arc<dyn Fn(Before) + Send + Sync>;
type Relist = Arc<dyn Fn(Listing) -> Listing + Send + Sync>;

/// Another storage, and the hook.
#[derive(Clone)]
pub struct Hooked {
    inner: Arc<dyn Storage>,
    hook: Hook,
    relist: Relist,
}

impl Hooked {
    /// Calls `hook` before each call that it is told of.
    pub fn new(inner: Arc<dyn Storage>, hook: impl Fn(Before) + Send + Sync + 'static) -> Self {
        Self {
            inner,
            hook: Arc::new(hook),
            relist: Arc::new(|listing| listing),
        }
    }

    /// Gives out what `relist` makes of a listing of the directory.
    pub fn listed(
        inner: Arc<dyn Storage>,
        relist: impl Fn(Listing) -> Listing + Send + Sync + 'static,
    ) -> Self {
        Self {
            relist: Arc::new(relist),
            ..Self::new(inner, |_| {})
        }
    }

    fn hooked(&self, file: Box<dyn Append>) -> Box<dyn Append> {
        let hook = Arc::clone(&self.hook);
        Box::new(HookedFile { file, hook })
    }
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

struct HookedFile {
    file: Box<dyn Append>,
    hook: Hook,
}

impl fmt::Debug for HookedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

struct HookedRead {
    file: Box<dyn ReadAt>,
    hook: Hook,
}

impl fmt::Debug for HookedRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl ReadAt for HookedRead {
    fn path(&self) -> &str {
        self.file.path()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (self.hook)(Before::ReadSegment(buffer.len()));
        self.file.read_at(offset, buffer)
    }
}

impl Append for HookedFile {
    fn append(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        (self.hook)(Before::Append);
        self.file.append(offset, bytes)
    }

    fn append_with_filler(&mut self, offset: u64, bytes: &[u8], to: u64) -> io::Result<u64> {
        (self.hook)(Before::Append);
        self.file.append_with_filler(offset, bytes, to)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}

impl Storage for Hooked {
    fn lock(&self, holder: &str) -> io::Result<Box<dyn Lock>> {
        self.inner.lock(holder)
    }

    fn holder(&self) -> io::Result<Option<String>> {
        self.inner.holder()
    }

    fn list(&self) -> io::Result<Listing> {
        self.inner.list().map(|listing| (self.relist)(listing))
    }

    fn open(&self, name: &FileName) -> io::Result<Box<dyn ReadAt>> {
        (self.hook)(Before::Open);
        let file = self.inner.open(name)?;
        Ok(match name {
            FileName::Segment(_) => Box::new(HookedRead {
                file,
                hook: Arc::clone(&self.hook),
            }),
            _ => file,
        })
    }

    fn create_directories(&self) -> io::Result<()> {
        self.inner.create_directories()
    }

    fn create(&self, name: &FileName) -> io::Result<Box<dyn Append>> {
        self.inner.create(name).map(|file| self.hooked(file))
    }

    fn reopen(&self, name: &FileName, len: u64) -> io::Result<Box<dyn Append>> {
        self.inner.reopen(name, len).map(|file| self.hooked(file))
    }

    fn publish(&self, name: &FileName, bytes: &[u8]) -> io::Result<()> {
        self.inner.publish(name, bytes)
    }

    fn replace_head(&self, name: &FileName, bytes: &[u8]) -> io::Result<()> {
        (self.hook)(Before::ReplaceHead);
        self.inner.replace_head(name, bytes)
    }

    fn replace_derived(
        &self,
        name: &FileName,
        write: &mut dyn FnMut(&mut dyn io::Write) -> io::Result<()>,
    ) -> io::Result<()> {
        self.inner.replace_derived(name, write)
    }

    fn remove_derived(&self, name: &FileName) -> io::Result<()> {
        self.inner.remove_derived(name)
    }

    fn map(&self, name: &FileName) -> io::Result<Mapped> {
        (self.hook)(Before::Map);
        self.inner.map(name)
    }

    fn quarantine(&self, segment: u64, keep: u64) -> io::Result<QuarantineName> {
        self.inner.quarantine(segment, keep)
    }

    fn settle(&self, segment: u64, from: u64, to: u64) -> io::Result<()> {
        (self.hook)(Before::Settle);
        self.inner.settle(segment, from, to)
    }

    fn trim_filler(&self, segment: u64, len: u64) -> io::Result<()> {
        self.inner.trim_filler(segment, len)
    }

    fn protect(&self, segment: u64) -> io::Result<()> {
        self.inner.protect(segment)
    }

    fn sync_directories(&self) -> io::Result<()> {
        self.inner.sync_directories()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.inner.free_bytes()
    }
}
