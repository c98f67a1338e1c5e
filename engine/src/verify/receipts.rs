//! Receipts held by producers, compared with the ledger.

use std::sync::Arc;

use ledgerstone_formats::hash::Hash;

use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::read::reader::Reader;
use crate::read::scan::Scan;
use crate::read::snapshot::{Scope, Selection, Snapshot};
use crate::storage::Storage;

/// Looks up records by receipts. Receipts in order of their numbers cost one pass.
#[derive(Debug)]
pub struct ReceiptCheck {
    snapshot: Snapshot,
    scan: Option<(u64, Scan)>,
}

impl ReceiptCheck {
    /// Opens a ledger for reading.
    ///
    /// # Errors
    /// As [`Reader::open`] and [`Reader::snapshot`].
    pub fn new(storage: Arc<dyn Storage>) -> Result<Self, Error> {
        Ok(Self {
            snapshot: Reader::open(storage)?.snapshot()?,
            scan: None,
        })
    }

    /// Compares a receipt's number and hash with the record there.
    ///
    /// # Errors
    /// `Unavailable` for I/O. A record that is not what the receipt says is no error but a finding.
    pub fn check(&mut self, seq: u64, hash: Hash) -> Result<Option<Finding>, Error> {
        if seq >= self.snapshot.size() {
            let cause = format!("a receipt names seq {seq}, the ledger ends before it");
            return Ok(Some(Finding::new(Code::Truncated, cause).at_seq(seq)));
        }
        let mut scan = match self.scan.take() {
            // A little ahead is read past; further away is sought.
            Some((next, scan)) if (next..next.saturating_add(1_000)).contains(&seq) => scan,
            _ => self.snapshot.scan(Selection {
                from: seq,
                ..Selection::all(Scope::Operator)
            }),
        };
        loop {
            let line = match scan.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => {
                    let cause = format!("a receipt names seq {seq}, no record is there");
                    return Ok(Some(Finding::new(Code::Truncated, cause).at_seq(seq)));
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    return Ok(error.findings().first().cloned());
                }
                Err(error) => return Err(error),
            };
            if line.seq < seq {
                continue;
            }
            let found = (line.record().hash, line.file, line.line, line.offset);
            self.scan = Some((seq + 1, scan));
            if found.0 == hash {
                return Ok(None);
            }
            let cause = "the record is another than the one the receipt was given for";
            let finding = Finding::new(Code::Rewritten, cause)
                .in_file(found.1)
                .at_seq(seq)
                .at_line(found.2, found.3);
            return Ok(Some(finding.hashes(hash, found.0)));
        }
    }
}
