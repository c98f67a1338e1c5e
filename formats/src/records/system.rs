//! The kinds of the system: the ledger's own history, in the ledger.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::hash::Hash;
use crate::ids::{Origin, is_system_kind};
use crate::time::Timestamp;

/// The first record of a ledger, and only that.
pub const GENESIS: &str = "sys_genesis";
/// What recovery set aside or adopted.
pub const RECOVERY: &str = "sys_recovery";
/// An operator's word for a clock that stepped.
pub const CLOCK: &str = "sys_clock";
/// What is declared for a kind of record.
pub const FAMILY: &str = "sys_family";

/// `format` of a genesis body.
pub const FORMAT: &str = "ledgerstone/1";
/// `hash` of a genesis body.
pub const HASH_ALGORITHM: &str = "sha256";

/// Who may write a kind of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// This version's engine, by itself or on an operator's word.
    Engine,
    /// Nobody yet: the name is taken for a later version.
    Reserved,
}

/// A row of the table of system kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemKind {
    /// Its `kind`.
    pub kind: &'static str,
    /// What its `id` names.
    pub id: &'static str,
    /// Members that its body must have.
    pub members: &'static [&'static str],
    /// Who may write it.
    pub writer: Writer,
}

/// Every kind of the system. None of them has a tenant but `sys_erasure` and `sys_export`, which may.
pub const KINDS: [SystemKind; 14] = [
    row(
        GENESIS,
        "ledger id",
        &["format", "ledger", "origin", "created", "hash"],
        Writer::Engine,
    ),
    row(
        RECOVERY,
        "quarantine name, or FIRST-LAST of adopted records",
        &["cause"],
        Writer::Engine,
    ),
    row(
        CLOCK,
        "ledger id",
        &["old", "new", "reason", "by"],
        Writer::Engine,
    ),
    row("sys_key", "verifier key", &[], Writer::Reserved),
    row(FAMILY, "kind", &["indexes"], Writer::Engine),
    row(
        "sys_archive",
        "first sequence number of the segment",
        &[],
        Writer::Reserved,
    ),
    row("sys_hold", "hold", &[], Writer::Reserved),
    row("sys_release", "hold", &[], Writer::Reserved),
    row("sys_erasure", "order", &[], Writer::Reserved),
    row("sys_prune", "ledger id", &[], Writer::Reserved),
    row("sys_export", "export", &[], Writer::Reserved),
    row("sys_verify", "ledger id", &[], Writer::Reserved),
    row("sys_refused", "ledger id", &[], Writer::Reserved),
    row("sys_tick", "ledger id", &[], Writer::Reserved),
];

const fn row(
    kind: &'static str,
    id: &'static str,
    members: &'static [&'static str],
    writer: Writer,
) -> SystemKind {
    SystemKind {
        kind,
        id,
        members,
        writer,
    }
}

/// The body of the first record, and with LF `ledger.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// [`FORMAT`].
    pub format: String,
    /// The ledger's id, a UUID.
    pub ledger: String,
    /// The name under which it signs; ends in `/` and the id.
    pub origin: String,
    /// Time of the record.
    pub created: Timestamp,
    /// [`HASH_ALGORITHM`].
    pub hash: String,
    /// Verifier key; none for a ledger whose heads are not signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vkey: Option<String>,
}

impl Genesis {
    /// The body's bytes.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers serialize")
    }

    /// Reads a body that is exactly what [`Genesis::encode`] gives, and makes sense.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let genesis: Self = serde_json::from_slice(body).ok()?;
        let id = uuid::Uuid::parse_str(&genesis.ledger).ok()?;
        let sound = genesis.format == FORMAT
            && genesis.hash == HASH_ALGORITHM
            && id.as_hyphenated().to_string() == genesis.ledger
            && Origin::new(&genesis.origin).is_ok()
            && genesis
                .origin
                .strip_suffix(&genesis.ledger)
                .is_some_and(|name| name.ends_with('/'));
        (sound && genesis.encode() == body).then_some(genesis)
    }

    /// The bytes of `ledger.json`.
    pub fn identity_file(&self) -> Vec<u8> {
        let mut bytes = self.encode();
        bytes.push(b'\n');
        bytes
    }
}

/// The body of a `sys_recovery` record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case", deny_unknown_fields)]
pub enum Recovery {
    /// An interrupted append left bytes that are no whole group: they stand in `quarantine/` now.
    TornTail {
        /// First sequence number of the segment they were cut from.
        segment: u64,
        /// Byte offset of the first of them.
        offset: u64,
        /// How many they are.
        length: u64,
        /// SHA-256 of them.
        sha256: Hash,
    },
    /// Whole groups were found past the newest head, and kept.
    Adopted {
        /// Sequence number of the first record.
        first: u64,
        /// Sequence number of the last record.
        last: u64,
        /// Size of the newest head.
        head_size: u64,
    },
}

/// The body of a `sys_clock` record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockStep {
    /// Time of the last record before.
    pub old: Timestamp,
    /// What the clock says.
    pub new: Timestamp,
    /// The operator's reason.
    pub reason: String,
    /// Who said so: user and host.
    pub by: String,
}

/// Why a record of the system is not as the table says. A matter of bookkeeping: its hashes are right all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemError {
    /// A member of the body is missing.
    Member(&'static str),
    /// `sys_genesis` elsewhere than at the start, or something else there.
    Place,
    /// The kind is in no table: only the engine may write `sys_...`.
    Unknown,
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(member) => write!(f, "the body has no member `{member}`"),
            Self::Place => f.write_str("sys_genesis is the first record, and only the first"),
            Self::Unknown => f.write_str("no such kind of the system: `sys_` is reserved"),
        }
    }
}

impl std::error::Error for SystemError {}

/// Checks a record's kind against the table; records of other kinds pass.
///
/// # Errors
/// [`SystemError`] says what does not fit.
pub fn check(seq: u64, kind: &str, body: &[u8]) -> Result<(), SystemError> {
    if (seq == 0) != (kind == GENESIS) {
        return Err(SystemError::Place);
    }
    if !is_system_kind(kind) {
        return Ok(());
    }
    let row = KINDS
        .iter()
        .find(|row| row.kind == kind)
        .ok_or(SystemError::Unknown)?;
    // A body that is no object has none of the members.
    let body: BTreeMap<String, &RawValue> = serde_json::from_slice(body).unwrap_or_default();
    match row.members.iter().find(|member| !body.contains_key(**member)) {
        Some(member) => Err(SystemError::Member(member)),
        None => Ok(()),
    }
}
