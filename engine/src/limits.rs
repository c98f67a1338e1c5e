//! Limits of the engine, with their units last in their names.

use ledgerstone_formats::limits::GROUP_BYTES_MAX;

/// Longest quarantine file: a torn group with its filler, in bytes.
pub(crate) const QUARANTINE_BYTES_MAX: u64 = 4 * GROUP_BYTES_MAX as u64;
