//! What an index file says of its segments besides where records stand.

use std::collections::BTreeMap;

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::segment::Seal;
use ledgerstone_formats::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The last part of an index file, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct About {
    /// The segments of a merged index, in order: an open need not read their seals one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) segments: Vec<SealedSpan>,
    /// Of a segment that had no seal when the ledger was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) open: Option<OpenSpan>,
}

/// Where a ledger stood when it was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenSpan {
    /// Length of the segment's lines.
    pub(crate) bytes: u64,
    /// Time of its first group.
    pub(crate) first_at: Timestamp,
    /// Time of its last group.
    pub(crate) last_at: Timestamp,
    /// Roots of the perfect subtrees over all records, largest first.
    pub(crate) frontier: Vec<Hash>,
}

/// What a seal says of its segment that an open asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealedSpan {
    /// First sequence number.
    pub(crate) first: u64,
    /// First sequence number past it.
    pub(crate) end: u64,
    /// Length of the segment's file.
    pub(crate) bytes: u64,
    /// Hash of its last record.
    pub(crate) last_hash: Hash,
    /// Earliest time of a record.
    pub(crate) at_min: Timestamp,
    /// Latest time of a record.
    pub(crate) at_max: Timestamp,
    /// Records of each kind.
    pub(crate) kinds: BTreeMap<String, u64>,
    /// Length of the seal's file.
    pub(crate) seal_bytes: u64,
    /// SHA-256 of the seal's file.
    pub(crate) seal: Hash,
}

impl SealedSpan {
    /// What the file of a seal says.
    pub(crate) fn of(seal: &Seal, file: &[u8]) -> Self {
        Self {
            first: seal.first,
            end: seal.last + 1,
            bytes: seal.bytes,
            last_hash: seal.last_hash,
            at_min: seal.at_min,
            at_max: seal.at_max,
            kinds: seal.kinds.clone(),
            seal_bytes: file.len() as u64,
            seal: Hash::digest(file),
        }
    }
}

/// Records of each kind in several segments.
pub(crate) fn kinds_of(spans: &[SealedSpan]) -> BTreeMap<&str, u64> {
    let mut kinds = BTreeMap::new();
    for (kind, count) in spans.iter().flat_map(|span| &span.kinds) {
        *kinds.entry(kind.as_str()).or_insert(0) += count;
    }
    kinds
}
