//! Bytes into lines: of any input, as it arrives, and of a buffer that holds whole ones.

use std::fmt;

use memchr::{Memchr, memchr, memrchr};

/// One line of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The line without its end: neither LF nor CR LF.
    pub bytes: &'a [u8],
    /// Its place among the lines of the input, from 1.
    pub number: u64,
    /// It has its LF. Only the last line of an input may lack it.
    pub terminated: bool,
    /// It ended in CR LF. The CR of a line without LF belongs to `bytes`.
    pub cr: bool,
}

/// A line is longer than the splitter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTooLong {
    /// Its place among the lines of the input, from 1.
    pub number: u64,
    /// The most that the splitter takes, in bytes without the line's end.
    pub bytes_max: usize,
}

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is longer than {} bytes", self.number, self.bytes_max)
    }
}

impl std::error::Error for LineTooLong {}

/// Splits an input that comes in chunks of any size, and holds no more of it than one line.
///
/// A chunk may end anywhere: what is not yet a line waits for the next chunk. Only [`Splitter::finish`] says that
/// nothing more comes.
///
/// ```
/// use ledgerstone_formats::line::Splitter;
///
/// let mut splitter = Splitter::new(100);
/// let mut lines = Vec::new();
/// for mut chunk in [&b"{\"a\":"[..], &b"1}\n{}\nlast"[..]] {
///     while let Some(line) = splitter.next_line(&mut chunk) {
///         lines.push(line.expect("short enough").bytes.to_vec());
///     }
/// }
/// assert_eq!(lines, [&b"{\"a\":1}"[..], &b"{}"[..]]);
/// let last = splitter.finish().expect("a line without LF").expect("short enough");
/// assert_eq!((last.bytes, last.number, last.terminated), (&b"last"[..], 3, false));
/// ```
#[derive(Debug)]
pub struct Splitter {
    bytes_max: usize,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// `partial` has been handed out as a whole line.
    spent: bool,
    /// The current line is too long, was reported, and is passed over up to its LF.
    skipping: bool,
    line_ends: u64,
}

impl Splitter {
    /// A splitter at the start of an input, for lines of at most `bytes_max` bytes without their end.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            partial: Vec::new(),
            spent: false,
            skipping: false,
            line_ends: 0,
        }
    }

    /// LFs seen so far.
    pub fn line_ends(&self) -> u64 {
        self.line_ends
    }

    /// Takes the next line off the front of `chunk`. `None` means that all of the chunk is taken and more is needed.
    ///
    /// A line that is too long is reported once, as soon as that is known, and passed over.
    pub fn next_line<'a, 'c: 'a>(
        &'a mut self,
        chunk: &mut &'c [u8],
    ) -> Option<Result<Line<'a>, LineTooLong>> {
        if self.spent {
            self.partial.clear();
            self.spent = false;
        }
        loop {
            let Some(end) = memchr(b'\n', chunk) else {
                return self.keep(chunk);
            };
            let (head, rest) = (&chunk[..end], &chunk[end + 1..]);
            *chunk = rest;
            self.line_ends += 1;
            if self.skipping {
                self.skipping = false;
                continue;
            }
            return Some(self.whole(head));
        }
    }

    /// The input ends: its last line, if that has no LF.
    pub fn finish(&mut self) -> Option<Result<Line<'_>, LineTooLong>> {
        let is_line = !self.partial.is_empty() && !self.spent;
        self.spent = true;
        let number = self.line_ends + 1;
        is_line.then(|| self.bounded(&self.partial, number)).map(|line| {
            Ok(Line {
                bytes: line?,
                number,
                terminated: false,
                cr: false,
            })
        })
    }

    fn whole<'a>(&'a mut self, head: &'a [u8]) -> Result<Line<'a>, LineTooLong> {
        let line = if self.partial.is_empty() {
            head
        } else {
            self.partial.extend_from_slice(head);
            self.spent = true;
            &self.partial
        };
        let (bytes, cr) = match line.strip_suffix(b"\r") {
            Some(bytes) => (bytes, true),
            None => (line, false),
        };
        let number = self.line_ends;
        Ok(Line {
            bytes: self.bounded(bytes, number)?,
            number,
            terminated: true,
            cr,
        })
    }

    /// Keeps a chunk without line end for later, unless the line is too long by now.
    fn keep<'a>(&mut self, chunk: &mut &[u8]) -> Option<Result<Line<'a>, LineTooLong>> {
        let tail = std::mem::take(chunk);
        if self.skipping || tail.is_empty() {
            return None;
        }
        // One byte more may be the CR of a line end.
        let cr = usize::from(tail.ends_with(b"\r"));
        if self.partial.len() + tail.len() - cr > self.bytes_max {
            self.partial.clear();
            self.skipping = true;
            return Some(Err(LineTooLong {
                number: self.line_ends + 1,
                bytes_max: self.bytes_max,
            }));
        }
        self.partial.extend_from_slice(tail);
        None
    }

    fn bounded<'a>(&self, line: &'a [u8], number: u64) -> Result<&'a [u8], LineTooLong> {
        if line.len() > self.bytes_max {
            Err(LineTooLong {
                number,
                bytes_max: self.bytes_max,
            })
        } else {
            Ok(line)
        }
    }
}

/// Length of the lines of `buffer` that have their LF, all of them together.
pub fn complete_prefix(buffer: &[u8]) -> usize {
    memrchr(b'\n', buffer).map_or(0, |last| last + 1)
}

/// The lines of `buffer` that have their LF, each without it. What follows the last LF is left out; see
/// [`complete_prefix`].
pub fn lines(buffer: &[u8]) -> Lines<'_> {
    Lines {
        buffer,
        start: 0,
        ends: memchr::memchr_iter(b'\n', buffer),
    }
}

/// Iterator over the lines of a buffer; made by [`lines`].
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    buffer: &'a [u8],
    start: usize,
    ends: Memchr<'a>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.ends.next()?;
        let line = &self.buffer[self.start..end];
        self.start = end + 1;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each line as `number:text`, with `~` for a CR taken off, `!` for too long and `$` for a missing LF.
    fn split(chunks: &[&[u8]], bytes_max: usize) -> Vec<String> {
        let mut splitter = Splitter::new(bytes_max);
        let mut out = Vec::new();
        let mut show = |line: Result<Line<'_>, LineTooLong>| {
            out.push(match line {
                Ok(line) => {
                    let text = String::from_utf8_lossy(line.bytes).into_owned();
                    let (cr, end) = (
                        if line.cr { "~" } else { "" },
                        if line.terminated { "" } else { "$" },
                    );
                    format!("{}:{text}{cr}{end}", line.number)
                }
                Err(error) => format!("{}!", error.number),
            });
        };
        for mut chunk in chunks.iter().copied() {
            while let Some(line) = splitter.next_line(&mut chunk) {
                show(line);
            }
            assert!(chunk.is_empty());
        }
        if let Some(line) = splitter.finish() {
            show(line);
        }
        assert!(splitter.finish().is_none());
        let line_ends = chunks.concat().into_iter().filter(|&byte| byte == b'\n').count();
        assert_eq!(splitter.line_ends(), line_ends as u64);
        out
    }

    #[test]
    fn lines_are_numbered_and_keep_blank_ones() {
        assert_eq!(split(&[b"a\n\nb\r\nc"], 9), ["1:a", "2:", "3:b~", "4:c$"]);
        assert_eq!(split(&[b""], 9), [""; 0]);
        assert_eq!(split(&[b"\n"], 9), ["1:"]);
        assert_eq!(split(&[b"a\r"], 9), ["1:a\r$"]);
        assert_eq!(split(&[b"a\r\r\n"], 9), ["1:a\r~"]);
    }

    #[test]
    fn a_line_too_long_is_reported_once_and_passed_over() {
        assert_eq!(split(&[b"123\n1234\n12\n"], 3), ["1:123", "2!", "3:12"]);
        assert_eq!(split(&[b"12", b"34", b"56", b"78\n12\n"], 3), ["1!", "2:12"]);
        assert_eq!(split(&[b"a\n", b"1234"], 3), ["1:a", "2!"]);
        assert_eq!(split(&[b"123\r\n1234\r\n"], 3), ["1:123~", "2!"]);
        assert_eq!(split(&[b"123\r", b"", b"\n"], 3), ["1:123~"]);
        assert_eq!(split(&[b"123\r"], 3), ["1!"]);
    }

    #[test]
    fn no_more_than_one_line_is_held() {
        let mut splitter = Splitter::new(10);
        for _ in 0..1_000 {
            while splitter.next_line(&mut &[b'x'; 100][..]).is_some() {}
        }
        assert!(splitter.partial.capacity() <= 200);
    }

    proptest! {
        #[test]
        fn where_chunks_end_makes_no_difference(
            input in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'x')], 0..60),
            cuts in proptest::collection::vec(0_usize..60, 0..6),
            bytes_max in 0_usize..8,
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(input.len())).chain([0, input.len()]).collect();
            cuts.sort_unstable();
            let chunks: Vec<_> = cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]).collect();
            prop_assert_eq!(split(&chunks, bytes_max), split(&[&input], bytes_max));
        }

        #[test]
        fn the_lines_of_a_buffer_are_its_complete_prefix(
            buffer in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'x')], 0..60),
        ) {
            let again: Vec<u8> = lines(&buffer).flat_map(|line| [line, b"\n"].concat()).collect();
            let complete = complete_prefix(&buffer);
            prop_assert_eq!(&again[..], &buffer[..complete]);
            prop_assert!(!buffer[complete..].contains(&b'\n'));
        }
    }
}
