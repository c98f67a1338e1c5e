//! What can go wrong, by what a caller would do about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use ledgerstone_formats::names::FileName;

use crate::finding::{Code, Finding};

/// What a caller would do differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The queue is full: wait for room ([`crate::Ledger::ready`]) and submit again.
    Busy,
    /// The ledger was closed.
    Closed,
    /// A precondition, a unique value or a key: another record stands in the way, and is named.
    Conflict,
    /// The ledger is damaged. It takes no records; the findings say where.
    Corrupt,
    /// Another process holds the ledger.
    Held,
    /// The input breaks a rule: sending it again changes nothing.
    Invalid,
    /// There is no ledger here, or there is one already.
    Missing,
    /// Nothing of this batch is stored, for a reason outside: disk full, no permission, clock not believed.
    Unavailable,
    /// A write or sync failed: whether the batch is stored shows when the ledger is opened again.
    Unknown,
}

/// An error with its kind, what happened, and where.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    file: Option<FileName>,
    seq: Option<u64>,
    record: Option<usize>,
    findings: Vec<Finding>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            file: None,
            seq: None,
            record: None,
            findings: Vec::new(),
            source: None,
        }))
    }

    /// A ledger that is damaged as the findings say.
    pub(crate) fn corrupt(findings: Vec<Finding>) -> Self {
        let message = match findings.as_slice() {
            [] => "the ledger is damaged".to_owned(),
            [only] => format!("the ledger is damaged: {only}"),
            [first, rest @ ..] => format!("the ledger is damaged: {first} (and {} more)", rest.len()),
        };
        let mut error = Self::new(ErrorKind::Corrupt, message);
        error.0.file = findings.first().and_then(|finding| finding.file.clone());
        error.0.seq = findings.first().and_then(|finding| finding.seq);
        error.0.findings = findings;
        error
    }

    pub(crate) fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.0.findings = findings;
        self
    }

    /// A batch behind a refused one of its stream.
    pub(crate) fn cut_off() -> Self {
        Self::new(
            ErrorKind::Unavailable,
            "an earlier batch of the same stream was refused; nothing of this one is stored",
        )
    }

    /// An I/O error before anything was written.
    pub(crate) fn io(doing: &str, source: io::Error) -> Self {
        Self::with_source(ErrorKind::Unavailable, doing, source)
    }

    pub(crate) fn with_source(
        kind: ErrorKind,
        doing: &str,
        source: impl StdError + Send + Sync + 'static,
    ) -> Self {
        let mut error = Self::new(kind, doing);
        error.0.source = Some(Box::new(source));
        error
    }

    pub(crate) fn at_seq(mut self, seq: u64) -> Self {
        self.0.seq = Some(seq);
        self
    }

    pub(crate) fn at_record(mut self, record: usize) -> Self {
        self.0.record = Some(record);
        self
    }

    pub(crate) fn in_file(mut self, file: FileName) -> Self {
        self.0.file = Some(file);
        self
    }

    /// What a caller would do differently.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The file, where one is to blame.
    pub fn file(&self) -> Option<&FileName> {
        self.0.file.as_ref()
    }

    /// The sequence number, where one is to blame; of a conflict, the winner's.
    pub fn seq(&self) -> Option<u64> {
        self.0.seq
    }

    /// Place in its batch, from 0, of the record that it was refused for, where one is to blame.
    pub fn record(&self) -> Option<usize> {
        self.0.record
    }

    /// What is damaged, for [`ErrorKind::Corrupt`].
    pub fn findings(&self) -> &[Finding] {
        &self.0.findings
    }

    /// The worst code of the findings.
    pub fn code(&self) -> Option<Code> {
        Code::worst(self.0.findings.iter().map(|finding| finding.code))
    }
}

impl fmt::Display for Error {
    /// The message with its causes: one line that says all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut source = self.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|source| &**source as &(dyn StdError + 'static))
    }
}
