//! The socket in a ledger's directory at which its holder takes what other processes bring.
//!
//! It is made and reached through an open handle of the directory, as `/proc/self/fd/N/DOOR`: the path of a socket may
//! have 107 bytes, that of a ledger more, and whatever is renamed meanwhile, this is the directory that is locked.
#![expect(
    clippy::disallowed_methods,
    reason = "a socket that nobody listens at is removed, and holds no bytes"
)]

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;

use ledgerstone_formats::names::DOOR;

/// Whoever may do all that the holder may.
const MODE: u32 = 0o600;

/// A socket that its maker listens at. Dropped, it is removed.
#[derive(Debug)]
pub struct Doorway {
    listener: UnixListener,
    directory: Arc<File>,
}

impl Doorway {
    /// lstat · unlink(the socket of a process that was killed) · bind · chmod. The caller holds the ledger.
    pub(super) fn make(directory: &Arc<File>) -> io::Result<Self> {
        let path = path_in(directory);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.file_type().is_socket() => fs::remove_file(&path)?,
            Ok(_) => {
                let text = "something is there that is no socket";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let doorway = Self {
            listener: UnixListener::bind(&path)?,
            directory: Arc::clone(directory),
        };
        fs::set_permissions(&path, Permissions::from_mode(MODE))?;
        doorway.send_away()?;
        Ok(doorway)
    }

    /// Closes the connections of those who came before the mode kept them out: nobody was told of the socket yet.
    fn send_away(&self) -> io::Result<()> {
        self.listener.set_nonblocking(true)?;
        loop {
            match self.listener.accept() {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.listener.set_nonblocking(false)
    }

    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for Doorway {
    fn drop(&mut self) {
        // One that stays is in nobody's way: the next holder removes it.
        let _stays = fs::remove_file(path_in(&self.directory));
    }
}

/// Connects to the socket in a directory. A link to a socket elsewhere is not followed.
pub(super) fn reach(directory: &File) -> io::Result<UnixStream> {
    let path = path_in(directory);
    let meta = fs::symlink_metadata(&path)?;
    if !meta.file_type().is_socket() || meta.permissions().mode() & 0o777 != MODE {
        let text = format!("{DOOR} is not a socket of mode {MODE:04o}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    UnixStream::connect(path)
}

fn path_in(directory: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{DOOR}", directory.as_raw_fd()))
}
