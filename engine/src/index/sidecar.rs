//! The index of a sealed segment, or of several, as a file that is never changed: postings in order, so that those of
//! one key stand together.
//!
//! Block 0 says what the file is about. Then come blocks of postings, then blocks of fences: the first posting of each
//! block before. The first of each block of fences is held in memory, so a lookup reads one block of fences and one of
//! postings.

use std::fmt;
use std::sync::Arc;

use ledgerstone_formats::hash::Hash;

use crate::index::Posting;
use crate::index::blocks::{BLOCK_BYTES, BLOCK_ENTRIES, BadBlock, payload, posting, put_block, put_postings};
use crate::index::keys::{HASH_KEY_BYTES, HashKey};
use crate::storage::Mapped;

/// Begins every sidecar of this form.
const MAGIC: [u8; 8] = *b"LSINDEX1";

/// What a sidecar is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject {
    /// First sequence number.
    pub(crate) first: u64,
    /// First sequence number past it.
    pub(crate) end: u64,
    /// Hash of its last record: the sidecar belongs to these records and to no others.
    pub(crate) last_hash: Hash,
    /// Secret of the hashes.
    pub(crate) key: HashKey,
}

/// Why a file is no sidecar that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadSidecar {
    /// A block's checksum is wrong.
    Block(BadBlock),
    /// It is of another form, or of another length than it says.
    Form,
}

impl fmt::Display for BadSidecar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(BadBlock(block)) => write!(f, "the checksum of block {block} is wrong"),
            Self::Form => f.write_str("it is of another form or length than it says"),
        }
    }
}

impl From<BadBlock> for BadSidecar {
    fn from(bad: BadBlock) -> Self {
        Self::Block(bad)
    }
}

/// The file of these postings, which are sorted. The same records give the same bytes.
pub(crate) fn encode(subject: &Subject, postings: &[Posting]) -> Vec<u8> {
    let blocks = postings.len().div_ceil(BLOCK_ENTRIES);
    let mut out = Vec::with_capacity((1 + blocks + blocks.div_ceil(BLOCK_ENTRIES)) * BLOCK_BYTES);
    put_block(&header(subject, postings.len() as u64), &mut out);
    put_postings(postings, subject.first, &mut out);
    let fences: Vec<Posting> = postings.iter().step_by(BLOCK_ENTRIES).copied().collect();
    put_postings(&fences, subject.first, &mut out);
    out
}

fn header(subject: &Subject, entries: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(80);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&subject.key.0);
    header.extend_from_slice(&subject.first.to_le_bytes());
    header.extend_from_slice(&subject.end.to_le_bytes());
    header.extend_from_slice(subject.last_hash.as_bytes());
    header.extend_from_slice(&entries.to_le_bytes());
    header
}

/// An open sidecar.
#[derive(Debug)]
pub(crate) struct Sidecar {
    bytes: Mapped,
    subject: Subject,
    entries: usize,
    /// The first posting of each block of fences.
    top: Vec<Posting>,
}

impl Sidecar {
    /// Reads what it is about and checks its form; blocks of postings are checked when they are read.
    pub(crate) fn open(bytes: Mapped) -> Result<Self, BadSidecar> {
        let (subject, entries) = parse_header(payload(bytes.as_ref(), 0)?).ok_or(BadSidecar::Form)?;
        let blocks = entries.div_ceil(BLOCK_ENTRIES);
        let fences = blocks.div_ceil(BLOCK_ENTRIES);
        if subject.first > subject.end || bytes.as_ref().len() != (1 + blocks + fences) * BLOCK_BYTES {
            return Err(BadSidecar::Form);
        }
        let top = (0..fences)
            .map(|fence| {
                Ok(posting(
                    payload(bytes.as_ref(), 1 + blocks + fence)?,
                    0,
                    subject.first,
                ))
            })
            .collect::<Result<_, BadBlock>>()?;
        Ok(Self {
            bytes,
            subject,
            entries,
            top,
        })
    }

    /// What it is about.
    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// How many postings a hash has.
    pub(crate) fn count(&self, hash: u64) -> Result<usize, BadBlock> {
        Ok(self
            .lower_bound(hash, u64::MAX)?
            .saturating_sub(self.lower_bound(hash, 0)?))
    }

    fn blocks(&self) -> usize {
        self.entries.div_ceil(BLOCK_ENTRIES)
    }

    /// The postings of a block, with their checksum compared.
    fn block(&self, block: usize) -> Result<Block<'_>, BadBlock> {
        let count = (self.entries - block * BLOCK_ENTRIES).min(BLOCK_ENTRIES);
        Ok(Block {
            payload: payload(self.bytes.as_ref(), 1 + block)?,
            count,
            first: self.subject.first,
        })
    }

    /// Index of the first posting at or after (hash, seq).
    pub(crate) fn lower_bound(&self, hash: u64, seq: u64) -> Result<usize, BadBlock> {
        let before = |found: &Posting| (found.hash, found.seq) < (hash, seq);
        // Of the blocks that begin before it, the last is where it stands, or is the one before.
        let Some(fence) = self.top.partition_point(before).checked_sub(1) else {
            return Ok(0);
        };
        let count = (self.blocks() - fence * BLOCK_ENTRIES).min(BLOCK_ENTRIES);
        let fences = Block {
            payload: payload(self.bytes.as_ref(), 1 + self.blocks() + fence)?,
            count,
            first: self.subject.first,
        };
        // The first of the fences is the one in `top`.
        let block = fence * BLOCK_ENTRIES + fences.partition_point(before).saturating_sub(1);
        Ok(block * BLOCK_ENTRIES + self.block(block)?.partition_point(before))
    }
}

/// Walks over the postings of one hash, forwards or backwards. Out of order they are no answer.
#[derive(Debug)]
pub(crate) struct Run {
    sidecar: Arc<Sidecar>,
    hash: u64,
    /// The next posting forwards; backwards the one after the next.
    index: usize,
    /// The record of the one before.
    last: Option<u64>,
}

impl Run {
    /// Stands before the first posting of the hash whose record is not before `seq`.
    pub(crate) fn at(sidecar: &Arc<Sidecar>, hash: u64, seq: u64) -> Result<Self, BadBlock> {
        Ok(Self {
            index: sidecar.lower_bound(hash, seq)?,
            sidecar: Arc::clone(sidecar),
            hash,
            last: None,
        })
    }

    /// The next one, forwards.
    pub(crate) fn next(&mut self) -> Result<Option<Posting>, BadBlock> {
        let found = self.get(self.index)?;
        self.expect(self.index, found, |last, seq| last < seq)?;
        self.index += usize::from(found.is_some());
        Ok(found)
    }

    /// The one before, backwards.
    pub(crate) fn previous(&mut self) -> Result<Option<Posting>, BadBlock> {
        let Some(index) = self.index.checked_sub(1) else {
            return Ok(None);
        };
        let found = self.get(index)?;
        self.expect(index, found, |last, seq| seq < last)?;
        self.index -= usize::from(found.is_some());
        Ok(found)
    }

    fn expect(
        &mut self,
        index: usize,
        found: Option<Posting>,
        follows: impl Fn(u64, u64) -> bool,
    ) -> Result<(), BadBlock> {
        let Some(found) = found else { return Ok(()) };
        let subject = self.sidecar.subject();
        let inside = (subject.first..subject.end).contains(&found.seq);
        if !inside || self.last.is_some_and(|last| !follows(last, found.seq)) {
            return Err(BadBlock(1 + index / BLOCK_ENTRIES));
        }
        self.last = Some(found.seq);
        Ok(())
    }

    fn get(&self, index: usize) -> Result<Option<Posting>, BadBlock> {
        if index >= self.sidecar.entries {
            return Ok(None);
        }
        let found = self
            .sidecar
            .block(index / BLOCK_ENTRIES)?
            .get(index % BLOCK_ENTRIES);
        Ok((found.hash == self.hash).then_some(found))
    }
}

struct Block<'a> {
    payload: &'a [u8],
    count: usize,
    first: u64,
}

impl Block<'_> {
    fn get(&self, index: usize) -> Posting {
        posting(self.payload, index, self.first)
    }

    fn partition_point(&self, is_before: impl Fn(&Posting) -> bool) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = usize::midpoint(low, high);
            if is_before(&self.get(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

fn parse_header(payload: &[u8]) -> Option<(Subject, usize)> {
    let rest = payload.strip_prefix(&MAGIC)?;
    let (key, rest) = rest.split_first_chunk::<HASH_KEY_BYTES>()?;
    let (first, rest) = rest.split_first_chunk()?;
    let (end, rest) = rest.split_first_chunk()?;
    let (last_hash, rest) = rest.split_first_chunk::<32>()?;
    let (entries, rest) = rest.split_first_chunk()?;
    let subject = Subject {
        first: u64::from_le_bytes(*first),
        end: u64::from_le_bytes(*end),
        last_hash: Hash::from_bytes(*last_hash),
        key: HashKey(*key),
    };
    let entries = usize::try_from(u64::from_le_bytes(*entries)).ok()?;
    // A length that the file cannot have is none, whatever the checksum says.
    let fits = entries <= usize::MAX / (4 * BLOCK_BYTES) && rest.iter().all(|byte| *byte == 0);
    fits.then_some((subject, entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject = Subject {
        first: 1_000,
        end: 100_000,
        last_hash: Hash::ZERO,
        key: HashKey([3; HASH_KEY_BYTES]),
    };

    fn postings(count: u64) -> Vec<Posting> {
        // Hashes shared by very few and by very many.
        let mut all: Vec<Posting> = (0..count)
            .flat_map(|seq| [seq % 3, 100 + seq / 2 * 10].map(|hash| (seq, hash)))
            .map(|(seq, hash)| Posting {
                hash,
                seq: 1_000 + seq,
                offset: u32::try_from(seq).unwrap(),
            })
            .collect();
        all.sort_unstable();
        all
    }

    fn open(bytes: Vec<u8>) -> Result<Arc<Sidecar>, BadSidecar> {
        Sidecar::open(Mapped::from(bytes)).map(Arc::new)
    }

    fn forwards(sidecar: &Arc<Sidecar>, hash: u64, from: u64) -> Result<Vec<u64>, BadBlock> {
        let mut run = Run::at(sidecar, hash, from)?;
        let mut found = Vec::new();
        while let Some(posting) = run.next()? {
            found.push(posting.seq);
        }
        Ok(found)
    }

    #[test]
    fn every_key_is_found_from_every_place_both_ways() {
        for count in [0, 1, 127, 128, 129, 400, 40_000] {
            let all = postings(count);
            let sidecar = open(encode(&SUBJECT, &all)).unwrap();
            assert_eq!(sidecar.subject(), &SUBJECT);
            for hash in [0, 1, 2, 3, 100, 105, 110, 100 + count / 4 * 10, u64::MAX] {
                for from in [0, 1_001, 1_000 + count / 2, u64::MAX] {
                    let own = |posting: &&Posting| posting.hash == hash;
                    let mut seqs = all.iter().filter(own).map(|posting| posting.seq);
                    let expected: Vec<u64> = seqs.clone().filter(|seq| *seq >= from).collect();
                    assert_eq!(
                        forwards(&sidecar, hash, from),
                        Ok(expected),
                        "{count} {hash} {from}"
                    );
                    let mut run = Run::at(&sidecar, hash, from).unwrap();
                    let last = seqs.rfind(|seq| *seq < from);
                    assert_eq!(run.previous().unwrap().map(|posting| posting.seq), last);
                }
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_never_an_answer() {
        let all = postings(300);
        let bytes = encode(&SUBJECT, &all);
        let expected: Vec<Vec<u64>> = [0, 1, 100, 110]
            .map(|hash| forwards(&open(bytes.clone()).unwrap(), hash, 0).unwrap())
            .to_vec();
        for bit in (0..bytes.len() * 8).step_by(37) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(sidecar) = open(flipped) else { continue };
            for (hash, expected) in [0, 1, 100, 110].iter().zip(&expected) {
                if let Ok(found) = forwards(&sidecar, *hash, 0) {
                    assert_eq!(&found, expected, "bit {bit}");
                }
            }
        }
        for len in (0..bytes.len()).step_by(511) {
            assert!(open(bytes[..len].to_vec()).is_err());
        }
    }
}
