//! Reading a header from its start to its end, member by member, in the one form that each has.

use std::borrow::Cow;

use super::{GroupPlace, HeaderError, HeaderProblem, VERSION};
use crate::hash::Hash;
use crate::ids::IdError;
use crate::limits::{GROUP_RECORDS_MAX, SEQUENCE_MAX};
use crate::time::{TIMESTAMP_BYTES, Timestamp};

/// How far a header is read.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn problem(&self, problem: HeaderProblem) -> HeaderError {
        HeaderError {
            offset: self.at,
            problem,
        }
    }

    fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    fn eat(&mut self, literal: &[u8]) -> bool {
        let found = self.rest().starts_with(literal);
        if found {
            self.at += literal.len();
        }
        found
    }

    fn expect(&mut self, literal: &'static [u8]) -> Result<(), HeaderError> {
        if self.eat(literal) {
            return Ok(());
        }
        Err(self.problem(HeaderProblem::Expected(
            std::str::from_utf8(literal).expect("literals are ASCII"),
        )))
    }

    pub(super) fn version(&mut self) -> Result<(), HeaderError> {
        let version = self.number(b"{\"v\":", u64::MAX)?;
        match version {
            VERSION => Ok(()),
            0 => Err(self.problem(HeaderProblem::Number)),
            _ => Err(self.problem(HeaderProblem::NewerVersion(version))),
        }
    }

    fn digits(&mut self, value_max: u64) -> Result<u64, HeaderError> {
        let rest = self.rest();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let canonical = count == 1 || count > 1 && rest[0] != b'0';
        let value = rest[..count].iter().try_fold(0_u64, |value, digit| {
            value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        match value {
            Some(value) if canonical && value <= value_max => {
                self.at += count;
                Ok(value)
            }
            _ => Err(self.problem(HeaderProblem::Number)),
        }
    }

    pub(super) fn number(&mut self, name: &'static [u8], value_max: u64) -> Result<u64, HeaderError> {
        self.expect(name)?;
        self.digits(value_max)
    }

    pub(super) fn revision(&mut self) -> Result<Option<u64>, HeaderError> {
        if !self.eat(b",\"rev\":") {
            return Ok(None);
        }
        match self.digits(SEQUENCE_MAX)? {
            0 => Err(self.problem(HeaderProblem::Number)),
            rev => Ok(Some(rev)),
        }
    }

    pub(super) fn timestamp(&mut self) -> Result<Timestamp, HeaderError> {
        self.expect(b",\"at\":\"")?;
        let at = self
            .rest()
            .get(..TIMESTAMP_BYTES)
            .and_then(Timestamp::from_canonical);
        let at = at.ok_or_else(|| self.problem(HeaderProblem::Time))?;
        self.at += TIMESTAMP_BYTES;
        self.expect(b"\"")?;
        Ok(at)
    }

    pub(super) fn group(&mut self) -> Result<Option<GroupPlace>, HeaderError> {
        if !self.eat(b",\"grp\":[") {
            return Ok(None);
        }
        let index = self.digits(GROUP_RECORDS_MAX as u64)?;
        let count = self.number(b",", GROUP_RECORDS_MAX as u64)?;
        self.expect(b"]")?;
        match (u32::try_from(index), u32::try_from(count)) {
            (Ok(index), Ok(count)) if index < count && count >= 2 => Ok(Some(GroupPlace { index, count })),
            _ => Err(self.problem(HeaderProblem::Group)),
        }
    }

    pub(super) fn text(
        &mut self,
        name: &'static [u8],
        check: impl Fn(&str) -> Result<(), IdError>,
    ) -> Result<Cow<'a, str>, HeaderError> {
        self.expect(name)?;
        let start = self.at;
        let value = self.string()?;
        check(&value).map_err(|error| HeaderError {
            offset: start,
            problem: HeaderProblem::Value(error),
        })?;
        Ok(value)
    }

    pub(super) fn optional_text(
        &mut self,
        name: &'static [u8],
        check: impl Fn(&str) -> Result<(), IdError>,
    ) -> Result<Option<Cow<'a, str>>, HeaderError> {
        if self.rest().starts_with(name) {
            self.text(name, check).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A string up to and including its closing quote. Only `\"` and `\\` are escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, HeaderError> {
        let rest = self.rest();
        let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        let mut value = Cow::Borrowed(self.utf8(&rest[..end])?);
        self.at += end;
        while self.eat(b"\\") {
            let rest = self.rest();
            let Some(escaped @ (b'"' | b'\\')) = rest.first() else {
                return Err(self.problem(HeaderProblem::Expected("\\\" or \\\\")));
            };
            let plain = &rest[1..];
            let end = memchr::memchr2(b'"', b'\\', plain).unwrap_or(plain.len());
            let owned = value.to_mut();
            owned.push(char::from(*escaped));
            owned.push_str(self.utf8(&plain[..end])?);
            self.at += 1 + end;
        }
        self.expect(b"\"")?;
        Ok(value)
    }

    fn utf8(&self, bytes: &'a [u8]) -> Result<&'a str, HeaderError> {
        std::str::from_utf8(bytes).map_err(|_| self.problem(HeaderProblem::Expected("UTF-8 text")))
    }

    pub(super) fn hash(&mut self, name: &'static [u8]) -> Result<Hash, HeaderError> {
        self.expect(name)?;
        let hash = self.rest().get(..64).and_then(Hash::from_hex);
        let hash = hash.ok_or_else(|| self.problem(HeaderProblem::Expected("64 lower-case hex digits")))?;
        self.at += 64;
        self.expect(b"\"")?;
        Ok(hash)
    }
}
