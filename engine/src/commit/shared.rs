//! What producers, readers, the writer and the notary share.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_formats::chain::ChainHead;
use ledgerstone_formats::names::FileName;

use crate::clock::Clock;
use crate::commit::queue::Queue;
use crate::error::{Error, ErrorKind};
use crate::index::Index;
use crate::segment::written::{WrittenGroup, WrittenGroups};
use crate::stats::times::Histogram;
use crate::stats::{Refused, Stats};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The notary has nothing to do for so long, unless it is told.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// A segment and how much of it is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SegmentInfo {
    /// First sequence number.
    pub first: u64,
    /// Bytes of durable, whole groups.
    pub bytes: u64,
    /// Whether its seal is written.
    pub sealed: bool,
}

/// The durable state, as readers may see it. Cheap to copy.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) chain: ChainHead,
    /// Ended segments, in order.
    pub(crate) ended: Arc<Vec<SegmentInfo>>,
    /// The segment that is appended to; none between the end of one and the first record of the next.
    pub(crate) active: Option<SegmentInfo>,
}

/// How far the notary is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notarized {
    /// Size of the head in the directory.
    pub(crate) head_size: u64,
    /// Size of the head beside the key; a crash between the two leaves it behind.
    pub(crate) beside_size: u64,
    /// Its file.
    pub(crate) head_file: Arc<Vec<u8>>,
    /// Ended segments that are sealed; a prefix of all.
    pub(crate) sealed: usize,
    /// Records whose lines were read back.
    pub(crate) checked: u64,
}

/// Why nothing is taken any more.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    kind: ErrorKind,
    message: String,
    file: Option<FileName>,
}

impl Refusal {
    pub(crate) fn new(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            message: error.to_string(),
            file: error.file().cloned(),
        }
    }

    pub(crate) fn error(&self) -> Error {
        let error = Error::new(self.kind, self.message.clone());
        match &self.file {
            Some(file) => error.in_file(file.clone()),
            None => error,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Arc<Queue>,
    pub(crate) index: Arc<Index>,
    state: Mutex<State>,
    /// The notary waits here for work, others for the notary.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    published: Published,
    /// Groups that the notary has not taken yet.
    written: WrittenGroups,
    notarized: Notarized,
    /// Monotonic time at which the oldest record past the head was acknowledged.
    unheaded_since: Option<Duration>,
    /// Monotonic time at which the newest head was published.
    headed_at: Option<Duration>,
    /// Somebody waits for a head: sign without delay.
    sign_now: bool,
    /// Set once by the first failure; from then on nothing is written.
    refusal: Option<Refusal>,
    /// The writer has ended: the notary signs and ends too.
    writer_ended: bool,
    counters: Counters,
}

/// What was done since the ledger was opened.
#[derive(Debug, Default)]
struct Counters {
    groups: u64,
    group_records: u64,
    group_records_max: u64,
    records: u64,
    bytes: u64,
    filler_bytes: u64,
    filler_short: u64,
    append: Histogram,
    sync: Histogram,
    refused: Refused,
}

impl Counters {
    fn count(&mut self, group: &WrittenGroup) {
        self.groups += 1;
        self.group_records = group.leaves.len() as u64;
        self.group_records_max = self.group_records_max.max(self.group_records);
        self.records += self.group_records;
        self.bytes += group.end - group.start;
        self.append.add(group.took[0]);
        self.sync.add(group.took[1]);
    }
}

/// What cannot wait.
struct Due {
    sign: bool,
    last: bool,
}

/// What the notary has to do.
#[derive(Debug)]
pub(crate) struct NotaryWork {
    pub(crate) published: Published,
    /// Groups published since the notary last asked.
    pub(crate) written: WrittenGroups,
    /// Sign a head now.
    pub(crate) sign: bool,
    /// This is the last work there is.
    pub(crate) last: bool,
}

impl Shared {
    pub(crate) fn new(
        queue: Arc<Queue>,
        index: Arc<Index>,
        published: Published,
        notarized: Notarized,
        refusal: Option<Refusal>,
    ) -> Self {
        let state = State {
            published,
            written: WrittenGroups::new(),
            notarized,
            unheaded_since: None,
            headed_at: None,
            sign_now: false,
            refusal,
            writer_ended: false,
            counters: Counters::default(),
        };
        Self {
            queue,
            index,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn published(&self) -> Published {
        self.state().published.clone()
    }

    /// What is durable, and how far the notary was at that moment: no head covers more than is published.
    pub(crate) fn standing(&self) -> (Published, Notarized) {
        let state = self.state();
        (state.published.clone(), state.notarized.clone())
    }

    pub(crate) fn stats(&self, now: Duration) -> Stats {
        let (queue_records, queue_bytes) = self.queue.depth();
        let state = self.state();
        Stats {
            size: state.published.chain.next_seq(),
            head_size: state.notarized.head_size,
            segments: (state.published.ended.len() + usize::from(state.published.active.is_some())) as u64,
            sealed: state.notarized.sealed as u64,
            queue_records: queue_records as u64,
            queue_bytes: queue_bytes as u64,
            index_parts: self.index.parts().len() as u64,
            index_failures: self.index.failures(),
            head_age: state.headed_at.map(|at| now.saturating_sub(at)),
            unheaded: state.unheaded_since.map(|since| now.saturating_sub(since)),
            last_at: state.published.chain.last_at(),
            groups: state.counters.groups,
            group_records: state.counters.group_records,
            group_records_max: state.counters.group_records_max,
            records: state.counters.records,
            bytes: state.counters.bytes,
            filler_bytes: state.counters.filler_bytes,
            filler_short: state.counters.filler_short,
            append: state.counters.append.times(),
            sync: state.counters.sync.times(),
            refused: state.counters.refused,
            failed: state.refusal.as_ref().map(|refusal| refusal.kind),
        }
    }

    /// Makes a group visible. The notary is woken for an ended segment and for the first record past the head; for
    /// those after it the timer runs.
    pub(crate) fn publish(&self, published: Published, now: Duration, group: Option<WrittenGroup>) {
        let mut state = self.state();
        let mut news = published.ended.len() != state.published.ended.len();
        if published.chain.next_seq() > state.published.chain.next_seq() && state.unheaded_since.is_none() {
            state.unheaded_since = Some(now);
            news = true;
        }
        state.published = published;
        if let Some(group) = group {
            state.counters.count(&group);
            state.written.push_back(group);
        }
        drop(state);
        if news {
            self.changed.notify_all();
        }
    }

    /// Filler was laid, or as much of it as the disk took.
    pub(crate) fn count_filler(&self, bytes: u64, is_short: bool) {
        let mut state = self.state();
        state.counters.filler_bytes += bytes;
        state.counters.filler_short += u64::from(is_short);
    }

    pub(crate) fn count_refused(&self, kind: ErrorKind, records: u64) {
        tracing::debug!(?kind, records, "refused");
        self.state().counters.refused.count(kind, records);
    }

    /// Latches: from now on nothing is written, and every waiter gets the reason.
    pub(crate) fn latch(&self, error: &Error) {
        let mut state = self.state();
        let refusal = state.refusal.get_or_insert_with(|| Refusal::new(error)).clone();
        drop(state);
        tracing::error!(%error, "nothing more is taken");
        self.changed.notify_all();
        self.queue.refuse_all(|| refusal.error());
    }

    /// Why nothing is taken any more.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.state().refusal.clone()
    }

    pub(crate) fn writer_ended(&self) {
        self.state().writer_ended = true;
        self.changed.notify_all();
    }

    /// The notary says how far it is.
    pub(crate) fn notarize(&self, notarized: Notarized, now: Duration) {
        let mut state = self.state();
        if notarized.head_size > state.notarized.head_size {
            // Whoever waits for a later one asks again.
            state.sign_now = false;
            let behind = notarized.head_size < state.published.chain.next_seq();
            state.unheaded_since = behind.then_some(now);
            state.headed_at = Some(now);
        }
        state.notarized = notarized;
        drop(state);
        self.changed.notify_all();
    }

    /// Hands out what is due at monotonic time `now`.
    pub(crate) fn notary_work(&self, now: Duration, head_delay_max: Duration) -> NotaryWork {
        let mut state = self.state();
        let due = Self::due(&state, now, head_delay_max);
        NotaryWork {
            published: state.published.clone(),
            written: std::mem::take(&mut state.written),
            sign: due.sign,
            last: due.last,
        }
    }

    /// A head is begun at half of its delay, so that it is done within it.
    fn due(state: &State, now: Duration, head_delay_max: Duration) -> Due {
        let behind = state.published.chain.next_seq() > state.notarized.head_size;
        let waited = state
            .unheaded_since
            .map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let due = state.sign_now || state.writer_ended || waited >= head_delay_max / 2;
        Due {
            sign: behind && due && state.refusal.is_none(),
            last: state.writer_ended || state.refusal.is_some(),
        }
    }

    /// Waits until something is due, or an eighth of a head's delay when records wait for one: what was written
    /// meanwhile is read back then, so that little is left to read when the head is due.
    pub(crate) fn wait_for_notary_work(&self, now: Duration, head_delay_max: Duration) {
        let state = self.state();
        let due = Self::due(&state, now, head_delay_max);
        let seal_due = state.published.ended.len() > state.notarized.sealed;
        if !(due.sign || due.last || seal_due) {
            let timeout = if state.unheaded_since.is_some() {
                head_delay_max / 8
            } else {
                IDLE_MAX
            };
            drop(self.changed.wait_timeout(state, timeout));
        }
    }

    /// Waits until a head covers `size` records.
    pub(crate) fn wait_for_head(&self, size: u64) -> Result<Notarized, Error> {
        let mut state = self.state();
        while state.notarized.head_size < size {
            if let Some(refusal) = &state.refusal {
                return Err(refusal.error());
            }
            if !state.sign_now {
                state.sign_now = true;
                self.changed.notify_all();
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(state.notarized.clone())
    }

    /// Waits until `size` records were read back.
    pub(crate) fn wait_for_check(&self, size: u64) -> Result<(), Error> {
        let mut state = self.state();
        while state.notarized.checked < size {
            if let Some(refusal) = &state.refusal {
                return Err(refusal.error());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Waits while the newest head is later than it may be: a writer that is quicker than the notary waits for it,
    /// since a head has to cover what was acknowledged in time.
    pub(crate) fn wait_for_late_head(&self, clock: &dyn Clock, head_delay_max: Duration) {
        let mut state = self.state();
        while state.refusal.is_none()
            && state
                .unheaded_since
                .is_some_and(|since| clock.monotonic().saturating_sub(since) > head_delay_max)
        {
            if !state.sign_now {
                state.sign_now = true;
                self.changed.notify_all();
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until `count` ended segments are sealed.
    pub(crate) fn wait_for_seals(&self, count: usize) -> Result<(), Error> {
        let mut state = self.state();
        while state.notarized.sealed < count {
            if let Some(refusal) = &state.refusal {
                return Err(refusal.error());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Waits until all that is published now has ended in a sealed segment.
    pub(crate) fn wait_until_sealed_to(&self, size: u64) -> Result<(), Error> {
        let mut state = self.state();
        loop {
            if let Some(refusal) = &state.refusal {
                return Err(refusal.error());
            }
            let ended = state.published.active.is_none_or(|active| active.first >= size);
            if ended && state.notarized.sealed == state.published.ended.len() {
                return Ok(());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
