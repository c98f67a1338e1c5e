//! Every name in a ledger's directory, built and parsed in one place.

use std::fmt;

use crate::hash::{Hash, decode_hex};
use crate::limits::SEQUENCE_MAX;

/// Ends the name of a file that is being written; the writer may replace it.
pub const TEMP_SUFFIX: &str = ".tmp";
/// The folder of segments, seals and sidecars.
pub const SEGMENTS_DIR: &str = "segments";
/// The folder of bytes that recovery set aside.
pub const QUARANTINE_DIR: &str = "quarantine";
/// The folders a ledger is made with.
pub const DIRS: [&str; 2] = [SEGMENTS_DIR, QUARANTINE_DIR];

/// The socket at which the holder of a ledger takes what other processes bring. It holds no bytes, and is there only
/// while somebody listens or after he was killed.
pub const DOOR: &str = "DOOR";

/// A file of a ledger.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// `checkpoint`: the newest signed head.
    Checkpoint,
    /// `head`: the newest head of a ledger without a key.
    Head,
    /// `ledger.json`: the identity.
    Identity,
    /// `segments/….idx`: the index of the segment that begins at this sequence number.
    Index(u64),
    /// `LOCK`: names the process that may write.
    Lock,
    /// `segments/…-….idx`: the index of the segments with the records `first..end`, in one file.
    Merged {
        /// First sequence number.
        first: u64,
        /// First sequence number past it.
        end: u64,
    },
    /// `quarantine/…`: bytes set aside by recovery.
    Quarantine(QuarantineName),
    /// `segments/….seal.json`: the seal of the segment that begins at this sequence number.
    Seal(u64),
    /// `segments/….jsonl`: the segment that begins at this sequence number.
    Segment(u64),
}

/// Where quarantined bytes came from, and what they are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuarantineName {
    /// First sequence number of the segment they were cut from.
    pub segment: u64,
    /// Byte offset of the first of them in that segment.
    pub offset: u64,
    /// How many they are.
    pub length: u64,
    /// The first 16 bytes of their SHA-256.
    pub digest: [u8; 16],
}

impl QuarantineName {
    /// The name of `bytes`, cut from `segment` at `offset`.
    pub fn of(segment: u64, offset: u64, bytes: &[u8]) -> Self {
        let mut digest = [0; 16];
        digest.copy_from_slice(&Hash::digest(bytes).as_bytes()[..16]);
        Self {
            segment,
            offset,
            length: bytes.len() as u64,
            digest,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let name = Self {
            segment: parse_sequence(parts.next()?)?,
            offset: parse_decimal(parts.next()?)?,
            length: parse_decimal(parts.next()?)?,
            digest: {
                let mut digest = [0; 16];
                decode_hex(parts.next()?.as_bytes(), &mut digest).then_some(digest)?
            },
        };
        parts.next().is_none().then_some(name)
    }
}

impl fmt::Display for QuarantineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{}-{}-", self.segment, self.offset, self.length)?;
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for QuarantineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FileName {
    /// Parses a path below the ledger's directory; `None` if it is no part of a ledger.
    pub fn parse(path: &str) -> Option<Self> {
        let name = match path {
            "checkpoint" => Self::Checkpoint,
            "head" => Self::Head,
            "ledger.json" => Self::Identity,
            "LOCK" => Self::Lock,
            _ => match path.split_once('/')? {
                (SEGMENTS_DIR, name) => {
                    if let Some(first) = name.strip_suffix(".seal.json") {
                        Self::Seal(parse_sequence(first)?)
                    } else if let Some(name) = name.strip_suffix(".idx") {
                        match name.split_once('-') {
                            None => Self::Index(parse_sequence(name)?),
                            Some((first, end)) => Self::Merged {
                                first: parse_sequence(first)?,
                                end: parse_sequence(end)?,
                            },
                        }
                    } else {
                        Self::Segment(parse_sequence(name.strip_suffix(".jsonl")?)?)
                    }
                }
                (QUARANTINE_DIR, name) => Self::Quarantine(QuarantineName::parse(name)?),
                _ => return None,
            },
        };
        Some(name)
    }

    /// The name under which the writer makes this file before it is renamed into place.
    pub fn temp(&self) -> String {
        format!("{self}{TEMP_SUFFIX}")
    }

    /// True for a name that a write cut short may have left behind.
    pub fn is_temp(path: &str) -> bool {
        path.strip_suffix(TEMP_SUFFIX)
            .is_some_and(|name| Self::parse(name).is_some())
    }

    /// True for a segment file of a form that this version does not know: a later version wrote it.
    pub fn is_newer_segment(path: &str) -> bool {
        let Some((SEGMENTS_DIR, name)) = path.split_once('/') else {
            return false;
        };
        let Some((first, ending)) = name.split_once('.') else {
            return false;
        };
        parse_sequence(first).is_some()
            && ending != "idx"
            && !ending.ends_with("tmp")
            && ending.starts_with("jsonl.")
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Head => f.write_str("head"),
            Self::Identity => f.write_str("ledger.json"),
            Self::Index(first) => write!(f, "{SEGMENTS_DIR}/{first:020}.idx"),
            Self::Lock => f.write_str("LOCK"),
            Self::Merged { first, end } => write!(f, "{SEGMENTS_DIR}/{first:020}-{end:020}.idx"),
            Self::Quarantine(name) => write!(f, "{QUARANTINE_DIR}/{name}"),
            Self::Seal(first) => write!(f, "{SEGMENTS_DIR}/{first:020}.seal.json"),
            Self::Segment(first) => write!(f, "{SEGMENTS_DIR}/{first:020}.jsonl"),
        }
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Exactly 20 digits, no larger than a sequence number can be.
fn parse_sequence(text: &str) -> Option<u64> {
    let digits = text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|first| *first <= SEQUENCE_MAX)
}

/// Digits without a leading zero.
fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        let names = [
            FileName::Checkpoint,
            FileName::Head,
            FileName::Identity,
            FileName::Index(42),
            FileName::Lock,
            FileName::Merged { first: 0, end: 42 },
            FileName::Quarantine(QuarantineName::of(17, 4_096, b"torn")),
            FileName::Seal(SEQUENCE_MAX),
            FileName::Segment(0),
        ];
        for name in names {
            assert_eq!(FileName::parse(&name.to_string()), Some(name.clone()));
            assert!(FileName::is_temp(&name.temp()));
        }
        assert_eq!(
            FileName::Segment(42).to_string(),
            "segments/00000000000000000042.jsonl"
        );
        assert_eq!(
            FileName::Seal(42).to_string(),
            "segments/00000000000000000042.seal.json"
        );
    }

    #[test]
    fn what_is_not_a_name_is_no_part_of_a_ledger() {
        for other in [
            "",
            "notes.txt",
            "segments",
            "segments/0.jsonl",
            "segments/99999999999999999999.jsonl",
            "segments/00000000000000000042.jsonl.bak",
            "segments/+0000000000000000042.jsonl",
            "segments/00000000000000000000-42.idx",
            "segments/00000000000000000000-00000000000000000042-00000000000000000042.idx",
            "quarantine/00000000000000000042-00-1-00000000000000000000000000000000",
            "quarantine/00000000000000000042-0-1-0000000000000000000000000000000G",
            "checkpoint.tmp",
        ] {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
        assert!(FileName::is_newer_segment(
            "segments/00000000000000000042.jsonl.zst"
        ));
        assert!(!FileName::is_newer_segment(
            "segments/00000000000000000042.seal.json"
        ));
    }
}
