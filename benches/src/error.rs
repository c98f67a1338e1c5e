//! Why a measurement could not be made.

use std::fmt;
use std::io;

/// What went wrong, with its cause.
#[derive(Debug)]
pub enum Error {
    /// A file or a directory.
    Io(io::Error),
    /// A body of the workload is not what the generator writes.
    Json(serde_json::Error),
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
