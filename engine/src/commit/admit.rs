//! Which of the batches that wait become a group.

use std::sync::Arc;

use ledgerstone_formats::time::Timestamp;

use crate::batch::Batch;
use crate::commit::judge::{Judged, Pending, Verdict, is_judged, judge};
use crate::commit::numbers::NewKinds;
use crate::commit::queue::Submission;
use crate::commit::refuse::refuse;
use crate::commit::ticket::{Committed, Placement};
use crate::commit::unique::Against;
use crate::commit::writer::Writer;
use crate::error::{Error, ErrorKind};
use crate::read::snapshot::Snapshot;

impl Writer {
    /// Answers batches that cannot be stored whatever the disk and the clock say, and those that were stored before.
    /// Gives back the others, up to the first that has to wait for them, and how many records they are.
    pub(crate) fn judge_all(&mut self, submissions: Vec<Submission>) -> (Vec<Judged>, u32) {
        let mut group = Vec::with_capacity(submissions.len());
        let (mut kinds, mut pending, mut records) = (NewKinds::default(), Pending::default(), 0);
        self.numbers.forget_old();
        let mut left = submissions.into_iter();
        while let Some(submission) = left.next() {
            match self.judge_one(&submission.batch, &mut kinds, &group, &mut pending) {
                Ok(Verdict::Store(replayed)) => {
                    let judged = Judged { submission, replayed };
                    let new = judged.new_records().count();
                    if new == 0 {
                        answer_replayed(judged);
                        continue;
                    }
                    records += new;
                    pending.add(&judged);
                    group.push(judged);
                }
                Ok(Verdict::Wait) => {
                    self.held = std::iter::once(submission).chain(left).collect();
                    break;
                }
                Err(error) => {
                    self.shared
                        .count_refused(error.kind(), submission.batch.len() as u64);
                    refuse(submission, error);
                }
            }
        }
        (group, u32::try_from(records).expect("the queue bounds a group"))
    }

    fn judge_one(
        &mut self,
        batch: &Batch,
        kinds: &mut NewKinds,
        group: &[Judged],
        pending: &mut Pending,
    ) -> Result<Verdict, Error> {
        if batch.is_cut_off() {
            return Err(Error::cut_off());
        }
        let durable = || {
            let (published, notarized) = self.shared.standing();
            Snapshot::of_open_ledger(Arc::clone(&self.storage), &published, &notarized, &self.lookups)
        };
        self.numbers.prepare(batch.drafts().iter(), durable)?;
        if kinds.contradict(batch, &self.numbers) {
            let message = "the kind's first record has no revision, so none of its records has one";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let recipe = self.shared.index.recipe();
        if is_judged(batch, &recipe.declared) {
            let durable = &durable();
            let against = Against {
                group,
                recipe,
                durable,
            };
            judge(batch, &against, pending)
        } else {
            Ok(Verdict::Store(Vec::new()))
        }
    }
}

/// Answers a batch of which everything was stored before.
fn answer_replayed(judged: Judged) {
    let placements: Vec<Placement> = judged.replayed.into_iter().flatten().collect();
    let at = placements
        .iter()
        .filter_map(|placement| placement.stored.as_ref());
    let at = at.map(|stored| stored.at).max();
    judged.submission.reply.answer(Ok(Committed {
        batch: judged.submission.batch,
        at: at.unwrap_or(Timestamp::MIN),
        placements,
    }));
}
