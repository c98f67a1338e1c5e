//! Batches that are not stored, and what their producers are told.

use crate::commit::judge::Judged;
use crate::commit::queue::Submission;
use crate::error::{Error, ErrorKind};

/// Why a group is not written.
pub(super) enum Prepared {
    /// Nothing was touched: the group is refused, the ledger goes on.
    Refused(Box<dyn Fn() -> Error>),
    /// Something may have been touched.
    Failed(Error),
}

impl Prepared {
    pub(super) fn refused(kind: ErrorKind, message: String) -> Self {
        Self::Refused(Box::new(move || Error::new(kind, message.clone())))
    }
}

pub(super) fn answer_all(group: Vec<Judged>, error: impl Fn() -> Error) {
    group
        .into_iter()
        .for_each(|judged| refuse(judged.submission, error()));
}

pub(super) fn refuse(submission: Submission, error: Error) {
    submission.batch.break_stream();
    submission.reply.answer(Err(error));
}
