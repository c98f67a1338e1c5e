//! The lock, and what others are told of who holds it.

use ledgerstone_formats::names::{DOOR, FileName};
use ledgerstone_formats::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::storage::{Doorway, Lock, Storage};

/// The line that stands in `LOCK`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    pub(crate) host: String,
    pub(crate) started: Option<Timestamp>,
    /// The socket at which it takes what others bring; a path below the ledger's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) door: Option<String>,
}

impl Holder {
    fn this_process(clock: &dyn Clock, door: Option<String>) -> Self {
        Self {
            pid: std::process::id(),
            host: this_host(),
            started: Timestamp::from_micros(clock.wall_micros()),
            door,
        }
    }

    fn line(&self) -> String {
        serde_json::to_string(self).expect("numbers and strings serialize")
    }
}

/// The name of this machine.
pub(crate) fn this_host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Takes the ledger for this process.
pub(crate) fn take_lock(storage: &dyn Storage, clock: &dyn Clock) -> Result<Box<dyn Lock>, Error> {
    let line = Holder::this_process(clock, None).line();
    storage.lock(&line).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => {
            Error::with_source(ErrorKind::Held, "another process holds the ledger", error)
        }
        _ => Error::io("the ledger cannot be locked", error).in_file(FileName::Lock),
    })
}

/// Makes the socket for others, and tells them of it.
pub(crate) fn open_door(lock: &dyn Lock, clock: &dyn Clock) -> Result<Doorway, Error> {
    let line = Holder::this_process(clock, Some(DOOR.to_owned())).line();
    lock.open_door(&line)
        .map_err(|error| Error::io("other processes cannot bring records", error))
}
