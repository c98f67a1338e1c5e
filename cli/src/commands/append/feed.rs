//! The threads before the writer: one reads and cuts the input, some draft it, and what comes out is in input order.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use super::prepare::{Maker, Prepared, Rules, prepare};
use crate::input::{Block, Budget, Limits, Source, open, read_blocks};

/// Blocks that may wait for a thread, and drafted ones for the writer.
const WAITING_MAX: usize = 64;
/// Input that may be in memory at once, in bytes; with drafts and lines it takes two or three times as much.
const INPUT_BYTES_MAX: usize = 32 << 20;

/// What the main thread is told.
pub(crate) enum Event {
    /// The next block of an input; its drafts come through the receiver when they are ready.
    Block {
        /// Which input, from 0.
        source: usize,
        /// Where its drafts come.
        drafted: Receiver<Prepared>,
    },
    /// An input cannot be read on.
    Broken {
        /// Which input, from 0.
        source: usize,
        /// Why.
        error: io::Error,
    },
    /// All inputs are read.
    End,
    /// Something happened elsewhere: a signal, or a batch that was not stored.
    Wake,
}

struct Job {
    block: Block,
    drafted: SyncSender<Prepared>,
}

/// The events of one load.
pub(crate) struct Feed {
    /// In input order.
    pub(crate) events: Receiver<Event>,
    /// For others who have something to tell.
    pub(crate) sender: SyncSender<Event>,
}

impl Feed {
    /// A feed that nothing comes from yet.
    pub(crate) fn new() -> Self {
        let (sender, events) = sync_channel(WAITING_MAX);
        Self { events, sender }
    }

    /// Starts reading, with a drafting thread for each maker. The threads end when the input does or nobody listens;
    /// one that waits for input when the process ends, ends with it.
    pub(crate) fn start(
        &self,
        sources: Vec<Source>,
        limits: Limits,
        rules: Rules,
        makers: Vec<Maker>,
    ) -> io::Result<()> {
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let (rules, waiting) = (Arc::new(rules), Arc::new(Mutex::new(waiting)));
        for mut maker in makers {
            let (rules, waiting) = (Arc::clone(&rules), Arc::clone(&waiting));
            Builder::new()
                .name("draft".to_owned())
                .spawn(move || draft_all(&waiting, &rules, &mut maker))?;
        }
        let events = self.sender.clone();
        Builder::new()
            .name("read".to_owned())
            .spawn(move || read_all(&sources, limits, &jobs, &events))?;
        Ok(())
    }
}

fn draft_all(waiting: &Mutex<Receiver<Job>>, rules: &Rules, maker: &mut Maker) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { block, drafted }) = next else { return };
        // Whoever stopped listening has no use for the drafts.
        let _ = drafted.send(prepare(block, rules, maker));
    }
}

fn read_all(sources: &[Source], limits: Limits, jobs: &SyncSender<Job>, events: &SyncSender<Event>) {
    let budget = Budget::new(INPUT_BYTES_MAX);
    for (index, source) in sources.iter().enumerate() {
        let mut wanted = true;
        let mut deliver = |block| {
            let (sender, drafted) = sync_channel(1);
            wanted = events
                .send(Event::Block {
                    source: index,
                    drafted,
                })
                .is_ok()
                && jobs
                    .send(Job {
                        block,
                        drafted: sender,
                    })
                    .is_ok();
            wanted
        };
        let read = open(source).and_then(|opened| read_blocks(opened, limits, &budget, &mut deliver));
        match read {
            Ok(()) if wanted => {}
            Ok(()) => return,
            Err(error) => {
                // Nobody listens when the load has ended for another reason.
                let _ = events.send(Event::Broken { source: index, error });
                return;
            }
        }
    }
    let _ = events.send(Event::End);
}
