//! P1: many writers, one record at a time each, every one durable before its next.

use std::path::Path;

use crate::entries::{Entries, Entry};
use crate::error::Error;
use crate::null;
use crate::ours::{self, Stored};
use crate::reference::{self, Limit};
use crate::rounds::{Setting, in_turn};
use crate::sqlite::runs;
use crate::stats::Run;
use crate::table::{Bar, Row, Unit};

/// How many writers there are, one setting after the other.
const WRITERS: [usize; 3] = [64, 16, 1];
/// The longest that 99 of 100 records may take, in microseconds.
const P99_MAX_MICROS: f64 = 2_000.0;

/// Measures the ledger, the peer, and an engine that does nothing with the same lines.
///
/// # Errors
/// Theirs.
pub fn run(setting: &Setting) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for writers in WRITERS {
        rows.extend(with_writers(setting, writers)?);
    }
    Ok(rows)
}

fn with_writers(setting: &Setting, writers: usize) -> Result<Vec<Row>, Error> {
    let most = if writers == 1 { 10_000 } else { 100_000 };
    let count = setting.count(most, most / 5);
    let entries: Vec<Entry> = Entries::new(setting.seed, 0..count).collect();
    let stored = {
        let dir = tempfile::tempdir_in(&setting.dir)?;
        ours::many_writers(dir.path(), &entries, writers)?;
        Stored::read(dir.path())?
    };
    let lines = stored.lines();
    let [ours, null, peer] = in_turn(
        setting,
        [
            &|dir: &Path| ours::many_writers(dir, &entries, writers),
            &|dir: &Path| null::many_writers(dir, &lines, writers),
            &|dir: &Path| runs::many_writers(dir, &entries, writers),
        ],
    )?;
    Ok(rows_of(writers, [&ours, &null, &peer]))
}

fn rows_of(writers: usize, [ours, null, peer]: [&[Run]; 3]) -> Vec<Row> {
    let figure = format!("P1 {writers} {}", if writers == 1 { "writer" } else { "writers" });
    let rates = |runs: &[Run]| runs.iter().map(|run| run.rate).collect::<Vec<_>>();
    let p99 = |runs: &[Run]| {
        runs.iter()
            .map(|run| run.p99.as_secs_f64() * 1e6)
            .collect::<Vec<_>>()
    };
    let row = |against: &str, other: Vec<f64>, bar| Row {
        figure: figure.clone(),
        ours: rates(ours),
        against: against.to_owned(),
        other,
        unit: Unit::PerSecond,
        bar,
    };
    // The bar was set for writers that share a commit; one alone waits for the disk, as the peer does.
    let times = if writers == 1 {
        Bar::None
    } else {
        Bar::AtLeast(10.0)
    };
    let mut rows = vec![
        row("SQLite, group commit", rates(peer), times),
        row("null engine", rates(null), Bar::AtLeast(0.8)),
        Row {
            figure: format!("{figure}, p99"),
            ours: p99(ours),
            against: "limit".to_owned(),
            other: vec![P99_MAX_MICROS; ours.len()],
            unit: Unit::Micros,
            bar: Bar::AtMost(1.0),
        },
        Row {
            figure: format!("{figure}, p99"),
            ours: p99(ours),
            against: "null engine".to_owned(),
            other: p99(null),
            unit: Unit::Micros,
            bar: Bar::None,
        },
    ];
    if writers == 64 {
        let here = rates(null);
        let disk = Limit {
            here: &here,
            there: reference::NULL_WRITERS_64,
        };
        rows.push(reference::peer_row(
            "SQLite, 64 writers",
            rates(peer),
            reference::SQLITE_WRITERS_64,
            disk,
        ));
    }
    rows
}
