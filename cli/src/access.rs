//! A ledger to write to: opened by this process, or reached through the one that holds it.

use ledgerstone_engine::door::Door;
use ledgerstone_engine::{Batch, Drafter, Error, Ledger, Stream, Ticket};
use ledgerstone_formats::segment::Seal;

/// The two ways to a ledger. Both take the same and answer the same.
pub(crate) enum Access {
    /// This process holds it.
    Own(Ledger),
    /// Another process holds it, and takes what this one brings.
    Door(Door),
}

impl Access {
    /// Makes drafts on one thread.
    pub(crate) fn drafter(&self) -> Drafter {
        match self {
            Self::Own(ledger) => ledger.drafter(),
            Self::Door(door) => door.drafter(),
        }
    }

    /// A stream of batches.
    pub(crate) fn stream(&self) -> Stream {
        match self {
            Self::Own(ledger) => ledger.stream(),
            Self::Door(door) => door.stream(),
        }
    }

    /// Sends a batch to be stored.
    pub(crate) fn submit(&self, batch: Batch) -> Result<Ticket, Error> {
        match self {
            Self::Own(ledger) => ledger.submit(batch),
            Self::Door(door) => door.submit(batch),
        }
    }

    /// Ends the segment and seals it.
    pub(crate) fn seal(&self) -> Result<Option<Seal>, Error> {
        match self {
            Self::Own(ledger) => ledger.seal(),
            Self::Door(door) => door.seal(),
        }
    }

    /// A head over everything, now.
    pub(crate) fn checkpoint(&self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Own(ledger) => ledger.checkpoint(),
            Self::Door(door) => door.checkpoint(),
        }
    }

    /// Lets the ledger go; one that another process holds is that process's to close.
    pub(crate) fn close(self) -> Result<(), Error> {
        match self {
            Self::Own(ledger) => ledger.close().map(|_| ()),
            Self::Door(_) => Ok(()),
        }
    }
}
