//! Sums of postings: the same postings, in whatever order and file, have the same sum, and nobody who does not know the
//! secret of this one check can make others that have it.

use std::hash::Hasher as _;
use std::ops::AddAssign;

use ledgerstone_formats::limits::SALT_BYTES;
use ledgerstone_formats::record::Record;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::index::Posting;
use crate::index::keys::Recipe;

/// The sum of some postings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum(u128);

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

/// Sums the postings of records under a ledger's index secret, and of what it declares.
#[derive(Debug, Clone)]
pub(crate) struct Summer {
    recipe: Recipe,
    secret: [u8; SALT_BYTES],
}

impl Summer {
    /// `secret` is new for each check.
    pub(crate) fn new(recipe: Recipe, secret: [u8; SALT_BYTES]) -> Self {
        Self { recipe, secret }
    }

    /// What the hashes are made with.
    pub(crate) fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// One posting.
    pub(crate) fn posting(&self, posting: &Posting) -> Sum {
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        hasher.write_u64(posting.hash);
        hasher.write_u64(posting.seq);
        hasher.write_u32(posting.offset);
        Sum(hasher.finish128().as_u128())
    }

    /// Adds the postings of a record that begins at a byte offset. `hashes` is room to work in.
    pub(crate) fn add_record(&self, record: &Record<'_>, offset: u64, hashes: &mut Vec<u64>, sum: &mut Sum) {
        hashes.clear();
        self.recipe.of_record(record, hashes);
        let (seq, offset) = (record.header.seq, u32::try_from(offset).unwrap_or(u32::MAX));
        for hash in hashes.iter() {
            *sum += self.posting(&Posting {
                hash: *hash,
                seq,
                offset,
            });
        }
    }
}
