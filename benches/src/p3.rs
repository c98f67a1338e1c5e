//! P3: a file of JSON lines into a sealed, indexed ledger.

use std::path::Path;
use std::thread;

use crate::entries::Entries;
use crate::error::Error;
use crate::ours::{self, Stored};
use crate::reference::{self, Limit};
use crate::rounds::{Setting, in_turn};
use crate::sqlite::runs;
use crate::stats::rate;
use crate::table::{Bar, Row, Unit};
use crate::{files, loops};

/// Entries of one batch, and of one transaction.
const BATCH: usize = 10_000;

/// Measures the ledger, the peer, and writing and syncing the groups that the ledger wrote.
///
/// # Errors
/// Theirs.
pub fn run(setting: &Setting) -> Result<Vec<Row>, Error> {
    let count = setting.count(300_000, 50_000);
    let bodies = setting.dir.join("bodies.jsonl");
    files::make_bodies(&bodies, Entries::new(setting.seed, 0..count))?;
    let threads = thread::available_parallelism()?.get();
    let stored = {
        let dir = tempfile::tempdir_in(&setting.dir)?;
        ours::load(dir.path(), &bodies, BATCH, threads)?;
        Stored::read(dir.path())?
    };
    let groups = stored.groups();
    let [ours, limit, peer] = in_turn(
        setting,
        [
            &|dir: &Path| Ok(rate(count, ours::load(dir, &bodies, BATCH, threads)?)),
            &|dir: &Path| {
                Ok(rate(
                    count,
                    loops::write_and_sync(&dir.join("lines"), groups.iter().copied())?,
                ))
            },
            &|dir: &Path| Ok(rate(count, runs::load(dir, &bodies, BATCH, threads)?)),
        ],
    )?;
    let line_bytes = stored.bytes() as f64 / count as f64;
    let disk_rates: Vec<f64> = limit.iter().map(|lines| lines * line_bytes).collect();
    let disk = Limit {
        here: &disk_rates,
        there: reference::GROUP_BYTES,
    };
    let row = |against: &str, other, bar| Row {
        figure: "P3 bulk load".to_owned(),
        ours: ours.clone(),
        against: against.to_owned(),
        other,
        unit: Unit::PerSecond,
        bar,
    };
    Ok(vec![
        row("write and sync its groups", limit, Bar::AtLeast(0.6)),
        row("SQLite", peer.clone(), Bar::AtLeast(6.0)),
        reference::peer_row(
            "SQLite, transactions of 10,000",
            peer,
            reference::SQLITE_BATCHES,
            disk,
        ),
    ])
}
