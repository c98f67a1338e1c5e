//! How a plan is made: the inventory, then the lines that no seal covers, then the heads.

use std::collections::HashSet;
use std::io;

use ledgerstone_formats::checkpoint::VerifierKey;
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::records::system::Genesis;

use crate::commit::shared::SegmentInfo;
use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::index::load::key_of;
use crate::index::saved::Saved;
use crate::keystore::KeyStore;
use crate::limits::QUARANTINE_BYTES_MAX;
use crate::options::Options;
use crate::recover::copies::leave_out_foreign;
use crate::recover::heads::Heads;
use crate::recover::indexes::Indexes;
use crate::recover::plan::{Adopted, Plan, TornTail};
use crate::recover::reading::{LineStop, Stop, is_newer};
use crate::recover::rest::resting;
use crate::recover::unrecorded::unrecorded;
use crate::recover::{Found, Inventory, Seals, Tail, classify};
use crate::segment::audit::Audit;
use crate::segment::ending::without_filler;
use crate::segment::lines::LineReader;
use crate::segment::list::Segments;
use crate::storage::Storage;

pub(super) struct Planner<'a> {
    storage: &'a dyn Storage,
    inventory: Inventory,
    pub(super) plan: Plan,
    /// Where the newest head's records end: segment and offset.
    pub(super) watermark_at: Option<(u64, u64)>,
    /// Records in sealed segments.
    sealed_size: u64,
    /// Sizes past them at which the tree was compared with a head.
    pub(super) compared: HashSet<u64>,
    pub(super) indexes: Indexes,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        storage: &'a dyn Storage,
        keys: &dyn KeyStore,
        genesis: &Genesis,
        key: Option<&VerifierKey>,
        identity_finding: Option<Finding>,
    ) -> Result<Self, Error> {
        let inventory = Inventory::read(storage, genesis, key, Seals::Uncatalogued)?;
        let mut heads = Heads::read(storage, Some(keys), genesis, key)?;
        let mut findings: Vec<_> = identity_finding.into_iter().collect();
        findings.extend(heads.findings.iter().cloned());
        findings.extend(inventory.findings.iter().cloned());
        let unlinked = inventory.unlinked_seals();
        findings.extend(unlinked.into_iter().map(|(.., finding)| finding));
        let last_seal = inventory.sealed().last().and_then(|found| found.seal.as_ref());
        if let Some(found) = last_seal {
            heads.add_seal(&found.seal, found.head.clone());
        }
        let start = last_seal.map_or_else(
            || Some(Audit::from_genesis()),
            |found| Audit::after_seal(&found.seal),
        );
        let start = start.expect("a parsed seal has a frontier");
        // Nobody hashes sealed records at an open, but another head of the very size that the last seal states can be
        // told from it all the same.
        if start.tree().size() > 0 {
            let contradiction = heads.check_root(start.tree()).err();
            findings.extend(contradiction.map(|finding| Finding {
                code: Code::Evidence,
                ..finding
            }));
        }
        let prev_seal = last_seal.map_or(Hash::ZERO, |found| found.digest);
        let sealed_size = start.tree().size();
        let watermark_at = (start.tree().size() == heads.watermark()).then(|| (start.segment(), 0));
        let plan = Plan {
            genesis: genesis.clone(),
            heads,
            findings,
            torn: None,
            filler: None,
            adopted: None,
            settle: Vec::new(),
            writable: Vec::new(),
            unrecorded: Vec::new(),
            families: Vec::new(),
            notary_start: start.clone(),
            prev_seal,
            audit: start,
            segments: Vec::new(),
            last_is_active: false,
            rests: false,
            loaded: None,
            obstacle: None,
        };
        let segments = inventory.segments.iter().map(|found| found.first);
        let key = key_of(storage, &inventory.catalog, segments)?;
        Ok(Self {
            indexes: Indexes::new(key),
            storage,
            inventory,
            plan,
            watermark_at,
            sealed_size,
            compared: HashSet::new(),
        })
    }

    pub(super) fn run(mut self, options: &Options) -> Result<Plan, Error> {
        self.check_lengths();
        if self.plan.findings.is_empty() {
            let loaded = self.load_sealed();
            self.take_findings(loaded)?;
        }
        if self.plan.findings.is_empty() {
            self.read_unsealed(options)?;
        }
        if self.plan.findings.is_empty() {
            self.compare_with_heads();
        }
        if self.plan.findings.is_empty() {
            let loaded = self.load_index(options);
            self.take_findings(loaded)?;
            let foreign = leave_out_foreign(self.storage, &mut self.plan.unrecorded);
            self.plan.heads.notes.extend(foreign);
        }
        Ok(self.plan)
    }

    fn load_sealed(&mut self) -> Result<(), Error> {
        let segments = Segments::from(self.plan.segments.clone());
        let (catalog, sealed) = (&self.inventory.catalog, self.inventory.sealed());
        self.indexes.load_sealed(self.storage, catalog, sealed, &segments)
    }

    fn load_index(&mut self, options: &Options) -> Result<(), Error> {
        let segments = Segments::from(self.plan.segments.clone());
        let catalog = &self.inventory.catalog;
        let (loaded, owed) = self
            .indexes
            .finish(self.storage, catalog, &segments, &options.families)?;
        let quarantine = &self.inventory.quarantine;
        self.plan.unrecorded = unrecorded(self.storage, &segments, &loaded.index, quarantine)?;
        (self.plan.loaded, self.plan.families) = (Some(loaded), owed);
        Ok(())
    }

    /// Damage is a part of the plan, other errors end it.
    fn take_findings(&mut self, outcome: Result<(), Error>) -> Result<(), Error> {
        match outcome {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.plan.findings.extend(error.findings().iter().cloned());
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn check_lengths(&mut self) {
        for found in self.inventory.sealed() {
            let (Some(len), Some(span)) = (found.len, &found.span) else {
                continue;
            };
            self.plan.segments.push(SegmentInfo {
                first: found.first,
                bytes: span.bytes,
                sealed: true,
            });
            if self.inventory.unprotected.contains(&found.first) {
                self.plan.writable.push(found.first);
            }
            if len != span.bytes {
                let code = if len < span.bytes {
                    Code::Truncated
                } else {
                    Code::Altered
                };
                let cause = format!(
                    "{len} bytes long, its seal says {}: `verify` tells where and why",
                    span.bytes
                );
                let finding = Finding::new(code, cause)
                    .in_file(FileName::Segment(found.first))
                    .at_seq(found.first);
                self.plan.findings.push(finding);
            }
        }
    }

    fn read_unsealed(&mut self, options: &Options) -> Result<(), Error> {
        let unsealed = self.inventory.unsealed().to_vec();
        if let [only] = unsealed.as_slice()
            && self.rests(only)
        {
            return Ok(());
        }
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
            self.indexes.open.begin_segment(found.first);
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

    /// Takes the open segment for what was saved of it at the close, where that still fits.
    fn rests(&mut self, found: &Found) -> bool {
        let Some(len) = found.len else { return false };
        if found.first != self.plan.audit.next_seq() {
            return false;
        }
        let saved = Saved::read(self.storage, found.first, len, &self.indexes.key);
        let Some((saved, audit)) = saved.and_then(|saved| {
            let audit = resting(&saved, len, &self.plan.heads)?;
            Some((saved, audit))
        }) else {
            return false;
        };
        self.indexes.open.go_on_after(&saved.sidecar);
        self.plan.audit = audit;
        self.plan.segments.push(SegmentInfo {
            first: found.first,
            bytes: len,
            sealed: false,
        });
        self.plan.last_is_active = true;
        self.plan.rests = true;
        self.compared.insert(self.plan.audit.tree().size());
        true
    }

    fn read_segment(&mut self, first: u64, len: u64, is_last: bool, accept_torn: bool) -> Result<(), Error> {
        let unreadable =
            |error| Error::io("a segment cannot be read", error).in_file(FileName::Segment(first));
        let end = if is_last {
            let file = self.storage.open(&FileName::Segment(first)).map_err(unreadable)?;
            without_filler(file.as_ref(), len).map_err(unreadable)?
        } else {
            len
        };
        let mut reader = LineReader::open(self.storage, first, 0, end).map_err(unreadable)?;
        let (stopped, line) = self.read_lines(&mut reader, end).map_err(unreadable)?;
        let stopped = match stopped {
            Some((_, LineStop::Head(finding))) => {
                self.plan.findings.push(finding.in_file(FileName::Segment(first)));
                return Ok(());
            }
            Some((offset, LineStop::Line(error))) => {
                let stop = if is_newer(&error) { Stop::Newer } else { Stop::Bad };
                Some((offset, error.to_string(), stop))
            }
            Some((offset, LineStop::Unfinished { replaced: true })) => {
                let cause = "something else stands where the line ends";
                Some((offset, cause.to_owned(), Stop::Bad))
            }
            Some((offset, LineStop::Unfinished { replaced: false })) => {
                Some((offset, "the line is cut short".to_owned(), Stop::Cut))
            }
            None => None,
        };
        let (failed_seq, whole) = (self.plan.audit.next_seq(), self.plan.audit.whole_bytes());
        self.plan.audit.back_to_whole_groups();
        if whole == end {
            self.plan.filler = (end < len).then_some((first, end));
            return Ok(());
        }
        let cut = stopped.as_ref().is_none_or(|(_, _, stop)| *stop == Stop::Cut);
        let (offset, cause, stop) =
            stopped.unwrap_or_else(|| (whole, "the last group is cut short".to_owned(), Stop::Cut));
        let (newer, file) = (stop == Stop::Newer, FileName::Segment(first));
        let code = if newer { Code::Newer } else { Code::Altered };
        let damage = Finding::new(code, cause)
            .in_file(file.clone())
            .at_seq(failed_seq)
            .at_line(line, offset);
        // Records under a head are no tail, whatever their shape: cutting them would lose what was acknowledged.
        let missing = self.plan.heads.check_size(failed_seq).filter(|_| cut);
        let under_head = self.plan.audit.tree().size() < self.plan.heads.watermark();
        if newer || under_head || !is_last {
            self.plan
                .findings
                .push(missing.map_or(damage, |missing| missing.in_file(file)));
            return Ok(());
        }
        self.judge_tail(first, whole, len, damage, accept_torn)
            .map_err(unreadable)
    }

    fn judge_tail(
        &mut self,
        first: u64,
        whole: u64,
        len: u64,
        damage: Finding,
        accept_torn: bool,
    ) -> io::Result<()> {
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
        if let Some(finding) = self.plan.heads.check_end(size, &self.inventory) {
            self.plan.findings.push(finding);
            return;
        }
        // Heads over sealed records alone are `verify`'s to compare.
        let sizes = self.plan.heads.known.iter().map(|known| known.head.size);
        let compared = |size: &u64| *size <= self.sealed_size || self.compared.contains(size);
        if let Some(skipped) = sizes.filter(|size| !compared(size)).min() {
            let last = self.inventory.segments.last().map_or(0, |found| found.first);
            let cause = format!("no commit group ends at the {skipped} records that a head covers");
            self.plan.findings.push(
                Finding::new(Code::Rewritten, cause)
                    .in_file(FileName::Segment(last))
                    .at_seq(skipped),
            );
            return;
        }
        let Some((segment, offset)) = self.watermark_at.filter(|_| size > watermark) else {
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
}
