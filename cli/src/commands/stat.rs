//! `stat`: where a ledger stands.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use ledgerstone_engine::door::Door;
use ledgerstone_engine::storage::Storage;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::{Scope, Snapshot};
use ledgerstone_formats::checkpoint::{HEAD_BYTES_MAX, Head, VerifierKey};
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;
use ledgerstone_formats::records::system::Genesis;
use ledgerstone_formats::segment::{SEAL_BYTES_MAX, Seal};
use ledgerstone_formats::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::args::Stat;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::opening;
use crate::output::Output;

#[derive(Serialize)]
struct Stats {
    ledger: String,
    origin: String,
    created: Timestamp,
    vkey: Option<String>,
    /// Records in whole groups.
    size: u64,
    bytes: u64,
    /// Records under the head; none where the head is not valid.
    head_size: Option<u64>,
    head_root: Option<Hash>,
    signed: bool,
    segments: usize,
    sealed: usize,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    /// Records of each kind in sealed segments.
    kinds: BTreeMap<String, u64>,
    sealed_records: u64,
    /// What the process says that holds the ledger.
    holder: Option<Value>,
    free_bytes: Option<u64>,
}

/// Runs the command.
pub(crate) fn run(args: &Stat, output: &mut Output) -> Outcome<Exit> {
    let damaged = |error| opening::in_directory(&args.dir, &error);
    let reader = opening::reader(&args.dir)?;
    let snapshot = reader.snapshot().map_err(damaged)?;
    let storage = opening::storage(&args.dir);
    let stats = stats(storage.as_ref(), reader.genesis(), &snapshot, output);
    // The snapshot's own head: the one above was read later, and may cover what was stored since.
    if let Err(error) = snapshot.check_complete() {
        output.warn(format_args!("{error}; `verify` says more"));
    }
    if args.prometheus {
        let holder = of_holder(&args.dir, &stats, output);
        output.text(format_args!("{}", prometheus(&stats, holder).trim_end()))?;
    } else if output.json {
        output.object(&stats)?;
    } else {
        print(&stats, &args.dir, output)?;
    }
    Ok(Exit::Done)
}

fn stats(storage: &dyn Storage, genesis: &Genesis, snapshot: &Snapshot, output: &Output) -> Stats {
    let head = head(storage, genesis);
    if head.is_none() {
        output.warn(format_args!(
            "the head cannot be read or is not valid; `verify` says more"
        ));
    }
    let mut kinds = BTreeMap::new();
    let mut sealed_records = 0;
    for info in snapshot.segments().iter().filter(|info| info.sealed) {
        let Some(seal) = read(storage, &FileName::Seal(info.first), SEAL_BYTES_MAX)
            .and_then(|file| Seal::parse(&file).ok())
        else {
            output.warn(format_args!(
                "{} cannot be read; `verify` says more",
                FileName::Seal(info.first)
            ));
            continue;
        };
        sealed_records += seal.count;
        for (kind, count) in seal.kinds {
            *kinds.entry(kind).or_default() += count;
        }
    }
    let holder = storage.holder().ok().flatten();
    Stats {
        ledger: genesis.ledger.clone(),
        origin: genesis.origin.clone(),
        created: genesis.created,
        vkey: genesis.vkey.clone(),
        size: snapshot.size(),
        bytes: snapshot.segments().iter().map(|info| info.bytes).sum(),
        head_size: head.as_ref().map(|head| head.size),
        head_root: head.as_ref().map(|head| head.root),
        signed: genesis.vkey.is_some(),
        segments: snapshot.segments().len(),
        sealed: snapshot.segments().iter().filter(|info| info.sealed).count(),
        first_at: at(snapshot, 0),
        last_at: snapshot.size().checked_sub(1).and_then(|last| at(snapshot, last)),
        kinds,
        sealed_records,
        holder: holder.map(|line| serde_json::from_str(&line).unwrap_or(Value::String(line))),
        free_bytes: storage.free_bytes().ok(),
    }
}

/// What the process says that holds the ledger; none where nobody does, or it has no door.
fn of_holder(dir: &Path, stats: &Stats, output: &Output) -> Option<String> {
    stats.holder.as_ref()?;
    match Door::connect(&Disk::new(dir)).and_then(|door| door.prometheus()) {
        Ok(text) => Some(text),
        Err(error) => {
            output.note(format_args!("only what the directory tells: {error}"));
            None
        }
    }
}

/// What the holder tells, and what the directory does besides, or all alone, under the same names.
fn prometheus(stats: &Stats, holder: Option<String>) -> String {
    let is_alone = holder.is_none();
    let mut text = holder.unwrap_or_default();
    let mut one = |name: &str, help: &str, value: Option<u64>| {
        let Some(value) = value else { return };
        let ledger = &stats.origin;
        let written = write!(
            text,
            "# HELP ledgerstone_{name} {help}.\n# TYPE ledgerstone_{name} gauge\n\
             ledgerstone_{name}{{ledger=\"{ledger}\"}} {value}\n"
        );
        written.expect("writing to a string does not fail");
    };
    if is_alone {
        one("size_records", "Records in the ledger", Some(stats.size));
        one(
            "head_size_records",
            "Records under the newest head",
            stats.head_size,
        );
        one("segments", "Segments", Some(stats.segments as u64));
        one("sealed_segments", "Sealed segments", Some(stats.sealed as u64));
    }
    one("size_bytes", "Bytes of the records", Some(stats.bytes));
    one(
        "held",
        "1 while a process holds the ledger",
        Some(u64::from(stats.holder.is_some())),
    );
    one(
        "free_bytes",
        "Bytes that the file system has left",
        stats.free_bytes,
    );
    let last = stats
        .last_at
        .and_then(|at| u64::try_from(at.as_micros() / 1_000_000).ok());
    one("last_record_timestamp_seconds", "Time of the newest record", last);
    text
}

fn head(storage: &dyn Storage, genesis: &Genesis) -> Option<Head> {
    let Some(vkey) = &genesis.vkey else {
        return Head::open(&read(storage, &FileName::Head, HEAD_BYTES_MAX)?, None).ok();
    };
    let key = VerifierKey::parse(vkey).ok()?;
    Head::open(&read(storage, &FileName::Checkpoint, HEAD_BYTES_MAX)?, Some(&key)).ok()
}

fn read(storage: &dyn Storage, name: &FileName, bytes_max: u64) -> Option<Vec<u8>> {
    storage.open(name).and_then(|file| file.read_all(bytes_max)).ok()
}

fn at(snapshot: &Snapshot, seq: u64) -> Option<Timestamp> {
    let line = snapshot.get(seq, &Scope::Operator).ok().flatten()?;
    Record::parse(&line).ok().map(|record| record.header.at)
}

fn print(stats: &Stats, dir: &Path, output: &mut Output) -> Outcome<()> {
    let mut row = |name: &str, value: String| output.text(format_args!("{name:<9} {value}"));
    let time = |at: Option<Timestamp>| at.map_or_else(|| "unreadable".to_owned(), |at| at.to_string());
    row("ledger", format!("{} in {}", stats.origin, dir.display()))?;
    row("created", stats.created.to_string())?;
    row(
        "key",
        stats
            .vkey
            .clone()
            .unwrap_or_else(|| "none: heads are not signed".to_owned()),
    )?;
    row("size", format!("{} records, {} bytes", stats.size, stats.bytes))?;
    row(
        "head",
        match (stats.head_size, stats.head_root) {
            (Some(size), Some(root)) => format!("{size} records, root {root}"),
            _ => "not valid".to_owned(),
        },
    )?;
    row("segments", format!("{}, {} sealed", stats.segments, stats.sealed))?;
    row(
        "time",
        format!("{} to {}", time(stats.first_at), time(stats.last_at)),
    )?;
    let kinds: Vec<_> = stats
        .kinds
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    let open = stats.size.saturating_sub(stats.sealed_records);
    match kinds.as_slice() {
        [] => row("kinds", format!("known once sealed; {open} records are not"))?,
        kinds => row(
            "kinds",
            format!("{}; {open} records not sealed yet", kinds.join(", ")),
        )?,
    }
    row(
        "holder",
        stats
            .holder
            .as_ref()
            .map_or_else(|| "nobody".to_owned(), Value::to_string),
    )?;
    row(
        "free",
        stats
            .free_bytes
            .map_or_else(|| "unknown".to_owned(), |bytes| format!("{bytes} bytes")),
    )
}
