//! The canonical header of a line: built and read back, side by side.
//!
//! There is one text for a set of values, so a reader that accepts only that text has compared it with the rebuilt one.

use std::borrow::Cow;
use std::fmt;

use cursor::Cursor;

use crate::hash::Hash;
use crate::ids::{self, IdError};
use crate::limits::{
    CORRELATION_BYTES_MAX, HEADER_BYTES_MAX, ID_BYTES_MAX, KEY_BYTES_MAX, SEQUENCE_MAX, TENANT_BYTES_MAX,
};
use crate::time::{TIMESTAMP_BYTES, Timestamp};

mod cursor;

/// The format version that this crate writes.
pub const VERSION: u64 = 1;

/// Place of a record in its commit group; left out of the header when the group has one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupPlace {
    /// From 0.
    pub index: u32,
    /// 2 to 65,536.
    pub count: u32,
}

/// The values of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// Place in the ledger.
    pub seq: u64,
    /// The ledger's clock when the group was closed for writing.
    pub at: Timestamp,
    /// Place in the group, for a group of several.
    pub group: Option<GroupPlace>,
    /// Record family.
    pub kind: Cow<'a, str>,
    /// Owner scope with the record's place in it.
    pub tenant: Option<(Cow<'a, str>, u64)>,
    /// The thing that the record is about.
    pub id: Cow<'a, str>,
    /// Count within (kind, tenant, id), for versioned kinds.
    pub rev: Option<u64>,
    /// Correlation id.
    pub corr: Option<Cow<'a, str>>,
    /// The producer's idempotency key.
    pub key: Option<Cow<'a, str>>,
    /// SHA-256 of the payload.
    pub digest: Hash,
    /// Hash of the record before.
    pub prev: Hash,
}

/// The members that do not depend on the record's place, already encoded, in the three pieces between which the
/// members that do are put. Producers' threads make them, so that the writer only copies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fixed {
    text: Vec<u8>,
    /// Where `tseq` and `rev` are put.
    tenant_end: usize,
    id_end: usize,
    has_tenant: bool,
}

/// The members that only the writer knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) seq: u64,
    pub(crate) at: [u8; TIMESTAMP_BYTES],
    pub(crate) group: Option<GroupPlace>,
    pub(crate) tseq: Option<u64>,
    pub(crate) rev: Option<u64>,
    pub(crate) prev: Hash,
}

impl Fixed {
    pub(crate) fn new(
        kind: &str,
        tenant: Option<&str>,
        id: &str,
        corr: Option<&str>,
        key: Option<&str>,
        digest: &Hash,
    ) -> Self {
        let mut text = Vec::with_capacity(224 + id.len());
        text.extend_from_slice(b",\"kind\":\"");
        text.extend_from_slice(kind.as_bytes());
        text.push(b'"');
        if let Some(tenant) = tenant {
            put_text(&mut text, b",\"tenant\":\"", tenant);
        }
        let tenant_end = text.len();
        put_text(&mut text, b",\"id\":\"", id);
        let id_end = text.len();
        if let Some(corr) = corr {
            put_text(&mut text, b",\"corr\":\"", corr);
        }
        if let Some(key) = key {
            put_text(&mut text, b",\"key\":\"", key);
        }
        put_hash(&mut text, b",\"digest\":\"", digest);
        Self {
            text,
            tenant_end,
            id_end,
            has_tenant: tenant.is_some(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Appends the header's text to `out`, without its last brace.
    pub(crate) fn encode(&self, placed: &Placed, out: &mut Vec<u8>) {
        debug_assert_eq!(
            self.has_tenant,
            placed.tseq.is_some(),
            "a tenant comes with its counter"
        );
        put_number(out, b"{\"v\":1,\"seq\":", placed.seq);
        out.extend_from_slice(b",\"at\":\"");
        out.extend_from_slice(&placed.at);
        out.push(b'"');
        if let Some(group) = placed.group {
            put_number(out, b",\"grp\":[", u64::from(group.index));
            put_number(out, b",", u64::from(group.count));
            out.push(b']');
        }
        out.extend_from_slice(&self.text[..self.tenant_end]);
        if let Some(tseq) = placed.tseq {
            put_number(out, b",\"tseq\":", tseq);
        }
        out.extend_from_slice(&self.text[self.tenant_end..self.id_end]);
        if let Some(rev) = placed.rev {
            put_number(out, b",\"rev\":", rev);
        }
        out.extend_from_slice(&self.text[self.id_end..]);
        put_hash(out, b",\"prev\":\"", &placed.prev);
    }
}

impl<'a> Header<'a> {
    /// The canonical text, braces included.
    pub fn encode(&self) -> Vec<u8> {
        let tenant = self.tenant.as_ref();
        let fixed = Fixed::new(
            &self.kind,
            tenant.map(|(tenant, _)| tenant.as_ref()),
            &self.id,
            self.corr.as_deref(),
            self.key.as_deref(),
            &self.digest,
        );
        let mut text = Vec::with_capacity(fixed.len() + 192);
        let placed = Placed {
            seq: self.seq,
            at: self.at.to_canonical(),
            group: self.group,
            tseq: tenant.map(|(_, tseq)| *tseq),
            rev: self.rev,
            prev: self.prev,
        };
        fixed.encode(&placed, &mut text);
        text.push(b'}');
        text
    }

    /// Reads a header that is exactly the canonical text of its values, without its last brace.
    ///
    /// # Errors
    /// [`HeaderError`] says where and how the text differs from the canonical form.
    pub fn parse_open(text: &'a [u8]) -> Result<Self, HeaderError> {
        if text.len() >= HEADER_BYTES_MAX {
            return Err(HeaderError {
                offset: HEADER_BYTES_MAX,
                problem: HeaderProblem::TooLong,
            });
        }
        let mut cursor = Cursor { text, at: 0 };
        cursor.version()?;
        let seq = cursor.number(b",\"seq\":", SEQUENCE_MAX)?;
        let at = cursor.timestamp()?;
        let group = cursor.group()?;
        let kind = cursor.text(b",\"kind\":\"", ids::check_kind)?;
        let tenant = cursor
            .optional_text(b",\"tenant\":\"", |text| {
                ids::check_text("tenant", text, TENANT_BYTES_MAX)
            })?
            .map(|tenant| Ok((tenant, cursor.number(b",\"tseq\":", SEQUENCE_MAX)?)))
            .transpose()?;
        let id = cursor.text(b",\"id\":\"", |text| ids::check_text("id", text, ID_BYTES_MAX))?;
        let rev = cursor.revision()?;
        let corr = cursor.optional_text(b",\"corr\":\"", |text| {
            ids::check_text("corr", text, CORRELATION_BYTES_MAX)
        })?;
        let key = cursor.optional_text(b",\"key\":\"", |text| ids::check_text("key", text, KEY_BYTES_MAX))?;
        let digest = cursor.hash(b",\"digest\":\"")?;
        let prev = cursor.hash(b",\"prev\":\"")?;
        if cursor.at < text.len() {
            return Err(cursor.problem(HeaderProblem::Trailing));
        }
        Ok(Header {
            seq,
            at,
            group,
            kind,
            tenant,
            id,
            rev,
            corr,
            key,
            digest,
            prev,
        })
    }

    /// Reads a header that is exactly the canonical text of its values, braces included.
    ///
    /// # Errors
    /// [`HeaderError`] says where and how the text differs from the canonical form.
    pub fn parse(text: &'a [u8]) -> Result<Self, HeaderError> {
        match text.split_last() {
            Some((b'}', open)) => Self::parse_open(open),
            _ => Err(HeaderError {
                offset: text.len(),
                problem: HeaderProblem::Expected("}"),
            }),
        }
    }

    /// The first sequence number, the count and the time of the group that the record belongs to.
    pub fn group_key(&self) -> (u64, u32, Timestamp) {
        match self.group {
            // The first of a group can be before the start of the ledger only in a forged line.
            Some(group) => (
                self.seq.saturating_sub(u64::from(group.index)),
                group.count,
                self.at,
            ),
            None => (self.seq, 1, self.at),
        }
    }
}

fn put_text(out: &mut Vec<u8>, name: &[u8], value: &str) {
    out.extend_from_slice(name);
    for byte in value.bytes() {
        if byte == b'"' || byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn put_number(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    let (mut digits, mut at, mut rest) = ([0_u8; 20], 20, value);
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).expect("a remainder of ten is a digit");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn put_hash(out: &mut Vec<u8>, name: &[u8], value: &Hash) {
    out.extend_from_slice(name);
    out.extend_from_slice(&value.to_hex());
    out.push(b'"');
}

/// How a header differs from the canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderError {
    /// Byte offset in the header.
    pub offset: usize,
    /// What is wrong there.
    pub problem: HeaderProblem,
}

/// What is wrong with a header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderProblem {
    /// Something else stands where this must.
    Expected(&'static str),
    /// `grp` is not `[i,n]` with i < n and 2 ≤ n ≤ 65,536.
    Group,
    /// A later version wrote it.
    NewerVersion(u64),
    /// Not a decimal number without sign or leading zero, within its bounds.
    Number,
    /// Not a timestamp in canonical form.
    Time,
    /// The header is longer than 2,048 bytes.
    TooLong,
    /// Something stands after the last member.
    Trailing,
    /// A value that its member cannot have.
    Value(IdError),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "header, byte {}: ", self.offset)?;
        match &self.problem {
            HeaderProblem::Expected(text) => write!(f, "expected `{text}`"),
            HeaderProblem::Group => f.write_str("`grp` is not [i,n] with i < n and n from 2 to 65536"),
            HeaderProblem::NewerVersion(version) => {
                write!(f, "format version {version}, this program knows {VERSION}")
            }
            HeaderProblem::Number => f.write_str("not a number in canonical form and within its bounds"),
            HeaderProblem::Time => f.write_str("not a time of the form 2026-11-22T14:45:11.123456Z"),
            HeaderProblem::TooLong => write!(f, "longer than {HEADER_BYTES_MAX} bytes"),
            HeaderProblem::Trailing => f.write_str("something stands after the last member"),
            HeaderProblem::Value(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HeaderError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Header<'static> {
        Header {
            seq: 7,
            at: "2026-11-22T14:45:11.123456Z".parse().unwrap(),
            group: Some(GroupPlace { index: 1, count: 3 }),
            kind: "audit_entry".into(),
            tenant: Some(("ac\"me\\".into(), 3)),
            id: "Größe".into(),
            rev: Some(2),
            corr: Some("req-7".into()),
            key: Some("k".into()),
            digest: Hash::digest(b"payload"),
            prev: Hash::ZERO,
        }
    }

    #[test]
    fn a_header_is_read_back_as_it_was_built() {
        let mut header = full();
        let text = String::from_utf8(header.encode()).unwrap();
        let start = "{\"v\":1,\"seq\":7,\"at\":\"2026-11-22T14:45:11.123456Z\",\"grp\":[1,3],\
                     \"kind\":\"audit_entry\",\"tenant\":\"ac\\\"me\\\\\",\"tseq\":3,\"id\":\"Größe\",\"rev\":2,\
                     \"corr\":\"req-7\",\"key\":\"k\",\"digest\":\"";
        assert!(text.starts_with(start), "{text}");
        assert_eq!(Header::parse(text.as_bytes()), Ok(header.clone()));
        header = Header {
            group: None,
            tenant: None,
            rev: None,
            corr: None,
            key: None,
            ..header
        };
        assert_eq!(Header::parse(&header.encode()), Ok(header));
    }

    #[test]
    fn the_largest_header_is_within_the_limit() {
        let quotes = |bytes: usize| Cow::from("\"".repeat(bytes));
        let header = Header {
            seq: SEQUENCE_MAX,
            at: Timestamp::MAX,
            group: Some(GroupPlace {
                index: 65_535,
                count: 65_536,
            }),
            kind: "k".repeat(64).into(),
            tenant: Some((quotes(TENANT_BYTES_MAX), SEQUENCE_MAX)),
            id: quotes(ID_BYTES_MAX),
            rev: Some(SEQUENCE_MAX),
            corr: Some(quotes(CORRELATION_BYTES_MAX)),
            key: Some(quotes(KEY_BYTES_MAX)),
            ..full()
        };
        let text = header.encode();
        assert_eq!(text.len(), 1_931);
        assert!(text.len() < HEADER_BYTES_MAX);
        assert_eq!(Header::parse(&text), Ok(header));
    }

    #[test]
    fn every_other_text_of_the_same_values_is_refused() {
        let text = String::from_utf8(full().encode()).unwrap();
        for (from, to) in [
            ("\"seq\":7", "\"seq\":07"),
            ("\"seq\":7", "\"seq\":7.0"),
            ("\"seq\":7", "\"seq\":-7"),
            ("\"seq\":7", "\"seq\":9007199254740992"),
            ("{\"v\"", "{ \"v\""),
            (",\"at\"", ", \"at\""),
            ("[1,3]", "[3,3]"),
            ("[1,3]", "[0,1]"),
            ("[1,3]", "[1,65537]"),
            (",\"tseq\":3", ""),
            ("\"kind\":\"audit_entry\"", "\"kind\":\"Audit\""),
            ("Größe", "Gr\\u00f6\\u00dfe"),
            ("Größe", "Gr\u{85}e"),
            ("Größe", ""),
            ("\"rev\":2", "\"rev\":0"),
            (
                ",\"corr\":\"req-7\",\"key\":\"k\"",
                ",\"key\":\"k\",\"corr\":\"req-7\"",
            ),
            ("req-7", "req\\/7"),
            ("\"prev\":\"0", "\"prev\":\"A"),
            ("\"}", "\" }"),
            ("\"}", "\",\"x\":1}"),
        ] {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text, "{from}");
            assert!(Header::parse(other.as_bytes()).is_err(), "{from} -> {to}");
        }
        let newer = text.replacen("\"v\":1", "\"v\":2", 1);
        assert!(matches!(
            Header::parse(newer.as_bytes()),
            Err(HeaderError {
                problem: HeaderProblem::NewerVersion(2),
                ..
            })
        ));
    }
}
