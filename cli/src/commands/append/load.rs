//! The main thread of a load: drafts in input order become batches, batches become tickets.

use std::collections::HashSet;
use std::io;
use std::mem;
use std::sync::mpsc::Receiver;

use ledgerstone_engine::Batch;
use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::ids::{IdempotencyKey, Tenant};
use ledgerstone_formats::limits::{GROUP_BYTES_MAX, GROUP_RECORDS_MAX};

use super::feed::Event;
use super::prepare::{BadLine, Prepared};
use super::record::{Item, Place, Recorder, Tally};
use super::target::Target;
use crate::args::Append;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::signals::{Signal, Stop};

/// Refused lines of an atomic load that are kept until it ends, in bytes of memory, about: as much as its batch may be.
const KEPT_BYTES_MAX: usize = GROUP_BYTES_MAX;

/// Why a load sends no more.
#[derive(Debug)]
pub(crate) enum End {
    /// The input is at its end.
    Whole,
    /// A line is not accepted, and bad lines are not passed over.
    Bad(usize, BadLine),
    /// This input cannot be read on.
    Broken(usize, io::Error),
    /// Something else, while drafting this input.
    Failed(usize, Problem),
    /// The ledger takes no more.
    Refused(Problem),
    /// Somebody asked to stop.
    Stopped(Signal),
    /// The input, as far as here, is more than one batch can be.
    TooLarge(usize, Problem),
    /// A batch was not stored or a receipt not written: the tally says why.
    NotStored,
}

impl End {
    /// The input that is to blame, where one is.
    pub(crate) fn source(&self) -> Option<usize> {
        match self {
            Self::Bad(source, _)
            | Self::Broken(source, _)
            | Self::Failed(source, _)
            | Self::TooLarge(source, _) => Some(*source),
            Self::Whole | Self::Refused(_) | Self::Stopped(_) | Self::NotStored => None,
        }
    }
}

/// A load under way.
pub(crate) struct Load<'a, 'b> {
    /// None for a dry run.
    target: Option<&'a mut Target<'b>>,
    recorder: Recorder,
    passes_over_bad: bool,
    /// The whole input is one batch.
    atomic: bool,
    batch: Batch,
    /// Idempotency keys of its records.
    keys: HashSet<(Option<Tenant>, IdempotencyKey)>,
    item: Item,
    /// What the refused lines of an atomic load take.
    kept_bytes: usize,
}

impl<'a, 'b> Load<'a, 'b> {
    /// A load that has sent nothing.
    pub(crate) fn new(target: Option<&'a mut Target<'b>>, recorder: Recorder, args: &Append) -> Self {
        let passes_over_bad = args.rejects.is_some();
        Self {
            target,
            recorder,
            passes_over_bad,
            atomic: args.atomic,
            batch: Batch::new(),
            keys: HashSet::new(),
            item: Item::default(),
            kept_bytes: 0,
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
                Ok(Event::Broken { source, error }) => Err(End::Broken(source, error)),
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
                    return Err(too_large(place));
                }
                self.send()?;
            }
            // A key stands once in a batch: the second time it is judged once the first is stored.
            if !self.is_new_key(&draft) && !self.atomic {
                self.send()?;
                self.is_new_key(&draft);
            }
            self.batch
                .push(draft)
                .map_err(|error| End::Failed(source, Problem::from(&error)))?;
            self.item.places.push(place);
            self.item.through = Some(place);
        }
        for bad in bad {
            if self.atomic {
                self.keep(source, &bad)?;
            }
            self.item.bad.push((source, bad));
        }
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

    /// Counts a refused line that waits for the end of the input. Nothing else bounds them: they are in no batch.
    fn keep(&mut self, source: usize, bad: &BadLine) -> Result<(), End> {
        self.kept_bytes += bad.cost_bytes();
        if self.kept_bytes <= KEPT_BYTES_MAX {
            return Ok(());
        }
        let message = format!(
            "too many lines are refused: with --atomic they are kept until the input ends, at most {KEPT_BYTES_MAX} \
             bytes of them; without --atomic they are written as they come"
        );
        let mut problem = Problem::new(Exit::Refused, "invalid", message);
        problem.line = Some(bad.number);
        Err(End::TooLarge(source, problem))
    }

    /// Takes the draft's key in; false when it stands in the batch already.
    fn is_new_key(&mut self, draft: &Draft) -> bool {
        let entry = draft.entry();
        match &entry.key {
            Some(key) => self.keys.insert((entry.tenant.clone(), key.clone())),
            None => true,
        }
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
        self.keys.clear();
        if let Some(target) = &mut self.target
            && !batch.is_empty()
        {
            // Never refused because the queue is full: what waits is bounded by the memory for input, see `for_a_load`.
            item.ticket = Some(target.submit(&batch).map_err(End::Refused)?);
        }
        if self.recorder.send(item) {
            Ok(())
        } else {
            Err(End::NotStored)
        }
    }
}

fn too_large(place: Place) -> End {
    let message = format!(
        "the input does not fit into one batch: at most {GROUP_RECORDS_MAX} records and {GROUP_BYTES_MAX} bytes as \
         stored; without --atomic it is stored in several"
    );
    let mut problem = Problem::new(Exit::Refused, "invalid", message);
    problem.line = Some(place.line);
    End::TooLarge(place.source, problem)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ledgerstone_engine::clock::SystemClock;
    use ledgerstone_engine::keystore::MemKeys;
    use ledgerstone_engine::storage::mem::Mem;
    use ledgerstone_engine::{Ledger, LedgerIdentity, NewEntry, Options, Reader, Writer};

    use super::*;
    use crate::access::Access;
    use crate::commands::append::record::Journals;
    use crate::input::Budget;
    use crate::output::{Loudness, Output};
    use crate::progress::Progress;

    /// A ledger in memory whose writer takes a step when it is told to.
    fn ledger() -> (Arc<Mem>, Ledger, Writer) {
        let storage = Arc::new(Mem::new());
        let identity = LedgerIdentity {
            name: "ledger.example".to_owned(),
            signed: false,
        };
        let made = Ledger::create_stepped(
            storage.clone(),
            Arc::new(MemKeys::unsigned()),
            Arc::new(SystemClock::new()),
            &identity,
            Options::default(),
        );
        let (ledger, writer) = made.unwrap();
        (storage, ledger, writer)
    }

    /// A block of one line.
    fn line(ledger: &Ledger, number: u64) -> Prepared {
        let entry = NewEntry::new("entry".parse().unwrap());
        let draft = ledger.drafter().draft(entry, b"{}").unwrap();
        Prepared {
            drafts: vec![(number, draft)],
            bad: Vec::new(),
            failure: None,
            blanks: 0,
            through: number,
            taken: 3,
            permit: Budget::new(1).take(1),
        }
    }

    fn recorder() -> Recorder {
        let output = Output::new(false, Loudness::Quiet).unwrap();
        let journals = Journals {
            receipts: None,
            rejects: None,
            names: vec!["-".to_owned()],
        };
        Recorder::start(journals, Progress::new(&output, None), || ()).unwrap()
    }

    #[test]
    fn what_follows_a_batch_that_is_refused_is_not_stored_though_there_is_room_again() {
        let (storage, ledger, mut writer) = ledger();
        let (_, other, mut others_writer) = self::ledger();
        let args = ["ledgerstone", "append", "l", "-", "--kind", "entry"];
        let crate::args::Command::Append(args) = <crate::args::Cli as clap::Parser>::parse_from(args).command
        else {
            panic!("append was typed");
        };
        let lines = [1, 2, 3].map(|number| line(&ledger, number));
        let mut target = Target::new(Access::Own(ledger), None);
        let mut load = Load::new(Some(&mut target), recorder(), &args);
        let [first, second, third] = lines;
        load.take(0, first).unwrap();
        writer.step();
        // Whoever waits for the tickets is kept busy, so that the load hears of nothing.
        let mut held_up = Batch::new();
        held_up.push(line(&other, 2).drafts.remove(0).1).unwrap();
        let item = Item {
            ticket: Some(other.submit(held_up).unwrap()),
            through: Some(Place { source: 0, line: 1 }),
            ..Item::default()
        };
        assert!(load.recorder.send(item));

        storage.set_free_bytes(0);
        load.take(0, second).unwrap();
        writer.step();
        storage.set_free_bytes(1 << 40);
        let end = load.take(0, third).unwrap_err();
        assert!(matches!(end, End::Refused(_)), "{end:?}");
        writer.step();
        others_writer.step();
        let tally = load.finish();
        let stored = Reader::open(storage).unwrap().snapshot().unwrap().size();
        assert_eq!(stored, 2, "the genesis record and line 1");
        assert_eq!(tally.through, Some(Place { source: 0, line: 1 }));
        assert_eq!(tally.failure.map(|problem| problem.exit), Some(Exit::Unavailable));
    }
}
