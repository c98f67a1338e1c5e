//! What a producer hands over, and what he gets back.

use std::sync::Arc;

use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::ids::EntityId;
use ledgerstone_formats::limits::{GROUP_BYTES_MAX, GROUP_RECORDS_MAX};
use ledgerstone_formats::time::Timestamp;

use crate::error::{Error, ErrorKind};

/// Records that are stored together or not at all, in this order. Cheap to clone, so that a batch refused by a full
/// queue can be submitted again.
#[derive(Debug, Clone, Default)]
pub struct Batch(Arc<Records>);

#[derive(Debug, Clone, Default)]
struct Records {
    drafts: Vec<Draft>,
    bytes: usize,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record.
    ///
    /// # Errors
    /// `Invalid` where a commit group could not hold the batch any more: 65,536 records or 64 MiB. The draft is lost,
    /// the batch is as it was.
    pub fn push(&mut self, draft: Draft) -> Result<(), Error> {
        let bytes = self.0.bytes + draft.line_bytes_max();
        if self.0.drafts.len() == GROUP_RECORDS_MAX || bytes > GROUP_BYTES_MAX {
            let message = format!(
                "a batch holds at most {GROUP_RECORDS_MAX} records and {GROUP_BYTES_MAX} bytes of lines"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let records = Arc::make_mut(&mut self.0);
        records.bytes = bytes;
        records.drafts.push(draft);
        Ok(())
    }

    /// True when a draft of this size still fits.
    pub fn has_room_for(&self, draft: &Draft) -> bool {
        self.0.drafts.len() < GROUP_RECORDS_MAX && self.0.bytes + draft.line_bytes_max() <= GROUP_BYTES_MAX
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.0.drafts.len()
    }

    /// True when there is no record in it.
    pub fn is_empty(&self) -> bool {
        self.0.drafts.is_empty()
    }

    /// An upper bound of the bytes of its lines.
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// Its records, in order.
    pub fn drafts(&self) -> &[Draft] {
        &self.0.drafts
    }
}

impl From<Draft> for Batch {
    fn from(draft: Draft) -> Self {
        let bytes = draft.line_bytes_max();
        Self(Arc::new(Records {
            drafts: vec![draft],
            bytes,
        }))
    }
}

/// What a producer gets once a record is on stable storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Place in the ledger.
    pub seq: u64,
    /// Place among its tenant's records.
    pub tseq: Option<u64>,
    /// The thing that the record is about, minted or given.
    pub id: EntityId,
    /// Count within (kind, tenant, id), for versioned kinds.
    pub rev: Option<u64>,
    /// The record's hash: with it the record can be proven.
    pub hash: Hash,
    /// The group's time.
    pub at: Timestamp,
}
