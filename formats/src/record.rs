//! A stored line, taken apart: HEADER and PAYLOAD, zipped around `hash`.

use std::fmt;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::hash::{Hash, decode_hex};
use crate::header::{Header, HeaderError, HeaderProblem};
use crate::limits::{PAYLOAD_OVERHEAD_BYTES, SALT_BYTES};

/// What ends the header in every version: a quote inside a JSON string is always escaped.
const HASH_MEMBER: &[u8] = b",\"hash\":\"";
/// Made once: making it costs as much as finding.
static HASH_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(HASH_MEMBER));
const SALT_MEMBER: &[u8] = b"\"salt\":\"";
const BODY_MEMBER: &[u8] = b"\",\"body\":";
const ERASED: &[u8] = b"\"salt\":null,\"body\":null";

/// A line of the current version whose form is right. Its hashes are as stored: [`Record::check_hashes`] compares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// The values of its header.
    pub header: Header<'a>,
    /// The stored `hash`.
    pub hash: Hash,
    /// The stored payload.
    pub payload: Payload<'a>,
    parts: Parts<'a>,
}

/// The salted body of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Salt and body are there.
    Whole {
        /// What keeps an erased short body from being guessed.
        salt: [u8; SALT_BYTES],
        /// The producer's bytes.
        body: &'a [u8],
    },
    /// The body was nulled; valid only with an erasure record.
    Erased,
}

/// A line's pieces, split without looking into them. The split is the same in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts<'a> {
    /// HEADER without its last brace.
    header_open: &'a [u8],
    /// PAYLOAD without its first brace.
    payload_rest: &'a [u8],
    hash: Hash,
}

impl<'a> Parts<'a> {
    fn split(line: &'a [u8]) -> Result<Self, RecordError> {
        let end = HASH_FINDER.find(line).ok_or(RecordError::NoHash)?;
        let rest = &line[end + HASH_MEMBER.len()..];
        let hash = rest
            .get(..64)
            .and_then(Hash::from_hex)
            .ok_or(RecordError::NoHash)?;
        let payload_rest = rest[64..].strip_prefix(b"\",").ok_or(RecordError::NoHash)?;
        Ok(Self {
            header_open: &line[..end],
            payload_rest,
            hash,
        })
    }

    fn check_header_hash(&self) -> Result<(), RecordError> {
        let computed = Hash::leaf_of_two(self.header_open, b"}");
        if computed == self.hash {
            return Ok(());
        }
        Err(RecordError::Hash {
            stored: self.hash,
            computed,
        })
    }

    fn check_hashes(&self, digest: Hash, erased: bool) -> Result<(), RecordError> {
        self.check_header_hash()?;
        if !erased {
            let computed = Hash::digest_of_two(b"{", self.payload_rest);
            if computed != digest {
                return Err(RecordError::Digest {
                    stored: digest,
                    computed,
                });
            }
        }
        Ok(())
    }
}

impl<'a> Record<'a> {
    /// Takes a line, without its LF, apart. Checks its form, not its hashes and not the JSON inside its body, every
    /// byte of which is under the digest.
    ///
    /// # Errors
    /// [`RecordError`] says which part is not of the form; `Newer` for a line of a later version.
    pub fn parse(line: &'a [u8]) -> Result<Self, RecordError> {
        let parts = Parts::split(line)?;
        let header = Header::parse_open(parts.header_open).map_err(|error| match error.problem {
            HeaderProblem::NewerVersion(version) => RecordError::Newer(version),
            _ => RecordError::Header(error),
        })?;
        let payload = parse_payload(parts.payload_rest)?;
        Ok(Self {
            header,
            hash: parts.hash,
            payload,
            parts,
        })
    }

    /// Compares `hash` and `digest` with what the bytes give. An erased payload has no digest to compare.
    ///
    /// # Errors
    /// [`RecordError::Hash`] or [`RecordError::Digest`] with both values.
    pub fn check_hashes(&self) -> Result<(), RecordError> {
        self.parts
            .check_hashes(self.header.digest, self.payload == Payload::Erased)
    }

    /// Compares `hash` alone with what the bytes give: enough to believe the header, without reading the payload.
    ///
    /// # Errors
    /// [`RecordError::Hash`] with both values.
    pub fn check_header_hash(&self) -> Result<(), RecordError> {
        self.parts.check_header_hash()
    }

    /// The body as the producer sent it; `null` and spaces when erased.
    pub fn body(&self) -> &'a [u8] {
        match self.payload {
            Payload::Whole { body, .. } => body,
            Payload::Erased => b"null",
        }
    }
}

fn parse_payload(rest: &[u8]) -> Result<Payload<'_>, RecordError> {
    if let Some(tail) = rest.strip_prefix(ERASED) {
        let spaces = tail.strip_suffix(b"}").ok_or(RecordError::Payload)?;
        return if spaces.iter().all(|byte| *byte == b' ') {
            Ok(Payload::Erased)
        } else {
            Err(RecordError::Payload)
        };
    }
    let rest = rest.strip_prefix(SALT_MEMBER).ok_or(RecordError::Payload)?;
    let mut salt = [0; SALT_BYTES];
    let (hex, rest) = rest
        .split_at_checked(2 * SALT_BYTES)
        .ok_or(RecordError::Payload)?;
    if !decode_hex(hex, &mut salt) {
        return Err(RecordError::Payload);
    }
    let body = rest
        .strip_prefix(BODY_MEMBER)
        .and_then(|rest| rest.strip_suffix(b"}"))
        .ok_or(RecordError::Payload)?;
    // A body is an object: whatever else stands here was never accepted.
    let trimmed = body.trim_ascii();
    if trimmed.first() != Some(&b'{') || trimmed.last() != Some(&b'}') {
        return Err(RecordError::Payload);
    }
    Ok(Payload::Whole { salt, body })
}

/// The payload of a salt and a body: `{"salt":"…","body":…}`.
pub(crate) fn build_payload(salt: [u8; SALT_BYTES], body: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(PAYLOAD_OVERHEAD_BYTES + body.len());
    payload.push(b'{');
    payload.extend_from_slice(SALT_MEMBER);
    let mut hex = [0; 2 * SALT_BYTES];
    crate::hash::encode_hex(&salt, &mut hex);
    payload.extend_from_slice(&hex);
    payload.extend_from_slice(BODY_MEMBER);
    payload.extend_from_slice(body);
    payload.push(b'}');
    payload
}

/// Ends a line whose header, without its last brace, is the end of `out`.
pub(crate) fn finish_line(out: &mut Vec<u8>, hash: &Hash, payload: &[u8]) {
    out.extend_from_slice(HASH_MEMBER);
    out.extend_from_slice(&hash.to_hex());
    out.extend_from_slice(b"\",");
    out.extend_from_slice(&payload[1..]);
    out.push(b'\n');
}

/// Length of the whole valid line that `piece` begins with, if there is one: hash and digest right, whatever follows.
/// Linear in the piece, so that recovery may ask it of any bytes.
pub fn whole_line_within(piece: &[u8]) -> Option<usize> {
    let parts = Parts::split(piece).ok()?;
    let header = Header::parse_open(parts.header_open).ok()?;
    if Hash::leaf_of_two(parts.header_open, b"}") != parts.hash {
        return None;
    }
    let payload_start = piece.len() - parts.payload_rest.len();
    let mut payload = Sha256::new();
    payload.update(b"{");
    let mut fed = payload_start;
    for brace in memchr::memchr_iter(b'}', parts.payload_rest) {
        let end = payload_start + brace + 1;
        payload.update(&piece[fed..end]);
        fed = end;
        if header.digest.as_bytes()[..] == payload.clone().finalize()[..] {
            return parse_payload(&piece[payload_start..end]).is_ok().then_some(end);
        }
    }
    None
}

/// A line of a later version: the members that every version has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewerRecord {
    /// Its version.
    pub version: u64,
    /// Place in the ledger.
    pub seq: u64,
    /// SHA-256 of the payload.
    pub digest: Hash,
    /// Hash of the record before.
    pub prev: Hash,
    /// The stored `hash`.
    pub hash: Hash,
}

impl NewerRecord {
    /// Reads and checks what every version keeps: the split, `hash`, `digest`.
    ///
    /// # Errors
    /// [`RecordError`] when even that does not hold.
    pub fn parse_checked(line: &[u8]) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Common {
            v: u64,
            seq: u64,
            digest: Hash,
            prev: Hash,
        }
        let parts = Parts::split(line)?;
        let header = [parts.header_open, b"}"].concat();
        let common: Common = serde_json::from_slice(&header).map_err(|_| RecordError::NoHash)?;
        parts.check_hashes(common.digest, parts.payload_rest.starts_with(ERASED))?;
        Ok(Self {
            version: common.v,
            seq: common.seq,
            digest: common.digest,
            prev: common.prev,
            hash: parts.hash,
        })
    }
}

/// What is wrong with a line by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// The payload is not what `digest` says.
    Digest {
        /// In the header.
        stored: Hash,
        /// Of the payload's bytes.
        computed: Hash,
    },
    /// The header is not what `hash` says.
    Hash {
        /// In the line.
        stored: Hash,
        /// Of the header's bytes.
        computed: Hash,
    },
    /// The header is not in canonical form.
    Header(HeaderError),
    /// A later format version wrote the line.
    Newer(u64),
    /// No `,"hash":"<64 hex>",` in it: no line of a ledger.
    NoHash,
    /// The payload is not `{"salt":"<32 hex>","body":{…}}`.
    Payload,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest { stored, computed } => {
                write!(
                    f,
                    "the payload was altered: its SHA-256 is {computed}, the header says {stored}"
                )
            }
            Self::Hash { stored, computed } => {
                write!(
                    f,
                    "the header was altered: its hash is {computed}, the line says {stored}"
                )
            }
            Self::Header(error) => error.fmt(f),
            Self::Newer(version) => write!(f, "written by a newer format, version {version}"),
            Self::NoHash => f.write_str("no line of a ledger: it has no `,\"hash\":\"<64 hex>\",`"),
            Self::Payload => {
                f.write_str("the payload is not of the form {\"salt\":\"<32 hex>\",\"body\":{...}}")
            }
        }
    }
}

impl std::error::Error for RecordError {}
