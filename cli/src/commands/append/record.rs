//! What became of the lines: receipts and rejects in input order, once their batch is on stable storage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use ledgerstone_engine::{Receipt, Ticket};
use serde::Serialize;

use super::prepare::{BadLine, Text};
use crate::failure::Problem;
use crate::input::Permit;
use crate::output::Journal;
use crate::progress::Progress;

/// Batches whose receipts may be outstanding.
const OUTSTANDING_MAX: usize = 256;

/// A line of one of the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which input, from 0.
    pub(crate) source: usize,
    /// Which line of it, from 1.
    pub(crate) line: u64,
}

/// A batch on its way, with all that is to be said about its lines.
#[derive(Debug, Default)]
pub(crate) struct Item {
    /// The batch; none where there is nothing to store.
    pub(crate) ticket: Option<Ticket>,
    /// The lines of its records.
    pub(crate) places: Vec<Place>,
    /// Lines between them that were refused, with their input.
    pub(crate) bad: Vec<(usize, BadLine)>,
    /// Blank lines between them.
    pub(crate) blanks: u64,
    /// The last line that it accounts for.
    pub(crate) through: Option<Place>,
    /// Bytes of input that it accounts for.
    pub(crate) taken: u64,
    /// Its share of the memory for input, until its records are stored.
    pub(crate) permit: Option<Permit>,
}

/// What became of all lines.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Records stored; of a dry run, lines that would be.
    pub(crate) stored: u64,
    /// Records that were stored before, under the same idempotency key.
    pub(crate) replayed: u64,
    /// Sequence numbers of the first and the last of them.
    pub(crate) range: Option<(u64, u64)>,
    /// Lines that went to the rejects.
    pub(crate) rejected: u64,
    /// Blank lines passed over.
    pub(crate) blanks: u64,
    /// Everything through this line is dealt with.
    pub(crate) through: Option<Place>,
    /// Why the lines after that are not.
    pub(crate) failure: Option<Problem>,
}

/// The thread that waits for tickets in order.
pub(crate) struct Recorder {
    items: SyncSender<Item>,
    failed: Arc<AtomicBool>,
    thread: JoinHandle<Tally>,
}

/// Where receipts and rejects go.
pub(crate) struct Journals {
    /// Receipts, when they are wanted.
    pub(crate) receipts: Option<Journal>,
    /// Rejects, when bad lines are passed over.
    pub(crate) rejects: Option<Journal>,
    /// Names of the inputs.
    pub(crate) names: Vec<String>,
}

impl Recorder {
    /// Starts the thread. `wake` is called when something failed, so that nothing more is sent.
    pub(crate) fn start(
        journals: Journals,
        progress: Progress,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (items, receiver) = sync_channel(OUTSTANDING_MAX);
        let failed = Arc::new(AtomicBool::new(false));
        let work = Work {
            journals,
            progress,
            tally: Tally::default(),
            gap: false,
            failed: Arc::clone(&failed),
            wake,
        };
        let thread = std::thread::Builder::new()
            .name("receipts".to_owned())
            .spawn(move || work.run(&receiver))?;
        Ok(Self {
            items,
            failed,
            thread,
        })
    }

    /// Hands over a batch; false when it is no use to send more.
    pub(crate) fn send(&self, item: Item) -> bool {
        self.items.send(item).is_ok() && !self.has_failed()
    }

    /// True once a batch was not stored, or a receipt not written.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Waits for all that was handed over.
    pub(crate) fn finish(self) -> Tally {
        drop(self.items);
        self.thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

struct Work<W> {
    journals: Journals,
    progress: Progress,
    tally: Tally,
    /// A batch was not stored, and so none after it.
    gap: bool,
    failed: Arc<AtomicBool>,
    wake: W,
}

impl<W: Fn()> Work<W> {
    fn run(mut self, items: &Receiver<Item>) -> Tally {
        while let Ok(item) = items.recv() {
            if let Err(problem) = self.settle(item) {
                self.fail(problem);
            }
        }
        if let Err(problem) = self.journals.finish() {
            self.fail(problem);
        }
        self.progress.finish();
        self.tally
    }

    fn fail(&mut self, problem: Problem) {
        self.tally.failure.get_or_insert(problem);
        self.failed.store(true, Ordering::Release);
        (self.wake)();
    }

    /// Waits for one batch and writes down what became of its lines.
    fn settle(&mut self, item: Item) -> Result<(), Problem> {
        let Item {
            ticket,
            places,
            bad,
            blanks,
            through,
            taken,
            permit,
        } = item;
        let receipts = match ticket.map(Ticket::wait).transpose() {
            Ok(receipts) => receipts,
            Err(error) => {
                self.gap = true;
                let mut problem = Problem::from(&error);
                if let Some(place) = error.record().and_then(|record| places.get(record)) {
                    problem.file = Some(self.journals.names[place.source].clone());
                    problem.line = Some(place.line);
                }
                return Err(problem);
            }
        };
        // Only lines without a record get here: of a stream nothing is stored after a batch that was not. Whoever goes
        // on reads them again.
        if self.gap {
            return Ok(());
        }
        drop(permit);
        self.progress.advance(places.len() as u64, taken);
        self.count(&places, receipts.as_deref());
        self.tally.through = through;
        self.tally.blanks += blanks;
        self.tally.rejected += bad.len() as u64;
        self.journals
            .write(&places, receipts.as_deref().unwrap_or_default(), &bad)
    }

    fn count(&mut self, places: &[Place], receipts: Option<&[Receipt]>) {
        let Some(receipts) = receipts else {
            self.tally.stored += places.len() as u64;
            return;
        };
        for receipt in receipts {
            if receipt.replayed {
                self.tally.replayed += 1;
            } else {
                let start = self.tally.range.map_or(receipt.seq, |(start, _)| start);
                self.tally.range = Some((start, receipt.seq));
                self.tally.stored += 1;
            }
        }
    }
}

#[derive(Serialize)]
struct ReceiptLine<'a> {
    file: &'a str,
    line: u64,
    seq: u64,
    tseq: Option<u64>,
    id: &'a str,
    rev: Option<u64>,
    hash: ledgerstone_formats::hash::Hash,
    at: ledgerstone_formats::time::Timestamp,
    key: Option<&'a str>,
    replayed: bool,
}

#[derive(Serialize)]
struct RejectLine<'a> {
    file: &'a str,
    line: u64,
    column: u64,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<&'a str>,
}

impl Journals {
    fn write(
        &mut self,
        places: &[Place],
        receipts: &[Receipt],
        bad: &[(usize, BadLine)],
    ) -> Result<(), Problem> {
        if let Some(journal) = &mut self.receipts {
            for (place, receipt) in places.iter().zip(receipts) {
                journal.object(&receipt_line(&self.names[place.source], place.line, receipt))?;
            }
            // Whoever waits for the receipt of this batch before he sends the next must not wait for a full buffer.
            journal.flush()?;
        }
        if let Some(journal) = &mut self.rejects {
            for (source, bad) in bad {
                journal.object(&reject_line(&self.names[*source], bad))?;
            }
            journal.flush()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Problem> {
        [&mut self.receipts, &mut self.rejects]
            .into_iter()
            .flatten()
            .try_for_each(Journal::finish)
    }
}

fn receipt_line<'a>(file: &'a str, line: u64, receipt: &'a Receipt) -> ReceiptLine<'a> {
    ReceiptLine {
        file,
        line,
        seq: receipt.seq,
        tseq: receipt.tseq,
        id: receipt.id.as_str(),
        rev: receipt.rev,
        hash: receipt.hash,
        at: receipt.at,
        key: receipt.key.as_ref().map(|key| key.as_str()),
        replayed: receipt.replayed,
    }
}

fn reject_line<'a>(file: &'a str, bad: &'a BadLine) -> RejectLine<'a> {
    let (text, base64) = match &bad.text {
        Some(Text::Plain(text)) => (Some(text.as_str()), None),
        Some(Text::Base64(text)) => (None, Some(text.as_str())),
        None => (None, None),
    };
    RejectLine {
        file,
        line: bad.number,
        column: bad.column,
        reason: &bad.reason,
        text,
        base64,
    }
}
