//! Lines put together to blocks, each of which becomes one batch.

use std::io::{self, Read};
use std::mem;
use std::ops::Range;
use std::sync::atomic::Ordering;

use ledgerstone_formats::line::{Line, LineTooLong, Splitter};

use super::budget::{Budget, Permit};
use super::source::Opened;

/// Read at once, in bytes.
const CHUNK_BYTES: usize = 256 << 10;

/// What a line takes besides its own bytes on its way to the writer, about.
const LINE_COST_BYTES: usize = 512;

/// How large a block may grow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Lines of a block, blank ones not counted.
    pub(crate) lines: usize,
    /// A block with this many bytes takes no further line.
    pub(crate) bytes: usize,
    /// Longest line, without its end.
    pub(crate) line_bytes: usize,
    /// CR LF ends a line too.
    pub(crate) crlf: bool,
}

/// Consecutive lines of one input.
#[derive(Debug)]
pub(crate) struct Block {
    /// The lines that are not blank.
    pub(crate) lines: Vec<Raw>,
    /// Their bytes.
    bytes: Vec<u8>,
    /// Blank lines that were passed over.
    pub(crate) blanks: u64,
    /// The block ends with this line of its input; from 1.
    pub(crate) through: u64,
    /// Bytes taken from the input for it, as they lie there.
    pub(crate) taken: u64,
    /// Its share of the memory for input.
    pub(crate) permit: Permit,
}

/// A line of a block.
#[derive(Debug)]
pub(crate) struct Raw {
    /// Its place in the input, from 1.
    pub(crate) number: u64,
    /// Its bytes in the block; none for a line that is longer than allowed.
    range: Option<Range<usize>>,
    /// It ended in CR LF, or in CR at the end of the input, although only LF ends a line.
    pub(crate) cr: bool,
}

impl Block {
    /// The bytes of a line; none for one that is longer than allowed.
    pub(crate) fn bytes_of(&self, line: &Raw) -> Option<&[u8]> {
        line.range.clone().map(|range| &self.bytes[range])
    }
}

/// Cuts an input into blocks and hands them to `deliver`, until that says `false`. The last line needs no LF.
///
/// # Errors
/// The input's own; the lines before it have been delivered.
pub(crate) fn read_blocks(
    opened: Opened,
    limits: Limits,
    budget: &Budget,
    deliver: &mut dyn FnMut(Block) -> bool,
) -> io::Result<()> {
    let mut maker = Maker {
        limits,
        budget,
        deliver,
        pending: Pending::default(),
        taken: 0,
    };
    let Opened {
        mut reader,
        taken,
        live,
    } = opened;
    let mut splitter = Splitter::new(limits.line_bytes);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let mut chunk = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => &buffer[..read],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                maker.deliver(taken.load(Ordering::Relaxed));
                return Err(error);
            }
        };
        while let Some(line) = splitter.next_line(&mut chunk) {
            if maker.pending.add(line, limits.crlf)
                && maker.is_full()
                && !maker.deliver(taken.load(Ordering::Relaxed))
            {
                return Ok(());
            }
        }
        // Whoever writes the input may wait for the receipt of this line before he writes the next.
        if live && !maker.deliver(taken.load(Ordering::Relaxed)) {
            return Ok(());
        }
    }
    if let Some(line) = splitter.finish() {
        maker.pending.add(line, limits.crlf);
    }
    maker.deliver(taken.load(Ordering::Relaxed));
    Ok(())
}

struct Maker<'a> {
    limits: Limits,
    budget: &'a Budget,
    deliver: &'a mut dyn FnMut(Block) -> bool,
    pending: Pending,
    /// Bytes of the input that earlier blocks account for.
    taken: u64,
}

#[derive(Default)]
struct Pending {
    lines: Vec<Raw>,
    bytes: Vec<u8>,
    blanks: u64,
    through: u64,
}

impl Pending {
    /// Takes a line; true when it is not blank.
    fn add(&mut self, line: Result<Line<'_>, LineTooLong>, crlf: bool) -> bool {
        let (number, range, cr) = match line {
            Ok(line) => {
                let unended = !line.terminated && line.bytes.ends_with(b"\r");
                let (text, cr) = if unended {
                    (&line.bytes[..line.bytes.len() - 1], true)
                } else {
                    (line.bytes, line.cr)
                };
                // A line end of the wrong kind is a fault of its own, on a blank line too.
                let cr = cr && !crlf;
                if !cr && text.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                    self.blanks += 1;
                    self.through = line.number;
                    return false;
                }
                let start = self.bytes.len();
                self.bytes.extend_from_slice(text);
                (line.number, Some(start..self.bytes.len()), cr)
            }
            Err(error) => (error.number, None, false),
        };
        self.through = number;
        self.lines.push(Raw { number, range, cr });
        true
    }
}

impl Maker<'_> {
    fn is_full(&self) -> bool {
        self.pending.lines.len() >= self.limits.lines || self.pending.bytes.len() >= self.limits.bytes
    }

    /// Hands over what there is; false when no more is wanted.
    fn deliver(&mut self, taken: u64) -> bool {
        let Pending {
            lines,
            bytes,
            blanks,
            through,
        } = mem::take(&mut self.pending);
        if lines.is_empty() && blanks == 0 {
            return true;
        }
        let permit = self.budget.take(bytes.len() + lines.len() * LINE_COST_BYTES);
        let share = taken - mem::replace(&mut self.taken, taken);
        (self.deliver)(Block {
            lines,
            bytes,
            blanks,
            through,
            taken: share,
            permit,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;

    /// Blocks as text: lines as `number:text`, `!` for too long, `~` for CR, and the last line of each block.
    fn blocks(reader: impl Read + 'static, live: bool, limits: Limits) -> Vec<String> {
        let mut seen = Vec::new();
        let opened = Opened {
            reader: Box::new(reader),
            taken: Arc::new(AtomicU64::new(0)),
            live,
        };
        let budget = Budget::new(1 << 20);
        read_blocks(opened, limits, &budget, &mut |block| {
            let show = |line: &Raw| match block.bytes_of(line) {
                Some(text) => {
                    format!(
                        "{}:{}{}",
                        line.number,
                        String::from_utf8_lossy(text),
                        if line.cr { "~" } else { "" }
                    )
                }
                None => format!("{}!", line.number),
            };
            let lines: Vec<_> = block.lines.iter().map(show).collect();
            seen.push(format!(
                "{} |{} blank, through {}",
                lines.join(" "),
                block.blanks,
                block.through
            ));
            true
        })
        .unwrap();
        seen
    }

    const LIMITS: Limits = Limits {
        lines: 2,
        bytes: 100,
        line_bytes: 5,
        crlf: false,
    };

    #[test]
    fn blocks_are_full_but_for_the_last() {
        let text = b"a\n\nb\nc\n \t\nd\r\ntoolong\ne";
        let expected = [
            "1:a 3:b |1 blank, through 3",
            "4:c 6:d~ |1 blank, through 6",
            "7! 8:e |0 blank, through 8",
        ];
        assert_eq!(blocks(Cursor::new(text), false, LIMITS), expected);
        assert_eq!(
            blocks(Cursor::new(b"\n\n"), false, LIMITS),
            [" |2 blank, through 2"]
        );
        assert_eq!(
            blocks(Cursor::new(b"a\r"), false, LIMITS),
            ["1:a~ |0 blank, through 1"]
        );
        assert_eq!(blocks(Cursor::new(b""), false, LIMITS), [""; 0]);
        let crlf = Limits { crlf: true, ..LIMITS };
        let expected = ["1:a 3:b |1 blank, through 3"];
        assert_eq!(blocks(Cursor::new(b"a\r\n\r\nb\r"), false, crlf), expected);
    }

    #[test]
    fn a_block_of_many_bytes_takes_no_further_line() {
        let limits = Limits {
            lines: 100,
            bytes: 4,
            line_bytes: 5,
            crlf: false,
        };
        let expected = [
            "1:aa 2:bb |0 blank, through 2",
            "3:ccccc |0 blank, through 3",
            "4:d |0 blank, through 4",
        ];
        assert_eq!(blocks(Cursor::new(b"aa\nbb\nccccc\nd"), false, limits), expected);
    }

    /// Gives one piece a read.
    struct Pieces(Vec<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn whole_lines_of_a_live_input_do_not_wait_for_more() {
        let pieces = || Pieces(vec![b"a\n", b"b\nc", b"c\nd\n"]);
        let expected = [
            "1:a |0 blank, through 1",
            "2:b |0 blank, through 2",
            "3:cc 4:d |0 blank, through 4",
        ];
        assert_eq!(blocks(pieces(), true, LIMITS), expected);
        let expected = ["1:a 2:b |0 blank, through 2", "3:cc 4:d |0 blank, through 4"];
        assert_eq!(blocks(pieces(), false, LIMITS), expected);
    }
}
