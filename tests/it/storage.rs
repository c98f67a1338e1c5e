//! The three storages: one suite for all, then what only one of them can show.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use ledgerstone_engine::storage::Storage;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::storage::mem::Mem;
use ledgerstone_engine::storage::sim::Sim;
use ledgerstone_formats::names::FileName;
use ledgerstone_tests::storage_suite::{CHECKS, Fixture};

mod crashes;
mod disk;
mod faults;

/// A ledger's directory that is not made yet.
struct DiskFixture {
    folder: tempfile::TempDir,
}

impl DiskFixture {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join("ledger").join(path)
    }
}

impl Fixture for DiskFixture {
    fn storage(&self) -> Box<dyn Storage> {
        Box::new(Disk::new(self.at("")))
    }

    fn put_raw(&self, path: &str, bytes: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn raw(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.at(path)).ok()
    }

    fn remove_raw(&self, path: &str) {
        fs::remove_file(self.at(path)).unwrap();
    }
}

struct MemFixture(Mem);

impl Fixture for MemFixture {
    fn storage(&self) -> Box<dyn Storage> {
        Box::new(self.0.clone())
    }

    fn put_raw(&self, path: &str, bytes: &[u8]) {
        self.0.put_raw(path, bytes);
    }

    fn raw(&self, path: &str) -> Option<Vec<u8>> {
        self.0.raw(path)
    }

    fn remove_raw(&self, path: &str) {
        assert!(self.0.remove_raw(path));
    }
}

struct SimFixture(Sim);

impl Fixture for SimFixture {
    fn storage(&self) -> Box<dyn Storage> {
        Box::new(self.0.clone())
    }

    fn put_raw(&self, path: &str, bytes: &[u8]) {
        self.0.put_raw(path, bytes);
    }

    fn raw(&self, path: &str) -> Option<Vec<u8>> {
        self.0.raw(path)
    }

    fn remove_raw(&self, path: &str) {
        assert!(self.0.remove_raw(path));
    }
}

fn run_all<F: Fixture>(fixture: impl Fn() -> F) {
    for check in CHECKS {
        check(&fixture());
    }
}

#[test]
fn the_disk_keeps_the_contract() {
    run_all(DiskFixture::new);
}

#[test]
fn memory_keeps_the_contract() {
    run_all(|| MemFixture(Mem::new()));
}

#[test]
fn the_simulated_disk_keeps_the_contract() {
    run_all(|| SimFixture(Sim::new()));
}

#[test]
fn memory_can_be_full_too() {
    let mem = Mem::new();
    mem.create_directories().unwrap();
    let name = FileName::Segment(0);
    let mut segment = mem.create(&name).unwrap();
    mem.set_free_bytes(10);
    segment.append(0, b"torn").unwrap();
    assert_eq!(mem.free_bytes().unwrap(), 6);
    assert_eq!(
        segment.append(4, b"7 bytes").unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    mem.set_free_bytes(3);
    assert_eq!(mem.quarantine(0, 0).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(mem.raw(&name.to_string()).unwrap(), b"torn");
}
