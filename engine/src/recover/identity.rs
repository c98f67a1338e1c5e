//! Who a ledger is: `ledger.json`, and the genesis record that it repeats.

use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;
use ledgerstone_formats::records::system::{self, Genesis};

use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::storage::Storage;

/// Longest identity file that is read, in bytes.
pub(crate) const IDENTITY_BYTES_MAX: u64 = 64 << 10;

/// Reads `ledger.json`.
pub(crate) fn read_identity(storage: &dyn Storage) -> Result<Genesis, Error> {
    let file = storage
        .open(&FileName::Identity)
        .and_then(|file| file.read_all(IDENTITY_BYTES_MAX));
    let file = file.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            Error::with_source(ErrorKind::Missing, "there is no ledger here", error)
                .in_file(FileName::Identity)
        }
        _ => Error::io("the ledger's identity cannot be read", error).in_file(FileName::Identity),
    })?;
    let genesis = file.strip_suffix(b"\n").and_then(Genesis::parse);
    genesis.ok_or_else(|| {
        let cause = "not the body of a genesis record";
        Error::corrupt(vec![
            Finding::new(Code::Evidence, cause).in_file(FileName::Identity),
        ])
    })
}

/// True if the record is the genesis that the identity file repeats.
pub(crate) fn is_genesis(record: &Record<'_>, genesis: &Genesis) -> bool {
    record.header.kind == system::GENESIS
        && record.header.id == genesis.ledger.as_str()
        && record.body() == genesis.encode().as_slice()
}
