//! Counters of an open ledger.

/// What an open ledger has done since it was opened, and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records in the ledger.
    pub size: u64,
    /// Records under the newest head.
    pub head_size: u64,
    /// Segments.
    pub segments: u64,
    /// Sealed segments.
    pub sealed: u64,
    /// Records that wait for the writer.
    pub queue_records: u64,
    /// Bytes that wait for the writer.
    pub queue_bytes: u64,
    /// Commit groups written.
    pub groups: u64,
    /// Records written.
    pub records: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Records refused by the writer: disk nearly full, clock, kind, conflict.
    pub refused: u64,
    /// Parts of the index that a lookup asks at most: files, and the memory of what has no seal yet. Grows with the
    /// logarithm of the number of segments.
    pub index_parts: u64,
    /// Index files that could not be written: the index of their segments stays as it was.
    pub index_failures: u64,
}
