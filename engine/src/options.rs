//! Settings of a process. What changes what is recorded is a record, not a setting.

use std::time::Duration;

use ledgerstone_formats::limits::{
    BODY_BYTES_MAX, BODY_BYTES_MAX_DEFAULT, GROUP_BYTES_MAX, GROUP_RECORDS_MAX, SEGMENT_BYTES_DEFAULT,
    SEGMENT_BYTES_MAX,
};
use ledgerstone_formats::records::family::Family;

use crate::error::{Error, ErrorKind};
use crate::limits::FILLER_BYTES_MAX;

/// How a ledger is opened. `Options::default()` is meant for production.
///
/// # What one open ledger takes
///
/// A process may have hundreds of ledgers open: what each takes is bounded by its options, however long it is.
///
/// - **Threads**: 2, writer and notary; 1 more now and then, while index files are merged. A door has 1, and 2 for each
///   connection.
/// - **Files**: 3 (the directory, the segment that is written, the same while it is read back) and at most
///   `open_segments_max`; a few more for the moment in which one is made. A door has 2, and 1 for each connection.
/// - **Memory**: 1 MiB, and
///   - three times `queue_bytes_max`: what waits, and a group as lines. A batch may be larger than that when nothing
///     else waits; its memory is given back once it is stored.
///   - `filler_bytes_max` for the moment in which filler is laid.
///   - for each connection of a door at most two batches, of 64 MiB each if the client makes them so large.
///   - the index of the segment that is written: 36 to 72 bytes for each of a record's keys, of which it has 3, and one
///     more each for correlation id, idempotency key and value of a declared index. For records of 400 bytes that is
///     about half of `segment_bytes`, so it is `segment_bytes` that bounds it; twice that while the segment before is
///     being sealed.
///   - 1 KiB at most, mostly less than 300 bytes, for each of `numbers_cached_max`, six times at most.
///
///   Index files of sealed segments are mapped, and the operating system drops their pages when it needs the memory.
#[derive(Debug, Clone)]
pub struct Options {
    /// Longest body taken, in bytes; 2 MiB, at most 16 MiB.
    pub body_bytes_max: usize,
    /// A segment of at least so many bytes is ended; 256 MiB, at most 1 GiB less a group.
    pub segment_bytes: u64,
    /// A segment whose first record is older is ended; never by default.
    pub segment_age_max: Option<Duration>,
    /// A segment is ended at the change of the UTC month.
    pub segment_by_month: bool,
    /// A head covers an acknowledged group after this long at the latest; 1 s.
    pub head_delay_max: Duration,
    /// The index of an open segment of at least so many bytes is saved at close, so that the next open need not read
    /// its lines first; 1 MiB.
    pub saved_index_bytes_min: u64,
    /// Records that may wait for the writer; 65,536 (a batch of any size is taken when nothing waits).
    pub queue_records_max: usize,
    /// Bytes that may wait for the writer; 64 MiB.
    pub queue_bytes_max: usize,
    /// Producers are refused when the file system has less room; 64 MiB.
    pub disk_free_min_bytes: u64,
    /// Processes that may bring records, ask for a seal or a head at the same time, through a socket in the ledger's
    /// directory: [`crate::door`]; 0, which makes no socket. For ledgers in a directory.
    pub door_connections_max: usize,
    /// Families that the ledger is to have: their indexes are added to those that it has, and recorded, when it is
    /// opened. What it has it keeps without being asked.
    pub families: Vec<Family>,
    /// Segment files that lookups keep open, the last used ones; 64.
    pub open_segments_max: usize,
    /// Tenants, kinds and things whose newest numbers the writer keeps in memory, so many of each; 65,536. Those that
    /// it does not find there it looks up.
    pub numbers_cached_max: usize,
    /// The file of the open segment is made longer by at most so many bytes of filler, in the write of a group, so that
    /// the groups after it only fill what is there; groups of more than a sixteenth of it lay none. At most 64 MiB; 0,
    /// the default, for none: whether it pays is a matter of the disk, and a copy of a ledger in use may show a gap.
    pub filler_bytes_max: u64,
    /// An operator's word that a tail which is not of the torn shape is one all the same: for file systems that show
    /// old bytes in sectors never written.
    pub accept_torn: bool,
    /// An operator's word for a clock that stepped: the reason, and who says so.
    pub accept_clock: Option<ClockWord>,
}

/// An operator's word for a clock that stepped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockWord {
    /// Why the clock is right.
    pub reason: String,
    /// Who says so: user and host.
    pub by: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            body_bytes_max: BODY_BYTES_MAX_DEFAULT,
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            segment_age_max: None,
            segment_by_month: true,
            head_delay_max: Duration::from_secs(1),
            saved_index_bytes_min: 1 << 20,
            queue_records_max: GROUP_RECORDS_MAX,
            queue_bytes_max: GROUP_BYTES_MAX,
            disk_free_min_bytes: 64 << 20,
            door_connections_max: 0,
            families: Vec::new(),
            open_segments_max: 64,
            numbers_cached_max: 1 << 16,
            filler_bytes_max: 0,
            accept_torn: false,
            accept_clock: None,
        }
    }
}

impl Options {
    /// Refuses settings outside the format's limits.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let invalid = |message: String| Err(Error::new(ErrorKind::Invalid, message));
        if self.body_bytes_max > BODY_BYTES_MAX {
            return invalid(format!(
                "body_bytes_max is {}, the limit is {BODY_BYTES_MAX}",
                self.body_bytes_max
            ));
        }
        let largest = SEGMENT_BYTES_MAX - GROUP_BYTES_MAX as u64;
        if self.segment_bytes == 0 || self.segment_bytes > largest {
            return invalid(format!(
                "segment_bytes is {}, it may be 1 to {largest}",
                self.segment_bytes
            ));
        }
        if self.filler_bytes_max > FILLER_BYTES_MAX {
            return invalid(format!(
                "filler_bytes_max is {}, the limit is {FILLER_BYTES_MAX}",
                self.filler_bytes_max
            ));
        }
        if self.queue_records_max == 0 || self.queue_bytes_max == 0 {
            return invalid("a queue needs room for at least one record".to_owned());
        }
        if self.open_segments_max == 0 || self.numbers_cached_max == 0 {
            return invalid("open_segments_max and numbers_cached_max are at least 1".to_owned());
        }
        Ok(())
    }
}
