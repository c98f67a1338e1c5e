//! The lock, and what others are told of who holds it.

use ledgerstone_formats::names::FileName;
use ledgerstone_formats::time::Timestamp;
use serde::Serialize;

use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::storage::{Lock, Storage};

/// The line that stands in `LOCK`.
#[derive(Debug, Serialize)]
struct Holder {
    pid: u32,
    host: String,
    started: Option<Timestamp>,
}

/// Takes the ledger for this process.
pub(crate) fn take_lock(storage: &dyn Storage, clock: &dyn Clock) -> Result<Box<dyn Lock>, Error> {
    let holder = Holder {
        pid: std::process::id(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        started: Timestamp::from_micros(clock.wall_micros()),
    };
    let line = serde_json::to_string(&holder).expect("numbers and strings serialize");
    storage.lock(&line).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => {
            Error::with_source(ErrorKind::Held, "another process holds the ledger", error)
        }
        _ => Error::io("the ledger cannot be locked", error).in_file(FileName::Lock),
    })
}
