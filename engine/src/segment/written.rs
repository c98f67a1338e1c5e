//! What the writer knows of the groups it has written: what the notary compares with what it reads back.

use std::collections::VecDeque;
use std::time::Duration;

use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::ids::Kind;
use ledgerstone_formats::time::Timestamp;

/// A durable group, as it was in the writer's memory.
#[derive(Debug)]
pub(crate) struct WrittenGroup {
    /// First sequence number of its segment.
    pub(crate) segment: u64,
    /// Offset of its first byte.
    pub(crate) start: u64,
    /// Offset past its last byte.
    pub(crate) end: u64,
    /// CRC-32 of its bytes.
    pub(crate) crc32: u32,
    /// Its time.
    pub(crate) at: Timestamp,
    /// Hash of each record, which is its leaf of the tree.
    pub(crate) leaves: Vec<Hash>,
    /// How long writing it took, and syncing it.
    pub(crate) took: [Duration; 2],
    /// Runs of records of one kind, in order.
    pub(crate) kinds: Vec<(Kind, u64)>,
}

/// Groups in the order in which they were written.
pub(crate) type WrittenGroups = VecDeque<WrittenGroup>;

/// The runs of kinds in these drafts.
pub(crate) fn kind_runs<'a>(drafts: impl Iterator<Item = &'a Draft>) -> Vec<(Kind, u64)> {
    let mut runs: Vec<(Kind, u64)> = Vec::new();
    for draft in drafts {
        let kind = &draft.entry().kind;
        match runs.last_mut() {
            Some((last, count)) if last == kind => *count += 1,
            _ => runs.push((kind.clone(), 1)),
        }
    }
    runs
}
