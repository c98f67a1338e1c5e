//! The index of a sealed segment, or of several, as a file that is never changed: postings in order, so that those of
//! one key stand together.
//!
//! Block 0 says what the file is about. Then come groups: blocks of postings, and a block of fences, which are the
//! first posting of each block before. Then the roots, which are the first posting of each group, and what else the
//! file says. The roots are held in memory, so a lookup reads one block of fences and one of postings.

use std::fmt;
use std::sync::Arc;

use ledgerstone_formats::hash::Hash;

use crate::index::Posting;
use crate::index::about::About;
use crate::index::blocks::{
    BLOCK_BYTES, BLOCK_ENTRIES, BadBlock, PAYLOAD_BYTES, payload, payload_again, posting,
};
use crate::index::keys::{HASH_KEY_BYTES, HashKey};
use crate::storage::Mapped;

/// Begins every sidecar of this form.
pub(crate) const MAGIC: [u8; 8] = *b"LSINDEX1";

/// Level of the index of a segment that has no seal yet.
pub(crate) const OPEN: u8 = u8::MAX;

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
    /// It is about ten to the power of this many segments; [`OPEN`] for a part of one that has no seal.
    pub(crate) level: u8,
    /// Digest of the declarations of its records' kinds.
    pub(crate) declared: Hash,
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

/// An open sidecar.
#[derive(Debug)]
pub(crate) struct Sidecar {
    bytes: Mapped,
    subject: Subject,
    /// Postings.
    entries: usize,
    /// The first posting of each group.
    roots: Vec<Posting>,
    /// Bytes of what else it says.
    about_bytes: usize,
}

/// Where the parts of a file begin, in blocks.
struct Layout {
    groups: usize,
    roots: usize,
    about: usize,
    end: usize,
}

impl Layout {
    fn of(entries: usize, about_bytes: usize) -> Self {
        let postings = entries.div_ceil(BLOCK_ENTRIES);
        let groups = postings.div_ceil(BLOCK_ENTRIES);
        let roots = 1 + postings + groups;
        let about = roots + groups.div_ceil(BLOCK_ENTRIES);
        Self {
            groups,
            roots,
            about,
            end: about + about_bytes.div_ceil(PAYLOAD_BYTES),
        }
    }
}

/// The place of a block of postings: before it stand the header and a block of fences for each whole group.
fn place_of(block: usize) -> usize {
    1 + block + block / BLOCK_ENTRIES
}

impl Sidecar {
    /// Reads what it is about and checks its form; blocks of postings are checked when they are read.
    pub(crate) fn open(bytes: Mapped) -> Result<Self, BadSidecar> {
        let file = bytes.as_ref();
        let (subject, entries, about_bytes) = parse_header(payload(file, 0)?).ok_or(BadSidecar::Form)?;
        let layout = Layout::of(entries, about_bytes);
        if subject.first > subject.end || file.len() != layout.end * BLOCK_BYTES {
            return Err(BadSidecar::Form);
        }
        let mut roots = Vec::with_capacity(layout.groups);
        for block in layout.roots..layout.about {
            let count = (layout.groups - roots.len()).min(BLOCK_ENTRIES);
            let payload = payload(file, block)?;
            roots.extend((0..count).map(|index| posting(payload, index, subject.first)));
        }
        Ok(Self {
            bytes,
            subject,
            entries,
            roots,
            about_bytes,
        })
    }

    /// What else it says. Read each time: with the length of a ledger it grows.
    pub(crate) fn about(&self) -> Result<About, BadSidecar> {
        let layout = Layout::of(self.entries, self.about_bytes);
        let mut text = Vec::new();
        for block in layout.about..layout.end {
            text.extend_from_slice(payload(self.bytes.as_ref(), block)?);
        }
        let Some((text, padding)) = text.split_at_checked(self.about_bytes) else {
            return Err(BadSidecar::Form);
        };
        match padding.iter().all(|byte| *byte == 0) {
            true if text.is_empty() => Ok(About::default()),
            true => serde_json::from_slice(text).map_err(|_| BadSidecar::Form),
            false => Err(BadSidecar::Form),
        }
    }

    /// How many postings it has.
    pub(crate) fn entries(&self) -> usize {
        self.entries
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

    /// The postings of a block, with their checksum compared.
    pub(crate) fn block(&self, block: usize) -> Result<Block<'_>, BadBlock> {
        let count = (self.entries - block * BLOCK_ENTRIES).min(BLOCK_ENTRIES);
        self.entries_at(place_of(block), count)
    }

    /// The postings of a block whose checksum was compared a moment ago.
    fn block_again(&self, block: usize) -> Result<Block<'_>, BadBlock> {
        let count = (self.entries - block * BLOCK_ENTRIES).min(BLOCK_ENTRIES);
        Ok(Block {
            payload: payload_again(self.bytes.as_ref(), place_of(block))?,
            count,
            first: self.subject.first,
        })
    }

    /// The fences of a group.
    fn fences(&self, group: usize) -> Result<Block<'_>, BadBlock> {
        let blocks = self.entries.div_ceil(BLOCK_ENTRIES);
        let count = (blocks - group * BLOCK_ENTRIES).min(BLOCK_ENTRIES);
        self.entries_at(place_of(group * BLOCK_ENTRIES) + count, count)
    }

    fn entries_at(&self, place: usize, count: usize) -> Result<Block<'_>, BadBlock> {
        Ok(Block {
            payload: payload(self.bytes.as_ref(), place)?,
            count,
            first: self.subject.first,
        })
    }

    /// Compares roots with fences, and fences with the blocks that they stand for, with all their checksums.
    pub(crate) fn check_fences(&self) -> Result<(), BadSidecar> {
        self.about()?;
        let blocks = self.entries.div_ceil(BLOCK_ENTRIES);
        for (group, root) in self.roots.iter().enumerate() {
            let fences = self.fences(group)?;
            if fences.get(0) != *root {
                return Err(BadSidecar::Form);
            }
            for at in 0..fences.len() {
                let block = group * BLOCK_ENTRIES + at;
                if block >= blocks || self.block(block)?.get(0) != fences.get(at) {
                    return Err(BadSidecar::Form);
                }
            }
        }
        Ok(())
    }

    /// Index of the first posting at or after (hash, seq).
    pub(crate) fn lower_bound(&self, hash: u64, seq: u64) -> Result<usize, BadBlock> {
        let before = |found: &Posting| (found.hash, found.seq) < (hash, seq);
        // Of the groups that begin before it, the last is where it stands, or is the one before.
        let Some(group) = self.roots.partition_point(before).checked_sub(1) else {
            return Ok(0);
        };
        // The first of the fences is the root.
        let fences = self.fences(group)?;
        let block = group * BLOCK_ENTRIES + fences.partition_point(before).saturating_sub(1);
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
    /// The block whose checksum was compared last.
    checked: Option<usize>,
}

impl Run {
    /// Stands before the first posting of the hash whose record is not before `seq`.
    pub(crate) fn at(sidecar: &Arc<Sidecar>, hash: u64, seq: u64) -> Result<Self, BadBlock> {
        Ok(Self {
            index: sidecar.lower_bound(hash, seq)?,
            sidecar: Arc::clone(sidecar),
            hash,
            last: None,
            checked: None,
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
            return Err(BadBlock(place_of(index / BLOCK_ENTRIES)));
        }
        self.last = Some(found.seq);
        Ok(())
    }

    fn get(&mut self, index: usize) -> Result<Option<Posting>, BadBlock> {
        if index >= self.sidecar.entries {
            return Ok(None);
        }
        let block = index / BLOCK_ENTRIES;
        let postings = if self.checked == Some(block) {
            self.sidecar.block_again(block)?
        } else {
            self.sidecar.block(block)?
        };
        self.checked = Some(block);
        let found = postings.get(index % BLOCK_ENTRIES);
        Ok((found.hash == self.hash).then_some(found))
    }
}

/// Some postings in a row.
pub(crate) struct Block<'a> {
    payload: &'a [u8],
    count: usize,
    first: u64,
}

impl Block<'_> {
    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// One of them.
    pub(crate) fn get(&self, index: usize) -> Posting {
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

fn parse_header(payload: &[u8]) -> Option<(Subject, usize, usize)> {
    let rest = payload.strip_prefix(&MAGIC)?;
    let (key, rest) = rest.split_first_chunk::<HASH_KEY_BYTES>()?;
    let (first, rest) = rest.split_first_chunk()?;
    let (end, rest) = rest.split_first_chunk()?;
    let (last_hash, rest) = rest.split_first_chunk::<32>()?;
    let (entries, rest) = rest.split_first_chunk()?;
    let (about, rest) = rest.split_first_chunk()?;
    let (level, rest) = rest.split_first()?;
    let (declared, rest) = rest.split_first_chunk::<32>()?;
    let subject = Subject {
        first: u64::from_le_bytes(*first),
        end: u64::from_le_bytes(*end),
        last_hash: Hash::from_bytes(*last_hash),
        key: HashKey(*key),
        level: *level,
        declared: Hash::from_bytes(*declared),
    };
    let entries = usize::try_from(u64::from_le_bytes(*entries)).ok()?;
    let about = usize::try_from(u64::from_le_bytes(*about)).ok()?;
    // A length that the file cannot have is none, whatever the checksum says.
    let lengths_max = usize::MAX / (4 * BLOCK_BYTES);
    let fits = entries.max(about) <= lengths_max && rest.iter().all(|byte| *byte == 0);
    fits.then_some((subject, entries, about))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::encode::encode;

    const SUBJECT: Subject = Subject {
        first: 1_000,
        end: 100_000,
        last_hash: Hash::ZERO,
        key: HashKey([3; HASH_KEY_BYTES]),
        level: 0,
        declared: Hash::from_bytes([5; 32]),
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
        for count in [0, 1, 62, 63, 64, 400, 40_000] {
            let all = postings(count);
            let sidecar = open(encode(&SUBJECT, &About::default(), &all)).unwrap();
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
        let bytes = encode(&SUBJECT, &About::default(), &all);
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
