//! The plan of an open: what is there, what is damaged, and what would be done. Only reads.

use std::fmt;

use ledgerstone_formats::checkpoint::VerifierKey;
use ledgerstone_formats::hash::Hash;

use ledgerstone_formats::names::{FileName, QuarantineName};
use ledgerstone_formats::record::{Record, RecordError};
use ledgerstone_formats::records::system::{self, Genesis};
use serde::Serialize;

use crate::commit::counters::Counters;
use crate::commit::shared::SegmentInfo;
use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::keystore::KeyStore;
use crate::limits::QUARANTINE_BYTES_MAX;
use crate::options::Options;
use crate::recover::heads::{Heads, Source, verifier};
use crate::recover::{Inventory, Tail, classify};
use crate::segment::audit::{Audit, LineError};
use crate::segment::lines::{LineReader, Piece};
use crate::storage::Storage;

/// Longest identity file that is read, in bytes.
pub(crate) const IDENTITY_BYTES_MAX: u64 = 64 << 10;

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
    /// Quarantine files that no record names yet.
    pub(crate) unrecorded: Vec<QuarantineName>,
    /// State at the start of the first segment without a seal, for the notary.
    pub(crate) notary_start: Audit,
    pub(crate) prev_seal: Hash,
    /// State after the last whole group.
    pub(crate) audit: Audit,
    /// Every segment with the bytes of its whole groups.
    pub(crate) segments: Vec<SegmentInfo>,
    /// Whether the last of them is appended to.
    pub(crate) last_is_active: bool,
    pub(crate) counters: Counters,
}

/// Reads a ledger and says what an open for writing would do. Changes nothing.
///
/// # Errors
/// `Missing` when there is no ledger, `Corrupt` when not even its identity can be read, `Unavailable` for I/O.
pub fn plan(storage: &dyn Storage, keys: &dyn KeyStore, options: &Options) -> Result<Plan, Error> {
    let genesis = read_identity(storage)?;
    let key = match verifier(&genesis) {
        None => None,
        Some(Ok(key)) => Some(key),
        Some(Err(finding)) => return Err(Error::corrupt(vec![finding])),
    };
    Planner::new(storage, keys, &genesis, key.as_ref())?.run(options)
}

/// Reads `ledger.json`.
pub(crate) fn read_identity(storage: &dyn Storage) -> Result<Genesis, Error> {
    let file = storage
        .open(&FileName::Identity)
        .and_then(|file| file.read_all(IDENTITY_BYTES_MAX));
    let file = file.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            Error::with_source(ErrorKind::Missing, "there is no ledger here", error)
                .in_file(FileName::Identity)
        }
        _ => Error::io("the ledger's identity cannot be read", error).in_file(FileName::Identity),
    })?;
    let genesis = file.strip_suffix(b"\n").and_then(Genesis::parse);
    genesis.ok_or_else(|| {
        let cause = "not the body of a genesis record";
        Error::corrupt(vec![
            Finding::new(Code::Evidence, cause).in_file(FileName::Identity),
        ])
    })
}

struct Planner<'a> {
    storage: &'a dyn Storage,
    inventory: Inventory,
    plan: Plan,
    /// Where the newest head's records end: segment and offset.
    watermark_at: Option<(u64, u64)>,
}

impl<'a> Planner<'a> {
    fn new(
        storage: &'a dyn Storage,
        keys: &dyn KeyStore,
        genesis: &Genesis,
        key: Option<&VerifierKey>,
    ) -> Result<Self, Error> {
        let inventory = Inventory::read(storage, genesis, key)?;
        let mut heads = Heads::read(storage, Some(keys), genesis, key)?;
        let mut findings = heads.findings.clone();
        findings.extend(inventory.findings.iter().cloned());
        let last_seal = inventory.sealed().last().and_then(|found| found.seal.as_ref());
        if let Some(found) = last_seal {
            heads.add_seal(&found.seal, found.head.clone());
        }
        let start = last_seal.map_or_else(
            || Some(Audit::from_genesis()),
            |found| Audit::after_seal(&found.seal),
        );
        let start = start.expect("a parsed seal has a frontier");
        let prev_seal = last_seal.map_or(Hash::ZERO, |found| found.digest);
        let watermark_at = (start.tree().size() == heads.watermark()).then(|| (start.segment(), 0));
        let plan = Plan {
            genesis: genesis.clone(),
            heads,
            findings,
            torn: None,
            filler: None,
            adopted: None,
            settle: Vec::new(),
            unrecorded: Vec::new(),
            notary_start: start.clone(),
            prev_seal,
            audit: start,
            segments: Vec::new(),
            last_is_active: false,
            counters: Counters::default(),
        };
        Ok(Self {
            storage,
            inventory,
            plan,
            watermark_at,
        })
    }

    fn run(mut self, options: &Options) -> Result<Plan, Error> {
        self.check_lengths();
        if self.plan.findings.is_empty() {
            self.read_unsealed(options)?;
        }
        if self.plan.findings.is_empty() {
            self.compare_with_heads();
        }
        if self.plan.findings.is_empty() {
            self.count()?;
        }
        Ok(self.plan)
    }

    fn check_lengths(&mut self) {
        for found in self.inventory.sealed() {
            let (Some(len), Some(sealed)) = (found.len, &found.seal) else {
                continue;
            };
            self.plan.segments.push(SegmentInfo {
                first: found.first,
                bytes: sealed.seal.bytes,
                sealed: true,
            });
            if len != sealed.seal.bytes {
                let code = if len < sealed.seal.bytes {
                    Code::Truncated
                } else {
                    Code::Altered
                };
                let cause = format!("{len} bytes long, its seal says {}", sealed.seal.bytes);
                let finding = Finding::new(code, cause)
                    .in_file(FileName::Segment(found.first))
                    .at_seq(found.first);
                self.plan.findings.push(finding);
            }
        }
    }

    fn read_unsealed(&mut self, options: &Options) -> Result<(), Error> {
        let unsealed = self.inventory.unsealed().to_vec();
        for (index, found) in unsealed.iter().enumerate() {
            let Some(len) = found.len else { continue };
            if found.first != self.plan.audit.next_seq() {
                let cause = format!(
                    "its name says seq {}, the records before end before it",
                    found.first
                );
                let finding = Finding::new(Code::Missing, cause);
                self.plan.findings.push(
                    finding
                        .in_file(FileName::Segment(found.first))
                        .at_seq(self.plan.audit.next_seq()),
                );
                return Ok(());
            }
            // A segment is begun only when the last group before it is synced: only the very last can be torn.
            let is_last = index + 1 == unsealed.len();
            if index > 0 {
                self.plan.audit.begin_segment();
            }
            self.read_segment(found.first, len, is_last, options.accept_torn)?;
            if !self.plan.findings.is_empty() {
                return Ok(());
            }
            let bytes = self.plan.audit.whole_bytes();
            self.plan.segments.push(SegmentInfo {
                first: found.first,
                bytes,
                sealed: false,
            });
            self.plan.last_is_active = index + 1 == unsealed.len();
        }
        Ok(())
    }

    fn read_segment(&mut self, first: u64, len: u64, is_last: bool, accept_torn: bool) -> Result<(), Error> {
        let unreadable =
            |error| Error::io("a segment cannot be read", error).in_file(FileName::Segment(first));
        let mut reader = LineReader::open(self.storage, first, 0, len).map_err(unreadable)?;
        let mut line = 0;
        let stopped = loop {
            line += 1;
            match reader.next_piece().map_err(unreadable)? {
                None => break None,
                Some(Piece::Rest { offset, .. }) => break Some((offset, LineStop::Unfinished)),
                Some(Piece::Line { offset, bytes }) => {
                    if let Err(error) = self.feed(bytes) {
                        break Some((offset, error));
                    }
                }
            }
        };
        let stopped = match stopped {
            Some((_, LineStop::Head(finding))) => {
                self.plan.findings.push(finding.in_file(FileName::Segment(first)));
                return Ok(());
            }
            Some((offset, LineStop::Line(error))) => Some((offset, error.to_string(), is_newer(&error))),
            Some((offset, LineStop::Unfinished)) => Some((offset, "the line is cut short".to_owned(), false)),
            None => None,
        };
        let (failed_seq, whole) = (self.plan.audit.next_seq(), self.plan.audit.whole_bytes());
        self.plan.audit.back_to_whole_groups();
        if whole == len {
            return Ok(());
        }
        let (offset, cause, newer) =
            stopped.unwrap_or_else(|| (whole, "the last group is cut short".to_owned(), false));
        let code = if newer { Code::Newer } else { Code::Altered };
        let damage = Finding::new(code, cause)
            .in_file(FileName::Segment(first))
            .at_seq(failed_seq)
            .at_line(line, offset);
        // Records under a head are no tail, whatever their shape: cutting them would lose what was acknowledged.
        let under_head = self.plan.audit.tree().size() < self.plan.heads.watermark();
        if newer || under_head || !is_last {
            if under_head && !newer && offset == whole {
                // What is left of the file is less than the head covers.
                self.plan.findings.extend(self.plan.heads.check_size(failed_seq));
            }
            self.plan.findings.push(damage);
            return Ok(());
        }
        self.judge_tail(first, whole, len, damage, accept_torn)
            .map_err(unreadable)
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), LineStop> {
        let genesis_seq = self.plan.audit.next_seq() == 0;
        let record = self.plan.audit.feed(bytes).map_err(LineStop::Line)?;
        if genesis_seq && !is_genesis(&record, &self.plan.genesis) {
            let cause = "ledger.json is not the body of this genesis record";
            return Err(LineStop::Head(Finding::new(Code::Evidence, cause).at_seq(0)));
        }
        let audit = &self.plan.audit;
        if audit.chain().next_seq() == audit.next_seq() {
            self.plan.heads.check_root(audit.tree()).map_err(LineStop::Head)?;
            if audit.tree().size() == self.plan.heads.watermark() {
                self.watermark_at = Some((audit.segment(), audit.whole_bytes()));
            }
        }
        Ok(())
    }

    fn judge_tail(
        &mut self,
        first: u64,
        whole: u64,
        len: u64,
        damage: Finding,
        accept_torn: bool,
    ) -> std::io::Result<()> {
        let length = len - whole;
        // Longer than a group with its filler and a sector: no single append leaves it, and it need not be read.
        let judged = if length > QUARANTINE_BYTES_MAX {
            Tail::Damage(format!("{length} bytes that are no whole group"))
        } else {
            let mut bytes = vec![0; usize::try_from(length).expect("bounded above")];
            let read = self
                .storage
                .open(&FileName::Segment(first))?
                .read_at(whole, &mut bytes)?;
            classify(whole, &bytes[..read], self.plan.audit.chain(), whole == 0)
        };
        let torn = TornTail {
            segment: first,
            offset: whole,
            length,
        };
        match judged {
            Tail::Filler => self.plan.filler = Some((first, whole)),
            Tail::Torn => self.plan.torn = Some(torn),
            Tail::Damage(_) if accept_torn => self.plan.torn = Some(torn),
            Tail::Damage(cause) => {
                let cause = format!("{}; not what an interrupted append leaves: {cause}", damage.cause);
                self.plan.findings.push(Finding { cause, ..damage });
            }
            Tail::Newer(version) => {
                let cause = format!("written by a newer format, version {version}");
                self.plan.findings.push(Finding {
                    code: Code::Newer,
                    cause,
                    ..damage
                });
            }
        }
        Ok(())
    }

    fn compare_with_heads(&mut self) {
        let size = self.plan.audit.tree().size();
        let watermark = self.plan.heads.watermark();
        if let Some(finding) = self.plan.heads.check_size(size) {
            self.plan.findings.push(finding);
            return;
        }
        if size == watermark {
            return;
        }
        let Some((segment, offset)) = self.watermark_at else {
            let cause = format!("no commit group ends at the newest head's {watermark} records");
            self.plan
                .findings
                .push(Finding::new(Code::Rewritten, cause).at_seq(watermark));
            return;
        };
        self.plan.adopted = Some(Adopted {
            first: watermark,
            last: size - 1,
            head_size: watermark,
        });
        for info in self.plan.segments.iter().filter(|info| info.first >= segment) {
            let from = if info.first == segment { offset } else { 0 };
            if from < info.bytes {
                self.plan.settle.push((info.first, from, info.bytes));
            }
        }
    }

    /// Reads every header for the counters. The index sidecars of the find issue make this unnecessary.
    fn count(&mut self) -> Result<(), Error> {
        let mut recorded = std::collections::HashSet::new();
        for info in &self.plan.segments {
            let unreadable =
                |error| Error::io("a segment cannot be read", error).in_file(FileName::Segment(info.first));
            let mut reader = LineReader::open(self.storage, info.first, 0, info.bytes).map_err(unreadable)?;
            while let Some(piece) = reader.next_piece().map_err(unreadable)? {
                let (offset, record) = match piece {
                    Piece::Line { offset, bytes } => (offset, Record::parse(bytes)),
                    Piece::Rest { offset, .. } => (offset, Err(RecordError::NoHash)),
                };
                let record = match record {
                    Ok(record) => record,
                    Err(error) => {
                        let mut finding = Finding::new(Code::Altered, error.to_string());
                        finding.offset = Some(offset);
                        self.plan
                            .findings
                            .push(finding.in_file(FileName::Segment(info.first)));
                        return Ok(());
                    }
                };
                // A counter that is wrong is a finding of `verify`, and keeps no ledger from opening.
                self.plan.counters.observe(&record.header).ok();
                if record.header.kind == system::RECOVERY {
                    recorded.insert(record.header.id.into_owned());
                }
            }
        }
        let unrecorded = self
            .inventory
            .quarantine
            .iter()
            .filter(|name| !recorded.contains(&name.to_string()));
        self.plan.unrecorded = unrecorded.cloned().collect();
        Ok(())
    }
}

/// Why reading a segment stopped.
enum LineStop {
    Line(LineError),
    Head(Finding),
    Unfinished,
}

fn is_newer(error: &LineError) -> bool {
    matches!(error, LineError::Record(RecordError::Newer(_)))
}

/// True if the record is the genesis that the identity file repeats.
pub(crate) fn is_genesis(record: &Record<'_>, genesis: &Genesis) -> bool {
    record.header.kind == system::GENESIS
        && record.header.id == genesis.ledger.as_str()
        && record.body() == genesis.encode().as_slice()
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

    /// True when an open would change nothing.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.steps().is_empty()
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
        steps
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "damage [{}]: {finding}", finding.code.number())?;
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
        let mut plan = serializer.serialize_struct("Plan", 5)?;
        plan.serialize_field("findings", &self.findings)?;
        plan.serialize_field("steps", &self.steps())?;
        plan.serialize_field("torn", &self.torn)?;
        plan.serialize_field("adopted", &self.adopted)?;
        plan.serialize_field("notes", self.notes())?;
        plan.end()
    }
}
