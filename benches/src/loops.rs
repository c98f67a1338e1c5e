//! What the machine allows: the same bytes with nothing around them.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::files;
use crate::stats::{Run, rate};
use crate::stopwatch::Stopwatch;

/// One writer, one line at a time: append it to a growing file, `fdatasync`, next.
///
/// # Errors
/// Those of the file system.
pub fn append_and_sync<'a>(path: &Path, lines: impl IntoIterator<Item = &'a [u8]>) -> io::Result<Run> {
    let mut file = files::create(path)?;
    let mut each = Vec::new();
    let whole = Stopwatch::start();
    for line in lines {
        let one = Stopwatch::start();
        file.write_all(line)?;
        file.sync_data()?;
        each.push(one.elapsed());
    }
    Ok(Run::new(each, whole.elapsed()))
}

/// One writer, one group at a time: write it with one call, `fdatasync`, next. The time of the whole.
///
/// # Errors
/// Those of the file system.
pub fn write_and_sync<'a>(path: &Path, groups: impl IntoIterator<Item = &'a [u8]>) -> io::Result<Duration> {
    let mut file = files::create(path)?;
    let whole = Stopwatch::start();
    for group in groups {
        file.write_all(group)?;
        file.sync_data()?;
    }
    Ok(whole.elapsed())
}

/// Hashes each line of a file by itself, on one core.
pub fn hash_lines(lines: &[u8]) -> Duration {
    let whole = Stopwatch::start();
    for line in ledgerstone_formats::line::lines(lines) {
        std::hint::black_box(Sha256::digest(line));
    }
    whole.elapsed()
}

/// Messages that one core hashes in a second with SHA-256, each by itself.
pub fn sha256_rate<'a>(messages: impl ExactSizeIterator<Item = &'a [u8]>) -> f64 {
    let count = u64::try_from(messages.len()).expect("a length fits in 64 bits");
    let whole = Stopwatch::start();
    for message in messages {
        std::hint::black_box(Sha256::digest(message));
    }
    rate(count, whole.elapsed())
}
