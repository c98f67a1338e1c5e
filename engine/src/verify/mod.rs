//! Checking a ledger: lines, chain, tree, heads, seals, counters. Findings are data, not an error, and checking goes on
//! after one. Changes nothing, needs no lock, and works while the ledger is being written.

pub(crate) mod blocks;
mod bookkeeping;
mod conclude;
mod counters;
mod indexes;
mod receipts;
mod report;
mod runs;
mod segments;
mod stop;
mod sums;
mod unique;

use ledgerstone_formats::names::FileName;

pub use receipts::ReceiptCheck;
pub use report::{Progress, Report, VerifyOptions};

use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::keystore::KeyStore;
use crate::recover::copies::leave_out_foreign;
use crate::recover::heads::{Heads, verifier};
use crate::recover::identity::{genesis_line, identify};
use crate::recover::{Inventory, Seals};
use crate::storage::Storage;
use crate::verify::segments::Walk;

/// Checks everything that is there. Without `keys` the head beside the key is not looked at.
///
/// # Errors
/// `Missing` when there is no ledger, `Unavailable` when the directory cannot be read. What is wrong with the ledger
/// is no error: it is in the report.
pub fn verify(
    storage: &dyn Storage,
    keys: Option<&dyn KeyStore>,
    options: &VerifyOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, Error> {
    let held = storage
        .holder()
        .map_err(|error| Error::io("the lock cannot be looked at", error))?;
    let (genesis, identity_finding) = match identify(storage) {
        Ok(identified) => identified,
        Err(error) => match genesis_line(storage) {
            Some(genesis) if error.kind() == ErrorKind::Missing => {
                let cause = "ledger.json is missing";
                let finding = Finding::new(Code::Evidence, cause).in_file(FileName::Identity);
                (genesis, Some(finding))
            }
            _ => return missing_or_damaged(storage, error),
        },
    };
    let key = match verifier(&genesis) {
        Some(Ok(key)) => Some(key),
        None => None,
        Some(Err(finding)) => return Ok(Report::unreadable(vec![finding])),
    };
    // Heads first: records appended meanwhile are then past the head, never missing under it.
    let mut heads = Heads::read(storage, keys, &genesis, key.as_ref())?;
    let mut inventory = Inventory::read(storage, &genesis, key.as_ref(), Seals::All)?;
    inventory.leave_out_filler(storage);
    let foreign = leave_out_foreign(storage, &mut inventory.quarantine);
    for found in &inventory.segments {
        if let Some(seal) = &found.seal {
            heads.add_seal(&seal.seal, seal.head.clone());
        }
    }
    let mut report = Report::new(&genesis, held, &heads, &inventory);
    report.notes.extend(foreign);
    report.extend(identity_finding);
    report.extend(heads.findings.clone());
    let walk = Walk::new(storage, &genesis, &heads, &inventory, report, options, progress)?;
    Ok(walk.run())
}

fn missing_or_damaged(storage: &dyn Storage, error: Error) -> Result<Report, Error> {
    let listing = storage
        .list()
        .map_err(|error| Error::io("the directory cannot be listed", error))?;
    let anything = listing
        .files
        .iter()
        .any(|(name, _)| matches!(name, FileName::Segment(_) | FileName::Seal(_)));
    match error.kind() {
        ErrorKind::Corrupt => Ok(Report::unreadable(error.findings().to_vec())),
        ErrorKind::Missing if anything => {
            let cause = "neither ledger.json nor a genesis record is here";
            Ok(Report::unreadable(vec![
                Finding::new(Code::Missing, cause).in_file(FileName::Identity),
            ]))
        }
        _ => Err(error),
    }
}
