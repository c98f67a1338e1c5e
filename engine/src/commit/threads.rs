//! The two threads of an open ledger: loops around the writer's and the notary's steps.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::commit::notary::Notary;
use crate::commit::shared::Shared;
use crate::commit::writer::{Step, Writer};
use crate::error::{Error, ErrorKind};
use crate::index::upkeep::Upkeep;
use crate::options::Options;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{self, JoinHandle};

/// How long the writer waits for a batch before it looks at the age of its segment.
const IDLE_MAX: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Threads {
    writer: Option<JoinHandle<()>>,
    notary: Option<JoinHandle<()>>,
}

impl Threads {
    pub(crate) fn start(mut writer: Writer) -> io::Result<Self> {
        let shared = Arc::clone(&writer.shared);
        let notary = writer.notary.take();
        let (clock, options) = (Arc::clone(&writer.clock), writer.options.clone());
        let notary = notary
            .map(|notary| {
                thread::Builder::new()
                    .name("ledger-notary".to_owned())
                    .spawn(move || run_notary(&shared, notary, clock.as_ref(), &options))
            })
            .transpose()?;
        let writer = thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || run_writer(writer))?;
        Ok(Self {
            writer: Some(writer),
            notary,
        })
    }

    /// Waits for both to end, the queue being closed.
    pub(crate) fn join(&mut self) {
        // A panic of either has been printed and has latched the ledger, which is what the caller is told.
        for thread in [self.writer.take(), self.notary.take()].into_iter().flatten() {
            thread.join().ok();
        }
    }
}

/// Latches the ledger when its thread panics: nobody may wait for ever for an answer that does not come.
struct LatchOnPanic(Arc<Shared>);

impl Drop for LatchOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            let message = "a thread of the ledger has panicked; what was acknowledged is stored";
            self.0.latch(&Error::new(ErrorKind::Unknown, message));
        }
    }
}

fn run_writer(mut writer: Writer) {
    let shared = Arc::clone(&writer.shared);
    let _latch = LatchOnPanic(Arc::clone(&shared));
    loop {
        match writer.step() {
            Step::Committed(_) | Step::Ended => {}
            Step::Idle => shared.queue.wait(IDLE_MAX),
            Step::Closed => break,
        }
    }
    shared.writer_ended();
}

/// The thread that keeps the files of the index in order; there is one only while there is something to do.
struct UpkeepThread {
    upkeep: Arc<Upkeep>,
    running: Option<(JoinHandle<()>, Arc<AtomicBool>)>,
}

impl UpkeepThread {
    fn new(upkeep: &Arc<Upkeep>) -> Self {
        Self {
            upkeep: Arc::clone(upkeep),
            running: None,
        }
    }

    fn start_if_due(&mut self) {
        if let Some((thread, ended)) = self.running.take() {
            if !ended.load(Ordering::Acquire) {
                self.running = Some((thread, ended));
                return;
            }
            // A panic has been printed; nobody waits for what it was at.
            thread.join().ok();
        }
        if !self.upkeep.is_due() {
            return;
        }
        let (upkeep, ended) = (Arc::clone(&self.upkeep), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&ended);
        let started = thread::Builder::new()
            .name("ledger-upkeep".to_owned())
            .spawn(move || {
                upkeep.run();
                told.store(true, Ordering::Release);
            });
        // Without a thread it waits for a time when there is one.
        self.running = started.ok().map(|thread| (thread, ended));
    }
}

impl Drop for UpkeepThread {
    fn drop(&mut self) {
        self.upkeep.stop();
        if let Some((thread, _)) = self.running.take() {
            thread.join().ok();
        }
    }
}

fn run_notary(shared: &Arc<Shared>, mut notary: Notary, clock: &dyn Clock, options: &Options) {
    let head_delay_max = options.head_delay_max;
    let _latch = LatchOnPanic(Arc::clone(shared));
    let mut upkeep = UpkeepThread::new(notary.upkeep());
    // What an earlier process left is read back at once: the first group waits for it.
    let mut waits = false;
    loop {
        upkeep.start_if_due();
        if std::mem::replace(&mut waits, true) {
            shared.wait_for_notary_work(clock.monotonic(), head_delay_max);
        }
        // A latched ledger signs nothing, not even what was durable before.
        if shared.refusal().is_some() {
            return;
        }
        let (now, work) = (
            clock.monotonic(),
            shared.notary_work(clock.monotonic(), head_delay_max),
        );
        notary.learn(work.written);
        let done = notary.advance(&work.published).and_then(|()| {
            if work.sign {
                notary.sign()?;
            }
            Ok(())
        });
        match done {
            Ok(()) => {
                shared.notarize(notary.done().clone(), now);
                if work.last {
                    notary.save_open(&work.published, options.saved_index_bytes_min);
                }
            }
            Err(error) => shared.latch(&error),
        }
        if work.last {
            return;
        }
    }
}
