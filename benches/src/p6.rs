//! P6: opening a ledger after a clean close, and after its process was killed.

use std::thread;

use crate::entries::Entries;
use crate::error::Error;
use crate::loops;
use crate::rounds::Setting;
use crate::table::{Bar, Row, Unit};
use crate::{files, ours};

/// Entries of one batch while the ledger is made.
const BATCH: usize = 10_000;
/// The longest that an open after a clean close may take, in milliseconds.
const CLEAN_MAX_MILLIS: f64 = 100.0;

/// Measures opens of a ledger whose open segment is nearly as large as a segment gets.
///
/// # Errors
/// The ledger's.
pub fn run(setting: &Setting) -> Result<Vec<Row>, Error> {
    // About 1,150 bytes an entry: the open segment holds some 230 MB of 256 MiB, beside sealed ones.
    let count = setting.count(1_100_000, 30_000);
    let bodies = setting.dir.join("bodies.jsonl");
    files::make_bodies(&bodies, Entries::new(setting.seed, 0..count))?;
    let threads = thread::available_parallelism()?.get();
    let (killed, closed) = (
        tempfile::tempdir_in(&setting.dir)?,
        tempfile::tempdir_in(&setting.dir)?,
    );
    let open_segment = ours::load_unsealed(closed.path(), &bodies, BATCH, threads, |live| {
        // What a killed process leaves is what the files hold while it lives.
        files::copy_tree(live, killed.path())
    })?;
    let lines = files::read(&closed.path().join("ledger").join(open_segment))?;
    let (mut clean, mut after_kill, mut hashed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..setting.rounds {
        clean.push(millis(ours::time_open(closed.path())?));
        let again = tempfile::tempdir_in(&setting.dir)?;
        files::copy_tree(killed.path(), again.path())?;
        after_kill.push(millis(ours::time_open(again.path())?));
        hashed.push(millis(loops::hash_lines(&lines)));
    }
    let row = |figure: &str, ours: &[f64], against: &str, other: Vec<f64>| Row {
        figure: figure.to_owned(),
        ours: ours.to_vec(),
        against: against.to_owned(),
        other,
        unit: Unit::Millis,
        bar: Bar::AtMost(1.0),
    };
    Ok(vec![
        row(
            "P6 open after a close",
            &clean,
            "limit",
            vec![CLEAN_MAX_MILLIS; clean.len()],
        ),
        row(
            "P6 open after a kill",
            &after_kill,
            "hashing the open segment, one core",
            hashed,
        ),
    ])
}

fn millis(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
