//! From a producer's entry to a draft, on the producer's own thread.

use std::sync::Arc;

use ledgerstone_formats::draft::{Draft, DraftError, Entry, Revisions};
use ledgerstone_formats::ids::{Correlation, EntityId, IdempotencyKey, Kind, Tenant};
use ledgerstone_formats::json::Checker;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::error::{Error, ErrorKind};

/// The members that a producer chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Record family.
    pub kind: Kind,
    /// Owner scope.
    pub tenant: Option<Tenant>,
    /// The thing that the record is about; a UUIDv7 is minted where there is none.
    pub id: Option<EntityId>,
    /// Correlation id.
    pub corr: Option<Correlation>,
    /// Idempotency key: unique within the tenant for the ledger's life. The same record again under it is stored once.
    pub key: Option<IdempotencyKey>,
    /// Whether the kind counts revisions.
    pub revisions: Revisions,
}

impl NewEntry {
    /// An entry of this kind, all else left out.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            tenant: None,
            id: None,
            corr: None,
            key: None,
            revisions: Revisions::AsKind,
        }
    }
}

/// Makes drafts for one ledger. Each thread has its own; none waits for another.
#[derive(Debug)]
pub struct Drafter {
    checker: Checker,
    entropy: Entropy,
    clock: Arc<dyn Clock>,
    body_bytes_max: usize,
}

impl Drafter {
    pub(crate) fn new(clock: Arc<dyn Clock>, body_bytes_max: usize) -> Self {
        Self {
            checker: Checker::new(),
            entropy: Entropy::new(),
            clock,
            body_bytes_max,
        }
    }

    /// Checks a body, salts and digests it.
    ///
    /// # Errors
    /// `Invalid` when the body or the kind is not accepted: the source is a [`DraftError`], which has the place.
    pub fn draft(&mut self, entry: NewEntry, body: &[u8]) -> Result<Draft, Error> {
        if entry.kind.is_system() {
            return Err(reserved(&entry.kind));
        }
        self.draft_any(entry, body)
    }

    /// The same for the kinds of the system too.
    pub(crate) fn draft_any(&mut self, entry: NewEntry, body: &[u8]) -> Result<Draft, Error> {
        let (id, minted) = match entry.id {
            Some(id) => (id, false),
            None => {
                let id = self
                    .entropy
                    .time_ordered_id(self.clock.wall_micros())
                    .map_err(no_entropy)?;
                (EntityId::new(&id.to_string()).expect("a UUID is an id"), true)
            }
        };
        let entry = Entry {
            kind: entry.kind,
            tenant: entry.tenant,
            id,
            minted,
            corr: entry.corr,
            key: entry.key,
            revisions: entry.revisions,
        };
        self.draft_entry(entry, body)
    }

    /// The same for an entry whose id was given or minted elsewhere.
    pub(crate) fn draft_entry(&mut self, entry: Entry, body: &[u8]) -> Result<Draft, Error> {
        let salt = self.entropy.salt().map_err(no_entropy)?;
        Draft::new(entry, salt, body, self.body_bytes_max, &mut self.checker).map_err(|error: DraftError| {
            Error::with_source(ErrorKind::Invalid, "the body is not accepted", error)
        })
    }
}

fn no_entropy(error: std::io::Error) -> Error {
    Error::io("the operating system gives no random bytes", error)
}

/// Why producers cannot store records of this kind.
pub(crate) fn reserved(kind: &Kind) -> Error {
    let message = format!("the kind {kind} is reserved: only the ledger itself writes sys_... records");
    Error::new(ErrorKind::Invalid, message)
}
