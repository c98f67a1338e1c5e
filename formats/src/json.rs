//! The strict check of a body: one JSON object on one line, judged without changing or converting a byte.
//!
//! Stricter than RFC 8259 where a ledger must be: no name twice in an object (compared after unescaping), no lone
//! surrogate, no raw line end, bounded depth. As strict as its grammar elsewhere: numbers are never converted, so
//! `1E400`, `-0` and forty digits pass.

mod error;
mod names;
mod string;
#[cfg(test)]
mod tests;

pub use error::{Expected, JsonError, JsonErrorKind};
pub use string::unescape;
pub(crate) use string::{plain_end, unescape_into};

use crate::limits::JSON_DEPTH_MAX;
use names::Names;
use string::escape;

// One bit for each open bracket says whether it is a brace.
const _: () = assert!(JSON_DEPTH_MAX <= u64::BITS as usize);

/// Checks one body; see [`Checker::check_object`], which is faster for many.
///
/// # Errors
/// [`JsonError`] with the place of the first fault.
pub fn check_object(bytes: &[u8]) -> Result<(), JsonError> {
    Checker::new().check_object(bytes)
}

/// Checks bodies one after the other, with scratch space that is used again.
#[derive(Debug, Default)]
pub struct Checker {
    names: Names,
}

impl Checker {
    /// A checker that has allocated nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks that `bytes` are one JSON object, with nothing but spaces and tabs around it.
    ///
    /// Takes time in proportion to the length (times its logarithm where an object has very many names), whatever
    /// the bytes are, and never recurses.
    ///
    /// # Errors
    /// [`JsonError`] with the place of the first fault found: text that is not UTF-8 before all others, a repeated
    /// name of an object with many names only where that object ends.
    pub fn check_object(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        self.names.clear();
        if let Err(error) = std::str::from_utf8(bytes) {
            return Err(JsonError {
                offset: error.valid_up_to(),
                kind: JsonErrorKind::Utf8,
            });
        }
        if bytes.starts_with("\u{feff}".as_bytes()) {
            return Err(JsonError {
                offset: 0,
                kind: JsonErrorKind::ByteOrderMark,
            });
        }
        Scan {
            bytes,
            depth: 0,
            braces: 0,
            names: &mut self.names,
        }
        .run()
        .map_err(|fault| *fault)
    }
}

/// An error on its way out: one word, so that what the steps of the scan return fits in registers.
type Fault = Box<JsonError>;

/// One pass over one body, already known to be UTF-8. Its steps take a place and return the place after what they
/// passed over, so that the place stays in a register.
struct Scan<'a> {
    bytes: &'a [u8],
    /// Open brackets.
    depth: usize,
    /// Bit `d` is set when the bracket at depth `d + 1` is a brace.
    braces: u64,
    names: &'a mut Names,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        let mut at = self.space(0);
        if self.byte(at) != b'{' {
            return Err(self.unexpected(at, Expected::Object));
        }
        loop {
            at = self.space(at);
            at = match self.byte(at) {
                b'"' => self.string(at)?.0,
                b'{' => {
                    at = self.open(at, true)?;
                    if self.byte(at) != b'}' {
                        self.names.open();
                        at = self.name(at)?;
                        continue;
                    }
                    self.close(at)
                }
                b'[' => {
                    at = self.open(at, false)?;
                    if self.byte(at) != b']' {
                        continue;
                    }
                    self.close(at)
                }
                b'-' | b'0'..=b'9' => self.number(at)?,
                b't' => self.literal(at, b"true")?,
                b'f' => self.literal(at, b"false")?,
                b'n' => self.literal(at, b"null")?,
                _ => return Err(self.unexpected(at, Expected::Value)),
            };
            match self.rest(at)? {
                Some(next) => at = next,
                None => return Ok(()),
            }
        }
    }

    /// From the end of a value to the next value, past all brackets that end between them. `None` at the end of the
    /// text.
    fn rest(&mut self, mut at: usize) -> Result<Option<usize>, Fault> {
        while self.depth > 0 {
            at = self.space(at);
            let in_object = self.braces >> (self.depth - 1) & 1 == 1;
            at = match (self.byte(at), in_object) {
                (b',', true) => return self.name(at + 1).map(Some),
                (b',', false) => return Ok(Some(at + 1)),
                (b'}', true) => {
                    self.names.close(self.bytes)?;
                    self.close(at)
                }
                (b']', false) => self.close(at),
                (_, true) => return Err(self.unexpected(at, Expected::CommaOrBrace)),
                (_, false) => return Err(self.unexpected(at, Expected::CommaOrBracket)),
            };
        }
        at = self.space(at);
        if at < self.bytes.len() {
            Err(self.unexpected(at, Expected::Nothing))
        } else {
            Ok(None)
        }
    }

    /// Past an opening bracket and the space after it.
    fn open(&mut self, at: usize, brace: bool) -> Result<usize, Fault> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(fault(at, JsonErrorKind::Depth));
        }
        self.braces = self.braces & !(1 << self.depth) | u64::from(brace) << self.depth;
        self.depth += 1;
        Ok(self.space(at + 1))
    }

    fn close(&mut self, at: usize) -> usize {
        self.depth -= 1;
        at + 1
    }

    /// Past the name of a member and its colon.
    fn name(&mut self, at: usize) -> Result<usize, Fault> {
        let start = self.space(at);
        if self.byte(start) != b'"' {
            return Err(self.unexpected(start, Expected::Name));
        }
        let (end, escaped) = self.string(start)?;
        self.names.add(self.bytes, start + 1..end - 1, escaped)?;
        let at = self.space(end);
        if self.byte(at) != b':' {
            return Err(self.unexpected(at, Expected::Colon));
        }
        Ok(at + 1)
    }

    /// Past a string and its quotes; says too whether it holds an escape.
    fn string(&self, start: usize) -> Result<(usize, bool), Fault> {
        let at = plain_end(self.bytes, start + 1);
        if self.byte(at) == b'"' {
            Ok((at + 1, false))
        } else {
            self.string_from_escape(at)
        }
    }

    /// Past the rest of a string, from the first byte on that does not stand for itself.
    #[cold]
    fn string_from_escape(&self, mut at: usize) -> Result<(usize, bool), Fault> {
        loop {
            match self.bytes.get(at) {
                Some(b'"') => return Ok((at + 1, true)),
                Some(b'\\') => {
                    let (_, length) = escape(&self.bytes[at..]).map_err(|kind| fault(at, kind))?;
                    at = plain_end(self.bytes, at + length);
                }
                Some(b'\n' | b'\r') => return Err(fault(at, JsonErrorKind::LineEnd)),
                Some(&byte) => return Err(fault(at, JsonErrorKind::Control { byte })),
                None => return Err(fault(at, JsonErrorKind::Incomplete)),
            }
        }
    }

    fn number(&self, mut at: usize) -> Result<usize, Fault> {
        at += usize::from(self.byte(at) == b'-');
        // A zero stands alone: what follows `0` other than a fraction or an exponent is no part of the number.
        at = if self.byte(at) == b'0' {
            at + 1
        } else {
            self.digits(at)?
        };
        if self.byte(at) == b'.' {
            at = self.digits(at + 1)?;
        }
        if matches!(self.byte(at), b'e' | b'E') {
            at += 1 + usize::from(matches!(self.byte(at + 1), b'+' | b'-'));
            at = self.digits(at)?;
        }
        Ok(at)
    }

    fn digits(&self, start: usize) -> Result<usize, Fault> {
        let mut at = start;
        while self.byte(at).is_ascii_digit() {
            at += 1;
        }
        if at == start {
            Err(self.unexpected(at, Expected::Digit))
        } else {
            Ok(at)
        }
    }

    fn literal(&self, at: usize, literal: &[u8]) -> Result<usize, Fault> {
        if self.bytes[at..].starts_with(literal) {
            return Ok(at + literal.len());
        }
        Err(self.unexpected(at, Expected::Value))
    }

    fn space(&self, mut at: usize) -> usize {
        while matches!(self.byte(at), b' ' | b'\t') {
            at += 1;
        }
        at
    }

    /// The byte at a place; NUL, which no rule of the grammar takes, where the text ends.
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    #[cold]
    fn unexpected(&self, at: usize, expected: Expected) -> Fault {
        fault(
            at,
            match self.bytes.get(at) {
                None => JsonErrorKind::Incomplete,
                Some(b'\n' | b'\r') => JsonErrorKind::LineEnd,
                Some(_) => JsonErrorKind::Unexpected { expected },
            },
        )
    }
}

#[cold]
fn fault(offset: usize, kind: JsonErrorKind) -> Fault {
    Box::new(JsonError { offset, kind })
}
