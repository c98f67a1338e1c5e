//! What producers ask of an open ledger, in this process or through the door.

use std::sync::Arc;

use ledgerstone_formats::records::system::Genesis;
use ledgerstone_formats::segment::{SEAL_BYTES_MAX, Seal};

use crate::batch::Batch;
use crate::clock::Clock;
use crate::commit::queue::Ready;
use crate::commit::shared::Shared;
use crate::commit::ticket::Ticket;
use crate::draft::{Drafter, reserved};
use crate::error::{Error, ErrorKind};
use crate::ledger::read_seal;
use crate::stats::Stats;
use crate::storage::Storage;

#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) shared: Arc<Shared>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) genesis: Genesis,
    pub(crate) body_bytes_max: usize,
}

impl Intake {
    pub(crate) fn drafter(&self) -> Drafter {
        Drafter::new(Arc::clone(&self.clock), self.body_bytes_max)
    }

    pub(crate) fn submit(&self, batch: Batch) -> Result<Ticket, Error> {
        let records = batch.len() as u64;
        self.try_submit(batch)
            .inspect_err(|error| self.shared.count_refused(error.kind(), records))
    }

    fn try_submit(&self, mut batch: Batch) -> Result<Ticket, Error> {
        check(&batch)?;
        self.expect_working()?;
        if batch.is_cut_off() {
            return Err(Error::cut_off());
        }
        batch.hash_keys(self.shared.index.recipe())?;
        let submitted = self.shared.queue.submit(batch);
        // The failure may have come in between: it says more than that the queue is closed.
        submitted.map_err(|error| self.shared.refusal().map_or(error, |refusal| refusal.error()))
    }

    pub(crate) fn ready(&self) -> Ready {
        Ready(Arc::clone(&self.shared.queue))
    }

    pub(crate) fn stats(&self) -> Stats {
        self.shared.stats(self.clock.monotonic())
    }

    pub(crate) fn seal(&self) -> Result<Option<Seal>, Error> {
        self.expect_working()?;
        let published = self.shared.published();
        let Some(active) = published.active.filter(|active| active.bytes > 0) else {
            return Ok(None);
        };
        self.shared.queue.ask_to_seal();
        self.shared.wait_until_sealed_to(published.chain.next_seq())?;
        read_seal(self.storage.as_ref(), active.first).map(Some)
    }

    pub(crate) fn checkpoint(&self) -> Result<Vec<u8>, Error> {
        self.expect_working()?;
        let size = self.shared.published().chain.next_seq();
        let notarized = self.shared.wait_for_head(size)?;
        if !notarized.head_file.is_empty() {
            return Ok(notarized.head_file.to_vec());
        }
        // Nothing was signed since the open: the file in the directory is the newest.
        let name = crate::recover::head_name(&self.genesis);
        let file = self
            .storage
            .open(&name)
            .and_then(|file| file.read_all(SEAL_BYTES_MAX));
        file.map_err(|error| Error::io("the head cannot be read", error).in_file(name))
    }

    /// Gives the reason why nothing is taken any more, if there is one.
    pub(crate) fn expect_working(&self) -> Result<(), Error> {
        self.shared
            .refusal()
            .map_or(Ok(()), |refusal| Err(refusal.error()))
    }
}

/// What no ledger takes, whatever is in it.
pub(crate) fn check(batch: &Batch) -> Result<(), Error> {
    if batch.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "a batch without records"));
    }
    // A draft can be made without this ledger's drafter, which refuses such a kind too.
    match batch.drafts().iter().find(|draft| draft.entry().kind.is_system()) {
        Some(draft) => Err(reserved(&draft.entry().kind)),
        None => Ok(()),
    }
}
