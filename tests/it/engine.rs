//! The engine on a simulated machine: its disk, its key store and its clock are a test's to break, and the writer turns
//! one step at a time.

use std::collections::HashSet;
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
    Batch, Error, Ledger, LedgerIdentity, NewEntry, Options, Receipt, Recovered, Scope, Selection, Snapshot,
    Step, Ticket, Writer,
};
use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::ids::{EntityId, Kind, Tenant};
use ledgerstone_formats::names::FileName;
use ledgerstone_tests::clock::HandClock;
use ledgerstone_tests::python;

/// The first segment's path.
const SEGMENT: &str = "segments/00000000000000000000.jsonl";
const NOON: &str = "2026-11-22T12:00:00.000000Z";
/// Steps after which a writer that is to close has hung.
const STEPS_MAX: usize = 1_000;

/// A computer: one power supply for its disks.
#[derive(Debug, Clone)]
struct Machine {
    disk: Sim,
    keys: SimKeys,
    clock: Arc<HandClock>,
    options: Options,
    /// What was verified on it, and on the machines that it was started again as.
    judged: Arc<python::Batch>,
}

/// Key and head on a disk of their own, written as the key store on a real disk writes them.
#[derive(Debug, Clone)]
struct SimKeys {
    own: Sim,
    /// The ledger's disk: the power of both goes at once.
    other: Sim,
    signed: bool,
}

/// A ledger that is open, and its writer.
#[derive(Debug)]
struct Running {
    ledger: Ledger,
    writer: Writer,
}

/// What producers know: that there is a ledger, what they submitted, and what they were told is stored.
#[derive(Debug, Clone, Default)]
struct Told {
    created: bool,
    submitted: HashSet<Hash>,
    acknowledged: Vec<Receipt>,
}

impl Machine {
    fn new() -> Self {
        Self::of(true)
    }

    fn unsigned() -> Self {
        Self::of(false)
    }

    fn of(signed: bool) -> Self {
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
            options: Options::default(),
            judged: python::Batch::shared(),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    fn identity(&self) -> LedgerIdentity {
        LedgerIdentity {
            name: "ledger.example".to_owned(),
            signed: self.keys.signed,
        }
    }

    fn create(&self) -> Result<Running, Error> {
        self.create_as(&self.identity())
    }

    fn create_as(&self, identity: &LedgerIdentity) -> Result<Running, Error> {
        let (storage, keys) = self.places();
        let (ledger, writer) =
            Ledger::create_stepped(storage, keys, self.clock(), identity, self.options.clone())?;
        Ok(Running { ledger, writer })
    }

    fn open(&self) -> Result<(Running, Recovered), Error> {
        let (storage, keys) = self.places();
        let (ledger, writer, recovered) =
            Ledger::open_stepped(storage, keys, self.clock(), self.options.clone())?;
        Ok((Running { ledger, writer }, recovered))
    }

    /// Opens a ledger that nothing has happened to.
    #[track_caller]
    fn open_clean(&self) -> Running {
        let (running, recovered) = self.open().unwrap();
        let nothing = recovered.torn.is_none()
            && recovered.adopted.is_none()
            && recovered.recorded.is_empty()
            && recovered.read_only.is_none();
        assert!(nothing, "{recovered:?}");
        running
    }

    fn plan(&self) -> Result<Plan, Error> {
        plan(&self.disk, &self.keys, &self.options)
    }

    /// What is said of it here, which the independent verifier has to say too when the test ends.
    fn verify(&self) -> Report {
        let keys: &dyn KeyStore = &self.keys;
        let report = verify(&self.disk, Some(keys), &VerifyOptions { jobs: 1 }, &mut |_| {}).unwrap();
        // The copy that the other one sees is held by nobody.
        if report.held.is_none() {
            let code = report.code().map_or(0, |code| i32::from(code.number()));
            self.judged.add(code, |ledger| self.write_to(ledger));
        }
        report
    }

    #[track_caller]
    fn assert_whole(&self) {
        let report = self.verify();
        assert_eq!(report.findings, [], "{:?}", report.notes);
    }

    /// The next process on this machine, after this one was killed.
    fn kill(&self) -> Self {
        self.boot(self.disk.kill(), self.keys.own.kill())
    }

    /// The machine as it is started again after the power went.
    fn crash(&self, survival: Survival) -> Self {
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
            judged: Arc::clone(&self.judged),
        }
    }

    /// All combinations of what could reach the media while they are few, else the two ends and some by seed.
    fn survivals(&self, changes_max: u32, seeds: u64) -> Vec<Survival> {
        let changes = self.disk.unsynced() + self.keys.own.unsynced();
        if changes <= changes_max {
            return (0..1 << changes).map(Survival::Mask).collect();
        }
        let mut survivals = vec![Survival::KeepAll, Survival::LoseAll];
        survivals.extend((0..seeds).map(Survival::Seeded));
        survivals
    }

    fn head_size(&self) -> Option<u64> {
        head_size(&self.disk.raw("checkpoint").or_else(|| self.disk.raw("head"))?)
    }

    fn head_size_beside(&self) -> Option<u64> {
        head_size(&self.keys.own.raw("head")?)
    }

    /// Writes the ledger's directory and the head beside it to a real disk.
    fn write_to(&self, ledger: &Path) {
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

    fn places(&self) -> (Arc<dyn Storage>, Arc<dyn KeyStore>) {
        (Arc::new(self.disk.clone()), Arc::new(self.keys.clone()))
    }

    fn clock(&self) -> Arc<dyn Clock> {
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
    fn draft(&self, body: &str) -> Draft {
        self.ledger.draft(entry("audit_entry"), body.as_bytes()).unwrap()
    }

    fn batch(&self, bodies: &[&str]) -> Batch {
        let mut batch = Batch::new();
        bodies
            .iter()
            .for_each(|body| batch.push(self.draft(body)).unwrap());
        batch
    }

    fn submit(&self, bodies: &[&str]) -> Result<Ticket, Error> {
        self.ledger.submit(self.batch(bodies))
    }

    /// Commits these as one group.
    fn append(&mut self, bodies: &[&str]) -> Result<Vec<Receipt>, Error> {
        let ticket = self.submit(bodies)?;
        self.writer.step();
        ticket.wait()
    }

    /// Closes as [`Ledger::close`] does, in steps.
    #[track_caller]
    fn close(self) {
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
    fn pass(&mut self, machine: &Machine, span: Duration) -> Step {
        machine.clock.pass(span);
        self.writer.step()
    }
}

fn entry(kind: &str) -> NewEntry {
    NewEntry {
        tenant: Some(Tenant::new("acme").unwrap()),
        id: Some(EntityId::new("a-1").unwrap()),
        ..NewEntry::new(Kind::new(kind).unwrap())
    }
}

impl Told {
    /// Submits a batch and lets it be committed.
    fn append(&mut self, running: &mut Running, bodies: &[&str]) -> Result<(), Error> {
        let batch = running.batch(bodies);
        self.submitted.extend(batch.drafts().iter().map(Draft::digest));
        let ticket = running.ledger.submit(batch)?;
        running.writer.step();
        self.acknowledged.extend(ticket.wait()?);
        Ok(())
    }

    /// Acknowledged: present and unchanged. Present: submitted, or the system's own.
    #[track_caller]
    fn check(&self, snapshot: &Snapshot, of: &dyn Fn() -> String) {
        let mut hashes = Vec::new();
        let mut scan = snapshot.scan(Selection::all(Scope::Operator));
        while let Some(line) = scan.next_line().unwrap_or_else(|e| panic!("{e}: {}", of())) {
            let header = &line.record.header;
            let known = header.kind.starts_with("sys_") || self.submitted.contains(&header.digest);
            assert!(known, "seq {} was invented: {}", header.seq, of());
            hashes.push(line.record.hash);
        }
        assert_eq!(hashes.len() as u64, snapshot.size(), "{}", of());
        for receipt in &self.acknowledged {
            let found = usize::try_from(receipt.seq).ok().and_then(|seq| hashes.get(seq));
            assert_eq!(
                found,
                Some(&receipt.hash),
                "seq {} was acknowledged: {}",
                receipt.seq,
                of()
            );
        }
    }
}

fn log_of(machine: &Machine) -> String {
    let log: Vec<String> = machine.disk.log().iter().map(ToString::to_string).collect();
    format!("\n  {}", log.join("\n  "))
}

mod clock;
mod crash;
mod creation;
mod faults_answered;
mod heads;
mod queue;
mod read_back;
mod segments;
mod settled;
mod tail;
