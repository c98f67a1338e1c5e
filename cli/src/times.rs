//! Times as people write them: RFC 3339, a date, or how long ago.

use jiff::civil::Date;
use ledgerstone_engine::clock::{Clock as _, SystemClock};
use ledgerstone_formats::time::Timestamp;

use crate::failure::{Outcome, Problem};

/// Reads a TIME argument. A date is its first moment in UTC; `-2h` is two hours ago.
pub(crate) fn parse(text: &str) -> Outcome<Timestamp> {
    let expected = || {
        let message =
            format!("`{text}` is no time: expected RFC 3339 (2026-11-22T14:45:11Z), a date, or -2h");
        Problem::usage(message)
    };
    let micros = micros(text, SystemClock::new().wall_micros()).ok_or_else(expected)?;
    // Outside the years that a ledger knows there are no records either way.
    let inside = micros.clamp(Timestamp::MIN.as_micros(), Timestamp::MAX.as_micros());
    Ok(Timestamp::from_micros(inside).expect("clamped into its range"))
}

fn micros(text: &str, now: i64) -> Option<i64> {
    if let Some(span) = text.strip_prefix('-') {
        let span: jiff::Span = span.parse().ok()?;
        let ago = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
        return now
            .checked_sub(i64::try_from(ago.as_micros()).ok()?)
            .filter(|_| !ago.is_negative());
    }
    if let Ok(date) = text.parse::<Date>()
        && text.len() == 10
    {
        return Some(
            date.to_zoned(jiff::tz::TimeZone::UTC)
                .ok()?
                .timestamp()
                .as_microsecond(),
        );
    }
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_instants_dates_or_spans_ago() {
        let now = 1_000_000_000_000_000;
        let expected = [
            ("1970-01-01T00:00:01Z", Some(1_000_000)),
            ("1970-01-01T01:00:01.5+01:00", Some(1_500_000)),
            ("1970-01-02", Some(86_400_000_000)),
            ("-2h", Some(now - 7_200_000_000)),
            ("-1d 30m", Some(now - 88_200_000_000)),
            ("2h", None),
            ("--2h", None),
            ("yesterday", None),
            ("1970-01-01T00:00:01", None),
            ("1970-02-30", None),
            ("", None),
        ];
        for (text, micros) in expected {
            assert_eq!(super::micros(text, now), micros, "{text}");
        }
    }
}
