//! The signing key, and the newest head beside it: the two things of a ledger that lie outside its directory.
//!
//! A directory that was put back to an older state looks whole from the inside; the head beside the key does not go
//! back with it.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::storage::disk::Disk;
use crate::storage::durable::{put_new, replace};
use crate::storage::files::Files;
use crate::storage::open_file::OpenFile;
use crate::storage::{FileError, ReadAt};

/// Longest key or head text that is read, in bytes.
const TEXT_BYTES_MAX: u64 = 64 << 10;
const KEY_MODE: u32 = 0o600;
const HEAD_MODE: u32 = 0o644;

/// A place for one ledger's key and newest head. Who writes to it holds the ledger's lock.
pub trait KeyStore: fmt::Debug + Send + Sync {
    /// The key's text; `None` where the ledger has no key.
    ///
    /// # Errors
    /// `NotFound` when the ledger should have one and the file is not there.
    fn signing_key(&self) -> io::Result<Option<Secret>>;

    /// Stores a new key, durable on return and readable by its owner only.
    ///
    /// # Errors
    /// `AlreadyExists` when there is another key: it is never replaced. `InvalidInput` where the ledger has no key.
    fn create_key(&self, text: &str) -> io::Result<()>;

    /// The head that was stored last; `None` before the first.
    fn head(&self) -> io::Result<Option<Vec<u8>>>;

    /// Where that head is, for messages; `None` where it has no path.
    fn head_place(&self) -> Option<String> {
        None
    }

    /// Stores a head over the one before, whole or not at all, durable on return.
    fn replace_head(&self, bytes: &[u8]) -> io::Result<()>;

    /// The permission bits of the key where others than its owner can do something with it.
    fn exposed_mode(&self) -> io::Result<Option<u32>>;
}

/// A text that does not show itself.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Key and head as files beside the ledger's directory, or where the key is.
#[derive(Debug, Clone)]
pub struct FileKeys {
    folder: Disk,
    key: Option<PathBuf>,
    head: PathBuf,
}

impl FileKeys {
    /// `DIR.key` and `DIR.key.head`. However a directory is written (`x`, `x/`, `./x`, a link to it, `.` from
    /// inside), they are the same two files.
    ///
    /// # Errors
    /// `InvalidInput` for a directory without a name, as `/`; the operating system's error where the path leads
    /// nowhere.
    pub fn beside(directory: &Path) -> io::Result<Self> {
        let (folder, name) = resolve(directory)?;
        Ok(Self::with_key(folder, name, ".key"))
    }

    /// The key where `key_file` says, and its head in `KEYFILE.head`.
    ///
    /// # Errors
    /// As [`FileKeys::beside`].
    pub fn at(key_file: &Path) -> io::Result<Self> {
        let (folder, name) = resolve(key_file)?;
        Ok(Self::with_key(folder, name, ""))
    }

    /// `DIR.head`, for a ledger without a key.
    ///
    /// # Errors
    /// As [`FileKeys::beside`].
    pub fn unsigned(directory: &Path) -> io::Result<Self> {
        let (folder, mut head) = resolve(directory)?;
        head.push(".head");
        Ok(Self {
            folder: Disk::new(folder),
            key: None,
            head: head.into(),
        })
    }

    /// Where the key is, for messages; `None` for a ledger without one.
    pub fn key_path(&self) -> Option<PathBuf> {
        Some(self.folder.directory().join(self.key.as_ref()?))
    }

    /// Where the head is, for messages.
    pub fn head_path(&self) -> PathBuf {
        self.folder.directory().join(&self.head)
    }

    fn with_key(folder: PathBuf, mut name: OsString, ending: &str) -> Self {
        name.push(ending);
        let mut head = name.clone();
        head.push(".head");
        Self {
            folder: Disk::new(folder),
            key: Some(name.into()),
            head: head.into(),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        OpenFile::open(&self.folder, path, false)?.read_all(TEXT_BYTES_MAX)
    }
}

impl KeyStore for FileKeys {
    fn signing_key(&self) -> io::Result<Option<Secret>> {
        let Some(path) = &self.key else { return Ok(None) };
        let text = String::from_utf8(self.read(path)?).map_err(|_| {
            let error = io::Error::new(io::ErrorKind::InvalidData, "not UTF-8");
            FileError::wrap("read", self.folder.shown(path), error)
        })?;
        Ok(Some(Secret(text)))
    }

    fn create_key(&self, text: &str) -> io::Result<()> {
        let Some(path) = &self.key else {
            return Err(no_key());
        };
        put_new(&self.folder, path, text.as_bytes(), KEY_MODE)
    }

    fn head(&self) -> io::Result<Option<Vec<u8>>> {
        match self.read(&self.head) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    fn head_place(&self) -> Option<String> {
        Some(self.head_path().display().to_string())
    }

    fn replace_head(&self, bytes: &[u8]) -> io::Result<()> {
        replace(&self.folder, &self.head, bytes, HEAD_MODE)
    }

    fn exposed_mode(&self) -> io::Result<Option<u32>> {
        let Some(path) = self.key_path() else {
            return Ok(None);
        };
        let meta = fs::metadata(&path)
            .map_err(|e| FileError::wrap("ask the mode of", path.display().to_string(), e))?;
        let mode = meta.permissions().mode() & 0o777;
        Ok((mode & 0o077 != 0).then_some(mode))
    }
}

/// Key and head in memory, for ledgers that are; clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemKeys {
    state: Arc<Mutex<MemState>>,
}

#[derive(Debug, Default)]
struct MemState {
    key: Option<Secret>,
    head: Option<Vec<u8>>,
    unsigned: bool,
    fails: bool,
}

impl MemKeys {
    /// A place for a key, with none in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// For a ledger without a key.
    pub fn unsigned() -> Self {
        let keys = Self::default();
        keys.state().unsigned = true;
        keys
    }

    /// Puts a head there, an older one perhaps, or takes it away: what restoring a backup of the key's folder does.
    pub fn set_head(&self, head: Option<Vec<u8>>) {
        self.state().head = head;
    }

    /// From now on every write fails and changes nothing, or no longer does.
    pub fn set_failing(&self, fails: bool) {
        self.state().fails = fails;
    }

    fn state(&self) -> MutexGuard<'_, MemState> {
        // A panic while it was held is a failed test; the state is whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemState {
    fn expect_writable(&self) -> io::Result<()> {
        if self.fails {
            Err(io::Error::other("the key store is set to fail"))
        } else {
            Ok(())
        }
    }
}

impl KeyStore for MemKeys {
    fn signing_key(&self) -> io::Result<Option<Secret>> {
        let state = self.state();
        if state.unsigned {
            return Ok(None);
        }
        state
            .key
            .clone()
            .map(Some)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create_key(&self, text: &str) -> io::Result<()> {
        let mut state = self.state();
        state.expect_writable()?;
        if state.unsigned {
            return Err(no_key());
        }
        match &state.key {
            Some(key) if key.expose() != text => Err(io::ErrorKind::AlreadyExists.into()),
            _ => {
                state.key = Some(Secret::new(text));
                Ok(())
            }
        }
    }

    fn head(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state().head.clone())
    }

    fn replace_head(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.expect_writable()?;
        state.head = Some(bytes.to_vec());
        Ok(())
    }

    fn exposed_mode(&self) -> io::Result<Option<u32>> {
        Ok(None)
    }
}

fn no_key() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "an unsigned ledger has no key")
}

/// The folder that a path lies in and its name there, the same for every way to write the path.
fn resolve(path: &Path) -> io::Result<(PathBuf, OsString)> {
    let shown = |e| FileError::wrap("resolve", path.display().to_string(), e);
    let full = match fs::canonicalize(path) {
        // Not made yet: its folder may be there, or be made with it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or(error).map_err(shown)?;
            let folder = std::path::absolute(path).map_err(shown)?;
            let folder = folder.parent().unwrap_or(&folder);
            fs::canonicalize(folder)
                .unwrap_or_else(|_| folder.to_owned())
                .join(name)
        }
        resolved => resolved.map_err(shown)?,
    };
    match (full.parent(), full.file_name()) {
        (Some(folder), Some(name)) => Ok((folder.to_owned(), name.to_owned())),
        _ => Err(shown(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a directory without a name",
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: Option<PathBuf>) -> String {
        path.unwrap().display().to_string()
    }

    #[test]
    fn every_way_to_write_a_directory_gives_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let key = root.join("books.key").display().to_string();
        // Before the ledger is made, after, and through a link.
        assert_eq!(
            text(FileKeys::beside(&root.join("books")).unwrap().key_path()),
            key
        );
        assert_eq!(
            text(FileKeys::beside(&root.join("books/")).unwrap().key_path()),
            key
        );
        fs::create_dir_all(root.join("books/segments")).unwrap();
        std::os::unix::fs::symlink(root.join("books"), root.join("link")).unwrap();
        for way in [
            "books",
            "books/",
            "books/.",
            "books/segments/..",
            "link",
            "./books",
        ] {
            assert_eq!(
                text(FileKeys::beside(&root.join(way)).unwrap().key_path()),
                key,
                "{way}"
            );
        }
        let unsigned = FileKeys::unsigned(&root.join("books/segments/..")).unwrap();
        assert_eq!(unsigned.head_path(), root.join("books.head"));
        assert_eq!(
            FileKeys::at(&root.join("k")).unwrap().head_path(),
            root.join("k.head")
        );
        assert_eq!(
            FileKeys::beside(Path::new("/")).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert_eq!(
            FileKeys::beside(&root.join("none/..")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn a_key_is_made_once_and_its_owners_only() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::beside(&folder.path().join("books")).unwrap();
        assert_eq!(keys.signing_key().unwrap_err().kind(), io::ErrorKind::NotFound);
        keys.create_key("first").unwrap();
        assert_eq!(
            keys.create_key("other").unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(keys.signing_key().unwrap().unwrap().expose(), "first");
        assert_eq!(keys.exposed_mode().unwrap(), None);
        let key = keys.key_path().unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(keys.exposed_mode().unwrap(), Some(0o640));
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no temporary file is left"
        );
        assert!(!format!("{:?}", keys.signing_key().unwrap()).contains("first"));
    }

    #[test]
    fn the_head_is_replaced_whole_even_after_a_write_cut_short() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::unsigned(&folder.path().join("books")).unwrap();
        assert_eq!(keys.head().unwrap(), None);
        #[expect(clippy::disallowed_methods, reason = "plays a write that was cut short")]
        fs::write(folder.path().join("books.head.tmp"), "half").unwrap();
        for head in [b"one".as_slice(), b"longer than one", b""] {
            keys.replace_head(head).unwrap();
            assert_eq!(keys.head().unwrap().as_deref(), Some(head));
        }
        assert!(keys.signing_key().unwrap().is_none());
        assert_eq!(
            keys.create_key("k").unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn keys_in_memory_keep_to_the_same_rules() {
        let keys = MemKeys::new();
        assert_eq!(keys.signing_key().unwrap_err().kind(), io::ErrorKind::NotFound);
        keys.create_key("first").unwrap();
        assert_eq!(
            keys.create_key("other").unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        keys.replace_head(b"two").unwrap();
        keys.set_failing(true);
        assert!(keys.replace_head(b"three").is_err());
        assert_eq!(keys.head().unwrap().as_deref(), Some(b"two".as_slice()));
        keys.set_head(Some(b"one".to_vec()));
        assert_eq!(keys.clone().head().unwrap().as_deref(), Some(b"one".as_slice()));
        assert!(MemKeys::unsigned().signing_key().unwrap().is_none());
    }
}
