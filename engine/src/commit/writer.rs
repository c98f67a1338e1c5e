//! The writer: one thread, one order. Each `step` takes what waits, writes it as one group, syncs once, answers all.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_formats::chain::{ChainHead, Counters as Assigned, GroupStamp};
use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::time::Timestamp;

use crate::batch::Batch;
use crate::clock::{BelievedClock, Clock};
use crate::commit::ahead::Ahead;
use crate::commit::judge::Judged;
use crate::commit::notary::Notary;
use crate::commit::numbers::Numbers;
use crate::commit::queue::{Order, Submission};
use crate::commit::refuse::{Prepared, answer_all, refuse};
use crate::commit::shared::{Published, SegmentInfo, Shared};
use crate::commit::ticket::{Committed, Placement, Ticket};
use crate::error::{Error, ErrorKind};
use crate::index::keys::Recipe;
use crate::index::memory::PageWriter;
use crate::index::{Part, Posting};
use crate::options::Options;
use crate::read::snapshot::Lookups;
use crate::segment::written::{WrittenGroup, kind_runs};
use crate::storage::{Append, Lock, Storage};

/// Turns the commit path of a ledger one step at a time. [`crate::Ledger::open`] gives it a thread;
/// [`crate::Ledger::open_stepped`] gives it to the caller.
#[derive(Debug)]
pub struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    /// Turned by the writer itself when there is no thread for it.
    pub(crate) notary: Option<Notary>,
    pub(crate) chain: ChainHead,
    pub(crate) numbers: Numbers,
    /// Batches that wait for the group before them to be durable.
    pub(crate) held: Vec<Submission>,
    pub(crate) lookups: Lookups,
    pub(crate) believed: BelievedClock,
    pub(crate) ended: Arc<Vec<SegmentInfo>>,
    pub(crate) active: Option<Active>,
    pub(crate) ahead: Ahead,
    /// The index of the segment that is written to, or of its last records.
    pub(crate) pages: PageWriter,
    /// The first record that may be in it.
    pub(crate) pages_first: u64,
    /// Records that an earlier process closed the ledger with and nobody has read since; 0 when all were.
    pub(crate) unchecked: u64,
    pub(crate) buffer: Vec<u8>,
    /// How long writing the newest group took, and syncing it.
    pub(crate) took: [Duration; 2],
    /// Held as long as anything can be written.
    pub(crate) _lock: Arc<dyn Lock>,
}

/// The segment that is appended to.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) first: u64,
    pub(crate) bytes: u64,
    /// Time of its first group; none while it is empty.
    pub(crate) first_at: Option<Timestamp>,
    pub(crate) file: Box<dyn Append>,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Committed a group of so many records, or refused all that waited.
    Committed(u64),
    /// Ended a segment.
    Ended,
    /// Nothing waited.
    Idle,
    /// The queue is closed and empty, or the ledger has failed: there are no more steps.
    Closed,
}

impl Writer {
    /// Does what waits: at most one group, one end of a segment, or one head.
    pub fn step(&mut self) -> Step {
        if self.shared.refusal().is_some() {
            return Step::Closed;
        }
        let order = match std::mem::take(&mut self.held) {
            held if held.is_empty() => self.shared.queue.take(),
            held => Order::Commit(held),
        };
        let outcome = match order {
            Order::Commit(group) => self.commit(group).map(Step::Committed),
            Order::Seal => self.end_segment().map(|()| Step::Ended),
            Order::Idle => self
                .end_old_segment()
                .map(|ended| if ended { Step::Ended } else { Step::Idle }),
            Order::Close => self.trim().map(|()| Step::Closed),
        };
        let outcome = outcome.and_then(|step| self.turn_notary(step == Step::Closed).map(|()| step));
        if let (Ok(Step::Closed), Some(notary)) = (&outcome, &self.notary) {
            notary.save_open(&self.shared.published(), self.options.saved_index_bytes_min);
        }
        outcome.unwrap_or_else(|error| {
            self.shared.latch(&error);
            self.refuse_held();
            Step::Closed
        })
    }

    /// Answers what waited for a group that has failed: nothing of it was written.
    fn refuse_held(&mut self) {
        if let Some(refusal) = self.shared.refusal() {
            std::mem::take(&mut self.held)
                .into_iter()
                .for_each(|submission| refuse(submission, refusal.error()));
        }
    }

    /// The chain as far as it is durable.
    pub fn chain(&self) -> ChainHead {
        self.shared.published().chain
    }

    /// Without a thread of its own the notary is turned here: it seals what ended, and signs when a head is due.
    pub(crate) fn turn_notary(&mut self, closing: bool) -> Result<(), Error> {
        let Some(notary) = &mut self.notary else {
            return Ok(());
        };
        let now = self.clock.monotonic();
        let work = self.shared.notary_work(now, self.options.head_delay_max);
        notary.learn(work.written);
        if work.sign || closing || work.published.ended.len() > notary.done().sealed {
            notary.advance(&work.published)?;
            if work.sign || closing {
                notary.sign()?;
            }
            self.shared.notarize(notary.done().clone(), now);
        }
        if notary.upkeep().is_due() {
            notary.upkeep().run();
        }
        Ok(())
    }

    /// Reads back all that is published, and seals what has ended.
    pub(crate) fn read_back(&mut self) -> Result<(), Error> {
        if let Some(notary) = &mut self.notary {
            let now = self.clock.monotonic();
            let work = self.shared.notary_work(now, self.options.head_delay_max);
            notary.learn(work.written);
            notary.advance(&work.published)?;
            self.shared.notarize(notary.done().clone(), now);
        }
        Ok(())
    }

    /// Nothing is stored upon records that nobody has read since the ledger was closed.
    fn check_rest(&mut self) -> Result<(), Error> {
        if self.unchecked > 0 {
            self.read_back()?;
            self.shared.wait_for_check(self.unchecked)?;
            self.unchecked = 0;
        }
        Ok(())
    }

    /// Commits a group. An error is fatal: it comes only after something may have been written.
    fn commit(&mut self, submissions: Vec<Submission>) -> Result<u64, Error> {
        if self.notary.is_none() {
            self.shared
                .wait_for_late_head(self.clock.as_ref(), self.options.head_delay_max);
        }
        if let Err(error) = self.check_rest() {
            submissions
                .into_iter()
                .for_each(|submission| refuse(submission, Error::corrupt(error.findings().to_vec())));
            return Err(error);
        }
        let (group, records) = self.judge_all(submissions);
        if records == 0 {
            return Ok(0);
        }
        match self.prepare(&group) {
            Ok(Ready { at, room }) => self.commit_at(group, at, records, room),
            Err(Prepared::Refused(refusal)) => {
                self.shared
                    .count_refused(ErrorKind::Unavailable, u64::from(records));
                answer_all(group, refusal);
                Ok(0)
            }
            Err(Prepared::Failed(error)) => {
                answer_all(group, || Error::new(ErrorKind::Unavailable, error.to_string()));
                Err(error)
            }
        }
    }

    fn commit_at(
        &mut self,
        group: Vec<Judged>,
        at: Timestamp,
        records: u32,
        room: u64,
    ) -> Result<u64, Error> {
        let _span = tracing::debug_span!("group", records, seq = self.chain.next_seq()).entered();
        let placements = self.encode(&group, at, records);
        // Crash point 1: nothing is written.
        if let Err(error) = self.write(room) {
            // Crash point 2: any part of the group may be on the medium. Its fate shows at the next open.
            answer_all(group, || Error::new(ErrorKind::Unknown, error.to_string()));
            return Err(error);
        }
        // Crash point 3: the group is durable and nobody knows. The next open keeps it and says so.
        self.index(&group, &placements);
        self.publish(Some(self.written(&group, at, &placements)));
        let mut placements = placements.into_iter();
        for Judged { submission, replayed } in group {
            let mut replayed = replayed.into_iter();
            let each = (0..submission.batch.len()).filter_map(|_| {
                let before = replayed.next().flatten();
                before.or_else(|| placements.next())
            });
            let placements = each.collect();
            submission.reply.answer(Ok(Committed {
                batch: submission.batch,
                at,
                placements,
            }));
        }
        // A group that was larger than the queue is rare.
        self.buffer.clear();
        self.buffer
            .shrink_to(self.options.queue_bytes_max.saturating_mul(2));
        Ok(u64::from(records))
    }

    /// All that has to hold before anything is written: room on the disk, a believable clock, a segment to write to.
    fn prepare(&mut self, group: &[Judged]) -> Result<Ready, Prepared> {
        let room = self.check_room(group)?;
        let at = self
            .believed
            .next(self.clock.as_ref(), self.chain.last_at())
            .map_err(|doubt| Prepared::refused(ErrorKind::Unavailable, doubt.to_string()))?;
        if self.is_full(at) {
            self.end_segment().map_err(Prepared::Failed)?;
        }
        self.begin_segment().map_err(Prepared::Failed)?;
        Ok(Ready { at, room })
    }

    fn is_full(&self, at: Timestamp) -> bool {
        let Some(active) = &self.active else { return false };
        let Some(first_at) = active.first_at else {
            return false;
        };
        let age = Duration::from_micros(
            at.as_micros()
                .saturating_sub(first_at.as_micros())
                .max(0)
                .unsigned_abs(),
        );
        active.bytes >= self.options.segment_bytes
            || self.options.segment_age_max.is_some_and(|age_max| age >= age_max)
            || self.options.segment_by_month && first_at.year_month() != at.year_month()
    }

    fn encode(&mut self, group: &[Judged], at: Timestamp, records: u32) -> Vec<Placement> {
        let stamp = GroupStamp::new(at, records);
        let segment_bytes = self.active.as_ref().map_or(0, |active| active.bytes);
        let drafts = group.iter().flat_map(Judged::new_records).map(|(draft, _)| draft);
        self.buffer.clear();
        self.buffer
            .reserve(group.iter().map(|judged| judged.submission.batch.bytes()).sum());
        drafts
            .zip(0..)
            .map(|(draft, index)| {
                let seq = self.chain.next_seq();
                let Assigned { tseq, rev } = self.numbers.assign(draft.entry());
                let offset = segment_bytes + self.buffer.len() as u64;
                let hash = self
                    .chain
                    .extend(draft, &stamp, index, Assigned { tseq, rev }, &mut self.buffer);
                let offset = u32::try_from(offset).expect("a segment is shorter than 2^32 bytes");
                Placement {
                    seq,
                    tseq,
                    rev,
                    hash,
                    offset,
                    stored: None,
                }
            })
            .collect()
    }

    /// Makes the group's records ready to be found; readers pass over them until they are published.
    fn index(&mut self, group: &[Judged], placements: &[Placement]) {
        let mut grown = false;
        let records = group.iter().flat_map(Judged::new_records);
        for ((_, hashes), placement) in records.zip(placements) {
            for hash in hashes {
                grown |= self.pages.insert(Posting {
                    hash: *hash,
                    seq: placement.seq,
                    offset: placement.offset,
                });
            }
        }
        if grown {
            self.share_pages();
        }
    }

    fn share_pages(&self) {
        self.shared.index.put(Part::Memory {
            first: self.pages_first,
            pages: self.pages.pages().clone(),
        });
    }

    /// The group that is in the buffer and, from now on, at the end of the segment.
    fn written(&self, group: &[Judged], at: Timestamp, placements: &[Placement]) -> WrittenGroup {
        let active = self.active.as_ref().expect("`prepare` has begun a segment");
        WrittenGroup {
            segment: active.first,
            start: active.bytes - self.buffer.len() as u64,
            end: active.bytes,
            crc32: crc32fast::hash(&self.buffer),
            took: self.took,
            at,
            leaves: placements.iter().map(|placement| placement.hash).collect(),
            kinds: kind_runs(group.iter().flat_map(Judged::new_records).map(|(draft, _)| draft)),
        }
    }

    /// Ends a segment that is too old when no group comes to end it.
    fn end_old_segment(&mut self) -> Result<bool, Error> {
        // A clock in doubt ends nothing; producers are told when they come.
        let Ok(now) = self.believed.next(self.clock.as_ref(), self.chain.last_at()) else {
            return Ok(false);
        };
        let full = self.is_full(now);
        if full {
            self.end_segment()?;
        }
        Ok(full)
    }

    /// Ends the segment, if it has a record. The notary seals it; the next one begins with the next group.
    pub(crate) fn end_segment(&mut self) -> Result<(), Error> {
        self.trim()?;
        let Some(active) = self.active.take_if(|active| active.first_at.is_some()) else {
            return Ok(());
        };
        let ended = SegmentInfo {
            first: active.first,
            bytes: active.bytes,
            sealed: false,
        };
        Arc::make_mut(&mut self.ended).push(ended);
        self.publish(None);
        self.turn_notary(false)
    }

    /// Makes the next segment's file, once all but the one before it are sealed.
    fn begin_segment(&mut self) -> Result<(), Error> {
        if self.active.is_some() {
            return Ok(());
        }
        self.shared.wait_for_seals(self.ended.len().saturating_sub(1))?;
        let first = self.chain.next_seq();
        let name = FileName::Segment(first);
        let file = self
            .storage
            .create(&name)
            .map_err(|error| Error::with_source(ErrorKind::Unknown, "a segment could not be begun", error))?;
        self.active = Some(Active {
            first,
            bytes: 0,
            first_at: None,
            file,
        });
        self.ahead.begin_segment();
        self.pages = PageWriter::default();
        self.pages_first = first;
        self.share_pages();
        Ok(())
    }

    fn publish(&self, group: Option<WrittenGroup>) {
        let active = self.active.as_ref();
        let active = active.map(|active| SegmentInfo {
            first: active.first,
            bytes: active.bytes,
            sealed: false,
        });
        let published = Published {
            chain: self.chain.clone(),
            ended: Arc::clone(&self.ended),
            active,
        };
        self.shared.publish(published, self.clock.monotonic(), group);
    }

    /// Commits a record of the system before producers are let in.
    pub(crate) fn commit_system(&mut self, draft: Draft) -> Result<(), Error> {
        let (ticket, submission) = submission(draft, self.shared.index.recipe())?;
        self.commit(vec![submission])?;
        ticket.wait().map(|_| ())
    }

    /// Commits the one record that may turn time back: at the clock's time, in a segment that it begins.
    pub(crate) fn commit_clock_step(&mut self, draft: Draft, at: Timestamp) -> Result<(), Error> {
        self.end_segment()?;
        self.begin_segment()?;
        let (ticket, submission) = submission(draft, self.shared.index.recipe())?;
        let judged = Judged {
            submission,
            replayed: Vec::new(),
        };
        self.commit_at(vec![judged], at, 1, 0)?;
        ticket.wait().map(|_| ())
    }
}

fn submission(draft: Draft, recipe: &Recipe) -> Result<(Ticket, Submission), Error> {
    let mut batch = Batch::from(draft);
    batch.hash_keys(recipe)?;
    let (ticket, reply) = Ticket::pair();
    Ok((ticket, Submission { batch, reply }))
}

/// A group may be written.
struct Ready {
    /// At this time.
    at: Timestamp,
    /// Bytes that the disk has left above its reserve.
    room: u64,
}
