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
