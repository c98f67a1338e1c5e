//! The bytes of a derived file, in memory or mapped.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// A file's bytes, as long as they are held. Cheap to clone.
#[derive(Clone)]
pub struct Mapped(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl Mapped {
    /// Maps a file that nobody writes to.
    ///
    /// Only derived files are mapped: they are replaced by renaming, never written in place. One that somebody else
    /// shortens meanwhile ends this process with a signal, which segments must not be exposed to.
    #[expect(unsafe_code, reason = "a mapping is sound only while nobody changes the file")]
    pub(crate) fn of_file(file: &impl AsRawFd) -> io::Result<Self> {
        // SAFETY: the file is one of the engine's derived files. The engine never writes to one under its name. Bytes
        // that somebody else changes are read as plain integers and compared with a checksum: any value is sound.
        let map = unsafe { memmap2::Mmap::map(file)? };
        Ok(Self(Arc::new(map)))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl From<Vec<u8>> for Mapped {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapped({} bytes)", self.as_ref().len())
    }
}
