//! Why a measurement could not be made.

use std::fmt;
use std::io;

use ledgerstone_formats::ids::IdError;
use ledgerstone_formats::record::RecordError;

/// What went wrong, with its cause.
#[derive(Debug)]
pub enum Error {
    /// A file or a directory.
    Io(io::Error),
    /// A body of the workload is not what the generator writes.
    Json(serde_json::Error),
    /// The ledger.
    Engine(ledgerstone_engine::Error),
    /// A value of the workload is none that a header holds.
    Id(IdError),
    /// A stored line is no record.
    Record(RecordError),
    /// The peer.
    Sqlite(rusqlite::Error),
    /// A thread of the workload ended before its work was done; its own error is told too.
    Stopped,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "input or output: {error}"),
            Self::Json(error) => write!(f, "workload: {error}"),
            Self::Engine(error) => write!(f, "ledger: {error}"),
            Self::Id(error) => write!(f, "workload: {error}"),
            Self::Record(error) => write!(f, "stored line: {error}"),
            Self::Sqlite(error) => write!(f, "SQLite: {error}"),
            Self::Stopped => f.write_str("a thread of the workload stopped early"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<ledgerstone_engine::Error> for Error {
    fn from(error: ledgerstone_engine::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<IdError> for Error {
    fn from(error: IdError) -> Self {
        Self::Id(error)
    }
}

impl From<RecordError> for Error {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}
