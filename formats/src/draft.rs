//! A record that is checked, salted and digested, and has no place yet. Made on the producer's thread, so that the
//! writer only numbers, hashes a short header and copies.

use std::fmt;

use crate::hash::Hash;
use crate::header::Fixed;
use crate::ids::{Correlation, EntityId, IdempotencyKey, Kind, Tenant};
use crate::json::{Checker, JsonError};
use crate::limits::{HEADER_BYTES_MAX, LINE_OVERHEAD_BYTES, PAYLOAD_OVERHEAD_BYTES, SALT_BYTES};
use crate::record::build_payload;

/// Whether records of a kind carry `rev`. A kind has it always or never: its first record decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Revisions {
    /// As the kind's first record did; a new kind has none.
    #[default]
    AsKind,
    /// The kind counts revisions.
    Counted,
}

/// The members that a producer chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Record family.
    pub kind: Kind,
    /// Owner scope.
    pub tenant: Option<Tenant>,
    /// The thing that the record is about.
    pub id: EntityId,
    /// Whether the engine minted `id`.
    pub minted: bool,
    /// Correlation id.
    pub corr: Option<Correlation>,
    /// Idempotency key.
    pub key: Option<IdempotencyKey>,
    /// Whether the kind counts revisions.
    pub revisions: Revisions,
}

/// A record without its place in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    entry: Entry,
    digest: Hash,
    fixed: Fixed,
    payload: Vec<u8>,
}

impl Draft {
    /// Checks the body and seals it with its salt.
    ///
    /// # Errors
    /// [`DraftError`] says what is wrong with the body and where.
    pub fn new(
        entry: Entry,
        salt: [u8; SALT_BYTES],
        body: &[u8],
        body_bytes_max: usize,
        checker: &mut Checker,
    ) -> Result<Self, DraftError> {
        if body.len() > body_bytes_max {
            return Err(DraftError::TooLong {
                bytes: body.len(),
                bytes_max: body_bytes_max,
            });
        }
        checker.check_object(body).map_err(DraftError::Json)?;
        let payload = build_payload(salt, body);
        let digest = Hash::digest(&payload);
        let fixed = Fixed::new(
            entry.kind.as_str(),
            entry.tenant.as_ref().map(Tenant::as_str),
            entry.id.as_str(),
            entry.corr.as_ref().map(Correlation::as_str),
            entry.key.as_ref().map(IdempotencyKey::as_str),
            &digest,
        );
        Ok(Self {
            entry,
            digest,
            fixed,
            payload,
        })
    }

    /// The members that the producer chose.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// SHA-256 of the payload.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// The body as the producer sent it.
    pub fn body(&self) -> &[u8] {
        &self.payload[PAYLOAD_OVERHEAD_BYTES - 1..self.payload.len() - 1]
    }

    /// SHA-256 of the payload that the same body gives with another salt: equal to a stored digest exactly when the
    /// bodies are the same.
    pub fn digest_with(&self, salt: [u8; SALT_BYTES]) -> Hash {
        Hash::digest(&build_payload(salt, self.body()))
    }

    /// No line of this draft is longer, wherever it is placed; in bytes.
    pub fn line_bytes_max(&self) -> usize {
        HEADER_BYTES_MAX.min(self.fixed.len() + 256) + LINE_OVERHEAD_BYTES + self.payload.len() + 1
    }

    pub(crate) fn fixed(&self) -> &Fixed {
        &self.fixed
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// Why a body is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DraftError {
    /// It breaks a rule of the format's JSON.
    Json(JsonError),
    /// It is longer than the ledger takes.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        bytes_max: usize,
    },
}

impl fmt::Display for DraftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::TooLong { bytes, bytes_max } => {
                write!(f, "the body is {bytes} bytes long, the limit is {bytes_max}")
            }
        }
    }
}

impl std::error::Error for DraftError {}
