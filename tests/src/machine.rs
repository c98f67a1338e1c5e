//! A simulated computer with a ledger on it: its disk, its key store and its clock are a test's to break, and the
//! writer turns one step at a time.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_engine::clock::Clock;
use ledgerstone_engine::keystore::{KeyStore, Secret};
use ledgerstone_engine::recover::{Plan, plan};
use ledgerstone_engine::storage::Storage;
use ledgerstone_engine::storage::sim::{Sim, Survival};
use ledgerstone_engine::verify::{Report, VerifyOptions, verify};
use ledgerstone_engine::{
    Batch, Error, Ledger, LedgerIdentity, NewEntry, Options, Receipt, Recovered, Step, Ticket, Writer,
};
use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::ids::{EntityId, Kind, Tenant};
use ledgerstone_formats::names::FileName;

use crate::clock::HandClock;
use crate::python;

/// When its clock begins.
pub const NOON: &str = "2026-11-22T12:00:00.000000Z";
/// Steps after which a writer that is to close has hung.
const STEPS_MAX: usize = 1_000;

/// Filler that its ledgers may lay: more of what can go wrong than the default, none.
const FILLER_BYTES: u64 = 1 << 20;

/// A computer: one power supply for its disks.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Where the ledger lies.
    pub disk: Sim,
    /// Where its key lies, and the head beside it.
    pub keys: SimKeys,
    /// What it believes the time to be; the same after a restart.
    pub clock: Arc<HandClock>,
    /// How the ledger is opened.
    pub options: Options,
    /// What was verified on it, and on the machines that it was started again as; none where only this project's
    /// verifier is asked.
    pub judged: Option<Arc<python::Batch>>,
}

/// Key and head on a disk of their own, written as the key store on a real disk writes them.
#[derive(Debug, Clone)]
pub struct SimKeys {
    /// The disk that they are on.
    pub own: Sim,
    /// The ledger's disk: the power of both goes at once.
    pub other: Sim,
    /// Whether there is a key.
    pub signed: bool,
}

/// A ledger that is open, and its writer.
#[derive(Debug)]
pub struct Running {
    /// For producers and readers.
    pub ledger: Ledger,
    /// Turned by hand.
    pub writer: Writer,
}

impl Machine {
    /// A machine for a ledger whose heads are signed.
    pub fn signed() -> Self {
        Self::of(true)
    }

    /// The same without a key.
    pub fn unsigned() -> Self {
        Self::of(false)
    }

    /// Either.
    pub fn of(signed: bool) -> Self {
        let disk = Sim::new();
        let keys = SimKeys {
            own: Sim::new(),
            other: disk.clone(),
            signed,
        };
        Self {
            disk,
            keys,
            clock: HandClock::at(NOON),
            options: Options {
                filler_bytes_max: FILLER_BYTES,
                ..Options::default()
            },
            judged: Some(python::Batch::shared()),
        }
    }

    /// One whose verdicts the independent verifier is not asked for: where there are too many of them.
    pub fn judged_here_alone(signed: bool) -> Self {
        Self {
            judged: None,
            ..Self::of(signed)
        }
    }

    /// The same with other options.
    pub fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Who its ledger is.
    pub fn identity(&self) -> LedgerIdentity {
        LedgerIdentity {
            name: "ledger.example".to_owned(),
            signed: self.keys.signed,
        }
    }

    /// Makes the ledger.
    ///
    /// # Errors
    /// As [`Ledger::create`].
    pub fn create(&self) -> Result<Running, Error> {
        self.create_as(&self.identity())
    }

    /// Makes a ledger of this name.
    ///
    /// # Errors
    /// As [`Ledger::create`].
    pub fn create_as(&self, identity: &LedgerIdentity) -> Result<Running, Error> {
        let (storage, keys) = self.places();
        let (ledger, writer) =
            Ledger::create_stepped(storage, keys, self.clock(), identity, self.options.clone())?;
        Ok(Running { ledger, writer })
    }

    /// Opens the ledger.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open(&self) -> Result<(Running, Recovered), Error> {
        let (storage, keys) = self.places();
        let (ledger, writer, recovered) =
            Ledger::open_stepped(storage, keys, self.clock(), self.options.clone())?;
        Ok((Running { ledger, writer }, recovered))
    }

    /// Opens a ledger that nothing has happened to.
    #[track_caller]
    pub fn open_clean(&self) -> Running {
        let (running, recovered) = self.open().unwrap();
        let nothing = recovered.torn.is_none()
            && recovered.adopted.is_none()
            && recovered.recorded.is_empty()
            && recovered.read_only.is_none();
        assert!(nothing, "{recovered:?}");
        running
    }

    /// What an open would do.
    ///
    /// # Errors
    /// As [`plan`].
    pub fn plan(&self) -> Result<Plan, Error> {
        plan(&self.disk, &self.keys, &self.options)
    }

    /// What is said of it here, which the independent verifier has to say too when the test ends.
    ///
    /// # Panics
    /// Where there is no ledger to judge.
    pub fn verify(&self) -> Report {
        let keys: &dyn KeyStore = &self.keys;
        // No thread of its own: small ledgers, many times.
        let report = verify(&self.disk, Some(keys), &VerifyOptions { jobs: 0 }, &mut |_| {}).unwrap();
        // The copy that the other one sees is held by nobody.
        if let Some(judged) = self.judged.as_ref().filter(|_| report.held.is_none()) {
            let code = report.code().map_or(0, |code| i32::from(code.number()));
            judged.add(code, |ledger| self.write_to(ledger));
        }
        report
    }

    /// Expects that nothing is found.
    ///
    /// # Panics
    /// When something is.
    #[track_caller]
    pub fn assert_whole(&self) {
        let report = self.verify();
        assert_eq!(report.findings, [], "{:?}", report.notes);
    }

    /// The next process on this machine, after this one was killed.
    pub fn kill(&self) -> Self {
        self.boot(self.disk.kill(), self.keys.own.kill())
    }

    /// The machine as it is started again after the power went.
    pub fn crash(&self, survival: Survival) -> Self {
        let on_disk = self.disk.unsynced();
        let of_keys = match survival {
            Survival::Mask(mask) => Survival::Mask(mask.checked_shr(on_disk).unwrap_or(0)),
            Survival::Seeded(seed) => Survival::Seeded(!seed),
            all => all,
        };
        self.boot(self.disk.crash(survival), self.keys.own.crash(of_keys))
    }

    fn boot(&self, disk: Sim, own: Sim) -> Self {
        let keys = SimKeys {
            own,
            other: disk.clone(),
            signed: self.keys.signed,
        };
        Self {
            disk,
            keys,
            clock: Arc::clone(&self.clock),
            options: self.options.clone(),
            judged: self.judged.clone(),
        }
    }

    /// All combinations of what could reach the media while they are few, else the two ends and some by seed.
    pub fn survivals(&self, changes_max: u32, seeds: u64) -> Vec<Survival> {
        let changes = self.disk.unsynced() + self.keys.own.unsynced();
        if changes <= changes_max {
            return (0..1 << changes).map(Survival::Mask).collect();
        }
        let mut survivals = vec![Survival::KeepAll, Survival::LoseAll];
        survivals.extend((0..seeds).map(Survival::Seeded));
        survivals
    }

    /// Size of the head in the directory.
    pub fn head_size(&self) -> Option<u64> {
        head_size(&self.disk.raw("checkpoint").or_else(|| self.disk.raw("head"))?)
    }

    /// Size of the head beside the key.
    pub fn head_size_beside(&self) -> Option<u64> {
        head_size(&self.keys.own.raw("head")?)
    }

    /// Writes the ledger's directory and the head beside it to a real disk.
    pub fn write_to(&self, ledger: &Path) {
        for (name, _) in self.disk.list().unwrap().files {
            let path = ledger.join(name.to_string());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, self.disk.raw(&name.to_string()).unwrap()).unwrap();
        }
        let ending = if self.keys.signed { ".key.head" } else { ".head" };
        if let Some(head) = self.keys.own.raw("head") {
            let mut beside = ledger.as_os_str().to_owned();
            beside.push(ending);
            fs::write(beside, head).unwrap();
        }
    }

    /// Its disk and its key store, as an open takes them.
    pub fn places(&self) -> (Arc<dyn Storage>, Arc<dyn KeyStore>) {
        (Arc::new(self.disk.clone()), Arc::new(self.keys.clone()))
    }

    /// Its clock, as an open takes it.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::<HandClock>::clone(&self.clock)
    }
}

/// The size in the second line of a head's file.
fn head_size(file: &[u8]) -> Option<u64> {
    std::str::from_utf8(file).ok()?.lines().nth(1)?.parse().ok()
}

impl SimKeys {
    fn with_power<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.other.free_bytes()?;
        let done = act();
        if self.own.free_bytes().is_err() {
            self.other.power_off_at(self.other.operations());
        }
        done
    }
}

impl KeyStore for SimKeys {
    fn signing_key(&self) -> io::Result<Option<Secret>> {
        if !self.signed {
            return Ok(None);
        }
        let text = self.with_power(|| self.own.open(&FileName::Identity)?.read_all(4_096))?;
        Ok(Some(Secret::new(String::from_utf8(text).unwrap())))
    }

    fn create_key(&self, text: &str) -> io::Result<()> {
        if !self.signed {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.with_power(|| self.own.publish(&FileName::Identity, text.as_bytes()))
    }

    fn head(&self) -> io::Result<Option<Vec<u8>>> {
        match self.with_power(|| self.own.open(&FileName::Head)?.read_all(4_096)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    fn replace_head(&self, bytes: &[u8]) -> io::Result<()> {
        self.with_power(|| self.own.replace_head(&FileName::Head, bytes))
    }

    fn exposed_mode(&self) -> io::Result<Option<u32>> {
        Ok(None)
    }
}

impl Running {
    /// A draft of the kind `audit_entry` with this body.
    ///
    /// # Panics
    /// When the ledger refuses it.
    pub fn draft(&self, body: &str) -> Draft {
        self.ledger.draft(entry("audit_entry"), body.as_bytes()).unwrap()
    }

    /// A batch of such drafts.
    ///
    /// # Panics
    /// When the ledger refuses one.
    pub fn batch(&self, bodies: &[&str]) -> Batch {
        let mut batch = Batch::new();
        bodies
            .iter()
            .for_each(|body| batch.push(self.draft(body)).unwrap());
        batch
    }

    /// Queues them.
    ///
    /// # Errors
    /// As [`Ledger::submit`].
    pub fn submit(&self, bodies: &[&str]) -> Result<Ticket, Error> {
        self.ledger.submit(self.batch(bodies))
    }

    /// Commits these as one group.
    pub fn append(&mut self, bodies: &[&str]) -> Result<Vec<Receipt>, Error> {
        let ticket = self.submit(bodies)?;
        self.writer.step();
        ticket.wait()
    }

    /// Closes as [`Ledger::close`] does, in steps.
    #[track_caller]
    pub fn close(self) {
        let Self { ledger, mut writer } = self;
        drop(ledger);
        for _ in 0..STEPS_MAX {
            if writer.step() == Step::Closed {
                return;
            }
        }
        panic!("the writer does not come to an end");
    }

    /// Lets time pass, and the writer notice.
    pub fn pass(&mut self, machine: &Machine, span: Duration) -> Step {
        machine.clock.pass(span);
        self.writer.step()
    }
}

/// An entry of this kind, with a tenant and an id.
///
/// # Panics
/// When the kind is none.
pub fn entry(kind: &str) -> NewEntry {
    NewEntry {
        tenant: Some(Tenant::new("acme").unwrap()),
        id: Some(EntityId::new("a-1").unwrap()),
        ..NewEntry::new(Kind::new(kind).unwrap())
    }
}
