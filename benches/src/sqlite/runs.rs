//! The workloads, through the peer.

use std::path::Path;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::thread;
use std::time::Duration;

use ledgerstone_formats::line::lines;

use super::{Row, Writer, create};
use crate::blocks;
use crate::entries::Entry;
use crate::error::Error;
use crate::files;
use crate::stats::Run;
use crate::stopwatch::Stopwatch;

/// Opens a database that was loaded.
///
/// # Errors
/// The peer's.
pub fn open(dir: &Path) -> Result<rusqlite::Connection, Error> {
    Ok(super::open(&dir.join("peer.db"))?)
}

/// One writer, one entry a transaction.
///
/// # Errors
/// The peer's.
pub fn one_writer(dir: &Path, entries: &[Entry]) -> Result<Run, Error> {
    let connection = create(&dir.join("peer.db"))?;
    let mut writer = Writer::new(&connection)?;
    let mut each = Vec::with_capacity(entries.len());
    let whole = Stopwatch::start();
    for entry in entries {
        let one = Stopwatch::start();
        let row = Row::parse(&entry.body)?;
        writer.append([&row])?;
        each.push(one.elapsed());
    }
    Ok(Run::new(each, whole.elapsed()))
}

/// Several writers, one entry at a time each, and one thread that commits what waits.
///
/// # Errors
/// The peer's.
pub fn many_writers(dir: &Path, entries: &[Entry], writers: usize) -> Result<Run, Error> {
    let connection = create(&dir.join("peer.db"))?;
    let mut writer = Writer::new(&connection)?;
    let (submit, waiting) = mpsc::channel();
    let whole = Stopwatch::start();
    let each = thread::scope(|scope| {
        let clients: Vec<_> = entries
            .chunks(entries.len().div_ceil(writers))
            .map(|entries| {
                let submit = submit.clone();
                scope.spawn(move || client(entries, &submit))
            })
            .collect();
        drop(submit);
        writer.serve(&waiting)?;
        let mut each = Vec::with_capacity(entries.len());
        for client in clients {
            each.extend(client.join().map_err(|_| Error::Stopped)??);
        }
        Ok::<_, Error>(each)
    })?;
    Ok(Run::new(each, whole.elapsed()))
}

fn client(entries: &[Entry], submit: &Sender<(Row, SyncSender<()>)>) -> Result<Vec<Duration>, Error> {
    let (durable, answered) = mpsc::sync_channel(1);
    let mut each = Vec::with_capacity(entries.len());
    for entry in entries {
        let one = Stopwatch::start();
        let row = Row::parse(&entry.body)?;
        submit.send((row, durable.clone())).map_err(|_| Error::Stopped)?;
        answered.recv().map_err(|_| Error::Stopped)?;
        each.push(one.elapsed());
    }
    Ok(each)
}

/// A file of bodies, `batch` of them a transaction, parsed on `threads` threads. The time until the last is durable.
///
/// # Errors
/// The peer's, and those of the file.
pub fn load(dir: &Path, bodies: &Path, batch: usize, threads: usize) -> Result<Duration, Error> {
    let connection = create(&dir.join("peer.db"))?;
    let mut writer = Writer::new(&connection)?;
    let whole = Stopwatch::start();
    let parse = |block: Vec<u8>| -> Result<Vec<Row>, Error> {
        lines(&block).map(|body| Ok(Row::parse(body)?)).collect()
    };
    blocks::in_order(
        files::open(bodies)?,
        batch,
        threads,
        || parse,
        |rows| Ok(writer.append(&rows)?),
    )?;
    Ok(whole.elapsed())
}
