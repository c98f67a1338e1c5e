//! From raw lines to drafts, on as many threads as the machine has cores.

use std::error::Error as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ledgerstone_engine::{Drafter, Error, NewEntry};
use ledgerstone_formats::draft::{Draft, DraftError, Entry, Revisions};
use ledgerstone_formats::ids::{Correlation, EntityId, IdError, IdempotencyKey, Tenant};
use ledgerstone_formats::json::{Checker, check_object};
use ledgerstone_formats::limits::SALT_BYTES;
use ledgerstone_formats::pointer::{Pointer, Scalar};

use crate::args::Members;
use crate::failure::Problem;
use crate::input::{Block, Permit, Raw};

/// What a bad line takes besides its text and its reason, about.
const BAD_LINE_COST_BYTES: usize = 256;

/// How lines are turned into drafts.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Which members the records get.
    pub(crate) members: Members,
    /// A bad line does not stop the lines after it.
    pub(crate) passes_over_bad: bool,
    /// Longest line, in bytes.
    pub(crate) line_bytes_max: usize,
}

/// A block with its lines drafted.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The good lines, with their numbers.
    pub(crate) drafts: Vec<(u64, Draft)>,
    /// The bad ones; one at most, unless bad lines are passed over.
    pub(crate) bad: Vec<BadLine>,
    /// Why the block is not whole although its lines may be good.
    pub(crate) failure: Option<Problem>,
    /// Blank lines passed over.
    pub(crate) blanks: u64,
    /// The last line of the block.
    pub(crate) through: u64,
    /// Bytes of the input that the block accounts for.
    pub(crate) taken: u64,
    /// Its share of the memory for input.
    pub(crate) permit: Permit,
}

/// A line that is not accepted, and why.
#[derive(Debug)]
pub(crate) struct BadLine {
    /// Its place in its input, from 1.
    pub(crate) number: u64,
    /// Byte of the line, from 1.
    pub(crate) column: u64,
    /// Why.
    pub(crate) reason: String,
    /// The line; none where it was too long to keep.
    pub(crate) text: Option<Text>,
}

impl BadLine {
    /// What it takes in memory, in bytes, about.
    pub(crate) fn cost_bytes(&self) -> usize {
        let text = match &self.text {
            Some(Text::Plain(text) | Text::Base64(text)) => text.len(),
            None => 0,
        };
        self.reason.len() + text + BAD_LINE_COST_BYTES
    }
}

/// A line as it can stand in JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// As it is.
    Plain(String),
    /// Not UTF-8: in base64.
    Base64(String),
}

impl Text {
    fn of(line: &[u8]) -> Self {
        match std::str::from_utf8(line) {
            Ok(text) => Self::Plain(text.to_owned()),
            Err(_) => Self::Base64(BASE64.encode(line)),
        }
    }
}

/// What makes drafts.
pub(crate) enum Maker {
    /// An open ledger's own.
    Ledger(Drafter),
    /// The same checks without a ledger, for a dry run.
    Dry {
        /// Scratch space of the JSON check.
        checker: Box<Checker>,
        /// Longest body taken, in bytes.
        body_bytes_max: usize,
    },
}

impl Maker {
    fn draft(&mut self, entry: NewEntry, body: &[u8]) -> Result<Draft, Refusal> {
        match self {
            Self::Ledger(drafter) => drafter.draft(entry, body).map_err(|error| Refusal::of(&error)),
            Self::Dry {
                checker,
                body_bytes_max,
            } => {
                let id = entry
                    .id
                    .unwrap_or_else(|| EntityId::new("minted").expect("a short word is an id"));
                let entry = Entry {
                    kind: entry.kind,
                    tenant: entry.tenant,
                    id,
                    minted: false,
                    corr: entry.corr,
                    key: None,
                    revisions: entry.revisions,
                };
                Draft::new(entry, [0; SALT_BYTES], body, *body_bytes_max, checker)
                    .map_err(|error| Refusal::Line(Fault::of(&error)))
            }
        }
    }
}

/// Drafts the lines of a block; stops at the first bad one unless they are passed over.
pub(crate) fn prepare(block: Block, rules: &Rules, maker: &mut Maker) -> Prepared {
    let mut drafts = Vec::with_capacity(block.lines.len());
    let (mut bad, mut failure) = (Vec::new(), None);
    for line in &block.lines {
        match draft(&block, line, rules, maker) {
            Ok(draft) => drafts.push((line.number, draft)),
            Err(Refusal::Outside(problem)) => {
                failure = Some(problem);
                break;
            }
            Err(Refusal::Line(fault)) => {
                bad.push(BadLine {
                    number: line.number,
                    column: fault.offset as u64 + 1,
                    reason: fault.reason,
                    text: block.bytes_of(line).map(Text::of),
                });
                if !rules.passes_over_bad {
                    break;
                }
            }
        }
    }
    let Block {
        blanks,
        through,
        taken,
        permit,
        ..
    } = block;
    Prepared {
        drafts,
        bad,
        failure,
        blanks,
        through,
        taken,
        permit,
    }
}

/// Why there is no draft.
enum Refusal {
    /// The line is to blame.
    Line(Fault),
    /// Something else is.
    Outside(Problem),
}

impl Refusal {
    fn of(error: &Error) -> Self {
        match error
            .source()
            .and_then(|source| source.downcast_ref::<DraftError>())
        {
            Some(error) => Self::Line(Fault::of(error)),
            None => Self::Outside(Problem::from(error)),
        }
    }
}

/// Why a line is not accepted.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    /// Byte of the line, from 0.
    offset: usize,
    reason: String,
}

impl Fault {
    fn of(error: &DraftError) -> Self {
        match error {
            DraftError::Json(error) => Self {
                offset: error.offset,
                reason: error.kind.to_string(),
            },
            other => Self {
                offset: 0,
                reason: other.to_string(),
            },
        }
    }
}

fn draft(block: &Block, line: &Raw, rules: &Rules, maker: &mut Maker) -> Result<Draft, Refusal> {
    let Some(body) = block.bytes_of(line) else {
        let reason = format!("the line is longer than {} bytes", rules.line_bytes_max);
        return Err(Refusal::Line(Fault {
            offset: rules.line_bytes_max,
            reason,
        }));
    };
    if line.cr {
        let reason = "the line ends in CR LF; with --crlf that is taken as a line end".to_owned();
        return Err(Refusal::Line(Fault {
            offset: body.len(),
            reason,
        }));
    }
    // Pointers are followed before the check of the JSON, which the draft makes anyway: what they find in a bad body is
    // never used, since the body's own fault is told first.
    match entry(line.number, body, &rules.members) {
        Ok(entry) => maker.draft(entry, body),
        Err(fault) => Err(Refusal::Line(match check_object(body) {
            Ok(()) => fault,
            Err(error) => Fault::of(&DraftError::Json(error)),
        })),
    }
}

fn entry(number: u64, body: &[u8], members: &Members) -> Result<NewEntry, Fault> {
    let strict = members.strict;
    let tenant = match &members.tenant {
        Some(tenant) => Some(tenant.clone()),
        None => value_at(members.tenant_at.as_ref(), body, strict, Tenant::new)?,
    };
    Ok(NewEntry {
        kind: members.kind.clone(),
        tenant,
        id: value_at(members.id_at.as_ref(), body, strict, EntityId::new)?,
        corr: value_at(members.corr_at.as_ref(), body, strict, Correlation::new)?,
        key: key(number, body, members)?,
        revisions: Revisions::AsKind,
    })
}

fn key(number: u64, body: &[u8], members: &Members) -> Result<Option<IdempotencyKey>, Fault> {
    match &members.source {
        Some(source) => {
            let key = IdempotencyKey::new(&format!("{source}:{number}"));
            Ok(Some(key.expect("a source's name leaves room for any number")))
        }
        None => value_at(
            members.idempotency_at.as_ref(),
            body,
            members.strict,
            IdempotencyKey::new,
        ),
    }
}

/// The value that a pointer leads to, as a header's member.
fn value_at<T>(
    pointer: Option<&Pointer>,
    body: &[u8],
    strict: bool,
    make: fn(&str) -> Result<T, IdError>,
) -> Result<Option<T>, Fault> {
    let Some(pointer) = pointer else { return Ok(None) };
    let found = pointer.find(body);
    let offset = found.map_or(0, |value| value.as_ptr().addr() - body.as_ptr().addr());
    let fault = |reason| Fault { offset, reason };
    match Scalar::of(found) {
        Scalar::Missing if strict => Err(fault(format!(
            "nothing stands at {pointer}, and --strict was asked for"
        ))),
        Scalar::Missing => Ok(None),
        Scalar::Text(text) => make(&text)
            .map(Some)
            .map_err(|error| fault(format!("at {pointer}: {error}"))),
        Scalar::Other(other) => Err(fault(format!(
            "at {pointer} stands {other}, not a string or a number"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(strict: bool) -> Members {
        Members {
            kind: "audit_entry".parse().unwrap(),
            tenant: None,
            tenant_at: Some(Pointer::parse("/t").unwrap()),
            id_at: Some(Pointer::parse("/id").unwrap()),
            corr_at: None,
            idempotency_at: None,
            source: None,
            strict,
        }
    }

    #[test]
    fn what_is_missing_is_left_out_unless_strict() {
        for body in [
            &br#"{"id":7}"#[..],
            br#"{"id":7,"t":null}"#,
            br#"{"id":7,"t":""}"#,
        ] {
            let entry = entry(1, body, &members(false)).unwrap();
            assert_eq!(
                (entry.tenant, entry.id),
                (None, Some(EntityId::new("7").unwrap()))
            );
            assert!(super::entry(1, body, &members(true)).is_err());
        }
    }

    #[test]
    fn a_value_that_no_header_can_hold_is_named_with_its_place() {
        let long = format!(r#"{{"t":"{}"}}"#, "x".repeat(129));
        for (body, offset) in [
            (r#"{"t": true}"#, 6),
            (r#"{"t":{"a":1}}"#, 5),
            (r#"{"t":"a\u0007"}"#, 5),
            (&long, 5),
        ] {
            let fault = entry(1, body.as_bytes(), &members(false)).unwrap_err();
            assert_eq!(fault.offset, offset, "{body}: {}", fault.reason);
            assert!(fault.reason.starts_with("at /t"), "{}", fault.reason);
        }
    }

    #[test]
    fn lines_that_are_not_utf_8_are_kept_in_base64() {
        assert_eq!(Text::of(b"{\"a\":1}"), Text::Plain("{\"a\":1}".to_owned()));
        assert_eq!(Text::of(b"\xff\x00"), Text::Base64("/wA=".to_owned()));
    }
}
