//! What a check gives back.

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::records::system::Genesis;
use serde::Serialize;

use crate::finding::{Code, Finding};
use crate::recover::Inventory;
use crate::recover::heads::{Heads, Source};

/// Findings that are kept; more are only counted.
const FINDINGS_MAX: usize = 1_000;

/// How to check.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// Threads that hash lines.
    pub jobs: usize,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            jobs: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Records checked.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes of all segments when the check began.
    pub bytes_total: u64,
}

/// What was checked and what was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Ledger id.
    pub ledger: Option<String>,
    /// Origin.
    pub origin: Option<String>,
    /// Records in whole groups; none where a fault leaves it unknown.
    pub size: Option<u64>,
    /// Root of the tree over them; none where a fault leaves it unknown.
    pub root: Option<Hash>,
    /// Size of the head in the directory.
    pub head_size: Option<u64>,
    /// Size of the head beside the key.
    pub beside_size: Option<u64>,
    /// Whether heads are signed.
    pub signed: bool,
    /// Segments.
    pub segments: u64,
    /// Sealed segments.
    pub sealed: u64,
    /// Bytes of lines.
    pub bytes: u64,
    /// The line in `LOCK` while somebody holds the ledger.
    pub held: Option<String>,
    /// What is not as it should be, in the order in which it was found.
    pub findings: Vec<Finding>,
    /// How many findings there are, kept or not.
    pub findings_total: u64,
    /// Facts that are no findings.
    pub notes: Vec<String>,
    #[serde(skip)]
    worst: Option<Code>,
}

impl Report {
    pub(crate) fn new(genesis: &Genesis, held: Option<String>, heads: &Heads, inventory: &Inventory) -> Self {
        let mut notes = heads.notes.clone();
        notes.extend(
            inventory
                .unknown
                .iter()
                .map(|path| format!("{path} is no part of the ledger")),
        );
        notes.extend(
            inventory
                .quarantine
                .iter()
                .map(|name| format!("quarantine/{name} holds bytes set aside")),
        );
        Self {
            ledger: Some(genesis.ledger.clone()),
            origin: Some(genesis.origin.clone()),
            head_size: heads.size_from(&Source::Directory),
            beside_size: heads.size_from(&Source::Beside),
            signed: genesis.vkey.is_some(),
            segments: inventory.segments.len() as u64,
            sealed: inventory.sealed().len() as u64,
            held,
            notes,
            ..Self::default()
        }
    }

    /// A ledger of which not even the identity can be told.
    pub(crate) fn unreadable(findings: Vec<Finding>) -> Self {
        let mut report = Self::default();
        report.extend(findings);
        report
    }

    pub(crate) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.findings_total += 1;
            self.worst = Code::worst(self.worst.into_iter().chain([finding.code]));
            if self.findings.len() < FINDINGS_MAX {
                self.findings.push(finding);
            }
        }
    }

    /// The worst code; none when all is whole.
    pub fn code(&self) -> Option<Code> {
        self.worst
    }
}
