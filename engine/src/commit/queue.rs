//! The bounded queue between producers and the writer. When it is full, producers are refused, never blocked.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ledgerstone_formats::limits::{GROUP_BYTES_MAX, GROUP_RECORDS_MAX};

use crate::batch::Batch;
use crate::commit::ticket::{Reply, Ticket};
use crate::error::{Error, ErrorKind};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError, thread};

/// A batch with the place where its answer goes.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) batch: Batch,
    pub(crate) reply: Reply,
}

/// What the writer is asked to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Commit these batches as one group.
    Commit(Vec<Submission>),
    /// End the segment, if it has a record.
    Seal,
    /// Nothing waits and the queue is closed: finish.
    Close,
    /// Nothing waits.
    Idle,
}

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// The writer's; only one thread ever waits on it.
    work: Condvar,
    records_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Submission>,
    records: usize,
    bytes: usize,
    seal: bool,
    closed: bool,
    writer_waits: bool,
    for_room: Vec<Waker>,
}

impl Queue {
    pub(crate) fn new(records_max: usize, bytes_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            records_max,
            bytes_max,
        }
    }

    pub(crate) fn submit(&self, batch: Batch) -> Result<Ticket, Error> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::new(ErrorKind::Closed, "the ledger is closed"));
        }
        // A batch larger than the queue is taken when nothing else waits, else it could never be.
        if !state.waiting.is_empty() && !self.has_room(&state, batch.len(), batch.bytes()) {
            let message = format!(
                "the queue is full: {} records, {} bytes wait",
                state.records, state.bytes
            );
            return Err(Error::new(ErrorKind::Busy, message));
        }
        state.records += batch.len();
        state.bytes += batch.bytes();
        let (ticket, reply) = Ticket::pair();
        state.waiting.push_back(Submission { batch, reply });
        self.wake_writer(state);
        Ok(ticket)
    }

    pub(crate) fn ask_to_seal(&self) {
        let mut state = self.state();
        state.seal = true;
        self.wake_writer(state);
    }

    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let wakers = std::mem::take(&mut state.for_room);
        self.wake_writer(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The next order: whole batches, as many as one group holds.
    pub(crate) fn take(&self) -> Order {
        let mut state = self.state();
        // Before the batches: a full queue must not put a seal off for ever.
        if std::mem::take(&mut state.seal) {
            return Order::Seal;
        }
        if state.waiting.is_empty() {
            return if state.closed { Order::Close } else { Order::Idle };
        }
        let (mut group, mut records, mut bytes) = (Vec::with_capacity(state.waiting.len()), 0, 0);
        while let Some(next) = state.waiting.front() {
            let (next_records, next_bytes) = (next.batch.len(), next.batch.bytes());
            records += next_records;
            bytes += next_bytes;
            if !group.is_empty() && (records > GROUP_RECORDS_MAX || bytes > GROUP_BYTES_MAX) {
                break;
            }
            state.records -= next_records;
            state.bytes -= next_bytes;
            group.extend(state.waiting.pop_front());
        }
        let wakers = std::mem::take(&mut state.for_room);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Order::Commit(group)
    }

    /// Waits until there is something to take, at most `timeout`. Only the writer's thread calls this.
    pub(crate) fn wait(&self, timeout: Duration) {
        let mut state = self.state();
        if state.waiting.is_empty() && !state.seal && !state.closed {
            state.writer_waits = true;
            let waited = self.work.wait_timeout(state, timeout);
            waited.unwrap_or_else(PoisonError::into_inner).0.writer_waits = false;
        }
    }

    /// Answers everything that waits with an error made for each, and refuses what comes.
    pub(crate) fn refuse_all(&self, error: impl Fn() -> Error) {
        let mut state = self.state();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        let wakers = std::mem::take(&mut state.for_room);
        (state.records, state.bytes) = (0, 0);
        drop(state);
        waiting
            .into_iter()
            .for_each(|submission| submission.reply.answer(Err(error())));
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Records and bytes that wait.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let state = self.state();
        (state.records, state.bytes)
    }

    fn has_room(&self, state: &State, records: usize, bytes: usize) -> bool {
        state.records + records <= self.records_max && state.bytes + bytes <= self.bytes_max
    }

    fn wake_writer(&self, state: MutexGuard<'_, State>) {
        let waits = state.writer_waits;
        drop(state);
        if waits {
            self.work.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves when there is room in the queue, or the ledger is closed. Others may be quicker: submit again, and wait
/// again when refused.
#[derive(Debug)]
pub struct Ready(pub(crate) Arc<Queue>);

impl Ready {
    /// Blocks this thread until there is room. In async code, await it instead.
    pub fn wait(self) {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut ready = std::pin::pin!(self);
        while ready.as_mut().poll(&mut context).is_pending() {
            thread::park();
        }
    }
}

struct Unpark(thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Future for Ready {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.state();
        // Half of the queue free: whoever is woken then finds room for more than one record.
        let roomy = state.records <= self.0.records_max / 2 && state.bytes <= self.0.bytes_max / 2;
        if state.waiting.is_empty() || state.closed || roomy {
            return Poll::Ready(());
        }
        state.for_room.push(context.waker().clone());
        Poll::Pending
    }
}
