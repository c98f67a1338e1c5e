//! What an open ledger has done, and where it stands.

mod prometheus;
pub(crate) mod times;

use std::time::Duration;

use ledgerstone_formats::time::Timestamp;

use crate::error::ErrorKind;

/// What an open ledger has done since it was opened, and where it stands. [`Stats::to_prometheus`] writes it down for
/// whoever watches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records in the ledger.
    pub size: u64,
    /// Records under the newest head.
    pub head_size: u64,
    /// Time since the newest head was published; none before the first since the ledger was opened.
    pub head_age: Option<Duration>,
    /// How long the oldest record past the head has waited for one; none when the head covers all.
    pub unheaded: Option<Duration>,
    /// Segments.
    pub segments: u64,
    /// Sealed segments.
    pub sealed: u64,
    /// Time of the newest record that was stored since the ledger was opened.
    pub last_at: Option<Timestamp>,
    /// Records that wait for the writer.
    pub queue_records: u64,
    /// Bytes that wait for the writer.
    pub queue_bytes: u64,
    /// Commit groups written.
    pub groups: u64,
    /// Records of the newest group.
    pub group_records: u64,
    /// Records of the largest group.
    pub group_records_max: u64,
    /// Records written.
    pub records: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Bytes of filler laid behind groups, for others to go over.
    pub filler_bytes: u64,
    /// Groups behind which the disk did not take all of the filler.
    pub filler_short: u64,
    /// How long writing a group took.
    pub append: Times,
    /// How long syncing a group took.
    pub sync: Times,
    /// Records that were refused.
    pub refused: Refused,
    /// Why nothing is taken any more, if so.
    pub failed: Option<ErrorKind>,
    /// Parts of the index that a lookup asks at most: files, and the memory of what has no seal yet. Grows with the
    /// logarithm of the number of segments.
    pub index_parts: u64,
    /// Index files that could not be written: the index of their segments stays as it was.
    pub index_failures: u64,
}

/// How long something took, over all times that it was done since the ledger was opened. Each is right to an eighth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// How often it was done.
    pub count: u64,
    /// All of it together.
    pub sum: Duration,
    /// Half of the times it took at most so long.
    pub p50: Duration,
    /// 95 of 100 times.
    pub p95: Duration,
    /// 99 of 100 times.
    pub p99: Duration,
}

/// Records that were refused since the ledger was opened, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// The queue was full.
    pub busy: u64,
    /// A precondition, a key used with other bytes, a unique value.
    pub conflict: u64,
    /// Nothing that the ledger could store.
    pub invalid: u64,
    /// The disk was nearly full, or the clock was not believed.
    pub unavailable: u64,
    /// Anything else: a batch of a stream after one that was refused, damage, a failure.
    pub other: u64,
}

impl Refused {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.busy + self.conflict + self.invalid + self.unavailable + self.other
    }

    pub(crate) fn count(&mut self, kind: ErrorKind, records: u64) {
        let counter = match kind {
            ErrorKind::Busy => &mut self.busy,
            ErrorKind::Conflict => &mut self.conflict,
            ErrorKind::Invalid => &mut self.invalid,
            ErrorKind::Unavailable => &mut self.unavailable,
            _ => &mut self.other,
        };
        *counter += records;
    }
}
