//! Reading lines back into chain, tree and the sums of a seal. Recovery, the notary and `verify` all read this way.

use std::collections::HashMap;
use std::fmt;

use ledgerstone_formats::chain::{ChainError, ChainHead};
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::record::{NewerRecord, Record, RecordError};
use ledgerstone_formats::segment::{SEAL_FORMAT, Seal};
use ledgerstone_formats::time::Timestamp;
use ledgerstone_formats::tree::Frontier;
use sha2::{Digest, Sha256};

use crate::segment::written::WrittenGroup;

/// Where an audit stands: after whole groups, with what was read of the group that is not whole yet.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    chain: ChainHead,
    tree: Frontier,
    tally: Tally,
    /// Lines of the group that is not whole yet: leaf hash and kind.
    pending: Vec<(Hash, usize)>,
    /// The state after the last whole group, to go back to.
    whole: Whole,
}

#[derive(Debug, Clone)]
struct Whole {
    chain: ChainHead,
    bytes: u64,
    sha256: Sha256,
}

/// The sums of one segment.
#[derive(Debug, Clone)]
struct Tally {
    first: u64,
    bytes: u64,
    sha256: Sha256,
    /// Index into `counts`.
    kinds: HashMap<Box<str>, usize>,
    counts: Vec<u64>,
    times: Option<(Timestamp, Timestamp)>,
}

impl Tally {
    fn new(first: u64) -> Self {
        Self {
            first,
            bytes: 0,
            sha256: Sha256::new(),
            kinds: HashMap::new(),
            counts: Vec::new(),
            times: None,
        }
    }

    fn kind(&mut self, kind: &str) -> usize {
        if let Some(index) = self.kinds.get(kind) {
            return *index;
        }
        self.kinds.insert(kind.into(), self.counts.len());
        self.counts.push(0);
        self.counts.len() - 1
    }
}

/// How a line is not the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LineError {
    /// It is wrong by itself.
    Record(RecordError),
    /// It does not follow the one before.
    Chain(ChainError),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(error) => error.fmt(f),
            Self::Chain(error) => error.fmt(f),
        }
    }
}

impl Audit {
    /// At the start of the ledger.
    pub(crate) fn from_genesis() -> Self {
        Self::at(ChainHead::new(), Frontier::new())
    }

    /// At the start of the segment after a seal. Times grow within a segment, so its latest is its last.
    pub(crate) fn after_seal(seal: &Seal) -> Option<Self> {
        let chain = ChainHead::resume(seal.tree_size, seal.last_hash, Some(seal.at_max));
        Some(Self::at(chain, seal.frontier()?))
    }

    /// After records whose lines were not read: the segment's sums are not known, so it cannot be sealed from here.
    pub(crate) fn resting(
        first: u64,
        chain: ChainHead,
        tree: Frontier,
        bytes: u64,
        times: (Timestamp, Timestamp),
    ) -> Self {
        let mut audit = Self::at(chain, tree);
        audit.tally.first = first;
        audit.tally.bytes = bytes;
        audit.tally.times = Some(times);
        audit.whole.bytes = bytes;
        audit
    }

    fn at(chain: ChainHead, tree: Frontier) -> Self {
        let tally = Tally::new(chain.next_seq());
        let whole = Whole {
            chain: chain.clone(),
            bytes: 0,
            sha256: tally.sha256.clone(),
        };
        Self {
            chain,
            tree,
            tally,
            pending: Vec::new(),
            whole,
        }
    }

    /// Checks the next line, given without its LF, and takes it in.
    pub(crate) fn feed<'a>(&mut self, line: &'a [u8]) -> Result<Record<'a>, LineError> {
        let record = Record::parse(line).map_err(LineError::Record)?;
        record.check_hashes().map_err(LineError::Record)?;
        self.feed_checked(line, &record).map_err(LineError::Chain)?;
        Ok(record)
    }

    /// The same for a line whose own hashes were checked before.
    pub(crate) fn feed_checked(&mut self, line: &[u8], record: &Record<'_>) -> Result<(), ChainError> {
        self.chain.check(record, self.tally.bytes == 0)?;
        self.tally.sha256.update(line);
        self.tally.sha256.update(b"\n");
        self.tally.bytes += line.len() as u64 + 1;
        let kind = self.tally.kind(&record.header.kind);
        self.pending.push((record.hash, kind));
        if self.chain.is_between_groups() {
            self.take_group(record.header.at);
        }
        Ok(())
    }

    fn take_group(&mut self, at: Timestamp) {
        for (hash, kind) in self.pending.drain(..) {
            self.tree.push(hash);
            self.tally.counts[kind] += 1;
        }
        self.end_group(at);
    }

    fn end_group(&mut self, at: Timestamp) {
        let times = self.tally.times.get_or_insert((at, at));
        *times = (times.0.min(at), times.1.max(at));
        self.mark_whole();
    }

    fn mark_whole(&mut self) {
        self.whole = Whole {
            chain: self.chain.clone(),
            bytes: self.tally.bytes,
            sha256: self.tally.sha256.clone(),
        };
    }

    /// Takes in a whole group whose bytes were compared with what was written. `sha256` is that of the segment up to
    /// its end.
    pub(crate) fn feed_written(&mut self, group: &WrittenGroup, sha256: Sha256) {
        let size = self.chain.next_seq() + group.leaves.len() as u64;
        let last = group.leaves.last().copied().unwrap_or(self.chain.last_hash());
        self.chain = ChainHead::resume(size, last, Some(group.at));
        for (kind, count) in &group.kinds {
            let kind = self.tally.kind(kind.as_str());
            self.tally.counts[kind] += count;
        }
        for leaf in &group.leaves {
            self.tree.push(*leaf);
        }
        self.tally.bytes = group.end;
        self.tally.sha256 = sha256;
        self.end_group(group.at);
    }

    /// The same for a line of a later version, of which no group is known: it is taken for one by itself.
    pub(crate) fn feed_newer(&mut self, line: &[u8], record: &NewerRecord) -> Result<(), ChainError> {
        self.chain.check_newer(record.seq, record.prev, record.hash)?;
        self.tally.sha256.update(line);
        self.tally.sha256.update(b"\n");
        self.tally.bytes += line.len() as u64 + 1;
        self.tree.push(record.hash);
        self.mark_whole();
        Ok(())
    }

    /// Whether a seal says of the lines what can be told of every version: all but times and kinds.
    pub(crate) fn has_sums_of(&self, seal: &Seal) -> bool {
        let sha256 = Hash::from_bytes(self.whole.sha256.clone().finalize().into());
        (seal.first, seal.bytes, seal.sha256) == (self.tally.first, self.whole.bytes, sha256)
            && (seal.tree_size, seal.last_hash) == (self.tree.size(), self.whole.chain.last_hash())
            && (seal.root, &*seal.frontier) == (self.tree.root(), self.tree.roots())
    }

    /// Forgets the lines of a group that is not whole.
    pub(crate) fn back_to_whole_groups(&mut self) {
        self.chain = self.whole.chain.clone();
        self.tally.bytes = self.whole.bytes;
        self.tally.sha256 = self.whole.sha256.clone();
        self.pending.clear();
    }

    /// The chain after the last whole group.
    pub(crate) fn chain(&self) -> &ChainHead {
        &self.whole.chain
    }

    /// The next line expected, whole groups or not.
    pub(crate) fn next_seq(&self) -> u64 {
        self.chain.next_seq()
    }

    /// The tree over whole groups.
    pub(crate) fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// SHA-256 of the segment's lines so far.
    pub(crate) fn segment_sha256(&self) -> Sha256 {
        self.tally.sha256.clone()
    }

    /// First sequence number of the segment.
    pub(crate) fn segment(&self) -> u64 {
        self.tally.first
    }

    /// Bytes of the segment's whole groups.
    pub(crate) fn whole_bytes(&self) -> u64 {
        self.whole.bytes
    }

    /// Time of the segment's first group.
    pub(crate) fn first_at(&self) -> Option<Timestamp> {
        self.tally.times.map(|(first, _)| first)
    }

    /// The segment's seal, but for what only the ledger knows.
    pub(crate) fn seal(&self, ledger: &str, prev_seal: Hash, head: String) -> Option<Seal> {
        let (at_min, at_max) = self.tally.times?;
        let chain = &self.whole.chain;
        let kinds = self
            .tally
            .kinds
            .iter()
            .map(|(kind, index)| (kind.to_string(), self.tally.counts[*index]));
        Some(Seal {
            format: SEAL_FORMAT.to_owned(),
            ledger: ledger.to_owned(),
            first: self.tally.first,
            last: chain.next_seq() - 1,
            count: chain.next_seq() - self.tally.first,
            at_min,
            at_max,
            // A kind that was read only in a group that is not whole has no record here.
            kinds: kinds.filter(|(_, count)| *count > 0).collect(),
            bytes: self.whole.bytes,
            sha256: Hash::from_bytes(self.whole.sha256.clone().finalize().into()),
            last_hash: chain.last_hash(),
            tree_size: self.tree.size(),
            root: self.tree.root(),
            frontier: self.tree.roots().to_vec(),
            prev_seal,
            head,
        })
    }

    /// Goes on with the next segment.
    pub(crate) fn begin_segment(&mut self) {
        self.tally = Tally::new(self.chain.next_seq());
        self.whole.bytes = 0;
        self.whole.sha256 = self.tally.sha256.clone();
    }
}
