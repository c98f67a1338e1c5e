//! The seal of a segment: written once, and believed no further than its head and the lines prove.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::limits::SEQUENCE_MAX;
use crate::time::Timestamp;
use crate::tree::Frontier;

/// `format` of a seal.
pub const SEAL_FORMAT: &str = "ledgerstone-seal/1";
/// Longest seal file that is read, in bytes: one entry a kind, and there are few kinds.
pub const SEAL_BYTES_MAX: u64 = 64 << 20;

/// What a seal says of its segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// [`SEAL_FORMAT`].
    pub format: String,
    /// The ledger's id.
    pub ledger: String,
    /// First sequence number.
    pub first: u64,
    /// Last sequence number.
    pub last: u64,
    /// How many records.
    pub count: u64,
    /// Earliest time.
    pub at_min: Timestamp,
    /// Latest time.
    pub at_max: Timestamp,
    /// Records of each kind.
    pub kinds: BTreeMap<String, u64>,
    /// Bytes of the lines.
    pub bytes: u64,
    /// SHA-256 of the lines.
    pub sha256: Hash,
    /// Hash of the last record.
    pub last_hash: Hash,
    /// Records from genesis to the end of this segment.
    pub tree_size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// Its perfect subtrees' roots, largest first.
    pub frontier: Vec<Hash>,
    /// SHA-256 of the seal file before; zeros for the first.
    pub prev_seal: Hash,
    /// The head's file at this size, as text.
    pub head: String,
}

impl Seal {
    /// The seal's file.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("strings, numbers and maps of them serialize");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a seal's file that is exactly what [`Seal::encode`] gives, and whose numbers fit together.
    ///
    /// # Errors
    /// [`SealError`] says what does not.
    pub fn parse(file: &[u8]) -> Result<Self, SealError> {
        let seal: Self = serde_json::from_slice(file).map_err(|_| SealError::Form)?;
        // A later form of seal has a file name of its own, so another value here is an edit.
        if seal.format != SEAL_FORMAT || seal.encode() != file {
            return Err(SealError::Form);
        }
        let sums = || {
            let count = seal
                .kinds
                .values()
                .try_fold(0_u64, |sum, count| sum.checked_add(*count))?;
            let after = seal
                .last
                .checked_add(1)
                .filter(|after| *after <= SEQUENCE_MAX + 1)?;
            Some((after.checked_sub(seal.first)?, count, after))
        };
        let sound = seal.first <= seal.last
            && sums() == Some((seal.count, seal.count, seal.tree_size))
            && seal.at_min <= seal.at_max
            && seal
                .frontier()
                .is_some_and(|frontier| frontier.root() == seal.root);
        if sound { Ok(seal) } else { Err(SealError::Sums) }
    }

    /// The tree at the end of the segment; `None` when size and roots do not fit.
    pub fn frontier(&self) -> Option<Frontier> {
        Frontier::from_parts(self.tree_size, self.frontier.clone())
    }
}

/// Why a file is no seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// It is not in canonical form.
    Form,
    /// Its numbers contradict each other.
    Sums,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "not a seal in canonical form",
            Self::Sums => "the seal contradicts itself",
        })
    }
}

impl std::error::Error for SealError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(first: u64, last: u64) -> Seal {
        let mut tree = Frontier::new();
        (0..3_u8).for_each(|n| tree.push(Hash::leaf(&[n])));
        Seal {
            format: SEAL_FORMAT.to_owned(),
            ledger: "l".to_owned(),
            first,
            last,
            count: 3,
            at_min: Timestamp::MIN,
            at_max: Timestamp::MAX,
            kinds: BTreeMap::from([("a".to_owned(), 3)]),
            bytes: 1,
            sha256: Hash::ZERO,
            last_hash: Hash::ZERO,
            tree_size: 3,
            root: tree.root(),
            frontier: tree.roots().to_vec(),
            prev_seal: Hash::ZERO,
            head: String::new(),
        }
    }

    #[test]
    fn a_seal_whose_numbers_do_not_fit_or_overflow_is_refused() {
        assert_eq!(Seal::parse(&seal(0, 2).encode()), Ok(seal(0, 2)));
        for (first, last) in [
            (0, u64::MAX),
            (1, u64::MAX),
            (1, 2),
            (2, 1),
            (0, 3),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(
                Seal::parse(&seal(first, last).encode()),
                Err(SealError::Sums),
                "{first} {last}"
            );
        }
        let mut many = seal(0, 2);
        many.kinds.insert("b".to_owned(), u64::MAX);
        assert_eq!(Seal::parse(&many.encode()), Err(SealError::Sums));
    }
}
