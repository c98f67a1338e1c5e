//! P2: one writer, one record at a time, each durable before the next.

use std::path::Path;

use crate::base;
use crate::entries::{Entries, Entry};
use crate::error::Error;
use crate::loops;
use crate::ours::{self, Stored};
use crate::rounds::{Setting, in_turn};
use crate::sqlite::runs::{self, ONE_WRITER_REFERENCE};
use crate::stats::Run;
use crate::table::{Bar, Row, Unit};

/// Measures the ledger, the peer, and bare appends of the lines that the ledger wrote.
///
/// # Errors
/// Theirs.
pub fn run(setting: &Setting) -> Result<Vec<Row>, Error> {
    let entries: Vec<Entry> = Entries::new(setting.seed, 0..setting.count(10_000, 2_000)).collect();
    let stored = {
        let dir = tempfile::tempdir_in(&setting.dir)?;
        ours::one_writer(dir.path(), &entries)?;
        Stored::read(dir.path())?
    };
    let lines = stored.lines();
    let [ours, limit, peer] = in_turn(
        setting,
        [
            &|dir: &Path| ours::one_writer(dir, &entries),
            &|dir: &Path| Ok(loops::append_and_sync(&dir.join("lines"), lines.iter().copied())?),
            &|dir: &Path| runs::one_writer(dir, &entries),
        ],
    )?;
    let append = "append and fdatasync";
    Ok(vec![
        row(
            "P2 1 writer",
            &ours,
            append,
            &limit,
            rate,
            Unit::PerSecond,
            Bar::AtLeast(0.9),
        ),
        row(
            "P2 1 writer, p50",
            &ours,
            append,
            &limit,
            p50,
            Unit::Micros,
            Bar::None,
        ),
        row(
            "P2 1 writer, p99",
            &ours,
            append,
            &limit,
            p99,
            Unit::Micros,
            Bar::AtMost(1.3),
        ),
        row(
            "P2 1 writer",
            &ours,
            "SQLite",
            &peer,
            rate,
            Unit::PerSecond,
            Bar::None,
        ),
        row(
            "P2 1 writer, p99",
            &ours,
            "SQLite",
            &peer,
            p99,
            Unit::Micros,
            Bar::None,
        ),
        base::reference_row("SQLite, 1 writer", values(&peer, rate), ONE_WRITER_REFERENCE),
    ])
}

fn row(
    figure: &str,
    ours: &[Run],
    against: &str,
    other: &[Run],
    value: fn(&Run) -> f64,
    unit: Unit,
    bar: Bar,
) -> Row {
    let (ours, other) = (values(ours, value), values(other, value));
    Row {
        figure: figure.to_owned(),
        ours,
        against: against.to_owned(),
        other,
        unit,
        bar,
    }
}

fn values(runs: &[Run], value: fn(&Run) -> f64) -> Vec<f64> {
    runs.iter().map(value).collect()
}

fn rate(run: &Run) -> f64 {
    run.rate
}

fn p50(run: &Run) -> f64 {
    run.p50.as_secs_f64() * 1e6
}

fn p99(run: &Run) -> f64 {
    run.p99.as_secs_f64() * 1e6
}
