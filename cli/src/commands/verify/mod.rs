//! `verify`: every byte of a ledger, and receipts against it.

mod receipts;

use std::path::Path;

use ledgerstone_engine::keystore::KeyStore;
use ledgerstone_engine::verify::{Report, VerifyOptions, verify};
use ledgerstone_engine::{Code, ErrorKind, Finding};
use serde::Serialize;

use self::receipts::Checked;
use crate::args::Verify;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::opening;
use crate::output::Output;
use crate::progress::Progress;

/// Runs the command.
pub(crate) fn run(args: &Verify, config: &Config, output: &mut Output) -> Outcome<Exit> {
    let storage = opening::storage(&args.dir);
    let keys = keys(&args.dir, config, output)?;
    let mut options = VerifyOptions::default();
    if let Some(jobs) = args.jobs {
        options.jobs = jobs.get();
    }
    let mut progress = Progress::new(output, Some(0));
    let report = verify(storage.as_ref(), keys.as_deref(), &options, &mut |done| {
        progress.set(done.records, done.bytes, done.bytes_total);
    })
    .map_err(|error| opening::in_directory(&args.dir, &error))?;
    progress.finish();
    // Without an identity there is nothing that receipts could be compared with.
    let checked = if report.ledger.is_some() {
        receipts::check(&args.dir, &args.receipts)?
    } else {
        Checked::default()
    };
    let code = Code::worst(report.code().into_iter().chain(checked.code()));
    if output.json {
        print_objects(&report, &checked, code, output)?;
    } else {
        print(&report, &checked, code, output)?;
    }
    Ok(Exit::of_verdict(code))
}

/// Where the head beside the key is. A ledger whose identity is damaged is judged by the report, not here.
fn keys(dir: &Path, config: &Config, output: &Output) -> Outcome<Option<Box<dyn KeyStore>>> {
    let signed = match ledgerstone_engine::Reader::open(opening::storage(dir)) {
        Ok(reader) => reader.genesis().vkey.is_some(),
        Err(error) if error.kind() == ErrorKind::Missing && !dir.exists() => {
            return Err(opening::in_directory(dir, &error).into());
        }
        Err(_) => true,
    };
    let keys = opening::keys(dir, signed, config.signing_key.as_deref())?;
    output.detail(format_args!(
        "head beside the key: {}",
        keys.head_path().display()
    ));
    Ok(Some(Box::new(keys)))
}

fn print(report: &Report, checked: &Checked, code: Option<Code>, output: &mut Output) -> Outcome<()> {
    let total = report.findings_total + checked.findings.len() as u64;
    match total {
        0 => output.text(format_args!("self-consistent; no outside head was given"))?,
        1 => output.text(format_args!("1 finding"))?,
        _ => output.text(format_args!("{total} findings"))?,
    }
    for finding in &report.findings {
        print_finding(finding, "", output)?;
    }
    let unkept = report.findings_total.saturating_sub(report.findings.len() as u64);
    if unkept > 0 {
        output.text(format_args!("... and {unkept} more findings"))?;
    }
    for (place, finding) in &checked.findings {
        print_finding(finding, &format!("{place}: "), output)?;
    }
    if let (Some(ledger), Some(origin)) = (&report.ledger, &report.origin) {
        output.text(format_args!("ledger    {ledger}, origin {origin}"))?;
    }
    let (segments, sealed) = (report.segments, report.sealed);
    output.text(format_args!(
        "size      {}, {} bytes; {segments} segments, {sealed} sealed",
        report
            .size
            .map_or_else(|| "unknown".to_owned(), |size| format!("{size} records")),
        report.bytes
    ))?;
    match report.root {
        Some(root) => output.text(format_args!("root      {root}"))?,
        None => output.text(format_args!("root      unknown"))?,
    }
    let size = |size: Option<u64>| size.map_or_else(|| "none".to_owned(), |size| format!("{size} records"));
    let signed = if report.signed { "signed" } else { "not signed" };
    let (head, beside) = (size(report.head_size), size(report.beside_size));
    output.text(format_args!(
        "head      {head}, {signed}; beside the key {beside}"
    ))?;
    if checked.files > 0 {
        output.text(format_args!("receipts  {} compared", checked.count))?;
    }
    if let Some(held) = &report.held {
        output.text(format_args!("held by   {held}"))?;
    }
    for note in report.notes.iter().chain(&checked.notes) {
        output.text(format_args!("note      {note}"))?;
    }
    match code {
        None => output.text(format_args!("verdict   0 whole")),
        Some(code) => output.text(format_args!("verdict   {} {}", code.number(), code.meaning())),
    }
}

fn print_finding(finding: &Finding, place: &str, output: &mut Output) -> Outcome<()> {
    let code = finding.code;
    // A finding without a file begins with its number, set off by a space.
    let finding_text = finding.to_string();
    let finding_text = finding_text.trim_start();
    output.text(format_args!(
        "{place}{finding_text} [{} {}]",
        code.number(),
        code.meaning()
    ))?;
    if let (Some(expected), Some(found)) = (finding.expected, finding.found) {
        output.text(format_args!("  expected {expected}"))?;
        output.text(format_args!("  found    {found}"))?;
    }
    Ok(())
}

fn print_objects(report: &Report, checked: &Checked, code: Option<Code>, output: &mut Output) -> Outcome<()> {
    #[derive(Serialize)]
    struct Found<'a> {
        #[serde(flatten)]
        finding: &'a Finding,
        #[serde(skip_serializing_if = "Option::is_none")]
        receipt: Option<&'a str>,
    }
    #[derive(Serialize)]
    struct Summary<'a> {
        verdict: u8,
        meaning: &'static str,
        outside_head: bool,
        ledger: Option<&'a str>,
        origin: Option<&'a str>,
        size: Option<u64>,
        root: Option<ledgerstone_formats::hash::Hash>,
        head_size: Option<u64>,
        beside_size: Option<u64>,
        signed: bool,
        segments: u64,
        sealed: u64,
        bytes: u64,
        receipts: u64,
        held: Option<&'a str>,
        findings: u64,
        notes: Vec<&'a str>,
    }
    for finding in &report.findings {
        output.object(&Found {
            finding,
            receipt: None,
        })?;
    }
    for (place, finding) in &checked.findings {
        output.object(&Found {
            finding,
            receipt: Some(place),
        })?;
    }
    output.object(&Summary {
        verdict: code.map_or(0, Code::number),
        meaning: code.map_or("whole", Code::meaning),
        outside_head: false,
        ledger: report.ledger.as_deref(),
        origin: report.origin.as_deref(),
        size: report.size,
        root: report.root,
        head_size: report.head_size,
        beside_size: report.beside_size,
        signed: report.signed,
        segments: report.segments,
        sealed: report.sealed,
        bytes: report.bytes,
        receipts: checked.count,
        held: report.held.as_deref(),
        findings: report.findings_total + checked.findings.len() as u64,
        notes: report
            .notes
            .iter()
            .chain(&checked.notes)
            .map(String::as_str)
            .collect(),
    })
}
