//! A ledger that one process holds, and others that bring their records through it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ledgerstone_engine::door::Door;
use ledgerstone_engine::keystore::FileKeys;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::storage::{Lock, Storage as _};
use ledgerstone_engine::{
    Batch, Error, ErrorKind, Ledger, NewEntry, Options, Precondition, Receipt, Recovered, Target,
};
use ledgerstone_formats::ids::{EntityId, IdempotencyKey, Kind};
use ledgerstone_tests::cli::{Output, Place};
use serde_json::Value;

mod closing;
mod hostile;
mod killed;
mod refusals;
mod service;
mod socket;

fn ledger() -> Place {
    let place = Place::new();
    place.run("init l --quiet");
    place
}

/// A process with a door for so many others.
fn with_door(connections_max: usize) -> Options {
    Options {
        door_connections_max: connections_max,
        ..Options::default()
    }
}

fn open_dir(dir: &Path, options: Options) -> (Ledger, Recovered) {
    let keys = Arc::new(FileKeys::beside(dir).unwrap());
    let (ledger, recovered) = Ledger::open(Arc::new(Disk::new(dir)), keys, options).unwrap();
    assert!(recovered.read_only.is_none(), "{recovered:?}");
    (ledger, recovered)
}

/// Holds the ledger in this process, as a service does.
fn open(place: &Place, options: Options) -> Ledger {
    let (ledger, recovered) = open_dir(&place.join("l"), options);
    assert_eq!(recovered.notes, [""; 0]);
    ledger
}

fn door(place: &Place) -> Door {
    Door::connect(&Disk::new(place.join("l"))).unwrap()
}

fn entry(kind: &str) -> NewEntry {
    NewEntry::new(Kind::new(kind).unwrap())
}

/// Says stop at the end of a test, however it ends: a scope waits for its threads.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Stores records of the kind `traffic` as quickly as it can, until it is told to stop; gives back how many.
fn traffic(ledger: &Ledger, stop: &AtomicBool) -> u64 {
    let mut drafter = ledger.drafter();
    let mut stored = 0;
    while !stop.load(Ordering::Relaxed) {
        let tickets: Vec<_> = (0..20)
            .map(|n| {
                let draft = drafter.draft(entry("traffic"), format!("{{\"n\":{n}}}").as_bytes());
                ledger.submit(draft.unwrap().into()).unwrap()
            })
            .collect();
        stored += tickets.len() as u64;
        for ticket in tickets {
            ticket.wait().unwrap();
        }
    }
    stored
}

fn lines(numbers: std::ops::Range<u64>) -> String {
    numbers.map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

/// What is stored of the kind `entry`, as it was given.
fn stored(place: &Place) -> String {
    place.run("scan l --kind entry --body").text().to_owned()
}

/// Runs a command with standard input, whatever it ends with.
fn run(place: &Place, args: &str, stdin: &str) -> Output {
    place.call(args.split_whitespace()).stdin(stdin).output()
}

fn this_host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap()
        .trim()
        .to_owned()
}

/// Holds the ledger as a process of that host does, and listens at a socket that does as the test says.
struct Pretender {
    _lock: Box<dyn Lock>,
    listener: UnixListener,
}

impl Pretender {
    fn new(place: &Place, host: &str) -> Self {
        let line = format!(r#"{{"pid":77,"host":"{host}","started":null,"door":"DOOR"}}"#);
        let lock = Disk::new(place.join("l")).lock(&line).unwrap();
        let path = place.join("l/DOOR");
        let listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Self {
            _lock: lock,
            listener,
        }
    }

    fn nobody_came(&self) {
        self.listener.set_nonblocking(true).unwrap();
        assert!(self.listener.accept().is_err(), "somebody came");
    }
}

const GREETING: &[u8] = b"LSDOOR1\n";

fn frame(tag: u8, members: &[u8]) -> Vec<u8> {
    let length = u32::try_from(members.len() + 1).unwrap();
    [&length.to_le_bytes()[..], &[tag], members].concat()
}

fn text(text: &[u8]) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap().to_le_bytes()[..], text].concat()
}
