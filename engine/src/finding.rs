//! What a check found: data, not an error.

use std::fmt;

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::names::FileName;
use serde::{Serialize, Serializer};

/// A verdict's code; the number is the exit code of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// 20: a torn tail, or records past the head while nobody holds the lock.
    Unfinished,
    /// 30: records that a head or a seal covers are missing at the end of a file.
    Truncated,
    /// 31: a record was altered, inserted, removed or moved.
    Altered,
    /// 32: consistent in itself, but not what a head or a seal says.
    Rewritten,
    /// 33: shorter than a head outside the directory says.
    RolledBack,
    /// 35: an index differs from the records it was made from; it can be made again.
    Index,
    /// 36: a segment, or a body, is missing.
    Missing,
    /// 37: seal, head or identity file damaged while the records are whole.
    Evidence,
    /// 38: a counter or a reserved kind is wrong; every hash is right.
    Bookkeeping,
    /// 39: a newer format wrote it: not judged.
    Newer,
    /// 3: a file could not be read.
    Unreadable,
}

impl Code {
    /// Worst first.
    const ORDER: [Self; 11] = [
        Self::Rewritten,
        Self::RolledBack,
        Self::Truncated,
        Self::Altered,
        Self::Missing,
        Self::Evidence,
        Self::Newer,
        Self::Bookkeeping,
        Self::Index,
        Self::Unfinished,
        Self::Unreadable,
    ];

    /// The number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Unfinished => 20,
            Self::Truncated => 30,
            Self::Altered => 31,
            Self::Rewritten => 32,
            Self::RolledBack => 33,
            Self::Index => 35,
            Self::Missing => 36,
            Self::Evidence => 37,
            Self::Bookkeeping => 38,
            Self::Newer => 39,
            Self::Unreadable => 3,
        }
    }

    /// The code with this number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ORDER.into_iter().find(|code| code.number() == number)
    }

    /// The worst of several.
    pub fn worst(codes: impl Iterator<Item = Self>) -> Option<Self> {
        codes.min_by_key(|code| Self::ORDER.iter().position(|other| other == code))
    }

    /// True for what keeps a ledger from being opened for writing.
    pub const fn is_damage(self) -> bool {
        !matches!(self, Self::Unfinished | Self::Bookkeeping | Self::Index)
    }

    /// What the code means, in a few words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished group, or records past the head",
            Self::Truncated => "truncated",
            Self::Altered => "record altered",
            Self::Rewritten => "rewritten or forked",
            Self::RolledBack => "rolled back",
            Self::Index => "index differs",
            Self::Missing => "bytes missing",
            Self::Evidence => "seal, head or identity damaged",
            Self::Bookkeeping => "bookkeeping",
            Self::Newer => "newer format, not judged",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it means.
    pub code: Code,
    /// The file it is in; none for what is outside the directory.
    #[serde(serialize_with = "file_text", skip_serializing_if = "Option::is_none")]
    pub file: Option<FileName>,
    /// Line of the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Byte offset in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Sequence number of the first record concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Tenant of that record, where it can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// In words.
    pub cause: String,
    /// What the hash should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Hash>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Hash>,
}

fn file_text<S: Serializer>(file: &Option<FileName>, serializer: S) -> Result<S::Ok, S::Error> {
    match file {
        Some(file) => serializer.collect_str(file),
        None => serializer.serialize_none(),
    }
}

impl Finding {
    /// A finding without a place.
    pub fn new(code: Code, cause: impl Into<String>) -> Self {
        Self {
            code,
            file: None,
            line: None,
            offset: None,
            seq: None,
            tenant: None,
            cause: cause.into(),
            expected: None,
            found: None,
        }
    }

    /// In this file.
    pub fn in_file(mut self, file: FileName) -> Self {
        self.file = Some(file);
        self
    }

    /// At this record.
    pub fn at_seq(mut self, seq: u64) -> Self {
        self.seq = Some(seq);
        self
    }

    /// At this line and byte of the file.
    pub fn at_line(mut self, line: u64, offset: u64) -> Self {
        self.line = Some(line);
        self.offset = Some(offset);
        self
    }

    /// With the hash that should be and the one that is.
    pub fn hashes(mut self, expected: Hash, found: Hash) -> Self {
        self.expected = Some(expected);
        self.found = Some(found);
        self
    }
}

impl fmt::Display for Finding {
    /// `FILE:LINE (byte OFFSET, seq SEQ): CAUSE`, as far as known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}")?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
        }
        let place = match (self.offset, self.seq) {
            (Some(offset), Some(seq)) => format!("(byte {offset}, seq {seq})"),
            (Some(offset), None) => format!("(byte {offset})"),
            (None, Some(seq)) => format!("(seq {seq})"),
            (None, None) => String::new(),
        };
        if self.file.is_some() && !place.is_empty() {
            f.write_str(" ")?;
        }
        f.write_str(&place)?;
        if self.file.is_some() || !place.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.cause)
    }
}
