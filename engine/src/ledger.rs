//! The ledger: opened once by one process, appended to by many threads, read by any.

use std::fmt;
use std::sync::Arc;

use ledgerstone_formats::chain::ChainHead;
use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::names::{FileName, QuarantineName};
use ledgerstone_formats::records::system::Genesis;
use ledgerstone_formats::segment::{SEAL_BYTES_MAX, Seal};

use crate::batch::{Batch, Stream};
use crate::clock::{Clock, SystemClock};
use crate::commit::ahead::Ahead;
use crate::commit::intake::Intake;
use crate::commit::numbers::Numbers;
use crate::commit::queue::{Queue, Ready};
use crate::commit::shared::{Notarized, Published, Refusal, SegmentInfo, Shared};
use crate::commit::threads::Threads;
use crate::commit::ticket::Ticket;
use crate::commit::writer::Writer;
use crate::create;
use crate::door::server::Server;
use crate::draft::{Drafter, NewEntry};
use crate::error::{Error, ErrorKind};
use crate::holder;
use crate::index::Index;
use crate::index::about::SealedSpan;
use crate::index::memory::PageWriter;
use crate::keystore::KeyStore;
use crate::options::Options;
use crate::read::snapshot::{Lookups, Snapshot};
use crate::recover::apply::{Means, apply};
use crate::recover::heads::Source;
use crate::recover::{Adopted, Plan, TornTail, plan};
use crate::stats::Stats;
use crate::storage::{Lock, Storage};
use crate::sync::{Mutex, PoisonError};

/// Who a new ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerIdentity {
    /// First part of the origin, which is `NAME/<ledger id>`.
    pub name: String,
    /// Whether its heads are signed; the key is made with the ledger.
    pub signed: bool,
}

/// What an open found and did.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The torn tail that was set aside.
    pub torn: Option<TornTail>,
    /// The groups past the newest head that were kept.
    pub adopted: Option<Adopted>,
    /// Quarantine files that a record names only now.
    pub recorded: Vec<QuarantineName>,
    /// Why the ledger is open for reading only; nothing was changed.
    pub read_only: Option<Error>,
    /// Facts that are none of these.
    pub notes: Vec<String>,
}

/// An open ledger.
pub struct Ledger {
    intake: Arc<Intake>,
    lookups: Lookups,
    threads: Mutex<Option<Threads>>,
    door: Mutex<Option<Server>>,
    /// The writer holds it too: whichever of the two is dropped last lets the ledger go.
    lock: Arc<dyn Lock>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("origin", &self.intake.genesis.origin)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// Makes a new ledger, or finishes one whose creation was cut short, and opens it.
    ///
    /// # Errors
    /// `Invalid` where there is a ledger already or the identity cannot be; `Held`; `Unavailable` for I/O, also where
    /// the ledger is made and only the door of [`Options::door_connections_max`] cannot be.
    pub fn create(
        storage: Arc<dyn Storage>,
        keys: Arc<dyn KeyStore>,
        identity: &LedgerIdentity,
        options: Options,
    ) -> Result<Self, Error> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let connections_max = options.door_connections_max;
        let (ledger, writer) = Self::create_stepped(storage, keys, clock, identity, options)?;
        let ledger = ledger.start(writer)?;
        ledger.open_door(connections_max)?;
        Ok(ledger)
    }

    /// [`Ledger::create`] without threads, and with the caller's clock.
    ///
    /// # Errors
    /// As [`Ledger::create`].
    pub fn create_stepped(
        storage: Arc<dyn Storage>,
        keys: Arc<dyn KeyStore>,
        clock: Arc<dyn Clock>,
        identity: &LedgerIdentity,
        options: Options,
    ) -> Result<(Self, Writer), Error> {
        options.check()?;
        create::check_place(storage.as_ref())?;
        create::check_clock(clock.as_ref())?;
        storage
            .create_directories()
            .map_err(|error| Error::io("the ledger's directory cannot be made", error))?;
        let lock = holder::take_lock(storage.as_ref(), clock.as_ref())?;
        create::create(storage.as_ref(), keys.as_ref(), &clock, identity, &options)?;
        let (ledger, writer, recovered) = Self::open_held(Means {
            storage,
            keys,
            clock,
            options,
            lock: lock.into(),
        })?;
        match recovered.read_only {
            Some(error) => Err(error),
            None => Ok((ledger, writer)),
        }
    }

    /// Opens a ledger for writing. A torn tail is set aside and groups past the newest head are kept; both are said in
    /// [`Recovered`] and recorded. Where the ledger is damaged, or anything needed is not to be had, it is open for
    /// reading only: [`Recovered::read_only`] says why, and [`Ledger::submit`] answers with that error.
    ///
    /// # Errors
    /// `Missing`, `Held` with the holder's line, `Corrupt` when not even the identity can be read, `Unavailable`.
    pub fn open(
        storage: Arc<dyn Storage>,
        keys: Arc<dyn KeyStore>,
        options: Options,
    ) -> Result<(Self, Recovered), Error> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let connections_max = options.door_connections_max;
        let (ledger, writer, mut recovered) = Self::open_stepped(storage, keys, clock, options)?;
        let ledger = ledger.start(writer)?;
        if recovered.read_only.is_none() {
            let closed = ledger.open_door(connections_max).err();
            recovered.notes.extend(closed.map(|error| error.to_string()));
        }
        Ok((ledger, recovered))
    }

    /// [`Ledger::open`] without threads, and with the caller's clock: the caller turns the writer, one
    /// [`Writer::step`] at a time.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_stepped(
        storage: Arc<dyn Storage>,
        keys: Arc<dyn KeyStore>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<(Self, Writer, Recovered), Error> {
        options.check()?;
        // Told before the lock is asked for: a directory without a ledger is left as it is.
        crate::recover::read_identity(storage.as_ref())?;
        let lock = holder::take_lock(storage.as_ref(), clock.as_ref())?;
        Self::open_held(Means {
            storage,
            keys,
            clock,
            options,
            lock: lock.into(),
        })
    }

    fn open_held(means: Means) -> Result<(Self, Writer, Recovered), Error> {
        let _span = tracing::info_span!("open").entered();
        let plan = plan(means.storage.as_ref(), means.keys.as_ref(), &means.options)?;
        let mut recovered = recovered(&plan);
        let genesis = plan.genesis.clone();
        let (readable, head_size) = (readable(&plan), plan.heads.size_from(&Source::Directory));
        let writable = plan.writable.clone();
        let applied = if plan.findings().is_empty() {
            apply(&means, plan)
        } else {
            Err(Error::corrupt(plan.findings().to_vec()))
        };
        let writer = match applied {
            Ok(writer) => {
                let unprotected = protect_sealed(means.storage.as_ref(), &writable);
                recovered.notes.extend(unprotected);
                writer
            }
            Err(error) => {
                let refusal = Refusal::new(&error);
                recovered = Recovered {
                    read_only: Some(error),
                    notes: recovered.notes,
                    ..Recovered::default()
                };
                Writer::refusing(&means, readable, head_size.unwrap_or(0), refusal)
            }
        };
        let intake = Intake {
            shared: Arc::clone(&writer.shared),
            storage: means.storage,
            clock: means.clock,
            genesis,
            body_bytes_max: means.options.body_bytes_max,
        };
        tracing::info!(
            size = writer.chain.next_seq(),
            torn = recovered.torn.is_some(),
            adopted = recovered.adopted.is_some(),
            read_only = recovered.read_only.is_some(),
            "opened"
        );
        let ledger = Self {
            intake: Arc::new(intake),
            lookups: writer.lookups.clone(),
            threads: Mutex::new(None),
            door: Mutex::new(None),
            lock: means.lock,
        };
        Ok((ledger, writer, recovered))
    }

    fn start(self, writer: Writer) -> Result<Self, Error> {
        let threads = Threads::start(writer).map_err(|error| Error::io("no thread can be started", error))?;
        *self.threads.lock().unwrap_or_else(PoisonError::into_inner) = Some(threads);
        Ok(self)
    }

    /// Lets other processes bring records, if the options say so.
    fn open_door(&self, connections_max: usize) -> Result<(), Error> {
        if connections_max == 0 {
            return Ok(());
        }
        let doorway = holder::open_door(self.lock.as_ref(), self.intake.clock.as_ref())?;
        let server = Server::start(doorway, Arc::clone(&self.intake), connections_max)
            .map_err(|error| Error::io("other processes cannot bring records", error))?;
        *self.door.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        Ok(())
    }

    /// The ledger's identity.
    pub fn genesis(&self) -> &Genesis {
        &self.intake.genesis
    }

    /// Makes drafts on the caller's thread. For more than one draft keep a [`Ledger::drafter`].
    ///
    /// # Errors
    /// As [`Drafter::draft`].
    pub fn draft(&self, entry: NewEntry, body: &[u8]) -> Result<Draft, Error> {
        self.drafter().draft(entry, body)
    }

    /// Makes drafts without asking anybody else: one for each producing thread.
    pub fn drafter(&self) -> Drafter {
        self.intake.drafter()
    }

    /// Queues a batch: all of it or nothing. The ticket resolves when the batch is durable and visible.
    ///
    /// # Errors
    /// `Busy` when the queue is full; `Invalid` for a batch that is empty or holds a record of the system; `Closed`;
    /// the reason why nothing is taken any more.
    pub fn submit(&self, batch: Batch) -> Result<Ticket, Error> {
        self.intake.submit(batch)
    }

    /// A stream for batches that are to be stored in a row or not at all from some batch on: see [`Batch::in_stream`].
    pub fn stream(&self) -> Stream {
        Stream::new()
    }

    /// Resolves when there is room in the queue.
    pub fn ready(&self) -> Ready {
        self.intake.ready()
    }

    /// The durable records of this moment. Never blocks the writer.
    pub fn snapshot(&self) -> Snapshot {
        let (published, notarized) = self.intake.shared.standing();
        let storage = Arc::clone(&self.intake.storage);
        Snapshot::of_open_ledger(storage, &published, &notarized, &self.lookups)
    }

    /// Ends the segment and waits until it is sealed. `None` when no record is in it. In stepped mode somebody else has
    /// to turn the writer meanwhile; use [`Writer::seal`] there.
    ///
    /// # Errors
    /// The reason why the ledger takes nothing any more.
    pub fn seal(&self) -> Result<Option<Seal>, Error> {
        self.intake.seal()
    }

    /// A head over everything acknowledged until now: the bytes of `checkpoint`, or of `head`.
    ///
    /// # Errors
    /// The reason why the ledger takes nothing any more.
    pub fn checkpoint(&self) -> Result<Vec<u8>, Error> {
        self.intake.checkpoint()
    }

    /// What it has done and where it stands.
    pub fn stats(&self) -> Stats {
        self.intake.stats()
    }

    /// Answers those who are at the door, takes nothing more, commits what waits, publishes a head over it, and lets
    /// the ledger go.
    ///
    /// # Errors
    /// The failure that has ended the ledger, if one has.
    pub fn close(self) -> Result<ChainHead, Error> {
        self.end();
        self.intake.expect_working()?;
        Ok(self.intake.shared.published().chain)
    }

    fn end(&self) {
        // First: what came through the door whole is still stored.
        drop(self.door.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.intake.shared.queue.close();
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut threads) = threads {
            threads.join();
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.end();
    }
}

impl Writer {
    /// Ends the segment and seals it, in stepped mode.
    ///
    /// # Errors
    /// The failure; it has latched the ledger, now or before.
    pub fn seal(&mut self) -> Result<(), Error> {
        if let Some(refusal) = self.shared.refusal() {
            return Err(refusal.error());
        }
        self.end_segment().inspect_err(|error| self.shared.latch(error))
    }

    /// A writer for a ledger that is open for reading only.
    fn refusing(means: &Means, published: Published, head_size: u64, refusal: Refusal) -> Self {
        let options = means.options.clone();
        let queue = Arc::new(Queue::new(options.queue_records_max, options.queue_bytes_max));
        let sealed = published.ended.iter().filter(|info| info.sealed).count();
        let notarized = Notarized {
            head_size,
            sealed,
            ..Notarized::default()
        };
        let (chain, ended) = (published.chain.clone(), Arc::clone(&published.ended));
        Self {
            shared: Arc::new(Shared::new(
                queue,
                Arc::new(Index::empty()),
                published,
                notarized,
                Some(refusal),
            )),
            storage: Arc::clone(&means.storage),
            clock: Arc::clone(&means.clock),
            ahead: Ahead::new(&options),
            options,
            notary: None,
            chain,
            numbers: Numbers::new(means.options.numbers_cached_max),
            held: Vec::new(),
            lookups: Lookups::new(&means.storage, None, means.options.open_segments_max),
            believed: crate::clock::BelievedClock::trusted(means.clock.as_ref()),
            ended,
            active: None,
            pages: PageWriter::default(),
            pages_first: 0,
            unchecked: 0,
            buffer: Vec::new(),
            took: Default::default(),
            _lock: Arc::clone(&means.lock),
        }
    }
}

fn recovered(plan: &Plan) -> Recovered {
    Recovered {
        torn: plan.torn().cloned(),
        adopted: plan.adopted().cloned(),
        recorded: plan.unrecorded.clone(),
        read_only: None,
        notes: plan.notes().to_vec(),
    }
}

/// What readers of a ledger that cannot be written to may see: the whole groups that the plan has read.
fn readable(plan: &Plan) -> Published {
    let mut segments = plan.segments.clone();
    if segments
        .last()
        .is_none_or(|last| last.first != plan.audit.segment())
        && plan.audit.whole_bytes() > 0
    {
        let (first, bytes) = (plan.audit.segment(), plan.audit.whole_bytes());
        segments.push(SegmentInfo {
            first,
            bytes,
            sealed: false,
        });
    }
    Published {
        chain: plan.audit.chain().clone(),
        ended: Arc::new(segments),
        active: None,
    }
}

/// Makes sealed segments read-only. Where it cannot be done a note says so: a mode is a courtesy, and keeps no ledger
/// from opening.
fn protect_sealed(storage: &dyn Storage, writable: &[u64]) -> Vec<String> {
    let failed = writable
        .iter()
        .filter_map(|segment| storage.protect(*segment).err());
    failed
        .map(|error| format!("a sealed segment stays writable: {error}"))
        .collect()
}

pub(crate) fn read_seal(storage: &dyn Storage, first: u64) -> Result<Seal, Error> {
    read_seal_file(storage, first).map(|(seal, _)| seal)
}

/// What the seal of a segment says that an index asks for.
pub(crate) fn read_span(storage: &dyn Storage, first: u64) -> Result<SealedSpan, Error> {
    read_seal_file(storage, first).map(|(seal, file)| SealedSpan::of(&seal, &file))
}

fn read_seal_file(storage: &dyn Storage, first: u64) -> Result<(Seal, Vec<u8>), Error> {
    let name = FileName::Seal(first);
    let file = storage.open(&name).and_then(|file| file.read_all(SEAL_BYTES_MAX));
    let file = file.map_err(|error| Error::io("the seal cannot be read", error).in_file(name.clone()))?;
    let seal = Seal::parse(&file).map_err(|error| {
        Error::with_source(ErrorKind::Corrupt, "the seal is another than was written", error).in_file(name)
    })?;
    Ok((seal, file))
}
