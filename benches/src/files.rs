//! Input files of the workloads.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use crate::entries::{Entries, write_jsonl};

/// Bytes read or written at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// Opens a file for reading from its beginning.
#[expect(clippy::disallowed_methods, reason = "input of the workloads")]
pub(crate) fn open(path: &Path) -> io::Result<BufReader<File>> {
    Ok(BufReader::with_capacity(BUFFER_BYTES, File::open(path)?))
}

/// A file's bytes.
#[expect(clippy::disallowed_methods, reason = "what a ledger has written")]
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// Copies a directory and all below it.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_tree(&from, &to)?;
        } else {
            std::fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// Makes a file that must not exist yet.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    File::create_new(path)
}

/// Makes a file of bodies, one a line; it is on the disk afterwards, so that writing it back disturbs nobody.
pub(crate) fn make_bodies(path: &Path, entries: Entries) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, create(path)?);
    write_jsonl(entries, &mut out)?;
    out.flush()?;
    out.get_ref().sync_all()
}
