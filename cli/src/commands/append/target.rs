//! Where a load goes.

use ledgerstone_engine::{Batch, Drafter, ErrorKind, Stream, Ticket};

use crate::access::Access;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, Problem};

/// Opens the ledger or reaches it, and waits for it as long as was asked for.
pub(crate) type Reach<'a> = &'a dyn Fn() -> Outcome<Access>;

/// A ledger with a stream that all batches are of: what is stored is always the beginning of the input, so that the
/// load can go on behind it.
pub(crate) struct Target<'a> {
    access: Access,
    stream: Stream,
    /// Tried when the process that held the ledger lets it go before the input ends.
    again: Option<Reach<'a>>,
}

impl<'a> Target<'a> {
    /// A target that nothing was sent to.
    pub(crate) fn new(access: Access, again: Option<Reach<'a>>) -> Self {
        let stream = access.stream();
        Self {
            access,
            stream,
            again,
        }
    }

    /// Makes drafts on one thread.
    pub(crate) fn drafter(&self) -> Drafter {
        self.access.drafter()
    }

    /// Longest body that is taken, in bytes; as the settings say where this process holds the ledger.
    pub(crate) fn body_bytes_max(&self, setting: usize) -> usize {
        match &self.access {
            Access::Own(_) => setting,
            Access::Door(door) => door.body_bytes_max().min(setting),
        }
    }

    /// Sends the next batch.
    pub(crate) fn submit(&mut self, batch: &Batch) -> Result<Ticket, Problem> {
        loop {
            let error = match self.access.submit(batch.clone().in_stream(&self.stream)) {
                Ok(ticket) => return Ok(ticket),
                Err(error) => error,
            };
            // All that was sent before is stored: a stream that has lost a batch says so instead.
            let has_left = matches!(self.access, Access::Door(_)) && error.kind() == ErrorKind::Closed;
            let Some(again) = self.again.filter(|_| has_left) else {
                return Err(Problem::from(&error));
            };
            self.access = again().map_err(problem)?;
            self.stream = self.access.stream();
        }
    }

    /// Lets the ledger go.
    pub(crate) fn close(self) -> Result<(), Problem> {
        self.access.close().map_err(|error| Problem::from(&error))
    }
}

fn problem(failure: Failure) -> Problem {
    match failure {
        Failure::Problem(problem) => *problem,
        // Nothing that opens a ledger writes to standard output.
        Failure::ClosedPipe => Problem::new(Exit::Unavailable, "closed", "standard output is closed"),
    }
}
