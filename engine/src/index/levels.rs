//! Which index files are brought together: ten of a level make one of the next, so that a lookup asks at most nine of
//! each level, and a ledger of a thousand segments has three.

use std::ops::Range;

use crate::index::Part;
use crate::index::sidecar::OPEN;

/// Files of one level that make one of the next.
pub(crate) const FAN: u64 = 10;

/// The first parts that are to be made one.
pub(crate) fn due(parts: &[Part]) -> Option<Range<usize>> {
    let fan = usize::try_from(FAN).expect("a small number");
    let mut segments = 0_u64;
    for (at, part) in parts.iter().enumerate() {
        let level = level(part)?;
        let covered = FAN.checked_pow(u32::from(level))?;
        if segments.is_multiple_of(covered.saturating_mul(FAN)) {
            let run = parts.get(at..at + fan)?;
            if run.iter().all(|other| self::level(other) == Some(level)) && fits_one_file(run) {
                return Some(at..at + fan);
            }
        }
        segments += covered;
    }
    None
}

/// None for the index of a segment that has no seal yet: nothing after it has one either.
fn level(part: &Part) -> Option<u8> {
    match part {
        Part::File(sidecar) => Some(sidecar.subject().level).filter(|level| *level != OPEN),
        Part::Memory { .. } => None,
    }
}

/// A posting names its record by four bytes from the first on.
fn fits_one_file(parts: &[Part]) -> bool {
    let first = parts.first().map_or(0, Part::first);
    let end = parts.last().and_then(Part::end).unwrap_or(u64::MAX);
    u32::try_from(end - first).is_ok()
}
