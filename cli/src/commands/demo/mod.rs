//! `demo`: everything once, on sample records, in a directory of its own.

mod samples;
mod shell;
mod tamper;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledgerstone_engine::clock::{Clock as _, SystemClock};
use ledgerstone_engine::verify::{Report, VerifyOptions, verify};
use ledgerstone_engine::{Batch, Error, Ledger, LedgerIdentity, NewEntry, Options, Scope};
use ledgerstone_formats::ids::{Correlation, EntityId, IdError, Kind, Tenant};
use ledgerstone_formats::line::lines;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::pointer::{Pointer, Scalar};
use ledgerstone_formats::segment::Seal;
use serde::Serialize;

use self::samples::{SAMPLES, Sample};
use crate::args::Demo;
use crate::exit::Exit;
use crate::failure::{Outcome, Problem};
use crate::output::Output;
use crate::{files, opening};

/// The ledger's directory below the demo's.
const LEDGER: &str = "ledger";
/// The record that is looked at: line 8 of the first segment.
const SHOWN_SEQ: u64 = 7;
/// Longest line printed, in characters.
const COLUMNS: usize = 100;

/// Prints one step after the other.
struct Stage<'a> {
    output: &'a mut Output,
    steps: u32,
}

impl Stage<'_> {
    fn step(&mut self, title: &str, lines: &[String]) -> Outcome<()> {
        #[derive(Serialize)]
        struct Step<'a> {
            step: u32,
            title: &'a str,
            lines: &'a [String],
        }
        self.steps += 1;
        if self.output.json {
            return self.output.object(&Step {
                step: self.steps,
                title,
                lines,
            });
        }
        self.output.text(format_args!("{}. {title}", self.steps))?;
        for row in lines.iter().flat_map(|line| rows(line)) {
            self.output.text(format_args!("   {row}"))?;
        }
        self.output.text(format_args!(""))?;
        // Somebody is watching.
        self.output.flush()
    }
}

/// Runs the command.
pub(crate) fn run(args: &Demo, output: &mut Output) -> Outcome<Exit> {
    let place = place(args.dir.as_deref())?;
    let dir = place.join(LEDGER);
    let failed = |error: Error| opening::in_directory(&dir, &error);
    let mut stage = Stage { output, steps: 0 };

    let ledger = create(&dir).map_err(failed)?;
    stage.step(
        "A new ledger, with its signing key beside it",
        &[
            format!("in {}", place.display()),
            "$ ledgerstone init ledger".to_owned(),
            format!("origin {}", ledger.genesis().origin),
        ],
    )?;
    let stored = store(&ledger).map_err(failed)?;
    stage.step(
        "Records go in; a receipt means that its record is on disk",
        &stored,
    )?;
    let line = ledger
        .snapshot()
        .get(SHOWN_SEQ, &Scope::Operator)
        .map_err(failed)?
        .unwrap_or_default();
    stage.step(
        "A record is one line of JSON: a header, its hash, and what came in, byte for byte",
        &shown(&line),
    )?;
    let seal = ledger.seal().map_err(failed)?;
    ledger.close().map_err(failed)?;
    let report = check(&dir).map_err(failed)?;
    stage.step("Sealed, and every byte checked", &sealed(seal.as_ref(), &report))?;
    stage.step(
        "The same check of that record without this program",
        &shell::check(&place, &line),
    )?;
    let edit = tamper::copy_with_an_edit(&place, &dir)?;
    let report = check(&place.join(tamper::COPY)).map_err(failed)?;
    stage.step("Somebody changes one byte of a copy", &edit.told(&report))?;
    stage.step(
        "Try next",
        &[
            format!("cd {}", place.display()),
            "ledgerstone scan ledger --kind persona --body --limit 1".to_owned(),
            "ledgerstone get ledger 203 | ledgerstone inspect -".to_owned(),
            "ledgerstone append ledger YOURS.jsonl --kind NAME --receipts receipts.jsonl".to_owned(),
            "ledgerstone verify ledger --receipts receipts.jsonl".to_owned(),
            "ledgerstone stat ledger".to_owned(),
        ],
    )?;
    Ok(Exit::Done)
}

/// The directory that was asked for, or a new one among the temporary files.
fn place(asked: Option<&Path>) -> Outcome<PathBuf> {
    let cannot = |path: &Path, error: &std::io::Error| {
        let mut problem = Problem::file("make a new directory here", path, error);
        problem.exit = Exit::Refused;
        problem
    };
    if let Some(path) = asked {
        files::make_directory(path).map_err(|error| cannot(path, &error))?;
        return std::path::absolute(path).map_err(|error| cannot(path, &error).into());
    }
    let name = format!("ledgerstone-demo-{}", std::process::id());
    let mut path = std::env::temp_dir().join(&name);
    for again in 2.. {
        match files::make_directory(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                path.set_file_name(format!("{name}-{again}"));
            }
            made => {
                made.map_err(|error| cannot(&path, &error))?;
                break;
            }
        }
    }
    Ok(path)
}

fn create(dir: &Path) -> Result<Ledger, Error> {
    let keys = ledgerstone_engine::keystore::FileKeys::beside(dir).map_err(|error| unavailable(&error))?;
    let identity = LedgerIdentity {
        name: "demo.ledgerstone.local".to_owned(),
        signed: true,
    };
    Ledger::create(
        opening::storage(dir),
        Arc::new(keys),
        &identity,
        Options::default(),
    )
}

fn unavailable(error: &std::io::Error) -> Error {
    Error::new(ledgerstone_engine::ErrorKind::Unavailable, error.to_string())
}

/// Stores every sample, a file a batch, and tells how many.
fn store(ledger: &Ledger) -> Result<Vec<String>, Error> {
    let clock = SystemClock::new();
    let mut told = Vec::new();
    let (mut records, mut bytes) = (0, 0);
    for sample in &SAMPLES {
        let text = sample.text().map_err(|error| unavailable(&error))?;
        let mut drafter = ledger.drafter();
        let mut batch = Batch::new();
        for line in lines(&text) {
            batch.push(drafter.draft(entry(sample, line).map_err(|error| invalid(&error))?, line)?)?;
        }
        let receipts = ledger.submit(batch)?.wait()?;
        told.push(format!(
            "{:>4} {:<17} {}",
            receipts.len(),
            sample.kind,
            sample.about
        ));
        records += receipts.len();
        bytes += text.len();
    }
    let millis = clock.monotonic().as_millis();
    told.push(format!(
        "{records:>4} records, {} KB, in {} batches and {millis} ms",
        bytes / 1_000,
        SAMPLES.len()
    ));
    Ok(told)
}

fn entry(sample: &Sample, line: &[u8]) -> Result<NewEntry, IdError> {
    fn at<T>(
        pointer: Option<&str>,
        line: &[u8],
        make: fn(&str) -> Result<T, IdError>,
    ) -> Result<Option<T>, IdError> {
        match pointer
            .and_then(|pointer| Pointer::parse(pointer).ok())
            .map(|pointer| pointer.scalar(line))
        {
            Some(Scalar::Text(text)) => make(&text).map(Some),
            _ => Ok(None),
        }
    }
    Ok(NewEntry {
        kind: Kind::new(sample.kind)?,
        tenant: at(sample.tenant_at, line, Tenant::new)?,
        id: at(Some(sample.id_at), line, EntityId::new)?,
        corr: at(sample.corr_at, line, Correlation::new)?,
        key: None,
        revisions: sample.revisions,
    })
}

fn invalid(error: &IdError) -> Error {
    Error::new(ledgerstone_engine::ErrorKind::Invalid, error.to_string())
}

fn check(dir: &Path) -> Result<Report, Error> {
    let keys = ledgerstone_engine::keystore::FileKeys::beside(dir).map_err(|error| unavailable(&error))?;
    verify(
        opening::storage(dir).as_ref(),
        Some(&keys),
        &VerifyOptions::default(),
        &mut |_| {},
    )
}

fn sealed(seal: Option<&Seal>, report: &Report) -> Vec<String> {
    let mut told = vec!["$ ledgerstone seal ledger".to_owned()];
    if let Some(seal) = seal {
        let name = FileName::Segment(seal.first);
        told.push(format!(
            "{name}: {} records, seq {} to {}, {} bytes",
            seal.count, seal.first, seal.last, seal.bytes
        ));
    }
    told.push("$ ledgerstone verify ledger".to_owned());
    match (report.code(), report.root) {
        (None, Some(root)) => {
            told.push(format!(
                "whole: {} records, root {root}",
                report.size.unwrap_or_default()
            ));
        }
        _ => told.extend(report.findings.iter().map(ToString::to_string)),
    }
    told
}

/// A stored line in its parts, the body cut short.
fn shown(line: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(line).into_owned();
    let mut told = vec![format!("$ ledgerstone get ledger {SHOWN_SEQ}")];
    let parts = text
        .split_once(",\"hash\":")
        .and_then(|(header, rest)| Some((header, rest.split_once(",\"salt\":")?)));
    let Some((header, (hash, payload))) = parts else {
        told.push(text);
        return told;
    };
    told.extend([header.to_owned(), format!(",\"hash\":{hash}")]);
    let payload: String = payload.chars().take(COLUMNS - 12).collect();
    told.push(format!(",\"salt\":{payload}..."));
    told
}

/// A line in rows that fit the screen; commands stay whole, so that they can be copied.
fn rows(line: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let mut rest = line;
    while !line.starts_with("$ ")
        && let Some((end, _)) = rest.char_indices().nth(COLUMNS)
    {
        // At a space or a comma, where there is one past the first third of the row.
        let at = rest[..end]
            .rfind([' ', ','])
            .filter(|at| *at > end / 3)
            .map_or(end, |at| at + 1);
        rows.push(rest[..at].trim_end().to_owned());
        rest = &rest[at..];
    }
    rows.push(rest.to_owned());
    rows
}
