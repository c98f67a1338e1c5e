//! What is to go wrong, and what was done.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;

/// How one operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing of it is done, and an input or output error is reported. A sync leaves what it should have written
    /// clean.
    Fails,
    /// The same with "no space left on device".
    Full,
    /// All of it is done, and an input or output error is reported.
    LandsButFails,
    /// A write takes this many bytes at most and says so. A sync brings this many sectors to the medium and fails. Any
    /// other operation [`Fault::Fails`].
    Short(u64),
}

impl Fault {
    pub(super) fn error(self) -> io::Error {
        io::Error::from_raw_os_error(
            match self {
                Self::Full => rustix::io::Errno::NOSPC,
                _ => rustix::io::Errno::IO,
            }
            .raw_os_error(),
        )
    }
}

/// One call that changes something, as the simulated disk was asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What was called.
    pub call: Call,
    /// The file or directory; the ledger's own is empty.
    pub path: String,
    /// What was made to go wrong.
    pub fault: Option<Fault>,
}

/// A call that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// An empty file is made.
    Create,
    /// Write permission is taken away.
    ForbidWriting,
    /// A directory is made.
    MakeDirectory,
    /// A temporary file is removed.
    RemoveTemp,
    /// A file gets another name.
    Rename {
        /// The path of the new name.
        to: String,
    },
    /// A file's bytes, length and permissions are made durable.
    Sync,
    /// A directory's entries are made durable.
    SyncDirectory,
    /// A file is cut.
    Truncate {
        /// Its length afterwards, in bytes.
        len: u64,
    },
    /// Bytes are written.
    Write {
        /// Of the first one, in the file.
        offset: u64,
        /// How many there are to write.
        len: u64,
    },
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "." } else { &self.path };
        match &self.call {
            Call::Create => write!(f, "create {path}"),
            Call::ForbidWriting => write!(f, "forbid writing {path}"),
            Call::MakeDirectory => write!(f, "make directory {path}"),
            Call::RemoveTemp => write!(f, "remove {path}"),
            Call::Rename { to } => write!(f, "rename {path} to {to}"),
            Call::Sync => write!(f, "sync {path}"),
            Call::SyncDirectory => write!(f, "sync directory {path}"),
            Call::Truncate { len } => write!(f, "truncate {path} to {len}"),
            Call::Write { offset, len } => write!(f, "write {path} at {offset}, {len} bytes"),
        }?;
        self.fault.map_or(Ok(()), |fault| write!(f, " [{fault:?}]"))
    }
}

/// The plan of faults and the log of operations of one simulated boot.
#[derive(Debug, Default)]
pub(super) struct Faults {
    log: Vec<Operation>,
    plan: BTreeMap<u64, Fault>,
    power_off_at: Option<u64>,
    drop_pages_at: Option<u64>,
    /// By path: what of a file cannot be read.
    unreadable: BTreeMap<String, Range<u64>>,
}

impl Faults {
    /// The faults that stay when the machine is started again.
    pub(super) fn of_the_medium(&self) -> Self {
        Self {
            unreadable: self.unreadable.clone(),
            ..Self::default()
        }
    }

    pub(super) fn log(&self) -> &[Operation] {
        &self.log
    }

    pub(super) fn plan(&mut self, number: u64, fault: Fault) {
        self.plan.insert(number, fault);
    }

    pub(super) fn power_off_at(&mut self, number: u64) {
        self.power_off_at = Some(number);
    }

    pub(super) fn drop_pages_at(&mut self, number: u64) {
        self.drop_pages_at = Some(number);
    }

    /// True before the operation at which the page cache loses what is clean.
    pub(super) fn drops_pages_now(&self) -> bool {
        self.drop_pages_at == Some(self.log.len() as u64)
    }

    /// Fails once the power is off.
    pub(super) fn expect_power(&self) -> io::Result<()> {
        match self.power_off_at {
            Some(number) if self.log.len() as u64 >= number => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }

    /// Notes an operation that is about to be done, and says what is to go wrong with it.
    pub(super) fn begin(&mut self, call: Call, path: &str) -> io::Result<Option<Fault>> {
        self.expect_power()?;
        let fault = self.plan.remove(&(self.log.len() as u64));
        self.log.push(Operation {
            call,
            path: path.to_owned(),
            fault,
        });
        Ok(fault)
    }

    pub(super) fn set_unreadable(&mut self, path: &str, range: Option<Range<u64>>) {
        match range {
            Some(range) => drop(self.unreadable.insert(path.to_owned(), range)),
            None => drop(self.unreadable.remove(path)),
        }
    }

    pub(super) fn make_readable(&mut self) {
        self.unreadable.clear();
    }

    /// How many of `len` bytes can be read from `offset` on before one that cannot.
    pub(super) fn readable(&self, path: &str, offset: u64, len: usize) -> io::Result<usize> {
        match self.unreadable.get(path) {
            Some(bad) if bad.contains(&offset) => Err(Fault::Fails.error()),
            Some(bad) if offset < bad.start => {
                Ok(len.min(usize::try_from(bad.start - offset).unwrap_or(len)))
            }
            _ => Ok(len),
        }
    }
}
