//! What a producer hands over, and what he gets back.

use std::fmt;
use std::sync::Arc;

use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::ids::{EntityId, IdempotencyKey, Kind, Tenant};
use ledgerstone_formats::limits::{GROUP_BYTES_MAX, GROUP_RECORDS_MAX};
use ledgerstone_formats::time::Timestamp;

use crate::error::{Error, ErrorKind};
use crate::index::keys::Recipe;
use crate::read::indexed::Indexed;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Records that are stored together or not at all, in this order. Cheap to clone, so that a batch refused by a full
/// queue can be submitted again.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    records: Arc<Records>,
    stream: Option<Stream>,
    preconditions: Arc<Vec<Precondition>>,
    /// Made when it is submitted, on the producer's thread.
    hashes: Arc<KeyHashes>,
}

/// The hashes that each record is found by.
#[derive(Debug, Default)]
struct KeyHashes {
    all: Vec<u64>,
    /// Where those of each record end.
    ends: Vec<usize>,
}

/// Batches of one producer that make sense only in a row, as the lines of a file do: once one of them is refused, so
/// are all later ones. What is stored of a stream is always its beginning.
#[derive(Debug, Clone)]
pub struct Stream(Arc<StreamState>);

#[derive(Debug)]
struct StreamState {
    broken: AtomicBool,
    /// Tells apart the streams of one connection; 0 for those of a ledger in this process.
    number: u32,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self::numbered(0)
    }

    pub(crate) fn numbered(number: u32) -> Self {
        let broken = AtomicBool::new(false);
        Self(Arc::new(StreamState { broken, number }))
    }

    pub(crate) fn number(&self) -> u32 {
        self.0.number
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.0.broken.load(Ordering::Relaxed)
    }

    /// No later batch of it is stored.
    pub(crate) fn break_off(&self) {
        self.0.broken.store(true, Ordering::Relaxed);
    }
}

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
        let bytes = self.records.bytes + draft.line_bytes_max();
        if self.records.drafts.len() == GROUP_RECORDS_MAX || bytes > GROUP_BYTES_MAX {
            let message = format!(
                "a batch holds at most {GROUP_RECORDS_MAX} records and {GROUP_BYTES_MAX} bytes of lines"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let records = Arc::make_mut(&mut self.records);
        records.bytes = bytes;
        records.drafts.push(draft);
        Ok(())
    }

    /// True when a draft of this size still fits.
    pub fn has_room_for(&self, draft: &Draft) -> bool {
        self.records.drafts.len() < GROUP_RECORDS_MAX
            && self.records.bytes + draft.line_bytes_max() <= GROUP_BYTES_MAX
    }

    /// Makes the batch the next one of a stream.
    #[must_use]
    pub fn in_stream(self, stream: &Stream) -> Self {
        Self {
            stream: Some(stream.clone()),
            ..self
        }
    }

    /// Stores the batch only if this holds when it is its turn: against everything that is durable by then.
    pub fn require(&mut self, precondition: Precondition) {
        Arc::make_mut(&mut self.preconditions).push(precondition);
    }

    /// What has to hold for it to be stored.
    pub fn preconditions(&self) -> &[Precondition] {
        &self.preconditions
    }

    /// The stream that it is the next one of.
    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    /// Whether an earlier batch of its stream was refused.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_broken)
    }

    /// No later batch of its stream is stored.
    pub(crate) fn break_stream(&self) {
        if let Some(stream) = &self.stream {
            stream.break_off();
        }
    }

    /// Hashes what its records are found by.
    ///
    /// # Errors
    /// `Invalid` for a record that is beyond the limits of an index which its kind declares.
    pub(crate) fn hash_keys(&mut self, recipe: &Recipe) -> Result<(), Error> {
        let mut hashes = KeyHashes::default();
        for draft in self.drafts() {
            recipe.of_draft(draft, &mut hashes.all).map_err(|error| {
                let message = format!("a record of {} cannot be indexed", draft.entry().kind);
                Error::with_source(ErrorKind::Invalid, &message, error)
            })?;
            hashes.ends.push(hashes.all.len());
        }
        self.hashes = Arc::new(hashes);
        Ok(())
    }

    /// The hashes that each record is found by, in order.
    pub(crate) fn key_hashes(&self) -> impl Iterator<Item = &[u64]> {
        let mut start = 0;
        self.hashes
            .ends
            .iter()
            .map(move |end| &self.hashes.all[std::mem::replace(&mut start, *end)..*end])
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.records.drafts.len()
    }

    /// True when there is no record in it.
    pub fn is_empty(&self) -> bool {
        self.records.drafts.is_empty()
    }

    /// An upper bound of the bytes of its lines.
    pub fn bytes(&self) -> usize {
        self.records.bytes
    }

    /// Its records, in order.
    pub fn drafts(&self) -> &[Draft] {
        &self.records.drafts
    }
}

impl From<Draft> for Batch {
    fn from(draft: Draft) -> Self {
        let bytes = draft.line_bytes_max();
        Self {
            records: Arc::new(Records {
                drafts: vec![draft],
                bytes,
            }),
            stream: None,
            preconditions: Arc::default(),
            hashes: Arc::default(),
        }
    }
}

/// A thing that records are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Record family.
    pub kind: Kind,
    /// Owner; none is equal to no tenant.
    pub tenant: Option<Tenant>,
    /// The thing.
    pub id: EntityId,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)?;
        match &self.tenant {
            Some(tenant) => write!(f, " of {tenant}"),
            None => Ok(()),
        }
    }
}

/// What has to hold for a batch to be stored. Of several writers that require the same, exactly one is stored; the
/// others get a `Conflict` that names its record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precondition {
    /// There is no record about it.
    Absent(Target),
    /// There is a record about it.
    Exists(Target),
    /// The newest record about it has this revision.
    Revision(Target, u64),
    /// The ledger has so many records.
    Size(u64),
    /// Of a tenant, or of the things without one, none has these values in a declared index: the newest record of each
    /// says what it has. Things that the batch itself has records about are left out. What an index declares unique
    /// needs no such word.
    Unique {
        /// Whose things.
        tenant: Option<Tenant>,
        /// The index and the values.
        value: Indexed,
    },
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
    /// Its idempotency key.
    pub key: Option<IdempotencyKey>,
    /// The record was stored before, under the same idempotency key: this is that record's receipt.
    pub replayed: bool,
}
