//! The peer and the limits by themselves, against what they reach on the machine of the project's bars: a run on a
//! machine in trouble is known before anything is compared.

use std::path::Path;
use std::thread;

use crate::entries::{Entries, Entry};
use crate::error::Error;
use crate::reference::{self, Limit, limit_row, peer_row};
use crate::rounds::{Setting, in_turn};
use crate::sqlite::runs;
use crate::stats::rate;
use crate::table::Row;
use crate::{files, loops};

/// Entries of one transaction in the bulk load.
const BATCH: usize = 10_000;
/// Groups that the bare loop writes.
const GROUPS: u64 = 10;

/// Measures them in turn.
///
/// # Errors
/// The peer's, and those of files.
pub fn run(setting: &Setting) -> Result<Vec<Row>, Error> {
    let entries: Vec<Entry> = Entries::new(setting.seed, 0..setting.count(40_000, 8_000)).collect();
    let one = &entries[..entries.len() / 4];
    let group = bodies(&entries).collect::<Vec<_>>().concat();
    let bulk = setting.count(300_000, 50_000);
    let file = setting.dir.join("bodies.jsonl");
    files::make_bodies(&file, Entries::new(setting.seed, 0..bulk))?;
    let threads = thread::available_parallelism()?.get();

    let [appends, group_bytes, hashes, one_writer, writers_64, batches] = in_turn(
        setting,
        [
            &|dir: &Path| Ok(loops::append_and_sync(&dir.join("lines"), bodies(one))?.rate),
            &|dir: &Path| {
                let whole =
                    loops::write_and_sync(&dir.join("groups"), (0..GROUPS).map(|_| group.as_slice()))?;
                Ok(rate(GROUPS * group.len() as u64, whole))
            },
            &|_: &Path| Ok(loops::sha256_rate(bodies(&entries))),
            &|dir: &Path| Ok(runs::one_writer(dir, one)?.rate),
            &|dir: &Path| Ok(runs::many_writers(dir, &entries, 64)?.rate),
            &|dir: &Path| Ok(rate(bulk, runs::load(dir, &file, BATCH, threads)?)),
        ],
    )?;
    let syncs = Limit {
        here: &appends,
        there: reference::APPENDS,
    };
    let bytes = Limit {
        here: &group_bytes,
        there: reference::GROUP_BYTES,
    };
    Ok(vec![
        limit_row("append and fdatasync", syncs),
        limit_row("write and sync groups, bytes", bytes),
        limit_row(
            "SHA-256 of bodies, one core",
            Limit {
                here: &hashes,
                there: reference::HASHES,
            },
        ),
        peer_row(
            "SQLite, 1 writer",
            one_writer,
            reference::SQLITE_ONE_WRITER,
            syncs,
        ),
        peer_row(
            "SQLite, 64 writers",
            writers_64,
            reference::SQLITE_WRITERS_64,
            syncs,
        ),
        peer_row(
            "SQLite, transactions of 10,000",
            batches,
            reference::SQLITE_BATCHES,
            bytes,
        ),
    ])
}

fn bodies(entries: &[Entry]) -> impl ExactSizeIterator<Item = &[u8]> {
    entries.iter().map(|entry| entry.body.as_slice())
}
