//! The lines of a segment as a plan reads them: each by itself on several threads, then into chain and tree in order.

use std::io;

use ledgerstone_formats::record::{NewerRecord, Record, RecordError, whole_line_within};

use crate::finding::{Code, Finding};
use crate::recover::identity::is_genesis;
use crate::recover::planner::Planner;
use crate::segment::audit::LineError;
use crate::segment::lines::{LineReader, Piece};
use crate::verify::blocks::{Block, Pool};

/// Lines of so many bytes are checked on several threads.
const THREADS_BYTES_MIN: u64 = 8 << 20;

impl Planner<'_> {
    /// Reads to the end, or to the first line that stops it; gives that line's number, from 1.
    pub(super) fn read_lines(
        &mut self,
        reader: &mut LineReader,
        len: u64,
    ) -> io::Result<(Option<(u64, LineStop)>, u64)> {
        // Threads are worth their start for a segment that takes long.
        let threads = if len < THREADS_BYTES_MIN {
            0
        } else {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        };
        let mut line = 0;
        let stopped = std::thread::scope(|scope| {
            let mut pool = Pool::start(scope, threads, None);
            let mut stopped = None;
            loop {
                let block = reader.next_block()?;
                let is_last = block.is_none();
                let is_full = block.is_some_and(|(offset, bytes)| pool.hand_in(offset, bytes, 0));
                while stopped.is_none() && (is_full || is_last) {
                    let Some(block) = pool.take() else { break };
                    stopped = self.take_block(&block, &mut line);
                    if is_full {
                        break;
                    }
                }
                if is_last || stopped.is_some() {
                    // Blocks read ahead of what stops the reading.
                    while pool.take().is_some() {}
                    return Ok::<_, io::Error>(stopped);
                }
            }
        })?;
        if stopped.is_some() {
            return Ok((stopped, line));
        }
        Ok(match reader.next_piece()? {
            Some(Piece::Rest { offset, bytes }) => {
                let replaced = whole_line_within(bytes).is_some_and(|line| line < bytes.len());
                (Some((offset, LineStop::Unfinished { replaced })), line + 1)
            }
            Some(Piece::Line { .. }) | None => (None, line + 1),
        })
    }

    fn take_block(&mut self, block: &Block, line: &mut u64) -> Option<(u64, LineStop)> {
        let (mut bad, mut offset) = (block.bad.iter().peekable(), block.offset);
        for (index, bytes) in block.bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            *line += 1;
            let error = bad
                .next_if(|(at, _)| *at == index)
                .map(|(_, error)| error.clone());
            let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            if let Err(stop) = self.feed(offset, text, error) {
                return Some((offset, stop));
            }
            offset += bytes.len() as u64;
        }
        None
    }

    /// Takes in a line whose own hashes were compared; `error` is what is wrong with it.
    fn feed(&mut self, offset: u64, bytes: &[u8], error: Option<RecordError>) -> Result<(), LineStop> {
        let genesis_seq = self.plan.audit.next_seq() == 0;
        let record = match error {
            None => Record::parse(bytes).map_err(LineError::Record),
            Some(error) => Err(LineError::Record(error)),
        };
        let fed = record.and_then(|record| {
            let chained = self
                .plan
                .audit
                .feed_checked(bytes, &record)
                .map_err(LineError::Chain);
            chained.map(|()| record)
        });
        let record = fed.map_err(|error| match NewerRecord::parse_checked(bytes) {
            // A flipped bit in the version is no newer format: what every version keeps must hold.
            Err(bad) if is_newer(&error) => LineStop::Line(LineError::Record(bad)),
            _ => LineStop::Line(error),
        })?;
        if genesis_seq && !is_genesis(&record, &self.plan.genesis) {
            let cause = "ledger.json is not the body of this genesis record";
            return Err(LineStop::Head(Finding::new(Code::Evidence, cause).at_seq(0)));
        }
        let audit = &self.plan.audit;
        let whole = audit.chain().next_seq() == audit.next_seq();
        self.indexes.open.add(&record, offset, whole);
        if whole {
            self.plan.heads.check_root(audit.tree()).map_err(LineStop::Head)?;
            let size = audit.tree().size();
            self.compared
                .extend(self.plan.heads.has_size(size).then_some(size));
            if audit.tree().size() == self.plan.heads.watermark() {
                self.watermark_at = Some((audit.segment(), audit.whole_bytes()));
                if audit.segment() == self.plan.notary_start.segment() {
                    self.plan.notary_start = audit.clone();
                }
            }
        }
        Ok(())
    }
}

/// Why reading a segment stopped.
pub(super) enum LineStop {
    Line(LineError),
    Head(Finding),
    /// No LF comes; `replaced` says that a whole line and more is there.
    Unfinished {
        replaced: bool,
    },
}

/// What kind of bytes reading stopped at.
#[derive(PartialEq, Eq)]
pub(super) enum Stop {
    Bad,
    Cut,
    Newer,
}

pub(super) fn is_newer(error: &LineError) -> bool {
    matches!(error, LineError::Record(RecordError::Newer(_)))
}
