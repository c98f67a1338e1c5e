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
            at: 0,
            depth: 0,
            braces: 0,
            names: &mut self.names,
        }
        .run()
        .map_err(|fault| *fault)
    }
}

/// An error on its way out: one word, so that what the scanner's steps return fits in registers.
type Fault = Box<JsonError>;

/// What may stand at the scanner's place.
enum Next {
    Member,
    Element,
    /// What follows a value inside its object or array.
    Rest,
    /// Nothing but white space.
    End,
}

/// One pass over one body, already known to be UTF-8.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Open brackets.
    depth: usize,
    /// Bit `d` is set when the bracket at depth `d + 1` is a brace.
    braces: u64,
    names: &'a mut Names,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        self.space();
        if self.peek() != b'{' {
            return Err(self.unexpected(Expected::Object));
        }
        let mut next = self.open_object()?;
        loop {
            next = match next {
                Next::Member => self.member()?,
                Next::Element => self.value()?,
                Next::Rest => self.rest()?,
                Next::End => break,
            };
        }
        self.space();
        if self.at < self.bytes.len() {
            return Err(self.unexpected(Expected::Nothing));
        }
        Ok(())
    }

    fn member(&mut self) -> Result<Next, Fault> {
        self.space();
        if self.peek() != b'"' {
            return Err(self.unexpected(Expected::Name));
        }
        let start = self.at + 1;
        let escaped = self.string()?;
        self.names.add(self.bytes, start..self.at - 1, escaped)?;
        self.space();
        if self.peek() != b':' {
            return Err(self.unexpected(Expected::Colon));
        }
        self.at += 1;
        self.value()
    }

    fn value(&mut self) -> Result<Next, Fault> {
        self.space();
        match self.peek() {
            b'"' => {
                self.string()?;
            }
            b'{' => return self.open_object(),
            b'[' => return self.open_array(),
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            _ => return Err(self.unexpected(Expected::Value)),
        }
        Ok(Next::Rest)
    }

    fn rest(&mut self) -> Result<Next, Fault> {
        self.space();
        let in_object = self.in_object();
        match (self.peek(), in_object) {
            (b',', _) => {
                self.at += 1;
                Ok(if in_object { Next::Member } else { Next::Element })
            }
            (b'}', true) => {
                self.names.close(self.bytes)?;
                Ok(self.close())
            }
            (b']', false) => Ok(self.close()),
            (_, true) => Err(self.unexpected(Expected::CommaOrBrace)),
            (_, false) => Err(self.unexpected(Expected::CommaOrBracket)),
        }
    }

    fn open_object(&mut self) -> Result<Next, Fault> {
        self.open(true)?;
        if self.peek() == b'}' {
            return Ok(self.close());
        }
        self.names.open();
        Ok(Next::Member)
    }

    fn open_array(&mut self) -> Result<Next, Fault> {
        self.open(false)?;
        Ok(if self.peek() == b']' {
            self.close()
        } else {
            Next::Element
        })
    }

    fn open(&mut self, brace: bool) -> Result<(), Fault> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(self.fault(JsonErrorKind::Depth));
        }
        self.braces = self.braces & !(1 << self.depth) | u64::from(brace) << self.depth;
        self.depth += 1;
        self.at += 1;
        self.space();
        Ok(())
    }

    fn close(&mut self) -> Next {
        self.at += 1;
        self.depth -= 1;
        if self.depth == 0 { Next::End } else { Next::Rest }
    }

    fn in_object(&self) -> bool {
        self.braces >> (self.depth - 1) & 1 == 1
    }

    /// Passes over a string and its quotes; says whether it holds an escape.
    fn string(&mut self) -> Result<bool, Fault> {
        self.at = plain_end(self.bytes, self.at + 1);
        if self.peek() == b'"' {
            self.at += 1;
            return Ok(false);
        }
        self.string_from_escape()?;
        Ok(true)
    }

    /// Passes over the rest of a string, from the first byte on that does not stand for itself.
    #[cold]
    fn string_from_escape(&mut self) -> Result<(), Fault> {
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    let (_, length) = escape(&self.bytes[self.at..]).map_err(|kind| self.fault(kind))?;
                    self.at = plain_end(self.bytes, self.at + length);
                }
                Some(b'\n' | b'\r') => return Err(self.fault(JsonErrorKind::LineEnd)),
                Some(&byte) => return Err(self.fault(JsonErrorKind::Control { byte })),
                None => return Err(self.fault(JsonErrorKind::Incomplete)),
            }
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        // A zero stands alone: what follows `0` other than a fraction or an exponent is no part of the number.
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start {
            Err(self.unexpected(Expected::Digit))
        } else {
            Ok(())
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), Fault> {
        if !self.bytes[self.at..].starts_with(literal) {
            return Err(self.unexpected(Expected::Value));
        }
        self.at += literal.len();
        Ok(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t') {
            self.at += 1;
        }
    }

    /// The byte at the scanner's place; NUL, which no grammar rule takes, where the text ends.
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[cold]
    fn unexpected(&self, expected: Expected) -> Fault {
        self.fault(match self.bytes.get(self.at) {
            None => JsonErrorKind::Incomplete,
            Some(b'\n' | b'\r') => JsonErrorKind::LineEnd,
            Some(_) => JsonErrorKind::Unexpected { expected },
        })
    }

    #[cold]
    fn fault(&self, kind: JsonErrorKind) -> Fault {
        Box::new(JsonError {
            offset: self.at,
            kind,
        })
    }
}
