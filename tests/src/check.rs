//! One strong check of a ledger, to be called after every step of a test: this project's verifier and the independent
//! one agree.

use std::path::Path;

use ledgerstone_engine::keystore::{FileKeys, KeyStore};
use ledgerstone_engine::storage::Storage;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::verify::{Report, VerifyOptions, verify};

use crate::cli::Place;
use crate::forge::Copy;
use crate::python::{self, Verdict};

/// What both verifiers say of a ledger.
#[derive(Debug)]
pub struct Judgement {
    /// This project's.
    pub ours: Report,
    /// The independent one's.
    pub other: Verdict,
}

impl Judgement {
    /// The verdict's number; 0 when nothing was found.
    pub fn code(&self) -> u8 {
        self.ours.code().map_or(0, |code| code.number())
    }

    /// The place of the first finding with the verdict's code.
    pub fn worst(&self) -> Option<Finding> {
        let code = self.ours.code()?;
        let finding = self.ours.findings.iter().find(|finding| finding.code == code)?;
        let file = finding.file.as_ref().map(ToString::to_string);
        Some(Finding {
            code: code.number(),
            file,
            line: finding.line,
            seq: finding.seq,
        })
    }
}

/// A finding in the few facts that a test names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The code.
    pub code: u8,
    /// The file in the ledger's directory.
    pub file: Option<String>,
    /// Line of the file, from 1.
    pub line: Option<u64>,
    /// Sequence number.
    pub seq: Option<u64>,
}

/// This project's verdict of files wherever they are, come to on this thread alone.
pub fn ours(storage: &dyn Storage, keys: &dyn KeyStore) -> Report {
    verify(storage, Some(keys), &VerifyOptions { jobs: 0 }, &mut |_| {}).unwrap()
}

/// Checks the ledger in a directory, both ways.
///
/// # Panics
/// When the two verifiers come to different verdicts.
#[track_caller]
pub fn judge(ledger: &Path) -> Judgement {
    let beside = if ledger.join("head").exists() {
        FileKeys::unsigned(ledger)
    } else {
        FileKeys::beside(ledger)
    };
    let report = ours(&Disk::new(ledger), &beside.unwrap());
    let judgement = Judgement {
        ours: report,
        other: python::verify(ledger),
    };
    let same = i32::from(judgement.code()) == judgement.other.code;
    assert!(same, "{}: the verdicts differ: {judgement:#?}", ledger.display());
    judgement
}

/// [`judge`] of a copy.
#[track_caller]
pub fn judge_copy(copy: &Copy) -> Judgement {
    let place = Place::new();
    let ledger = place.join("books");
    copy.write(&ledger);
    judge(&ledger)
}

/// Checks a ledger in a directory and expects this verdict from both verifiers.
///
/// # Panics
/// When it is another.
#[track_caller]
pub fn assert_verdict(ledger: &Path, code: u8) -> Judgement {
    let judgement = judge(ledger);
    assert!(
        judgement.code() == code,
        "{}: expected {code}: {judgement:#?}",
        ledger.display()
    );
    judgement
}
