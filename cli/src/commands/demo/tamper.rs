//! A copy of the ledger in which one byte is another.

use std::io::{self, Write as _};
use std::path::Path;

use ledgerstone_engine::storage::Storage as _;
use ledgerstone_engine::verify::Report;
use ledgerstone_formats::limits::SEGMENT_BYTES_MAX;
use ledgerstone_formats::names::{DIRS, FileName};

use super::SHOWN_SEQ;
use crate::failure::{Outcome, Problem};
use crate::{files, opening};

/// The copy's directory below the demo's.
pub(super) const COPY: &str = "copy";
/// What the edit is made in: the address that a request came from.
const MEMBER: &[u8] = b"\"sourceIPAddress\":\"";

/// What was changed.
pub(super) struct Edit {
    before: String,
    after: String,
}

/// Copies the ledger and changes the last digit of an address in the shown record.
pub(super) fn copy_with_an_edit(place: &Path, ledger: &Path) -> Outcome<Edit> {
    let copy = place.join(COPY);
    copy_files(ledger, &copy).map_err(|error| Problem::file("copy the ledger to", &copy, &error).into())
}

fn copy_files(ledger: &Path, copy: &Path) -> io::Result<Edit> {
    let storage = opening::storage(ledger);
    files::make_directory(copy)?;
    for folder in DIRS {
        files::make_directory(&copy.join(folder))?;
    }
    let mut edit = None;
    for (name, _) in storage.list()?.files {
        if name == FileName::Lock {
            continue;
        }
        let mut bytes = storage.open(&name)?.read_all(SEGMENT_BYTES_MAX)?;
        if name == FileName::Segment(0) {
            edit = change(&mut bytes);
        }
        files::create_new(&copy.join(name.to_string()))?.write_all(&bytes)?;
    }
    edit.ok_or_else(|| io::Error::other("the record has no address to change"))
}

fn change(segment: &mut [u8]) -> Option<Edit> {
    let line = memchr::memchr_iter(b'\n', segment).nth(usize::try_from(SHOWN_SEQ).ok()?.checked_sub(1)?)? + 1;
    let value = line + memchr::memmem::find(&segment[line..], MEMBER)? + MEMBER.len();
    let end = value + memchr::memchr(b'"', &segment[value..])?;
    let show = |segment: &[u8]| String::from_utf8_lossy(&segment[value..end]).into_owned();
    let before = show(segment);
    // The lowest bit makes another digit of a digit.
    segment[end - 1] ^= 1;
    Some(Edit {
        before,
        after: show(segment),
    })
}

impl Edit {
    /// What was done, and how it shows.
    pub(super) fn told(&self, report: &Report) -> Vec<String> {
        let mut told = vec![
            format!(
                "in record {SHOWN_SEQ} of copy: \"sourceIPAddress\":\"{}\" becomes \"{}\"",
                self.before, self.after
            ),
            "$ ledgerstone verify copy".to_owned(),
        ];
        for finding in &report.findings {
            told.push(finding.to_string());
        }
        if let Some(code) = report.code() {
            told.push(format!(
                "verdict and exit code: {} {}",
                code.number(),
                code.meaning()
            ));
        }
        told
    }
}
