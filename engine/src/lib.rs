//! The ledger: storage, writer, segments, recovery, reading and verifying.
//!
//! ```
//! use std::sync::Arc;
//! use ledgerstone_engine::keystore::MemKeys;
//! use ledgerstone_engine::storage::mem::Mem;
//! use ledgerstone_engine::{Ledger, LedgerIdentity, NewEntry, Options, Scope};
//! use ledgerstone_formats::ids::Kind;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let identity = LedgerIdentity { name: "ledger.example".to_owned(), signed: true };
//! let ledger = Ledger::create(Arc::new(Mem::new()), Arc::new(MemKeys::new()), &identity, Options::default())?;
//! let draft = ledger.draft(NewEntry::new(Kind::new("audit_entry")?), br#"{"action":"login"}"#)?;
//! // Await the ticket in async code; wait for it on a plain thread.
//! let receipts = ledger.submit(draft.into())?.wait()?;
//! let line = ledger.snapshot().get(receipts[0].seq, &Scope::Operator)?;
//! assert!(line.is_some());
//! ledger.close()?;
//! # Ok(())
//! # }
//! ```

mod batch;
pub mod clock;
mod commit;
mod create;
pub mod door;
mod draft;
mod entropy;
mod error;
mod finding;
mod holder;
mod index;
pub mod keystore;
mod ledger;
mod limits;
mod options;
mod read;
pub mod recover;
mod segment;
mod stats;
pub mod storage;
mod sync;
pub mod verify;

pub use batch::{Batch, Precondition, Receipt, Stream, Target};
pub use commit::queue::Ready;
pub use commit::shared::SegmentInfo;
pub use commit::ticket::Ticket;
pub use commit::writer::{Step, Writer};
pub use draft::{Drafter, NewEntry};
pub use error::{Error, ErrorKind};
pub use finding::{Code, Finding};
pub use ledger::{Ledger, LedgerIdentity, Recovered};
pub use options::{ClockWord, Options};
pub use read::indexed::Indexed;
pub use read::lookup::{By, Lookup, Order, PAGE_RECORDS_DEFAULT, PAGE_RECORDS_MAX, Page};
pub use read::matches::Matches;
pub use read::reader::Reader;
pub use read::scan::{Scan, StoredLine};
pub use read::snapshot::{Scope, Selection, Snapshot};
pub use stats::{Refused, Stats, Times};
