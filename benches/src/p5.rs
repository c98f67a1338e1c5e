//! P5: lookups in a large ledger, in process, warm.

use std::hint::black_box;
use std::thread;

use ledgerstone_engine::{By, Lookup, Scope, Snapshot};
use ledgerstone_formats::ids::{Correlation, EntityId, Kind, Tenant};
use rusqlite::Connection;

use crate::entries::{Entries, Entry, KIND};
use crate::error::Error;
use crate::rounds::Setting;
use crate::sqlite::runs;
use crate::stats::Run;
use crate::stopwatch::Stopwatch;
use crate::table::{Bar, Row, Unit};
use crate::{files, ours};

/// Entries of one batch, and of one transaction, while the ledger is made.
const BATCH: usize = 10_000;
/// Lookups of each kind a round.
const LOOKUPS: usize = 20_000;

/// Measures lookups by correlation id and of the newest record of an id, in the ledger and in the peer.
///
/// # Errors
/// Theirs.
pub fn run(setting: &Setting) -> Result<Vec<Row>, Error> {
    let count = setting.count(1_000_000, 50_000);
    let bodies = setting.dir.join("bodies.jsonl");
    files::make_bodies(&bodies, Entries::new(setting.seed, 0..count))?;
    let threads = thread::available_parallelism()?.get();
    let (ours_dir, peer_dir) = (
        tempfile::tempdir_in(&setting.dir)?,
        tempfile::tempdir_in(&setting.dir)?,
    );
    ours::load(ours_dir.path(), &bodies, BATCH, threads)?;
    runs::load(peer_dir.path(), &bodies, BATCH, threads)?;
    let ledger = ours::open(ours_dir.path())?;
    let peer = runs::open(peer_dir.path())?;
    // Spread over the whole ledger, in an order that no cache can guess.
    let wanted: Vec<Entry> = (0..LOOKUPS as u64)
        .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % count)
        .flat_map(|index| Entries::new(setting.seed, index..index + 1))
        .collect();
    let mut found: [Vec<Run>; 4] = Default::default();
    // A first round, not counted, warms what both keep in memory.
    for round in 0..=setting.rounds {
        let snapshot = ledger.snapshot();
        let measured = [
            by_correlation(&snapshot, &wanted)?,
            latest(&snapshot, &wanted)?,
            ask(
                &peer,
                "SELECT body FROM entry WHERE tenant = ? AND corr = ?",
                &wanted,
                |entry| &entry.corr,
            )?,
            ask(
                &peer,
                "SELECT body FROM entry WHERE tenant = ? AND id = ?",
                &wanted,
                |entry| &entry.id,
            )?,
        ];
        if round > 0 {
            for (runs, run) in found.iter_mut().zip(measured) {
                runs.push(run);
            }
        }
    }
    ledger.close()?;
    let [corr, latest, peer_corr, peer_latest] = found;
    Ok([
        rows("P5 correlation", &corr, &peer_corr, [10.0, 30.0]),
        rows("P5 latest per id", &latest, &peer_latest, [5.0, f64::INFINITY]),
    ]
    .concat())
}

fn rows(figure: &str, ours: &[Run], peer: &[Run], limits: [f64; 2]) -> Vec<Row> {
    let micros = |runs: &[Run], at: usize| -> Vec<f64> {
        let value = |run: &Run| [run.p50, run.p99][at].as_secs_f64() * 1e6;
        runs.iter().map(value).collect()
    };
    let rates = |runs: &[Run]| runs.iter().map(|run| run.rate).collect::<Vec<_>>();
    let mut rows = vec![Row {
        figure: format!("{figure}, rate"),
        ours: rates(ours),
        against: "SQLite".to_owned(),
        other: rates(peer),
        unit: Unit::PerSecond,
        bar: Bar::AtLeast(3.0),
    }];
    for (at, name) in ["p50", "p99"].into_iter().enumerate() {
        rows.push(Row {
            figure: format!("{figure}, {name}"),
            ours: micros(ours, at),
            against: "SQLite".to_owned(),
            other: micros(peer, at),
            unit: Unit::Micros,
            bar: Bar::None,
        });
        if limits[at].is_finite() {
            rows.push(Row {
                figure: format!("{figure}, {name}"),
                ours: micros(ours, at),
                against: "limit".to_owned(),
                other: vec![limits[at]; ours.len()],
                unit: Unit::Micros,
                bar: Bar::AtMost(1.0),
            });
        }
    }
    rows
}

/// All records of a request, read to the last byte.
pub(crate) fn by_correlation(snapshot: &Snapshot, wanted: &[Entry]) -> Result<Run, Error> {
    each(wanted, |entry| {
        let scope = Scope::Tenant(Tenant::new(&entry.tenant)?);
        let by = By::Correlation(Correlation::new(&entry.corr)?);
        let mut matches = snapshot.find(Lookup::new(scope, by))?;
        let mut records = 0;
        while let Some(line) = matches.next_line()? {
            black_box(line.bytes);
            records += 1;
        }
        Ok(records)
    })
}

fn latest(snapshot: &Snapshot, wanted: &[Entry]) -> Result<Run, Error> {
    let kind = Kind::new(KIND)?;
    each(wanted, |entry| {
        let scope = Scope::Tenant(Tenant::new(&entry.tenant)?);
        let line = snapshot.latest(scope, kind.clone(), EntityId::new(&entry.id)?)?;
        Ok(usize::from(black_box(line).is_some()))
    })
}

fn ask(
    peer: &Connection,
    query: &str,
    wanted: &[Entry],
    value: impl Fn(&Entry) -> &str,
) -> Result<Run, Error> {
    let mut statement = peer.prepare(query)?;
    each(wanted, |entry| {
        let mut rows = statement.query([entry.tenant.as_str(), value(entry)])?;
        let mut records = 0;
        while let Some(row) = rows.next()? {
            black_box(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?);
            records += 1;
        }
        Ok(records)
    })
}

/// Times a lookup for each entry. One that finds nothing is a fault of the measurement.
fn each(wanted: &[Entry], mut lookup: impl FnMut(&Entry) -> Result<usize, Error>) -> Result<Run, Error> {
    let mut times = Vec::with_capacity(wanted.len());
    let whole = Stopwatch::start();
    for entry in wanted {
        let one = Stopwatch::start();
        if lookup(entry)? == 0 {
            return Err(Error::Stopped);
        }
        times.push(one.elapsed());
    }
    Ok(Run::new(times, whole.elapsed()))
}
