//! Limits of the engine, with their units last in their names.

use ledgerstone_formats::limits::GROUP_BYTES_MAX;

/// Most filler that is laid behind a group, in bytes: with a torn group it can be set aside.
pub(crate) const FILLER_BYTES_MAX: u64 = GROUP_BYTES_MAX as u64;
/// Longest quarantine file: a torn group with its filler, in bytes.
pub(crate) const QUARANTINE_BYTES_MAX: u64 = 4 * GROUP_BYTES_MAX as u64;
