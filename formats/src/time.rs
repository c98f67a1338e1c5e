//! The ledger's timestamps: RFC 3339, UTC, six decimals.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bytes of a timestamp's text: `2026-11-22T14:45:11.123456Z`.
pub const TIMESTAMP_BYTES: usize = 27;

const EPOCH: jiff::civil::DateTime = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);

/// Microseconds since 1970-01-01T00:00:00Z, between the years 1970 and 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00.000000Z.
    pub const MIN: Self = Self(0);
    /// 9999-12-31T23:59:59.999999Z.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// From microseconds since the epoch; `None` outside the years 1970 to 9999.
    pub fn from_micros(micros: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0)
            .contains(&micros)
            .then_some(Self(micros))
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// One microsecond later; the end of the year 9999 stays where it is.
    pub fn successor(self) -> Self {
        Self((self.0 + 1).min(Self::MAX.0))
    }

    /// Year and month, to tell when a month ends.
    pub fn year_month(self) -> (i16, i8) {
        let date = self.civil();
        (date.year(), date.month())
    }

    /// Parses exactly the canonical form.
    pub fn from_canonical(text: &[u8]) -> Option<Self> {
        let shape = b"0000-00-00T00:00:00.000000Z";
        let fits = text.len() == TIMESTAMP_BYTES
            && text.iter().zip(shape).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                _ => byte == form,
            });
        if !fits {
            return None;
        }
        let number = |from: usize, to: usize| {
            text[from..to]
                .iter()
                .fold(0_i32, |value, digit| value * 10 + i32::from(digit - b'0'))
        };
        let small = |from: usize, to: usize| i8::try_from(number(from, to)).ok();
        let year = i16::try_from(number(0, 4)).ok()?;
        let date = jiff::civil::DateTime::new(
            year,
            small(5, 7)?,
            small(8, 10)?,
            small(11, 13)?,
            small(14, 16)?,
            small(17, 19)?,
            number(20, 26) * 1_000,
        )
        .ok()?;
        Self::from_micros(i64::try_from(date.duration_since(EPOCH).as_micros()).ok()?)
    }

    /// The canonical form.
    pub fn to_canonical(self) -> [u8; TIMESTAMP_BYTES] {
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let date = self.civil();
        let mut put = |at: usize, digits: usize, mut value: i64| {
            for place in (at..at + digits).rev() {
                text[place] = b'0' + u8::try_from(value % 10).expect("a remainder of ten is a digit");
                value /= 10;
            }
        };
        put(0, 4, i64::from(date.year()));
        put(5, 2, i64::from(date.month()));
        put(8, 2, i64::from(date.day()));
        put(11, 2, i64::from(date.hour()));
        put(14, 2, i64::from(date.minute()));
        put(17, 2, i64::from(date.second()));
        put(20, 6, self.0 % 1_000_000);
        text
    }

    fn civil(self) -> jiff::civil::DateTime {
        // Not by way of `jiff::Timestamp`: it ends a day before the year 9999 does, to leave room for time zones.
        let since = jiff::SignedDuration::from_micros(self.0);
        EPOCH.checked_add(since).expect("the years 1970 to 9999 fit")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_canonical()).expect("digits are ASCII"))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a timestamp in canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampError;

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time of the form 2026-11-22T14:45:11.123456Z")
    }
}

impl std::error::Error for TimestampError {}

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        Self::from_canonical(text.as_bytes()).ok_or(TimestampError)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_agree_at_the_edges() {
        for (text, micros) in [
            ("1970-01-01T00:00:00.000000Z", 0),
            ("2024-02-29T23:59:59.999999Z", 1_709_251_199_999_999),
            ("9999-12-31T23:59:59.999999Z", Timestamp::MAX.as_micros()),
        ] {
            let at = Timestamp::from_micros(micros).unwrap();
            assert_eq!(at.to_string(), text);
            assert_eq!(text.parse(), Ok(at));
        }
        assert_eq!(Timestamp::MAX.successor(), Timestamp::MAX);
        assert_eq!(Timestamp::from_micros(-1), None);
        assert_eq!(Timestamp::from_micros(Timestamp::MAX.as_micros() + 1), None);
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        for bad in [
            "2026-11-22T14:45:11.12345Z",
            "2026-11-22T14:45:11.1234567Z",
            "2026-11-22t14:45:11.123456Z",
            "2026-11-22T14:45:11.123456z",
            "2026-11-22T14:45:11,123456Z",
            "2026-11-22T14:45:60.000000Z",
            "2026-02-29T00:00:00.000000Z",
            "2026-13-01T00:00:00.000000Z",
            "1969-12-31T23:59:59.999999Z",
            "2026-11-22T24:00:00.000000Z",
            "+026-11-22T14:45:11.123456Z",
        ] {
            assert_eq!(bad.parse::<Timestamp>(), Err(TimestampError), "{bad}");
        }
    }
}
