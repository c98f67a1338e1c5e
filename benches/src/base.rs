//! The peer and the limits by themselves, against what they reach on the machine of the project's bars: a run on a
//! machine in trouble is known before anything is compared.

use std::path::Path;
use std::thread;

use crate::entries::{Entries, Entry};
use crate::error::Error;
use crate::rounds::{Setting, in_turn};
use crate::sqlite::runs::{
    self, BATCHES_REFERENCE, ONE_WRITER_REFERENCE, REFERENCE_PART_MIN, WRITERS_64_REFERENCE,
};
use crate::stats::rate;
use crate::table::{Bar, Row, Unit};
use crate::{files, loops};

/// Entries of one transaction in the bulk load.
const BATCH: usize = 10_000;
/// Appends of 704 bytes a second with a sync each, there.
const APPENDS_REFERENCE: f64 = 6_000.0;
/// Hashes of bodies a second, there.
const HASHES_REFERENCE: f64 = 1_900_000.0;

/// Measures them in turn.
///
/// # Errors
/// The peer's, and those of files.
pub fn run(setting: &Setting) -> Result<Vec<Row>, Error> {
    let entries: Vec<Entry> = Entries::new(setting.seed, 0..setting.count(40_000, 8_000)).collect();
    let one = &entries[..entries.len() / 4];
    let bulk = setting.count(300_000, 50_000);
    let file = setting.dir.join("bodies.jsonl");
    files::make_bodies(&file, Entries::new(setting.seed, 0..bulk))?;
    let threads = thread::available_parallelism()?.get();

    let [appends, hashes, one_writer, writers_64, batches] = in_turn(
        setting,
        [
            &|dir: &Path| Ok(loops::append_and_sync(&dir.join("lines"), bodies(one))?.rate),
            &|_: &Path| Ok(loops::sha256_rate(bodies(&entries))),
            &|dir: &Path| Ok(runs::one_writer(dir, one)?.rate),
            &|dir: &Path| Ok(runs::many_writers(dir, &entries, 64)?.rate),
            &|dir: &Path| Ok(rate(bulk, runs::load(dir, &file, BATCH, threads)?)),
        ],
    )?;
    Ok(vec![
        reference_row("append and fdatasync", appends, APPENDS_REFERENCE),
        reference_row("SHA-256, one core", hashes, HASHES_REFERENCE),
        reference_row("SQLite, 1 writer", one_writer, ONE_WRITER_REFERENCE),
        reference_row("SQLite, 64 writers", writers_64, WRITERS_64_REFERENCE),
        reference_row("SQLite, transactions of 10,000", batches, BATCHES_REFERENCE),
    ])
}

/// What something reaches here, against what it reaches on the machine of the bars.
pub(crate) fn reference_row(figure: &str, here: Vec<f64>, reference: f64) -> Row {
    Row {
        figure: figure.to_owned(),
        other: vec![reference; here.len()],
        ours: here,
        against: "reference machine".to_owned(),
        unit: Unit::PerSecond,
        bar: Bar::Sane(REFERENCE_PART_MIN),
    }
}

fn bodies(entries: &[Entry]) -> impl ExactSizeIterator<Item = &[u8]> {
    entries.iter().map(|entry| entry.body.as_slice())
}
