//! Pages that leave the cache between two looks at them: what was read before settling is not what is on the medium.

use ledgerstone_engine::storage::sim::Fault;
use ledgerstone_engine::storage::{Append, Listing, Lock, Mapped, ReadAt};
use ledgerstone_engine::{Code, ErrorKind};
use ledgerstone_formats::names::QuarantineName;

use super::*;

/// The disk, whose cache is emptied of all that is clean just before bytes are settled.
#[derive(Debug)]
struct Forgetful(Sim);

impl Storage for Forgetful {
    fn settle(&self, segment: u64, from: u64, to: u64) -> io::Result<()> {
        self.0.drop_clean_pages();
        self.0.settle(segment, from, to)
    }

    fn lock(&self, holder: &str) -> io::Result<Box<dyn Lock>> {
        self.0.lock(holder)
    }

    fn holder(&self) -> io::Result<Option<String>> {
        self.0.holder()
    }

    fn list(&self) -> io::Result<Listing> {
        self.0.list()
    }

    fn open(&self, name: &FileName) -> io::Result<Box<dyn ReadAt>> {
        self.0.open(name)
    }

    fn create_directories(&self) -> io::Result<()> {
        self.0.create_directories()
    }

    fn create(&self, name: &FileName) -> io::Result<Box<dyn Append>> {
        self.0.create(name)
    }

    fn reopen(&self, name: &FileName, len: u64) -> io::Result<Box<dyn Append>> {
        self.0.reopen(name, len)
    }

    fn publish(&self, name: &FileName, bytes: &[u8]) -> io::Result<()> {
        self.0.publish(name, bytes)
    }

    fn replace_head(&self, name: &FileName, bytes: &[u8]) -> io::Result<()> {
        self.0.replace_head(name, bytes)
    }

    fn quarantine(&self, segment: u64, keep: u64) -> io::Result<QuarantineName> {
        self.0.quarantine(segment, keep)
    }

    fn replace_derived(&self, name: &FileName, bytes: &[u8]) -> io::Result<()> {
        self.0.replace_derived(name, bytes)
    }

    fn map(&self, name: &FileName) -> io::Result<Mapped> {
        self.0.map(name)
    }

    fn trim_filler(&self, segment: u64, len: u64) -> io::Result<()> {
        self.0.trim_filler(segment, len)
    }

    fn protect(&self, segment: u64) -> io::Result<()> {
        self.0.protect(segment)
    }

    fn sync_directories(&self) -> io::Result<()> {
        self.0.sync_directories()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.0.free_bytes()
    }
}

#[test]
fn settled_bytes_that_read_otherwise_are_not_built_upon() {
    let machine = Machine::signed();
    let mut told = Told::default();
    let mut running = machine.create().unwrap();
    told.append(&mut running, &["{}"]).unwrap();
    running.pass(&machine, Duration::from_secs(1));
    let headed = machine.disk.raw(SEGMENT).unwrap();
    machine.disk.fail_at(machine.disk.operations() + 1, Fault::Fails);
    told.append(&mut running, &["{}"]).unwrap_err();

    let machine = machine.kill();
    let (_, keys) = machine.places();
    let storage = Arc::new(Forgetful(machine.disk.clone()));
    let opened = Ledger::open_stepped(storage, keys, machine.clock(), machine.options.clone());
    let (ledger, writer, recovered) = opened.unwrap();
    let error = recovered.read_only.unwrap();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Corrupt, Some(Code::Altered)),
        "{error}"
    );
    assert_eq!(machine.head_size(), Some(2));
    let segment = machine.disk.raw(SEGMENT).unwrap();
    assert!(segment.starts_with(&headed) && segment[headed.len()..].iter().all(|byte| *byte == 0));
    drop((ledger, writer));

    let machine = machine.kill();
    let (running, recovered) = machine.open().unwrap();
    assert!(
        recovered.torn.is_some() && recovered.read_only.is_none(),
        "{recovered:?}"
    );
    told.check(&running.ledger.snapshot(), &|| log_of(&machine));
    running.close();
    machine.assert_whole();
}
