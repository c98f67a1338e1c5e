//! The walk over all segments: one fault gives one place, and what stands after it is checked from the next seal on.

use std::collections::HashSet;

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::{NewerRecord, Record, RecordError};
use ledgerstone_formats::records::family::Family;
use ledgerstone_formats::records::system::{self, Genesis};

use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::index::declared::Declared;
use crate::recover::heads::Heads;
use crate::recover::{Found, Inventory, SealFound, is_genesis};
use crate::segment::audit::Audit;
use crate::segment::lines::LineReader;
use crate::storage::Storage;
use crate::verify::blocks::{Block, Pool};
use crate::verify::bookkeeping::new_secret;
use crate::verify::counters::Counters;
use crate::verify::indexes::IndexCheck;
use crate::verify::report::{Progress, Report, VerifyOptions};
use crate::verify::sums::Sum;
use crate::verify::unique::Uniques;

pub(crate) struct Walk<'a> {
    pub(super) storage: &'a dyn Storage,
    genesis: &'a Genesis,
    pub(super) heads: &'a Heads,
    pub(super) inventory: &'a Inventory,
    pub(super) report: Report,
    jobs: usize,
    progress: &'a mut dyn FnMut(Progress),
    bytes_total: u64,
    records: u64,
    /// Chain and tree as far as they are known; none after a fault, up to the next seal.
    pub(super) audit: Option<Audit>,
    /// None where there is no room for what it writes.
    pub(super) counters: Option<Counters>,
    /// The same of values that are unique.
    pub(super) uniques: Option<Uniques>,
    /// What the records so far declare.
    pub(super) declared: Declared,
    index: IndexCheck,
    /// Of the postings of the segment's lines so far.
    sum: Sum,
    /// Hash of the last record that counts in it, where the segment has no seal.
    sum_last: Option<Hash>,
    /// A line was lost or altered somewhere: counters prove nothing any more.
    pub(super) damaged: bool,
    /// Lines of a later version were read, of which only what every version keeps is known.
    pub(super) newer: bool,
    /// The lines hold together and are not those of a head.
    pub(super) rewritten: bool,
    /// Sizes of heads that were compared with the tree.
    pub(super) compared: HashSet<u64>,
    /// Segments whose seal was altered.
    altered_seals: HashSet<u64>,
    /// The unsigned head in the directory has the tree's root at its size.
    pub(super) own_fits: bool,
}

/// How reading a segment ended.
pub(super) enum End {
    /// At the last byte.
    Whole,
    /// A line failed, or none ends there; it has been reported if it is damage whatever follows.
    Stopped {
        offset: u64,
        line: u64,
        /// What is wrong with it; none when bytes without LF stand there.
        cause: Option<(Code, String)>,
    },
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        storage: &'a dyn Storage,
        genesis: &'a Genesis,
        heads: &'a Heads,
        inventory: &'a Inventory,
        report: Report,
        options: &VerifyOptions,
        progress: &'a mut dyn FnMut(Progress),
    ) -> Result<Self, Error> {
        let bytes_total = inventory.segments.iter().filter_map(|found| found.len).sum();
        Ok(Self {
            index: IndexCheck::begin(storage, inventory)?,
            sum: Sum::default(),
            sum_last: None,
            storage,
            genesis,
            heads,
            inventory,
            report,
            jobs: options.jobs,
            progress,
            bytes_total,
            records: 0,
            audit: Some(Audit::from_genesis()),
            counters: Some(Counters::new(new_secret()?)),
            uniques: Some(Uniques::new(new_secret()?)),
            declared: Declared::default(),
            damaged: false,
            newer: false,
            rewritten: false,
            compared: HashSet::new(),
            altered_seals: HashSet::new(),
            own_fits: false,
        })
    }

    pub(crate) fn run(mut self) -> Report {
        self.report.extend(self.inventory.findings.clone());
        self.damaged = self
            .inventory
            .findings
            .iter()
            .any(|finding| matches!(finding.code, Code::Missing | Code::Newer));
        std::thread::scope(|scope| {
            let mut pool = Pool::start(scope, self.jobs, self.index.summer());
            for (index, found) in self.inventory.segments.iter().enumerate() {
                self.segment(&mut pool, index, found);
            }
        });
        // Where the seal before was altered, this one is right to name another.
        for (before, first, finding) in self.inventory.unlinked_seals() {
            if before.is_none_or(|before| !self.altered_seals.contains(&before)) {
                self.altered_seals.insert(first);
                self.report.extend([finding]);
            }
        }
        self.judge_counters();
        self.report.extend(self.index.check_merged(self.storage));
        let notes = self.index.notes(self.storage, &self.declared);
        self.report.notes.extend(notes);
        self.conclude();
        self.report
    }

    fn segment(&mut self, pool: &mut Pool, index: usize, found: &Found) {
        if let Some(audit) = &mut self.audit
            && index > 0
        {
            audit.begin_segment();
        }
        if self
            .audit
            .as_ref()
            .is_some_and(|audit| audit.next_seq() != found.first)
        {
            // A segment between is missing, and has been reported by its name.
            self.audit = None;
        }
        let Some(len) = found.len else {
            self.resume_after(found);
            return;
        };
        let known = self.audit.is_some();
        let before = self.report.findings_total;
        (self.sum, self.sum_last) = (Sum::default(), None);
        let mut newer = None;
        let end = self.read(pool, found, len, &mut newer);
        let whole = matches!(end, End::Whole);
        if let End::Stopped { .. } = end {
            self.judge_stop(index, found, len, end);
        }
        let clean = known && whole && self.report.findings_total == before;
        if let Some(seal) = &found.seal {
            self.compare_with_seal(found, seal, clean, newer.is_some());
            // What a newer version indexed cannot be told.
            if clean && newer.is_none() && self.report.findings_total == before {
                let checked = found
                    .span
                    .as_ref()
                    .and_then(|span| self.index.check_segment(self.storage, span, self.sum));
                self.report.extend(checked);
            }
        }
        if found.seal.is_none() && clean && newer.is_none() {
            let checked = self.index.check_open(found.first, self.sum, self.sum_last);
            self.report.extend(checked);
        }
        self.report.extend(newer);
        self.resume_after(found);
    }

    /// Reads a segment line by line into chain and tree, and stops at the first line that does not fit.
    /// `newer` is set to the first line of a later version.
    fn read(&mut self, pool: &mut Pool, found: &Found, len: u64, newer: &mut Option<Finding>) -> End {
        let sum_end = match found.seal {
            Some(_) => u64::MAX,
            None => self.index.begin_open(self.storage, found.first),
        };
        let mut state = SegmentState {
            sum_end,
            first: found.first,
            line: 0,
            expected: found.first,
            newer: None,
        };
        let mut reader = match LineReader::open(self.storage, found.first, 0, len) {
            Ok(reader) => reader,
            Err(error) => return self.unreadable(found, &error),
        };
        let mut stopped = None;
        loop {
            let block = match reader.next_block() {
                Ok(block) => block,
                Err(error) => return self.unreadable(found, &error),
            };
            let more = block.is_some();
            let full = block.is_some_and(|(offset, bytes)| pool.hand_in(offset, bytes, sum_end));
            while stopped.is_none() && (full || !more) {
                let Some(block) = pool.take() else { break };
                stopped = self.take_block(&mut state, &block);
                if full {
                    break;
                }
            }
            if !more || stopped.is_some() {
                break;
            }
        }
        // Blocks read ahead of a fault.
        while pool.take().is_some() {}
        *newer = state.newer;
        if let Some(end) = stopped {
            return end;
        }
        // A group that lacks lines stops the reading just as bytes without an LF do.
        let unfinished = self
            .audit
            .as_ref()
            .is_some_and(|audit| audit.chain().next_seq() != audit.next_seq());
        let offset = reader.offset();
        if offset < len || unfinished {
            return End::Stopped {
                offset,
                line: state.line + 1,
                cause: None,
            };
        }
        End::Whole
    }

    fn take_block(&mut self, state: &mut SegmentState, block: &Block) -> Option<End> {
        let mut bad = block.bad.iter().peekable();
        let mut offset = block.offset;
        for (index, line) in block.bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            state.line += 1;
            let error = bad.next_if(|(at, _)| *at == index).map(|(_, error)| error);
            let taken = self.take_line(state, line.strip_suffix(b"\n").unwrap_or(line), error);
            if let Err((code, cause)) = taken {
                return Some(End::Stopped {
                    offset,
                    line: state.line,
                    cause: Some((code, cause)),
                });
            }
            offset += line.len() as u64;
        }
        self.sum += block.sum;
        self.report.bytes += block.bytes.len() as u64;
        (self.progress)(Progress {
            records: self.records,
            bytes: self.report.bytes,
            bytes_total: self.bytes_total,
        });
        None
    }

    fn take_line(
        &mut self,
        state: &mut SegmentState,
        line: &[u8],
        error: Option<&RecordError>,
    ) -> Result<(), (Code, String)> {
        let altered = |cause: String| (Code::Altered, cause);
        let record = match error {
            None => Record::parse(line).map_err(|error| altered(error.to_string()))?,
            Some(RecordError::Newer(version)) => {
                return self.take_newer_line(state, line, *version).map_err(altered);
            }
            Some(error) => return Err(altered(error.to_string())),
        };
        if let Some(audit) = &mut self.audit {
            audit
                .feed_checked(line, &record)
                .map_err(|error| altered(error.to_string()))?;
            if audit.chain().next_seq() == audit.next_seq() {
                self.compare_with_heads(state.first);
            }
        } else if record.header.seq != state.expected {
            return Err(altered(format!(
                "expected seq {}, found {}",
                state.expected, record.header.seq
            )));
        }
        if record.header.seq + 1 == state.sum_end {
            self.sum_last = Some(record.hash);
        }
        self.check_bookkeeping(state, &record);
        self.note_adopted(&record);
        self.records += 1;
        state.expected += 1;
        Ok(())
    }

    /// Takes in a line of a later version by what every version keeps: the split, `hash`, `digest`, `seq`, `prev`, and
    /// the tree. A flipped bit in the version is no newer format: these do not hold then.
    fn take_newer_line(&mut self, state: &mut SegmentState, line: &[u8], version: u64) -> Result<(), String> {
        let record = NewerRecord::parse_checked(line).map_err(|error| error.to_string())?;
        if let Some(audit) = &mut self.audit {
            if audit.chain().next_seq() != audit.next_seq() {
                return Err("a line of a newer format stands inside a group".to_owned());
            }
            audit
                .feed_newer(line, &record)
                .map_err(|error| error.to_string())?;
            self.compare_with_heads(state.first);
        } else if record.seq != state.expected {
            return Err(format!("expected seq {}, found {}", state.expected, record.seq));
        }
        let place = (state.first, state.line);
        state.newer.get_or_insert_with(|| {
            let cause = format!("written by a newer format, version {version}: only its hashes were checked");
            let mut finding = Finding::new(Code::Newer, cause)
                .in_file(FileName::Segment(place.0))
                .at_seq(record.seq);
            finding.line = Some(place.1);
            finding
        });
        self.newer = true;
        self.records += 1;
        state.expected += 1;
        Ok(())
    }

    /// After a whole group: compares the tree with the heads of its size.
    fn compare_with_heads(&mut self, first: u64) {
        let Some(audit) = &self.audit else { return };
        let size = audit.tree().size();
        self.compared.extend(self.heads.has_size(size).then_some(size));
        if let Some(own) = self.heads.unsigned_own()
            && own.size == size
        {
            self.own_fits = own.root == audit.tree().root();
        }
        // Every later head differs too: the first place is the one that tells.
        if !self.rewritten
            && let Err(finding) = self.heads.check_proven_root(audit.tree())
        {
            self.rewritten = true;
            self.report
                .extend([finding.in_file(FileName::Segment(first)).at_seq(first)]);
        }
    }

    fn check_bookkeeping(&mut self, state: &SegmentState, record: &Record<'_>) {
        let header = &record.header;
        let mut report = |code: Code, cause: String| {
            let mut finding = Finding::new(code, cause)
                .in_file(FileName::Segment(state.first))
                .at_seq(header.seq);
            finding.line = Some(state.line);
            finding.tenant = header.tenant.as_ref().map(|(tenant, _)| tenant.to_string());
            self.report.extend([finding]);
        };
        if header.seq == 0 && header.kind == system::GENESIS && !is_genesis(record, self.genesis) {
            report(
                Code::Evidence,
                "ledger.json is not the body of this genesis record".to_owned(),
            );
        }
        if record.payload == ledgerstone_formats::record::Payload::Erased {
            report(
                Code::Missing,
                "the body is null, and this version checks no erasure record".to_owned(),
            );
        } else if let Err(error) = system::check(header.seq, &header.kind, record.body()) {
            report(Code::Bookkeeping, error.to_string());
        } else if header.kind == system::FAMILY && Family::parse(&header.id, record.body()).is_none() {
            report(Code::Bookkeeping, "the body declares no family".to_owned());
        }
        if header.kind == system::FAMILY {
            self.declared.extend(Family::parse(&header.id, record.body()));
        }
        // After damage counters prove nothing any more.
        if !self.damaged && !self.newer {
            self.observe_counters(record);
        }
    }

    /// Says which records an open has kept that no head covered.
    fn note_adopted(&mut self, record: &Record<'_>) {
        let header = &record.header;
        if header.kind == system::RECOVERY
            && let Ok(system::Recovery::Adopted { first, last, .. }) = serde_json::from_slice(record.body())
        {
            self.report.notes.push(format!(
                "the records {first} to {last} were past the newest head when the ledger was opened, and kept (seq {}): \
                 receipts tell whether they are the producers' own",
                header.seq
            ));
        }
    }

    fn unreadable(&mut self, found: &Found, error: &std::io::Error) -> End {
        let finding =
            Finding::new(Code::Unreadable, error.to_string()).in_file(FileName::Segment(found.first));
        self.report.extend([finding]);
        self.audit = None;
        self.damaged = true;
        End::Stopped {
            offset: 0,
            line: 0,
            cause: Some((Code::Unreadable, String::new())),
        }
    }

    fn compare_with_seal(&mut self, found: &Found, sealed: &SealFound, clean: bool, newer: bool) {
        let Some(audit) = self.audit.as_ref().filter(|_| clean) else {
            return;
        };
        let seal = &sealed.seal;
        let missing = seal
            .tree_size
            .checked_sub(audit.tree().size())
            .filter(|missing| *missing > 0);
        let file = FileName::Segment(found.first);
        if let Some(missing) = missing {
            let seq = audit.tree().size();
            let cause =
                format!("the file ends before the record with seq {seq}: {missing} records are missing");
            self.damaged = true;
            self.report
                .extend([Finding::new(Code::Truncated, cause).in_file(file).at_seq(seq)]);
            return;
        }
        if audit.tree().size() > seal.tree_size {
            let cause = "records stand after the last one that the seal knows";
            self.damaged = true;
            self.report.extend([Finding::new(Code::Altered, cause)
                .in_file(file)
                .at_seq(seal.tree_size)]);
            return;
        }
        // The root was compared with the seal's head on the way. Here the rest of the seal is.
        let agrees = if newer {
            audit.has_sums_of(seal)
        } else {
            audit
                .seal(&self.genesis.ledger, seal.prev_seal, seal.head.clone())
                .as_ref()
                == Some(seal)
        };
        if audit.tree().root() == seal.root && !agrees {
            let cause = "the seal does not say what the lines give, though its root is theirs";
            self.altered_seals.insert(found.first);
            self.report
                .extend([Finding::new(Code::Evidence, cause).in_file(FileName::Seal(found.first))]);
        }
    }

    /// After a fault the next segment is checked from what this one's seal proves. Lines that hold together are
    /// followed on, whatever the seal says of them.
    fn resume_after(&mut self, found: &Found) {
        if let Some(seal) = &found.seal
            && self
                .audit
                .as_ref()
                .is_none_or(|audit| audit.tree().size() != seal.seal.tree_size)
        {
            self.audit = Audit::after_seal(&seal.seal);
        }
    }
}

struct SegmentState {
    /// First sequence number that does not count in the sum.
    sum_end: u64,
    first: u64,
    line: u64,
    expected: u64,
    /// The first line of a later version.
    newer: Option<Finding>,
}
