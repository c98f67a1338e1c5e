//! Why a command did not do what it was asked: one type from the deepest reader up to `main`.

use std::fmt;
use std::io;
use std::path::Path;

use ledgerstone_engine::{Error, ErrorKind};
use serde::Serialize;

use crate::exit::{self, Exit};

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Whoever read the output has gone: nothing to say, and nobody to say it to.
    ClosedPipe,
    /// There is something to say.
    Problem(Box<Problem>),
}

/// What went wrong, where, and what to do next.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    /// The exit code.
    #[serde(skip)]
    pub(crate) exit: Exit,
    /// Its kind, for programs.
    pub(crate) kind: &'static str,
    /// In words.
    pub(crate) message: String,
    /// The file to blame: of the input or of the ledger.
    pub(crate) file: Option<String>,
    /// Line of that file, from 1.
    pub(crate) line: Option<u64>,
    /// Byte of that line, from 1.
    pub(crate) column: Option<u64>,
    /// Sequence number of the record to blame.
    pub(crate) seq: Option<u64>,
    /// Lines that say what to do next. In JSON they are left to the summary.
    #[serde(skip)]
    pub(crate) hints: Vec<String>,
}

/// The result of a command, and of its parts.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Problem {
    /// A problem without a place.
    pub(crate) fn new(exit: Exit, kind: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            exit,
            kind,
            message,
            file: None,
            line: None,
            column: None,
            seq: None,
            hints: Vec::new(),
        }
    }

    /// What was asked for cannot be done as it was asked.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, "usage", message)
    }

    /// A file of the user's own that could not be read or written.
    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let mut problem = Self::new(
            Exit::Unavailable,
            "unavailable",
            format!("cannot {doing}: {error}"),
        );
        problem.file = Some(path.display().to_string());
        problem
    }
}

impl fmt::Display for Problem {
    /// `FILE:LINE:COLUMN: MESSAGE`, as far as known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => f.write_str(file)?,
            None => f.write_str("ledgerstone")?,
        }
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(Problem::from(&error))
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let (exit, kind) = exit::of_error(error.kind(), error.code());
        let mut problem = Self::new(exit, kind, error.to_string());
        problem.seq = error.seq();
        // The message of a damaged ledger names the place already.
        if error.kind() != ErrorKind::Corrupt {
            problem.file = error.file().map(ToString::to_string);
        }
        problem
    }
}

/// An error of standard output: a reader that closed the pipe has what it wanted.
pub(crate) fn of_output(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::ClosedPipe;
    }
    Problem::new(
        Exit::Unavailable,
        "unavailable",
        format!("cannot write standard output: {error}"),
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_place_first() {
        let mut problem = Problem::new(Exit::Refused, "invalid", "not UTF-8");
        assert_eq!(problem.to_string(), "ledgerstone: not UTF-8");
        problem.file = Some("a.jsonl".to_owned());
        assert_eq!(problem.to_string(), "a.jsonl: not UTF-8");
        (problem.line, problem.column) = (Some(7), Some(12));
        assert_eq!(problem.to_string(), "a.jsonl:7:12: not UTF-8");
    }
}
