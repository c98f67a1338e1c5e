//! The plan of an open: what is there, what is damaged, and what would be done. Only reads.

use std::fmt;

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::names::{FileName, QuarantineName};
use ledgerstone_formats::records::family::Family;
use ledgerstone_formats::records::system::Genesis;
use serde::Serialize;

use crate::clock::{BelievedClock, SystemClock};
use crate::commit::shared::SegmentInfo;
use crate::error::Error;
use crate::finding::Finding;
use crate::index::Index;
use crate::index::memory::PageWriter;
use crate::keystore::KeyStore;
use crate::options::Options;
use crate::recover::apply::seat;
use crate::recover::heads::{Heads, Source, verifier};
use crate::recover::identity::identify;
use crate::recover::planner::Planner;
use crate::segment::audit::Audit;
use crate::storage::{Mapped, Storage};

/// Bytes that one interrupted append left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TornTail {
    /// First sequence number of the segment.
    pub segment: u64,
    /// Byte offset of the first of them.
    pub offset: u64,
    /// How many they are.
    pub length: u64,
}

/// Whole groups past the newest head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Adopted {
    /// Sequence number of the first record.
    pub first: u64,
    /// Sequence number of the last record.
    pub last: u64,
    /// Size of the newest head.
    pub head_size: u64,
}

/// What an open for writing would do.
#[derive(Debug)]
pub struct Plan {
    pub(crate) genesis: Genesis,
    pub(crate) heads: Heads,
    pub(crate) findings: Vec<Finding>,
    pub(crate) torn: Option<TornTail>,
    /// Filler to cut: segment and the length that stays.
    pub(crate) filler: Option<(u64, u64)>,
    pub(crate) adopted: Option<Adopted>,
    /// Bytes past the newest head that may be known to a page cache only: segment, from, to.
    pub(crate) settle: Vec<(u64, u64, u64)>,
    /// Sealed segments that a crash after the seal, or a copy, left writable.
    pub(crate) writable: Vec<u64>,
    /// Quarantine files that no record names yet.
    pub(crate) unrecorded: Vec<QuarantineName>,
    /// Families that no record declares yet.
    pub(crate) families: Vec<Family>,
    /// State after the records under the newest head, for the notary, who reads again what follows; at the start of the
    /// first segment without a seal where that is earlier.
    pub(crate) notary_start: Audit,
    pub(crate) prev_seal: Hash,
    /// State after the last whole group.
    pub(crate) audit: Audit,
    /// Every segment with the bytes of its whole groups.
    pub(crate) segments: Vec<SegmentInfo>,
    /// Whether the last of them is appended to.
    pub(crate) last_is_active: bool,
    /// The open segment was not read: it is as it was closed, as far as its length, last line and head tell.
    pub(crate) rests: bool,
    /// The index; none where anything is damaged.
    pub(crate) loaded: Option<LoadedIndex>,
    /// Why nothing of it could be done now.
    pub(crate) obstacle: Option<String>,
}

/// The index with what is to be done about its files.
#[derive(Debug)]
pub(crate) struct LoadedIndex {
    pub(crate) index: Index,
    /// Of the last records that have no seal.
    pub(crate) active: PageWriter,
    /// The first record that may be in it.
    pub(crate) active_first: u64,
    /// Sidecars that were not there, or were not those of the segment.
    pub(crate) rebuilt: Vec<(u64, Mapped)>,
    /// Merged indexes that nobody asks.
    pub(crate) unused: Vec<FileName>,
}

/// Reads a ledger and says what an open for writing would do. Changes nothing.
///
/// # Errors
/// `Missing` when there is no ledger, `Corrupt` when not even its identity can be read, `Unavailable` for I/O.
pub fn plan(storage: &dyn Storage, keys: &dyn KeyStore, options: &Options) -> Result<Plan, Error> {
    let (genesis, identity_finding) = identify(storage)?;
    let key = match verifier(&genesis) {
        None => None,
        Some(Ok(key)) => Some(key),
        Some(Err(finding)) => return Err(Error::corrupt(vec![finding])),
    };
    let mut plan = Planner::new(storage, keys, &genesis, key.as_ref(), identity_finding)?.run(options)?;
    if plan.findings.is_empty() {
        plan.obstacle = obstacle(&plan, keys, options);
    }
    Ok(plan)
}

/// What would keep the plan from being carried out at all: no key, or a clock that is not believed.
fn obstacle(plan: &Plan, keys: &dyn KeyStore, options: &Options) -> Option<String> {
    if let Err(error) = seat(&plan.genesis, keys) {
        return Some(error.to_string());
    }
    let last_at = plan.audit.chain().last_at();
    let doubt = BelievedClock::start(&SystemClock::new(), last_at).err();
    doubt
        .filter(|_| options.accept_clock.is_none())
        .map(|doubt| doubt.to_string())
}

impl Plan {
    /// What is damaged. Where there is anything, the ledger opens for reading only and nothing is done.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The torn tail that would be set aside.
    pub fn torn(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// The groups past the newest head that would be kept.
    pub fn adopted(&self) -> Option<&Adopted> {
        self.adopted.as_ref()
    }

    /// Facts that are no findings.
    pub fn notes(&self) -> &[String] {
        &self.heads.notes
    }

    /// Why nothing of it could be done now: no key, or a clock that is not believed.
    pub fn obstacle(&self) -> Option<&str> {
        self.obstacle.as_deref()
    }

    /// True when an open would change nothing.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.obstacle.is_none() && self.steps().is_empty()
    }

    /// What would be done, in order, a line each.
    pub fn steps(&self) -> Vec<String> {
        let mut steps = Vec::new();
        if !self.findings.is_empty() {
            return steps;
        }
        for (segment, from, to) in &self.settle {
            let file = FileName::Segment(*segment);
            steps.push(format!(
                "settle bytes {from} to {to} of {file}: write them again, unchanged, and sync"
            ));
        }
        if let Some(torn) = &self.torn {
            let file = FileName::Segment(torn.segment);
            steps.push(format!(
                "set aside the torn tail of {file}: {} bytes at offset {}, into quarantine/",
                torn.length, torn.offset
            ));
        }
        if let Some((segment, len)) = self.filler {
            steps.push(format!(
                "trim the filler of {} to {len} bytes",
                FileName::Segment(segment)
            ));
        }
        let unsealed = self.segments.iter().filter(|info| !info.sealed).count();
        if unsealed > usize::from(self.last_is_active) {
            steps.push("seal the segment that had ended".to_owned());
        }
        if self.torn.is_some() || !self.unrecorded.is_empty() {
            steps.push("record in sys_recovery what was set aside".to_owned());
        }
        for family in &self.families {
            steps.push(format!("declare the indexes of {} in sys_family", family.kind()));
        }
        if let Some(adopted) = &self.adopted {
            steps.push(format!(
                "keep the records {} to {}, past the newest head, and record them in sys_recovery",
                adopted.first, adopted.last
            ));
        }
        if self.heads.size_from(&Source::Directory) != self.heads.size_from(&Source::Beside)
            || !steps.is_empty()
        {
            steps.push("publish a head over all records".to_owned());
        }
        let read_only =
            |segment: &u64| format!("make {} read-only: it is sealed", FileName::Segment(*segment));
        steps.extend(self.writable.iter().map(read_only));
        steps
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "damage [{}]: {finding}", finding.code.number())?;
        }
        if let Some(obstacle) = &self.obstacle {
            writeln!(f, "would refuse: {obstacle}")?;
        }
        for step in self.steps() {
            writeln!(f, "would {step}")?;
        }
        if self.is_empty() {
            writeln!(f, "nothing to do")?;
        }
        Ok(())
    }
}

impl Serialize for Plan {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut plan = serializer.serialize_struct("Plan", 6)?;
        plan.serialize_field("findings", &self.findings)?;
        plan.serialize_field("steps", &self.steps())?;
        plan.serialize_field("obstacle", &self.obstacle)?;
        plan.serialize_field("torn", &self.torn)?;
        plan.serialize_field("adopted", &self.adopted)?;
        plan.serialize_field("notes", self.notes())?;
        plan.end()
    }
}
