//! Who the ledger is: `ledger.json`, and the genesis record that it repeats.

use ledgerstone_formats::limits::LINE_BYTES_MAX;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;
use ledgerstone_formats::records::system::{self, Genesis};

use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::segment::lines::{LineReader, Piece};
use crate::storage::Storage;

/// Longest identity file that is read, in bytes.
pub(crate) const IDENTITY_BYTES_MAX: u64 = 64 << 10;

/// Who the ledger is, and what is wrong with `ledger.json`: where the genesis record's line is whole, that record knows
/// better than its copy.
pub(crate) fn identify(storage: &dyn Storage) -> Result<(Genesis, Option<Finding>), Error> {
    let altered = || {
        let cause = "ledger.json is not the body of the genesis record";
        Some(Finding::new(Code::Evidence, cause).in_file(FileName::Identity))
    };
    match (read_identity(storage), genesis_line(storage)) {
        (Ok(file), Some(record)) if file != record => Ok((record, altered())),
        (Ok(file), _) => Ok((file, None)),
        (Err(error), Some(record)) if error.kind() == ErrorKind::Corrupt => Ok((record, altered())),
        (Err(error), _) => Err(error),
    }
}

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

/// The genesis that the first line holds, if that line is whole.
pub(crate) fn genesis_line(storage: &dyn Storage) -> Option<Genesis> {
    // The limit is also what room is made for.
    let len = storage
        .open(&FileName::Segment(0))
        .and_then(|file| file.len())
        .ok()?;
    let mut reader = LineReader::open(storage, 0, 0, len.min(LINE_BYTES_MAX as u64)).ok()?;
    let Ok(Some(Piece::Line { bytes, .. })) = reader.next_piece() else {
        return None;
    };
    let record = Record::parse(bytes).ok()?;
    record.check_hashes().ok()?;
    (record.header.kind == system::GENESIS)
        .then(|| Genesis::parse(record.body()))
        .flatten()
}

/// True if the record is the genesis that the identity file repeats.
pub(crate) fn is_genesis(record: &Record<'_>, genesis: &Genesis) -> bool {
    record.header.kind == system::GENESIS
        && record.header.id == genesis.ledger.as_str()
        && record.body() == genesis.encode().as_slice()
}
