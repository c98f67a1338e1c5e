//! The command line's own files: what it reads and writes for its user, outside of any ledger. All of them are opened
//! here.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where the command line opens its user's files"
)]

pub(crate) use std::fs::File;
use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

/// Standard input, past the buffer of the standard library, which nothing else here uses.
pub(crate) fn standard_input() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Standard output, past the line buffer of the standard library, which nothing else here uses.
pub(crate) fn standard_output() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Makes a new file to write to; fails with `AlreadyExists`.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Takes back a file that [`create_new`] made and nothing was written to.
pub(crate) fn remove_new(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// What the operating system says of a file, links followed.
pub(crate) fn look_at(path: &Path) -> io::Result<Metadata> {
    fs::metadata(path)
}

/// True when a file of this name would lie below a directory, links followed.
pub(crate) fn is_below(path: &Path, directory: &Path) -> bool {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match (fs::canonicalize(parent), fs::canonicalize(directory)) {
        (Ok(parent), Ok(directory)) => parent.starts_with(directory),
        _ => false,
    }
}

/// A small file, whole.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

/// A small file of text, whole.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

/// Makes a directory; one that is there already has to be empty.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error)
            if error.kind() == io::ErrorKind::AlreadyExists && fs::read_dir(path)?.next().is_none() =>
        {
            Ok(())
        }
        made => made,
    }
}
