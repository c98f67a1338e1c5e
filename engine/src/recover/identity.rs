//! Who the ledger is: `ledger.json`, and the genesis record that it repeats.

use std::io;

use ledgerstone_formats::checkpoint::HEAD_BYTES_MAX;
use ledgerstone_formats::limits::LINE_BYTES_MAX;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;
use ledgerstone_formats::records::system::{self, Genesis};

use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::recover::heads::{head_name, is_no_text, open_head, verifier};
use crate::segment::lines::{LineReader, Piece};
use crate::storage::{Listing, Storage};

/// Longest identity file that is read, in bytes.
pub(crate) const IDENTITY_BYTES_MAX: u64 = 64 << 10;

/// Who the ledger is, and what is wrong with `ledger.json`: where the genesis record's line is whole, that record knows
/// better than its copy.
pub(crate) fn identify(storage: &dyn Storage) -> Result<(Genesis, Option<Finding>), Error> {
    match (read_identity(storage), genesis_line(storage)) {
        (Ok(file), Some(record)) if file != record => {
            let cause = "ledger.json is not the body of the genesis record";
            Ok((record, Some(finding(Code::Evidence, cause))))
        }
        (Ok(file), _) => Ok((file, None)),
        (Err(error), Some(record)) if error.kind() == ErrorKind::Corrupt => {
            Ok((record, error.findings().first().cloned()))
        }
        (Err(error), _) => Err(error),
    }
}

/// Who the ledger is, by `ledger.json`; by the genesis record where that file is damaged or gone.
///
/// # Errors
/// `Missing` where there is no ledger, `Corrupt` where neither can be read, `Unavailable` for I/O.
pub fn genesis(storage: &dyn Storage) -> Result<Genesis, Error> {
    identify(storage).map(|(genesis, _)| genesis)
}

/// Reads `ledger.json`.
///
/// # Errors
/// `Missing` where there is no ledger, or none yet; `Corrupt` where the file is damaged, or gone from beside records.
pub(crate) fn read_identity(storage: &dyn Storage) -> Result<Genesis, Error> {
    let file = storage
        .open(&FileName::Identity)
        .and_then(|file| file.read_all(IDENTITY_BYTES_MAX));
    let file = match file {
        Ok(file) => file,
        Err(error) if is_no_text(&error) => {
            return Err(Error::corrupt(vec![finding(Code::Evidence, error.to_string())]));
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Err(no_identity(storage, error));
        }
        Err(error) => {
            return Err(Error::io("the ledger's identity cannot be read", error).in_file(FileName::Identity));
        }
    };
    let genesis = file.strip_suffix(b"\n").and_then(Genesis::parse);
    genesis.ok_or_else(|| {
        let cause = "not the body of a genesis record";
        Error::corrupt(vec![finding(Code::Evidence, cause)])
    })
}

fn finding(code: Code, cause: impl Into<String>) -> Finding {
    Finding::new(code, cause).in_file(FileName::Identity)
}

/// What a directory without `ledger.json` is: no ledger, one whose creation was cut short, or one that lost the file.
fn no_identity(storage: &dyn Storage, error: io::Error) -> Error {
    let missing =
        |message| Error::with_source(ErrorKind::Missing, message, error).in_file(FileName::Identity);
    let remains = match storage.list() {
        Ok(listing) => remains(storage, &listing),
        Err(error) => Err(error),
    };
    let remains = match remains {
        Ok(remains) => remains,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Remains::Nothing,
        Err(error) => return Error::io("what is here cannot be read", error),
    };
    match remains {
        Remains::Nothing => missing("there is no ledger here"),
        Remains::Beginning => {
            missing("there is no ledger here yet: its creation was cut short, begin it again")
        }
        Remains::Ledger => lost_identity(storage),
    }
}

/// A ledger is here, and `ledger.json` is not: what to do.
pub(crate) fn lost_identity(storage: &dyn Storage) -> Error {
    let damage = if genesis_line(storage).is_some() {
        let first = FileName::Segment(0);
        let cause = format!(
            "ledger.json is missing, records are here: put back a copy of it, or write it anew; it is the body of \
             line 1 of {first} and LF. `verify` tells whether all else is whole"
        );
        finding(Code::Evidence, cause)
    } else {
        let cause = "neither ledger.json nor a genesis record is here, other files of a ledger are: `verify` tells \
                     what is left of it";
        finding(Code::Missing, cause)
    };
    Error::corrupt(vec![damage])
}

/// What is left of a ledger without its identity file.
enum Remains {
    Nothing,
    /// No more than a creation leaves that was cut short.
    Beginning,
    Ledger,
}

fn remains(storage: &dyn Storage, listing: &Listing) -> io::Result<Remains> {
    let mut remains = Remains::Nothing;
    for (name, _) in &listing.files {
        match name {
            FileName::Segment(0) if is_first_line(storage)? => remains = Remains::Beginning,
            FileName::Segment(_) | FileName::Seal(_) => return Ok(Remains::Ledger),
            FileName::Checkpoint | FileName::Head if !is_first_head(storage, name) => {
                return Ok(Remains::Ledger);
            }
            FileName::Checkpoint
            | FileName::Head
            | FileName::Identity
            | FileName::Index(_)
            | FileName::Merged { .. }
            | FileName::Lock
            | FileName::Quarantine(_) => {}
        }
    }
    Ok(remains)
}

/// True for one line at most, whole or torn.
fn is_first_line(storage: &dyn Storage) -> io::Result<bool> {
    let file = storage.open(&FileName::Segment(0))?;
    match file.read_all(LINE_BYTES_MAX as u64) {
        Ok(bytes) => Ok(memchr::memchr_iter(b'\n', &bytes).count() <= 1),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(false),
        Err(error) => Err(error),
    }
}

/// True for the head that a creation writes: of one record, and that record is there.
fn is_first_head(storage: &dyn Storage, name: &FileName) -> bool {
    let Some(genesis) = genesis_line(storage) else {
        return false;
    };
    let Ok(key) = verifier(&genesis).transpose() else {
        return false;
    };
    let file = storage.open(name).and_then(|file| file.read_all(HEAD_BYTES_MAX));
    *name == head_name(&genesis)
        && file.is_ok_and(|file| open_head(&file, &genesis, key.as_ref()).is_ok_and(|head| head.size == 1))
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
