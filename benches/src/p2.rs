//! P2: one writer, one record at a time, each durable before the next.

use std::path::Path;

use crate::entries::{Entries, Entry};
use crate::error::Error;
use crate::loops;
use crate::ours::{self, Stored};
use crate::reference::{self, Limit};
use crate::rounds::{Setting, in_turn};
use crate::sqlite::runs;
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
    let with_appends = Pair {
        ours: &ours,
        against: "append and fdatasync",
        other: &limit,
    };
    let with_sqlite = Pair {
        ours: &ours,
        against: "SQLite",
        other: &peer,
    };
    let appends = values(&limit, rate);
    let disk = Limit {
        here: &appends,
        there: reference::APPENDS,
    };
    Ok(vec![
        with_appends.rates(Bar::AtLeast(0.9)),
        with_appends.times("p50", p50, Bar::None),
        with_appends.times("p99", p99, Bar::AtMost(1.3)),
        with_sqlite.rates(Bar::None),
        with_sqlite.times("p99", p99, Bar::None),
        reference::peer_row(
            "SQLite, 1 writer",
            values(&peer, rate),
            reference::SQLITE_ONE_WRITER,
            disk,
        ),
    ])
}

/// Runs that were measured in the same rounds.
struct Pair<'a> {
    ours: &'a [Run],
    against: &'static str,
    other: &'a [Run],
}

impl Pair<'_> {
    fn rates(&self, bar: Bar) -> Row {
        self.row("P2 1 writer".to_owned(), rate, Unit::PerSecond, bar)
    }

    fn times(&self, name: &str, value: fn(&Run) -> f64, bar: Bar) -> Row {
        self.row(format!("P2 1 writer, {name}"), value, Unit::Micros, bar)
    }

    fn row(&self, figure: String, value: fn(&Run) -> f64, unit: Unit, bar: Bar) -> Row {
        let (ours, other) = (values(self.ours, value), values(self.other, value));
        Row {
            figure,
            ours,
            against: self.against.to_owned(),
            other,
            unit,
            bar,
        }
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
