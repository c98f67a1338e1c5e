//! Finds the names that an object holds twice, in time that no input can make quadratic.

use std::ops::Range;

use super::string::unescape_into;
use super::{Fault, JsonError, JsonErrorKind};

/// Names of an object that are compared with each other as they come; of a larger one all are sorted where it ends.
const PAIRWISE_MAX: usize = 32;
/// Scratch space kept from one body to the next; a body with more makes its own.
const NAMES_KEPT_MAX: usize = 4_096;
const UNESCAPED_BYTES_KEPT_MAX: usize = 64 << 10;

/// The names of all objects open at a place, outermost first.
#[derive(Debug, Default)]
pub(super) struct Names {
    seen: Vec<Name>,
    /// Names that hold escapes, as they read without.
    unescaped: Vec<u8>,
    /// The innermost object.
    current: Frame,
    outer: Vec<Frame>,
}

/// One open object.
#[derive(Debug, Default, Clone, Copy)]
struct Frame {
    /// Its first name in `seen`.
    start: usize,
    /// One bit for each name, chosen by its fingerprint: a name whose bit is clear is new.
    filter: u64,
}

#[derive(Debug, Clone, Copy)]
struct Name {
    /// Equal names have equal fingerprints.
    fingerprint: u64,
    /// Where it stands in the body, after its quote.
    offset: usize,
    /// Where it is to be read: in the body, or past the body's end in `unescaped`.
    start: usize,
    length: usize,
}

impl Names {
    /// Begins a new body.
    pub(super) fn clear(&mut self) {
        self.seen.clear();
        self.seen.shrink_to(NAMES_KEPT_MAX);
        self.unescaped.clear();
        self.unescaped.shrink_to(UNESCAPED_BYTES_KEPT_MAX);
        self.outer.clear();
        self.current = Frame::default();
    }

    /// An object with at least one member begins.
    pub(super) fn open(&mut self) {
        self.outer.push(self.current);
        self.current = Frame {
            start: self.seen.len(),
            filter: 0,
        };
    }

    /// Adds the name at `range` of `body`; `escaped` says whether it holds escapes, which have been checked.
    pub(super) fn add(&mut self, body: &[u8], range: Range<usize>, escaped: bool) -> Result<(), Fault> {
        let mut name = Name {
            fingerprint: 0,
            offset: range.start,
            start: range.start,
            length: range.len(),
        };
        if escaped {
            let start = self.unescaped.len();
            unescape_into(&body[range], &mut self.unescaped)
                .expect("the escapes of a name are checked before");
            name.start = body.len() + start;
            name.length = self.unescaped.len() - start;
        }
        let text = name.text(body, &self.unescaped);
        name.fingerprint = fingerprint(text);
        let bit = 1 << (name.fingerprint >> 58);
        let siblings = &self.seen[self.current.start..];
        if self.current.filter & bit != 0 && siblings.len() < PAIRWISE_MAX {
            let same = |other: &Name| {
                other.fingerprint == name.fingerprint && other.text(body, &self.unescaped) == text
            };
            if siblings.iter().any(same) {
                return Err(repeated(&name, text));
            }
        }
        self.current.filter |= bit;
        self.seen.push(name);
        Ok(())
    }

    /// The innermost object ends.
    pub(super) fn close(&mut self, body: &[u8]) -> Result<(), Fault> {
        let siblings = &mut self.seen[self.current.start..];
        if siblings.len() > PAIRWISE_MAX {
            let text = |name: &Name| name.text(body, &self.unescaped);
            siblings.sort_unstable_by(|a, b| {
                let by_text = || text(a).cmp(text(b));
                a.fingerprint
                    .cmp(&b.fingerprint)
                    .then_with(by_text)
                    .then(a.offset.cmp(&b.offset))
            });
            let same = |pair: &[Name]| {
                let [first, second] = pair else { return None };
                (first.fingerprint == second.fingerprint && text(first) == text(second)).then_some(*second)
            };
            let second = siblings
                .windows(2)
                .filter_map(same)
                .min_by_key(|name| name.offset);
            if let Some(second) = second {
                return Err(repeated(&second, text(&second)));
            }
        }
        self.seen.truncate(self.current.start);
        self.current = self
            .outer
            .pop()
            .expect("an object is closed once for each time it is opened");
        Ok(())
    }
}

impl Name {
    fn text<'a>(&self, body: &'a [u8], unescaped: &'a [u8]) -> &'a [u8] {
        match self.start.checked_sub(body.len()) {
            None => &body[self.start..self.start + self.length],
            Some(start) => &unescaped[start..start + self.length],
        }
    }
}

/// Says everything about a name of up to eight bytes but its length, and the ends of a longer one.
fn fingerprint(name: &[u8]) -> u64 {
    let word = |at: usize| {
        name.get(at..)
            .and_then(<[u8]>::first_chunk::<8>)
            .map(|word| u64::from_le_bytes(*word))
    };
    let half = |at: usize| {
        name.get(at..)
            .and_then(<[u8]>::first_chunk::<4>)
            .map(|half| u32::from_le_bytes(*half))
    };
    let length = name.len();
    let ends = if let Some(first) = word(0) {
        first ^ word(length - 8).unwrap_or(0).rotate_left(27)
    } else if let Some(first) = half(0) {
        u64::from(first) | u64::from(half(length - 4).unwrap_or(0)) << 32
    } else {
        name.iter().fold(0, |ends, &byte| ends << 8 | u64::from(byte))
    };
    // An odd factor keeps unequal words unequal; its high bits are well mixed.
    (ends ^ length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cold]
fn repeated(name: &Name, text: &[u8]) -> Fault {
    let name_text = String::from_utf8_lossy(text)
        .chars()
        .take(JsonErrorKind::NAME_CHARS_MAX)
        .collect();
    Box::new(JsonError {
        offset: name.offset - 1,
        kind: JsonErrorKind::RepeatedName { name: name_text },
    })
}
