//! The engine, file by file as it is shipped, over locks and threads of a scheduler that tries one order after another
//! and can repeat each: races between producers, writer, notary and whoever closes are found here.
//!
//! Only `sync` is another. What the engine's library names, this one names too.

#[path = "../../../engine/src/batch.rs"]
mod batch;
#[path = "../../../engine/src/clock.rs"]
pub mod clock;
#[path = "../../../engine/src/commit/mod.rs"]
mod commit;
#[path = "../../../engine/src/create.rs"]
mod create;
#[path = "../../../engine/src/door/mod.rs"]
pub mod door;
#[path = "../../../engine/src/draft.rs"]
mod draft;
#[path = "../../../engine/src/entropy.rs"]
mod entropy;
#[path = "../../../engine/src/error.rs"]
mod error;
#[path = "../../../engine/src/finding.rs"]
mod finding;
#[path = "../../../engine/src/holder.rs"]
mod holder;
#[path = "../../../engine/src/index/mod.rs"]
mod index;
#[path = "../../../engine/src/keystore.rs"]
pub mod keystore;
#[path = "../../../engine/src/ledger.rs"]
mod ledger;
#[path = "../../../engine/src/limits.rs"]
mod limits;
#[path = "../../../engine/src/options.rs"]
mod options;
#[path = "../../../engine/src/read/mod.rs"]
mod read;
#[path = "../../../engine/src/recover/mod.rs"]
pub mod recover;
#[path = "../../../engine/src/segment/mod.rs"]
mod segment;
#[path = "../../../engine/src/stats/mod.rs"]
mod stats;
#[path = "../../../engine/src/storage/mod.rs"]
pub mod storage;
mod sync;
#[path = "../../../engine/src/verify/mod.rs"]
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
