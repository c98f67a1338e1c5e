//! Finding a sequence number or a time in a segment without an index: lines carry both, and both grow, so halving finds
//! them.

use std::io;

use ledgerstone_formats::limits::LINE_BYTES_MAX;
use ledgerstone_formats::time::{TIMESTAMP_BYTES, Timestamp};

use crate::storage::ReadAt;

/// A range this short is read line by line, in bytes.
const LINEAR_BYTES: u64 = 128 << 10;
/// How much is read at once to find the end of a line, in bytes.
const STEP_BYTES: usize = 16 << 10;
/// What begins every line of this version.
const LINE_START: &[u8] = b"{\"v\":1,\"seq\":";
/// What comes between a line's number and its time.
const AT: &[u8] = b",\"at\":\"";

/// What a line begins with.
pub(crate) struct LineStart {
    /// Its number.
    pub(crate) seq: u64,
    /// When it was committed.
    pub(crate) at: Timestamp,
}

/// Offset and number of a line near the last of those that are early, which stand before all others: that one, or one
/// before it. The first line of the segment where the lines cannot be made out: what is wrong with them shows when they
/// are read.
pub(crate) fn near(
    file: &dyn ReadAt,
    first: u64,
    bytes: u64,
    is_early: impl Fn(&LineStart) -> bool,
) -> io::Result<(u64, u64)> {
    let (mut low, mut low_seq, mut high) = (0, first, bytes);
    while high - low > LINEAR_BYTES {
        let middle = low + (high - low) / 2;
        let Some(start) = next_line_start(file, middle, high)? else {
            // One line reaches from before the middle to the end of the range.
            high = middle;
            continue;
        };
        match line_start(file, start)? {
            // A number out of order is one that somebody wrote there: read all lines, and see it.
            Some(found) if found.seq <= low_seq => return Ok((0, first)),
            Some(found) if is_early(&found) => (low, low_seq) = (start, found.seq),
            Some(_) => high = middle,
            None => return Ok((0, first)),
        }
    }
    Ok((low, low_seq))
}

fn next_line_start(file: &dyn ReadAt, from: u64, limit: u64) -> io::Result<Option<u64>> {
    let mut at = from;
    let mut buffer = vec![0; STEP_BYTES];
    while at < limit && at - from <= LINE_BYTES_MAX as u64 {
        let read = file.read_at(at, &mut buffer)?;
        if read == 0 {
            break;
        }
        if let Some(lf) = memchr::memchr(b'\n', &buffer[..read]) {
            let start = at + lf as u64 + 1;
            return Ok((start < limit).then_some(start));
        }
        at += read as u64;
    }
    Ok(None)
}

fn line_start(file: &dyn ReadAt, start: u64) -> io::Result<Option<LineStart>> {
    let mut buffer = [0; 80];
    let read = file.read_at(start, &mut buffer)?;
    Ok(parse_start(&buffer[..read]))
}

fn parse_start(line: &[u8]) -> Option<LineStart> {
    let line = line.strip_prefix(LINE_START)?;
    let count = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, line) = line.split_at(count);
    let at = line.strip_prefix(AT)?.get(..TIMESTAMP_BYTES)?;
    Some(LineStart {
        seq: std::str::from_utf8(digits).ok()?.parse().ok()?,
        at: Timestamp::from_canonical(at)?,
    })
}
