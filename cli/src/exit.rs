//! The one table of exit codes.

use std::process::ExitCode;

use ledgerstone_engine::{Code, ErrorKind};

use crate::signals::Signal;

/// How a command ended, as a script sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, nothing wrong.
    Done,
    /// 1: nothing found.
    NothingFound,
    /// 2: usage, or input refused.
    Refused,
    /// 3: I/O; nothing of the last batch is stored.
    Unavailable,
    /// 4: another record stands in the way.
    Conflict,
    /// 5: another process holds the ledger.
    Held,
    /// 6: a write or sync failed; what is stored shows when the ledger is opened again.
    Unknown,
    /// 7: some lines went to the rejects.
    Partly,
    /// 20 to 39: a verdict on the ledger.
    Verdict(Code),
    /// 130, 143: stopped by a signal after the group in flight.
    Stopped(Signal),
}

impl Exit {
    /// The number.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NothingFound => 1,
            Self::Refused => 2,
            Self::Unavailable => 3,
            Self::Conflict => 4,
            Self::Held => 5,
            Self::Unknown => 6,
            Self::Partly => 7,
            Self::Verdict(code) => code.number(),
            Self::Stopped(Signal::Interrupt) => 130,
            Self::Stopped(Signal::Terminate) => 143,
        }
    }

    /// The worst of the findings as a verdict; `Done` where there is none.
    pub(crate) fn of_verdict(code: Option<Code>) -> Self {
        code.map_or(Self::Done, Self::Verdict)
    }
}

/// The exit code of an engine's error, and its name in JSON.
pub(crate) fn of_error(kind: ErrorKind, code: Option<Code>) -> (Exit, &'static str) {
    match kind {
        ErrorKind::Conflict => (Exit::Conflict, "conflict"),
        // A damaged ledger always comes with its findings.
        ErrorKind::Corrupt => (Exit::Verdict(code.unwrap_or(Code::Altered)), "corrupt"),
        ErrorKind::Held => (Exit::Held, "held"),
        ErrorKind::Invalid => (Exit::Refused, "invalid"),
        ErrorKind::Missing => (Exit::Refused, "missing"),
        ErrorKind::Unknown => (Exit::Unknown, "unknown"),
        ErrorKind::Busy => (Exit::Unavailable, "busy"),
        ErrorKind::Closed => (Exit::Unavailable, "closed"),
        // `ErrorKind` may grow: what is not known here stored nothing.
        _ => (Exit::Unavailable, "unavailable"),
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_would_do_differently_has_a_code_of_its_own() {
        let codes = [
            (ErrorKind::Invalid, 2, "invalid"),
            (ErrorKind::Missing, 2, "missing"),
            (ErrorKind::Unavailable, 3, "unavailable"),
            (ErrorKind::Conflict, 4, "conflict"),
            (ErrorKind::Held, 5, "held"),
            (ErrorKind::Unknown, 6, "unknown"),
        ];
        for (kind, number, name) in codes {
            let (exit, shown) = of_error(kind, None);
            assert_eq!((exit.number(), shown), (number, name));
        }
        let (exit, shown) = of_error(ErrorKind::Corrupt, Some(Code::RolledBack));
        assert_eq!((exit.number(), shown), (33, "corrupt"));
    }
}
