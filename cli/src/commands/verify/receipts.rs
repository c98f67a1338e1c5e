//! Receipts that producers kept, each compared with the record that it names.

use std::path::{Path, PathBuf};

use ledgerstone_engine::verify::ReceiptCheck;
use ledgerstone_engine::{Code, Finding};
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::line::{Line, LineTooLong, Splitter};
use serde::Deserialize;

use crate::exit::Exit;
use crate::failure::{Outcome, Problem};
use crate::input::{self, Source};
use crate::opening;

/// Read at once, in bytes.
const CHUNK_BYTES: usize = 256 << 10;
/// Longest line of receipts, in bytes: file names are the one member without a limit of its own.
const LINE_BYTES_MAX: usize = 1 << 20;

/// What the receipts show.
#[derive(Default)]
pub(super) struct Checked {
    /// How many files of receipts were read.
    pub(super) files: usize,
    /// How many receipts were compared.
    pub(super) count: u64,
    /// Those that do not fit, each with its place.
    pub(super) findings: Vec<(String, Finding)>,
    /// Lines that were passed over.
    pub(super) notes: Vec<String>,
}

impl Checked {
    /// The worst of the findings.
    pub(super) fn code(&self) -> Option<Code> {
        Code::worst(self.findings.iter().map(|(_, finding)| finding.code))
    }
}

/// What is needed of a receipt.
#[derive(Deserialize)]
struct Receipt {
    seq: u64,
    hash: Hash,
}

/// Compares all files, one after the other.
pub(super) fn check(dir: &Path, paths: &[PathBuf]) -> Outcome<Checked> {
    let mut checked = Checked {
        files: paths.len(),
        ..Checked::default()
    };
    if paths.is_empty() {
        return Ok(checked);
    }
    let (sources, _) = input::resolve(paths)?;
    for source in &sources {
        check_file(dir, source, &mut checked)?;
    }
    Ok(checked)
}

fn check_file(dir: &Path, source: &Source, checked: &mut Checked) -> Outcome<()> {
    let damaged = |error| opening::in_directory(dir, &error);
    let cannot = |error: std::io::Error| {
        let mut problem = Problem::new(Exit::Unavailable, "unavailable", format!("cannot read: {error}"));
        problem.file = Some(source.to_string());
        problem
    };
    let too_long = |error: LineTooLong| no_receipt(source, error.number, "the line is too long");
    let mut ledger = ReceiptCheck::new(opening::storage(dir)).map_err(damaged)?;
    let mut one = |line: &Line<'_>| -> Outcome<()> {
        if line.bytes.trim_ascii().is_empty() {
            return Ok(());
        }
        let place = format!("{source}:{}", line.number);
        let receipt: Receipt = match serde_json::from_slice(line.bytes) {
            Ok(receipt) => receipt,
            Err(_) if !line.terminated => {
                checked
                    .notes
                    .push(format!("{place}: an unfinished last line was passed over"));
                return Ok(());
            }
            Err(error) => return Err(no_receipt(source, line.number, &error.to_string()).into()),
        };
        checked.count += 1;
        let finding = ledger.check(receipt.seq, receipt.hash).map_err(damaged)?;
        checked.findings.extend(finding.map(|finding| (place, finding)));
        Ok(())
    };
    let mut reader = input::open(source).map_err(cannot)?.reader;
    let mut splitter = Splitter::new(LINE_BYTES_MAX);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = reader.read(&mut buffer).map_err(cannot)?;
        if read == 0 {
            break;
        }
        let mut chunk = &buffer[..read];
        while let Some(line) = splitter.next_line(&mut chunk) {
            one(&line.map_err(too_long)?)?;
        }
    }
    splitter
        .finish()
        .map_or(Ok(()), |line| one(&line.map_err(too_long)?))
}

fn no_receipt(source: &Source, line: u64, why: &str) -> Problem {
    let mut problem = Problem::new(Exit::Refused, "invalid", format!("not a receipt: {why}"));
    problem.file = Some(source.to_string());
    problem.line = Some(line);
    problem
}
