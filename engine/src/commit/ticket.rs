//! A ticket for a batch in the queue: a future that can also be waited for from a plain thread.
//!
//! Each waiter is woken by itself: one condition variable for all of them cost more than half of the throughput.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::ids::EntityId;
use ledgerstone_formats::time::Timestamp;

use crate::batch::{Batch, Receipt};
use crate::error::{Error, ErrorKind};
use crate::sync::thread::{self, Thread};
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Waits until the batch is durable.
///
/// Dropping a ticket does not take the batch back.
#[derive(Debug)]
#[must_use = "a batch is stored only when its ticket says so"]
pub struct Ticket(Arc<Slot>);

/// What the writer found out about each record of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    pub(crate) seq: u64,
    pub(crate) tseq: Option<u64>,
    pub(crate) rev: Option<u64>,
    pub(crate) hash: Hash,
    /// Byte offset of its line in its segment.
    pub(crate) offset: u32,
    /// Of a record that was stored before.
    pub(crate) stored: Option<Stored>,
}

/// What a record that was stored before has of its own.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) at: Timestamp,
    pub(crate) id: EntityId,
}

/// A committed batch: receipts are put together on the waiter's thread.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) batch: Batch,
    pub(crate) at: Timestamp,
    pub(crate) placements: Vec<Placement>,
}

impl Committed {
    fn receipts(self) -> Vec<Receipt> {
        let drafts = self.batch.drafts().iter();
        drafts
            .zip(&self.placements)
            .map(|(draft, placed)| Receipt {
                seq: placed.seq,
                tseq: placed.tseq,
                id: placed
                    .stored
                    .as_ref()
                    .map_or(&draft.entry().id, |stored| &stored.id)
                    .clone(),
                rev: placed.rev,
                hash: placed.hash,
                at: placed.stored.as_ref().map_or(self.at, |stored| stored.at),
                key: draft.entry().key.clone(),
                replayed: placed.stored.is_some(),
            })
            .collect()
    }
}

/// What a ticket's owner gets.
#[derive(Debug)]
enum Answer {
    /// From the writer of this process.
    Committed(Committed),
    /// From another process.
    Receipts(Vec<Receipt>),
}

impl Answer {
    fn receipts(self) -> Vec<Receipt> {
        match self {
            Self::Committed(committed) => committed.receipts(),
            Self::Receipts(receipts) => receipts,
        }
    }
}

/// Where one answer is left for one waiter.
#[derive(Debug)]
struct Slot(Mutex<State>);

#[derive(Debug)]
enum State {
    Waiting(Waiter),
    Answered(Result<Answer, Error>),
    Taken,
}

#[derive(Debug)]
enum Waiter {
    Nobody,
    Task(Waker),
    Thread(Thread),
}

impl Slot {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::Waiting(Waiter::Nobody))))
    }

    /// Leaves the answer and wakes whoever waits for it.
    fn answer(&self, answer: Result<Answer, Error>) {
        let before = std::mem::replace(&mut *self.state(), State::Answered(answer));
        match before {
            State::Waiting(Waiter::Task(waker)) => waker.wake(),
            State::Waiting(Waiter::Thread(thread)) => thread.unpark(),
            State::Waiting(Waiter::Nobody) | State::Answered(_) | State::Taken => {}
        }
    }

    /// Takes the answer, or leaves word whom to wake.
    fn take_or(&self, waiter: impl FnOnce() -> Waiter) -> Option<Result<Answer, Error>> {
        let mut state = self.state();
        if let State::Waiting(place) = &mut *state {
            *place = waiter();
            return None;
        }
        match std::mem::replace(&mut *state, State::Taken) {
            State::Answered(answer) => Some(answer),
            // A future polled again after it was ready: there is nothing to give.
            State::Taken | State::Waiting(_) => {
                Some(Err(Error::new(ErrorKind::Closed, "the answer was taken before")))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The side that owes the answer. Dropped without one, as when its thread panics, it says that the outcome is unknown:
/// nobody may wait for ever.
#[derive(Debug)]
pub(crate) struct Reply(Option<Arc<Slot>>);

impl Reply {
    pub(crate) fn answer(mut self, answer: Result<Committed, Error>) {
        if let Some(slot) = self.0.take() {
            slot.answer(answer.map(Answer::Committed));
        }
    }

    /// The answer of the process that holds the ledger.
    pub(crate) fn pass_on(mut self, answer: Result<Vec<Receipt>, Error>) {
        if let Some(slot) = self.0.take() {
            slot.answer(answer.map(Answer::Receipts));
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            let message =
                "the writer ended without an answer; whether the batch is stored shows at the next open";
            slot.answer(Err(Error::new(ErrorKind::Unknown, message)));
        }
    }
}

impl Ticket {
    /// A ticket, and the side that answers it.
    pub(crate) fn pair() -> (Self, Reply) {
        let slot = Slot::new();
        (Self(Arc::clone(&slot)), Reply(Some(slot)))
    }

    /// Blocks this thread until the batch is durable. In async code, await the ticket instead.
    ///
    /// # Errors
    /// `Unknown` when a write or sync failed, `Conflict`, `Invalid` or `Unavailable` when nothing of it is stored.
    pub fn wait(self) -> Result<Vec<Receipt>, Error> {
        loop {
            if let Some(answer) = self.0.take_or(|| Waiter::Thread(thread::current())) {
                return answer.map(Answer::receipts);
            }
            thread::park();
        }
    }
}

impl Future for Ticket {
    type Output = Result<Vec<Receipt>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.take_or(|| Waiter::Task(context.waker().clone())) {
            Some(answer) => Poll::Ready(answer.map(Answer::receipts)),
            None => Poll::Pending,
        }
    }
}
