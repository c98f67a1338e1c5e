//! A torn tail or damage: what one interrupted append can leave, and nothing else, is set aside.

use ledgerstone_formats::chain::ChainHead;
use ledgerstone_formats::filler;
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::header::VERSION;
use ledgerstone_formats::limits::{GROUP_BYTES_MAX, SECTOR_BYTES};
use ledgerstone_formats::record::{NewerRecord, Record, RecordError, whole_line_within};
use ledgerstone_formats::time::Timestamp;

/// What the bytes after the last whole group of the last segment are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing, or the filler of their places.
    Filler,
    /// What one interrupted append leaves.
    Torn,
    /// Anything else.
    Damage(String),
    /// Lines of a later format version.
    Newer(u64),
}

/// Judges the bytes `tail` at `offset` of the last segment, after whole groups up to `chain`. `begins_segment` says
/// that no group of the segment is before them.
pub(crate) fn classify(offset: u64, tail: &[u8], chain: &ChainHead, begins_segment: bool) -> Tail {
    if filler::is_filler(offset, tail) {
        return Tail::Filler;
    }
    let stretches = stretches(offset, tail);
    let written = stretches.last().map_or(0, |last| last.end);
    if written > GROUP_BYTES_MAX {
        return Tail::Damage(format!(
            "{written} bytes that are no whole group, more than one append writes"
        ));
    }
    let mut group = Group::new(chain, begins_segment);
    let mut gaps = stretches.first().is_none_or(|first| first.start > 0);
    let count = stretches.len();
    for (index, stretch) in stretches.into_iter().enumerate() {
        let headless = stretch.start > 0;
        let bytes = counted(offset, tail, &stretch, index + 1 == count);
        gaps |= headless || bytes.last() != Some(&b'\n');
        if let Err(tail) = group.take_stretch(bytes, headless) {
            return tail;
        }
    }
    if gaps || group.lacks_lines() {
        return Tail::Torn;
    }
    Tail::Damage("a whole group that does not follow the one before".to_owned())
}

/// Runs of sectors that were written: neither nothing but NUL nor exactly filler. Ranges of `tail`.
fn stretches(offset: u64, tail: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut stretches: Vec<std::ops::Range<usize>> = Vec::new();
    let mut start = 0;
    while start < tail.len() {
        let place = (offset + start as u64) % SECTOR_BYTES;
        let left = usize::try_from(SECTOR_BYTES - place).expect("no more than a sector");
        let end = (start + left).min(tail.len());
        let sector = &tail[start..end];
        let unwritten =
            sector.iter().all(|byte| *byte == 0) || filler::is_filler(offset + start as u64, sector);
        if !unwritten {
            match stretches.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => stretches.push(start..end),
            }
        }
        start = end;
    }
    stretches
}

/// The bytes of a stretch that count: filler at the end of the last one does not, but for the LF that ends a line just
/// where filler has one too.
fn counted<'a>(offset: u64, tail: &'a [u8], stretch: &std::ops::Range<usize>, is_last: bool) -> &'a [u8] {
    let bytes = &tail[stretch.clone()];
    if !is_last {
        return bytes;
    }
    let kept = bytes.len() - filler::trailing(offset + stretch.start as u64, bytes);
    let ends_a_line = bytes.get(kept) == Some(&b'\n') && !bytes[..kept].ends_with(b"\n");
    &bytes[..kept + usize::from(ends_a_line)]
}

/// The one group that the valid lines of a tail belong to.
struct Group<'a> {
    chain: &'a ChainHead,
    begins_segment: bool,
    key: Option<(u64, u32, Timestamp)>,
    /// The number after the last line and its hash.
    last: Option<(u64, Hash)>,
    lines: u32,
}

impl<'a> Group<'a> {
    fn new(chain: &'a ChainHead, begins_segment: bool) -> Self {
        Self {
            chain,
            begins_segment,
            key: None,
            last: None,
            lines: 0,
        }
    }

    fn lacks_lines(&self) -> bool {
        self.key.is_none_or(|(_, count, _)| self.lines < count)
    }

    /// Takes what was written without a gap. `headless` says that unwritten bytes are before it.
    fn take_stretch(&mut self, bytes: &[u8], headless: bool) -> Result<(), Tail> {
        if let Some(bad) = bytes
            .iter()
            .find(|byte| **byte < 0x20 && !matches!(byte, b'\t' | b'\n'))
        {
            return Err(Tail::Damage(format!("the byte {bad:#04x}, which no line holds")));
        }
        let (whole, rest) = bytes.split_at(memchr::memrchr(b'\n', bytes).map_or(0, |last| last + 1));
        let lines = whole
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| &line[..line.len() - 1]);
        // Nothing can be missing between two lines of a stretch, nor before the first of the tail.
        let mut adjacent = !headless;
        for (index, line) in lines.enumerate() {
            adjacent = match valid(line) {
                Ok(record) => self.take_line(&record, adjacent).map(|()| true)?,
                // The end of a line whose beginning was never written.
                Err(Tail::Damage(_)) if index == 0 && headless => false,
                Err(tail) => return Err(tail),
            };
        }
        let begun = !whole.is_empty() || !headless;
        let rest = without_spaces(rest);
        check_cut_line(rest, begun)?;
        // A line that lacks nothing but its LF belongs to the group like any other.
        match valid(rest) {
            Ok(record) => self.take_line(&record, adjacent),
            Err(_) => Ok(()),
        }
    }

    /// Takes a valid line into the group. `adjacent` says that nothing is missing before it.
    fn take_line(&mut self, record: &Record<'_>, adjacent: bool) -> Result<(), Tail> {
        let damage = |cause: String| Err(Tail::Damage(cause));
        let key @ (first, _, at) = record.header.group_key();
        let (seq, prev, start) = (record.header.seq, record.header.prev, self.chain.next_seq());
        if first != start {
            return damage(format!(
                "a line of the group that begins at seq {first}, expected one that begins at {start}"
            ));
        }
        if *self.key.get_or_insert(key) != key {
            return damage("lines of two groups".to_owned());
        }
        if !self.begins_segment && self.chain.last_at().is_some_and(|last| at <= last) {
            return damage(format!("its time {at} is not later than the group before"));
        }
        let (next, last_hash) = self.last.unwrap_or((start, self.chain.last_hash()));
        if seq < next || adjacent && seq > next {
            return damage(format!("seq {seq} stands where seq {next} belongs"));
        }
        if seq == next && prev != last_hash {
            return damage("it does not follow the record before".to_owned());
        }
        self.last = Some((seq + 1, record.hash));
        self.lines += 1;
        Ok(())
    }
}

fn valid(line: &[u8]) -> Result<Record<'_>, Tail> {
    let damage = |error: RecordError| Tail::Damage(error.to_string());
    match Record::parse(line) {
        // A flipped bit in the version is no newer format: what every version keeps must hold.
        Err(RecordError::Newer(version)) => match NewerRecord::parse_checked(line) {
            Ok(_) => Err(Tail::Newer(version)),
            Err(error) => Err(damage(error)),
        },
        Err(error) => Err(damage(error)),
        Ok(record) => record.check_hashes().map_err(damage).map(|()| record),
    }
}

/// A line cut short is what a short write leaves; a whole line and more without an LF between is not. `begun` says that
/// the piece is the beginning of a line.
fn check_cut_line(rest: &[u8], begun: bool) -> Result<(), Tail> {
    if let Some(version) = begun
        .then(|| version(rest))
        .flatten()
        .filter(|found| *found > VERSION)
    {
        return Err(Tail::Newer(version));
    }
    if whole_line_within(rest).is_some_and(|line| line < rest.len()) {
        return Err(Tail::Damage("something else stands where a line ends".to_owned()));
    }
    Ok(())
}

/// Without the spaces at the end: filler of a sector that was written in part.
fn without_spaces(bytes: &[u8]) -> &[u8] {
    let spaces = bytes.iter().rev().take_while(|byte| **byte == b' ').count();
    &bytes[..bytes.len() - spaces]
}

/// The format version that a line cut short says.
fn version(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(b"{\"v\":")?;
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&digits[..count]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
