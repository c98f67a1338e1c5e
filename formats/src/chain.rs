//! The hash chain: a record put at its end, and the inverse, a stored record checked against it.

use std::fmt;

use crate::draft::Draft;
use crate::hash::Hash;
use crate::header::{GroupPlace, Header, Placed};
use crate::record::{Record, finish_line};
use crate::records::system;
use crate::time::{TIMESTAMP_BYTES, Timestamp};

/// Where the chain stands: what the next record has to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainHead {
    next_seq: u64,
    last_hash: Hash,
    last_at: Option<Timestamp>,
    group: Option<UnfinishedGroup>,
}

/// A group of which records are still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UnfinishedGroup {
    next: GroupPlace,
    at: Timestamp,
}

/// What a commit group shares: its time, encoded once, and how many records it has.
#[derive(Debug, Clone, Copy)]
pub struct GroupStamp {
    at: Timestamp,
    text: [u8; TIMESTAMP_BYTES],
    count: u32,
}

impl GroupStamp {
    /// The stamp of a group of `count` records.
    pub fn new(at: Timestamp, count: u32) -> Self {
        Self {
            at,
            text: at.to_canonical(),
            count,
        }
    }

    /// The group's time.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// The counters that a record gets with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Place among its tenant's records; exactly with a tenant.
    pub tseq: Option<u64>,
    /// Count within (kind, tenant, id); exactly for versioned kinds.
    pub rev: Option<u64>,
}

impl Default for ChainHead {
    fn default() -> Self {
        Self::new()
    }
}

impl ChainHead {
    /// Before the first record.
    pub fn new() -> Self {
        Self {
            next_seq: 0,
            last_hash: Hash::ZERO,
            last_at: None,
            group: None,
        }
    }

    /// After `size` records, of which the last had this hash and time.
    pub fn resume(size: u64, last_hash: Hash, last_at: Option<Timestamp>) -> Self {
        Self {
            next_seq: size,
            last_hash,
            last_at,
            group: None,
        }
    }

    /// Sequence number of the next record, which is the count of records so far.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Hash of the last record; zeros before the first.
    pub fn last_hash(&self) -> Hash {
        self.last_hash
    }

    /// Time of the last record.
    pub fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    /// False while records of a group are still to come.
    pub fn is_between_groups(&self) -> bool {
        self.group.is_none()
    }

    /// Records of the unfinished group that are still to come.
    pub fn missing_of_group(&self) -> u32 {
        self.group.map_or(0, |group| group.next.count - group.next.index)
    }

    /// Puts record `index` of the group `stamp` at the end: appends its line to `out` and returns its hash.
    pub fn extend(
        &mut self,
        draft: &Draft,
        stamp: &GroupStamp,
        index: u32,
        counters: Counters,
        out: &mut Vec<u8>,
    ) -> Hash {
        let placed = Placed {
            seq: self.next_seq,
            at: stamp.text,
            group: (stamp.count > 1).then_some(GroupPlace {
                index,
                count: stamp.count,
            }),
            tseq: counters.tseq,
            rev: counters.rev,
            prev: self.last_hash,
        };
        let start = out.len();
        draft.fixed().encode(&placed, out);
        let hash = Hash::leaf_of_two(&out[start..], b"}");
        finish_line(out, &hash, draft.payload());
        self.next_seq += 1;
        self.last_hash = hash;
        self.last_at = Some(stamp.at);
        self.group = None;
        hash
    }

    /// Checks that a record, whose own hashes are right, is the next one, and steps past it. `begins_segment` says that
    /// it is the first line of its file: only there may a `sys_clock` record turn time back.
    ///
    /// # Errors
    /// [`ChainError`] says what it should have been; the head stays where it was.
    pub fn check(&mut self, record: &Record<'_>, begins_segment: bool) -> Result<(), ChainError> {
        let header = &record.header;
        self.check_link(header.seq, header.prev)?;
        self.group = self.check_group(header, begins_segment)?;
        self.next_seq += 1;
        self.last_hash = record.hash;
        self.last_at = Some(header.at);
        Ok(())
    }

    /// Steps past a line of a later version, of which only number and link can be checked.
    ///
    /// # Errors
    /// [`ChainError`] when number or link do not fit.
    pub fn check_newer(&mut self, seq: u64, prev: Hash, hash: Hash) -> Result<(), ChainError> {
        self.check_link(seq, prev)?;
        self.next_seq += 1;
        self.last_hash = hash;
        self.group = None;
        Ok(())
    }

    fn check_link(&self, seq: u64, prev: Hash) -> Result<(), ChainError> {
        if seq != self.next_seq {
            return Err(ChainError::Sequence {
                expected: self.next_seq,
                found: seq,
            });
        }
        if prev != self.last_hash {
            return Err(ChainError::Previous {
                expected: self.last_hash,
                found: prev,
            });
        }
        Ok(())
    }

    fn check_group(
        &self,
        header: &Header<'_>,
        begins_segment: bool,
    ) -> Result<Option<UnfinishedGroup>, ChainError> {
        let Some(group) = self.group else {
            let turned_back = self.last_at.is_some_and(|last| header.at <= last);
            let clock = header.kind == system::CLOCK;
            if clock && (!begins_segment || header.group.is_some()) {
                return Err(ChainError::Clock);
            }
            if turned_back && !clock {
                return Err(ChainError::Time {
                    last: self.last_at,
                    found: header.at,
                });
            }
            return match header.group {
                None => Ok(None),
                Some(place @ GroupPlace { index: 0, .. }) => Ok(Some(after(place, header.at))),
                Some(found) => Err(ChainError::Group {
                    expected: None,
                    found: Some(found),
                }),
            };
        };
        if header.group != Some(group.next) {
            return Err(ChainError::Group {
                expected: Some(group.next),
                found: header.group,
            });
        }
        if header.at != group.at {
            return Err(ChainError::Time {
                last: self.last_at,
                found: header.at,
            });
        }
        let last = group.next.index + 1 == group.next.count;
        Ok((!last).then(|| after(group.next, group.at)))
    }
}

fn after(place: GroupPlace, at: Timestamp) -> UnfinishedGroup {
    UnfinishedGroup {
        next: GroupPlace {
            index: place.index + 1,
            ..place
        },
        at,
    }
}

/// How a record does not follow the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainError {
    /// A clock record that does not begin a segment, or is not a group of its own.
    Clock,
    /// Its place in the commit group is another; `None` is a group of one.
    Group {
        /// The place that comes next.
        expected: Option<GroupPlace>,
        /// The place in the header.
        found: Option<GroupPlace>,
    },
    /// It names another record before it.
    Previous {
        /// Hash of the record before.
        expected: Hash,
        /// The header's `prev`.
        found: Hash,
    },
    /// Its number is not the next one.
    Sequence {
        /// The next number.
        expected: u64,
        /// The header's `seq`.
        found: u64,
    },
    /// Its time is not later than the group before, or not that of its group.
    Time {
        /// Time of the record before.
        last: Option<Timestamp>,
        /// The header's `at`.
        found: Timestamp,
    },
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock => {
                f.write_str("a clock record stands elsewhere than alone at the start of a segment")
            }
            Self::Group { expected, found } => {
                write!(
                    f,
                    "it does not continue its commit group: expected {}, found {}",
                    place(*expected),
                    place(*found)
                )
            }
            Self::Previous { expected, found } => {
                write!(
                    f,
                    "it does not follow the record before, whose hash is {expected}: `prev` is {found}"
                )
            }
            Self::Sequence { expected, found } => write!(f, "expected seq {expected}, found {found}"),
            Self::Time {
                last: Some(last),
                found,
            } => {
                write!(f, "its time {found} does not fit after {last}")
            }
            Self::Time { last: None, found } => write!(f, "its time {found} does not fit its group"),
        }
    }
}

fn place(place: Option<GroupPlace>) -> String {
    place.map_or_else(
        || "a new group".to_owned(),
        |place| format!("grp [{},{}]", place.index, place.count),
    )
}

impl std::error::Error for ChainError {}
