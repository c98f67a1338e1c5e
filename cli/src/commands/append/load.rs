//! The main thread of a load: drafts in input order become batches, batches become tickets.

use std::mem;
use std::sync::mpsc::Receiver;

use ledgerstone_engine::{Batch, Ledger};
use ledgerstone_formats::limits::{GROUP_BYTES_MAX, GROUP_RECORDS_MAX};

use super::feed::Event;
use super::prepare::{BadLine, Prepared};
use super::record::{Item, Place, Recorder, Tally};
use crate::args::Append;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::signals::{Signal, Stop};

/// Why a load sends no more.
#[derive(Debug)]
pub(crate) enum End {
    /// The input is at its end.
    Whole,
    /// A line is not accepted, and bad lines are not passed over.
    Bad(usize, BadLine),
    /// Something else, while reading or drafting this input.
    Failed(usize, Problem),
    /// The ledger takes no more.
    Refused(Problem),
    /// Somebody asked to stop.
    Stopped(Signal),
    /// A batch was not stored or a receipt not written: the tally says why.
    NotStored,
}

/// A load under way.
pub(crate) struct Load<'a> {
    /// None for a dry run.
    ledger: Option<&'a Ledger>,
    recorder: Recorder,
    passes_over_bad: bool,
    /// The whole input is one batch.
    atomic: bool,
    batch: Batch,
    item: Item,
}

impl<'a> Load<'a> {
    /// A load that has sent nothing.
    pub(crate) fn new(ledger: Option<&'a Ledger>, recorder: Recorder, args: &Append) -> Self {
        let passes_over_bad = args.rejects.is_some();
        Self {
            ledger,
            recorder,
            passes_over_bad,
            atomic: args.atomic,
            batch: Batch::new(),
            item: Item::default(),
        }
    }

    /// Sends what comes, until it ends.
    pub(crate) fn run(&mut self, events: &Receiver<Event>, stop: &Stop) -> End {
        loop {
            if let Some(signal) = stop.requested() {
                return End::Stopped(signal);
            }
            if self.recorder.has_failed() {
                return End::NotStored;
            }
            let sent = match events.recv() {
                Ok(Event::Block { source, drafted }) => match drafted.recv() {
                    Ok(prepared) => self.take(source, prepared),
                    Err(_) => Err(End::Failed(
                        source,
                        Problem::new(Exit::Unavailable, "closed", "a thread has died"),
                    )),
                },
                Ok(Event::Broken { source, error }) => {
                    let problem =
                        Problem::new(Exit::Unavailable, "unavailable", format!("cannot read: {error}"));
                    Err(End::Failed(source, problem))
                }
                Ok(Event::Wake) => Ok(()),
                Ok(Event::End) | Err(_) => return self.send_rest().err().unwrap_or(End::Whole),
            };
            if let Err(end) = sent {
                return end;
            }
        }
    }

    /// Waits for all that was sent.
    pub(crate) fn finish(self) -> Tally {
        self.recorder.finish()
    }

    fn take(&mut self, source: usize, prepared: Prepared) -> Result<(), End> {
        let Prepared {
            drafts,
            mut bad,
            failure,
            blanks,
            through,
            taken,
            permit,
        } = prepared;
        if let Some(problem) = failure {
            return Err(End::Failed(source, problem));
        }
        if !self.passes_over_bad
            && let Some(bad) = bad.pop()
        {
            return Err(End::Bad(source, bad));
        }
        for (line, draft) in drafts {
            let place = Place { source, line };
            if !self.batch.has_room_for(&draft) {
                if self.atomic {
                    return Err(End::Failed(source, too_large(place)));
                }
                self.send()?;
            }
            self.batch
                .push(draft)
                .map_err(|error| End::Failed(source, Problem::from(&error)))?;
            self.item.places.push(place);
            self.item.through = Some(place);
        }
        self.item.bad.extend(bad.into_iter().map(|bad| (source, bad)));
        self.item.blanks += blanks;
        self.item.taken += taken;
        self.item.through = Some(Place {
            source,
            line: through,
        });
        if self.atomic {
            // The one batch has bounds of its own; waiting for its receipts would wait for ever.
            drop(permit);
            return Ok(());
        }
        self.item.permit = Some(permit);
        self.send()
    }

    fn send_rest(&mut self) -> Result<(), End> {
        if self.item.through.is_some() {
            self.send()
        } else {
            Ok(())
        }
    }

    fn send(&mut self) -> Result<(), End> {
        let mut item = mem::take(&mut self.item);
        let batch = mem::take(&mut self.batch);
        if let Some(ledger) = self.ledger
            && !batch.is_empty()
        {
            // Never refused because the queue is full: what waits is bounded by the memory for input, see `open`, and
            // so no copy of the batch has to be kept to submit it again.
            item.ticket = Some(
                ledger
                    .submit(batch)
                    .map_err(|error| End::Refused(Problem::from(&error)))?,
            );
        }
        if self.recorder.send(item) {
            Ok(())
        } else {
            Err(End::NotStored)
        }
    }
}

fn too_large(place: Place) -> Problem {
    let message = format!(
        "the input does not fit into one batch: at most {GROUP_RECORDS_MAX} records and {GROUP_BYTES_MAX} bytes as \
         stored; without --atomic it is stored in several"
    );
    let mut problem = Problem::new(Exit::Refused, "invalid", message);
    problem.line = Some(place.line);
    problem
}
