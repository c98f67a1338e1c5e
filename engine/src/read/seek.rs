//! Finding a sequence number in a segment without an index: lines carry their number, so halving finds them.

use std::io;

use ledgerstone_formats::limits::LINE_BYTES_MAX;

use crate::storage::ReadAt;

/// A range this short is read line by line, in bytes.
const LINEAR_BYTES: u64 = 128 << 10;
/// How much is read at once to find the end of a line, in bytes.
const STEP_BYTES: usize = 16 << 10;
/// What begins every line of this version.
const LINE_START: &[u8] = b"{\"v\":1,\"seq\":";

/// Offset and number of a line at or before `seq` and near it. The first line of the segment where the lines cannot
/// be made out: what is wrong with them shows when they are read.
pub(crate) fn near(file: &dyn ReadAt, first: u64, bytes: u64, seq: u64) -> io::Result<(u64, u64)> {
    let (mut low, mut low_seq, mut high) = (0, first, bytes);
    while high - low > LINEAR_BYTES {
        let middle = low + (high - low) / 2;
        let Some(start) = next_line_start(file, middle, high)? else {
            // One line reaches from before the middle to the end of the range.
            high = middle;
            continue;
        };
        match line_seq(file, start)? {
            // A number out of order is one that somebody wrote there: read all lines, and see it.
            Some(found) if found <= low_seq => return Ok((0, first)),
            Some(found) if found <= seq => (low, low_seq) = (start, found),
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

fn line_seq(file: &dyn ReadAt, start: u64) -> io::Result<Option<u64>> {
    let mut buffer = [0; 48];
    let read = file.read_at(start, &mut buffer)?;
    let Some(digits) = buffer[..read].strip_prefix(LINE_START) else {
        return Ok(None);
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    Ok(std::str::from_utf8(&digits[..count])
        .ok()
        .and_then(|digits| digits.parse().ok()))
}
