//! Where the whole groups of a segment end that somebody else may be writing to.

use std::io;

use ledgerstone_formats::limits::GROUP_BYTES_MAX;
use ledgerstone_formats::record::Record;

use crate::segment::ending::without_filler;
use crate::storage::ReadAt;

/// How much of the end is looked at first, in bytes.
const WINDOW_BYTES: u64 = 1 << 20;

/// No more than this is looked at, in bytes: a torn group, and a whole one before it.
const WINDOW_BYTES_MAX: u64 = 3 * GROUP_BYTES_MAX as u64;

/// The end of a segment's last whole group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WholeEnd {
    /// Bytes up to there.
    pub(crate) bytes: u64,
    /// Sequence number after its last record.
    pub(crate) next_seq: u64,
}

/// Finds the last whole group by its lines, from the end backwards; `None` when there is none.
pub(crate) fn whole_end(file: &dyn ReadAt) -> io::Result<Option<WholeEnd>> {
    let len = without_filler(file, file.len()?)?;
    let mut window = WINDOW_BYTES;
    loop {
        let from = len.saturating_sub(window);
        let mut bytes = vec![0; usize::try_from(len - from).map_err(io::Error::other)?];
        let read = file.read_at(from, &mut bytes)?;
        bytes.truncate(read);
        // The window may begin inside a line.
        let start = if from == 0 {
            0
        } else {
            memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |lf| lf + 1)
        };
        if let Some((end, next_seq)) = last_whole_group(&bytes[start..]) {
            return Ok(Some(WholeEnd {
                bytes: from + (start + end) as u64,
                next_seq,
            }));
        }
        if from == 0 {
            return Ok(None);
        }
        if window >= WINDOW_BYTES_MAX {
            let message = format!("no whole group ends in the last {window} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        window = (window * 8).min(WINDOW_BYTES_MAX);
    }
}

fn last_whole_group(bytes: &[u8]) -> Option<(usize, u64)> {
    let (mut found, mut start) = (None, 0);
    // The group being read, and how many of its lines have been seen in a row from its first.
    let mut run = None;
    for lf in memchr::memchr_iter(b'\n', bytes) {
        let line = &bytes[start..lf];
        start = lf + 1;
        let record = Record::parse(line)
            .ok()
            .filter(|record| record.check_hashes().is_ok());
        let Some(record) = record else {
            run = None;
            continue;
        };
        let key @ (first, count, _) = record.header.group_key();
        let index = record.header.seq - first;
        run = match run {
            _ if index == 0 => Some((key, 1)),
            Some((group, seen)) if group == key && seen == index => Some((group, seen + 1)),
            _ => None,
        };
        if run.is_some_and(|(_, seen)| seen == u64::from(count)) {
            found = Some((start, record.header.seq + 1));
        }
    }
    found
}
