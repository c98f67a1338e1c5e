//! The workloads, through Ledgerstone, as a careful program would: drafts are made on the callers' threads.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ledgerstone_engine::keystore::FileKeys;
use ledgerstone_engine::storage::Storage;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::{Batch, Drafter, Ledger, LedgerIdentity, NewEntry, Options, Ticket};
use ledgerstone_formats::header::GroupPlace;
use ledgerstone_formats::ids::{Correlation, EntityId, Kind, Tenant};
use ledgerstone_formats::limits::SEGMENT_BYTES_MAX;
use ledgerstone_formats::line::lines;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::pointer::{Pointer, Scalar};
use ledgerstone_formats::record::Record;

use crate::blocks;
use crate::entries::{Entry, KIND};
use crate::error::Error;
use crate::files;
use crate::stats::Run;
use crate::stopwatch::Stopwatch;

/// Batches on their way at a time: one is written while the next waits and a third is put together.
const BATCHES_WAITING: usize = 3;

/// One writer, one entry a batch, each durable before the next.
///
/// # Errors
/// The ledger's.
pub fn one_writer(dir: &Path, entries: &[Entry]) -> Result<Run, Error> {
    let ledger = create(dir)?;
    let whole = Stopwatch::start();
    let each = write_one_by_one(&ledger, entries)?;
    let run = Run::new(each, whole.elapsed());
    ledger.close()?;
    Ok(run)
}

fn write_one_by_one(ledger: &Ledger, entries: &[Entry]) -> Result<Vec<Duration>, Error> {
    let mut drafter = ledger.drafter();
    let kind = Kind::new(KIND)?;
    let mut each = Vec::with_capacity(entries.len());
    for entry in entries {
        let one = Stopwatch::start();
        let mut members = NewEntry::new(kind.clone());
        members.tenant = Some(Tenant::new(&entry.tenant)?);
        members.id = Some(EntityId::new(&entry.id)?);
        members.corr = Some(Correlation::new(&entry.corr)?);
        let draft = drafter.draft(members, &entry.body)?;
        ledger.submit(Batch::from(draft))?.wait()?;
        each.push(one.elapsed());
    }
    Ok(each)
}

/// Several writers, one entry at a time each, every one durable before its next.
///
/// # Errors
/// The ledger's.
pub fn many_writers(dir: &Path, entries: &[Entry], writers: usize) -> Result<Run, Error> {
    let ledger = create(dir)?;
    let whole = Stopwatch::start();
    let each = thread::scope(|scope| {
        let clients: Vec<_> = entries
            .chunks(entries.len().div_ceil(writers))
            .map(|entries| scope.spawn(|| write_one_by_one(&ledger, entries)))
            .collect();
        let mut each = Vec::with_capacity(entries.len());
        for client in clients {
            each.extend(client.join().map_err(|_| Error::Stopped)??);
        }
        Ok::<_, Error>(each)
    })?;
    let run = Run::new(each, whole.elapsed());
    ledger.close()?;
    Ok(run)
}

/// A file of bodies, `batch` of them a batch, parsed on `threads` threads, into a sealed and closed ledger: the time
/// from the file's first byte until all of that is durable.
///
/// # Errors
/// The ledger's, and those of the file.
pub fn load(dir: &Path, bodies: &Path, batch: usize, threads: usize) -> Result<Duration, Error> {
    let ledger = create(dir)?;
    let whole = Stopwatch::start();
    append_file(&ledger, bodies, batch, threads)?;
    ledger.seal()?;
    ledger.close()?;
    Ok(whole.elapsed())
}

/// The same, but for the last segment, which is left open. `live` is called with `dir` before the ledger is closed.
/// Gives the open segment's path in the ledger.
///
/// # Errors
/// The ledger's, and those of files.
pub fn load_unsealed(
    dir: &Path,
    bodies: &Path,
    batch: usize,
    threads: usize,
    live: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<String, Error> {
    let ledger = create(dir)?;
    append_file(&ledger, bodies, batch, threads)?;
    ledger.checkpoint()?;
    live(dir)?;
    let last = ledger.snapshot().segments().last().map_or(0, |info| info.first);
    ledger.close()?;
    Ok(FileName::Segment(last).to_string())
}

/// The time until a ledger is open.
///
/// # Errors
/// The ledger's.
pub fn time_open(dir: &Path) -> Result<Duration, Error> {
    let whole = Stopwatch::start();
    let ledger = open(dir)?;
    let time = whole.elapsed();
    ledger.close()?;
    Ok(time)
}

/// Opens a ledger that was made here.
///
/// # Errors
/// The ledger's, and why it can only be read.
pub fn open(dir: &Path) -> Result<Ledger, Error> {
    let place = dir.join("ledger");
    let keys = FileKeys::beside(&place)?;
    let (ledger, recovered) = Ledger::open(Arc::new(Disk::new(place)), Arc::new(keys), Options::default())?;
    recovered.read_only.map_or(Ok(ledger), |error| Err(error.into()))
}

fn append_file(ledger: &Ledger, bodies: &Path, batch: usize, threads: usize) -> Result<(), Error> {
    let mut waiting = VecDeque::with_capacity(BATCHES_WAITING);
    let parser = || {
        let mut parser = Parser::new(ledger.drafter());
        move |block: Vec<u8>| parser.batch(&block)
    };
    blocks::in_order(files::open(bodies)?, batch, threads, parser, |batch| {
        if waiting.len() == BATCHES_WAITING {
            waiting.pop_front().map(Ticket::wait).transpose()?;
        }
        waiting.push_back(ledger.submit(batch)?);
        Ok(())
    })?;
    for ticket in waiting {
        ticket.wait()?;
    }
    Ok(())
}

/// From lines of an input to a batch, as `append --kind --id-at --tenant-at --corr-at` does.
struct Parser {
    drafter: Drafter,
    kind: Kind,
    id_at: Pointer,
    tenant_at: Pointer,
    corr_at: Pointer,
}

impl Parser {
    fn new(drafter: Drafter) -> Self {
        let pointer = |text| Pointer::parse(text).expect("a slash and a name are a pointer");
        Self {
            drafter,
            kind: Kind::new(KIND).expect("lower-case letters and a low line are a kind"),
            id_at: pointer("/id"),
            tenant_at: pointer("/tenant"),
            corr_at: pointer("/correlation_id"),
        }
    }

    fn batch(&mut self, block: &[u8]) -> Result<Batch, Error> {
        let mut batch = Batch::new();
        for body in lines(block) {
            let mut members = NewEntry::new(self.kind.clone());
            members.id = text(&self.id_at, body).map(|id| EntityId::new(&id)).transpose()?;
            members.tenant = text(&self.tenant_at, body)
                .map(|tenant| Tenant::new(&tenant))
                .transpose()?;
            members.corr = text(&self.corr_at, body)
                .map(|corr| Correlation::new(&corr))
                .transpose()?;
            batch.push(self.drafter.draft(members, body)?)?;
        }
        Ok(batch)
    }
}

fn text<'a>(pointer: &Pointer, body: &'a [u8]) -> Option<std::borrow::Cow<'a, str>> {
    match pointer.scalar(body) {
        Scalar::Text(text) => Some(text),
        Scalar::Missing | Scalar::Other(_) => None,
    }
}

fn create(dir: &Path) -> Result<Ledger, Error> {
    create_with(dir, Options::default())
}

/// Makes a ledger.
///
/// # Errors
/// The ledger's.
pub fn create_with(dir: &Path, options: Options) -> Result<Ledger, Error> {
    let place = dir.join("ledger");
    let keys = FileKeys::beside(&place)?;
    let identity = LedgerIdentity {
        name: "bench".to_owned(),
        signed: true,
    };
    Ok(Ledger::create(
        Arc::new(Disk::new(place)),
        Arc::new(keys),
        &identity,
        options,
    )?)
}

/// The lines that a ledger has stored for its producers, with the commit groups that they were written in: what the
/// bare loops write again.
#[derive(Debug)]
pub struct Stored {
    bytes: Vec<u8>,
    /// Where each line ends, and whether a group ends with it.
    ends: Vec<(usize, bool)>,
}

impl Stored {
    /// Reads them back; the ledger's own records are left out.
    ///
    /// # Errors
    /// Those of the files, and what is no record.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let storage = Disk::new(dir.join("ledger"));
        let mut stored = Self {
            bytes: Vec::new(),
            ends: Vec::new(),
        };
        for (name, _) in storage.list()?.files {
            if matches!(name, FileName::Segment(_)) {
                stored.add(&storage.open(&name)?.read_all(SEGMENT_BYTES_MAX)?)?;
            }
        }
        Ok(stored)
    }

    fn add(&mut self, segment: &[u8]) -> Result<(), Error> {
        for line in lines(segment) {
            let header = Record::parse(line)?.header;
            if header.kind == KIND {
                self.bytes.extend_from_slice(line);
                self.bytes.push(b'\n');
                let ends_group = header
                    .group
                    .is_none_or(|GroupPlace { index, count }| index + 1 == count);
                self.ends.push((self.bytes.len(), ends_group));
            }
        }
        Ok(())
    }

    /// All of them.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// One by one, each with its LF.
    pub fn lines(&self) -> Vec<&[u8]> {
        self.cut(|_| true)
    }

    /// By the groups in which they were committed.
    pub fn groups(&self) -> Vec<&[u8]> {
        self.cut(|ends_group| ends_group)
    }

    fn cut(&self, is_end: impl Fn(bool) -> bool) -> Vec<&[u8]> {
        let ends = self
            .ends
            .iter()
            .filter(|(_, ends_group)| is_end(*ends_group))
            .map(|(end, _)| *end);
        let mut start = 0;
        ends.map(|end| &self.bytes[std::mem::replace(&mut start, end)..end])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::Entries;

    #[test]
    fn what_goes_in_is_stored_in_groups() {
        let dir = tempfile::tempdir().unwrap();
        let bodies = dir.path().join("bodies.jsonl");
        files::make_bodies(&bodies, Entries::new(2, 0..95)).unwrap();
        load(dir.path(), &bodies, 10, 2).unwrap();
        let stored = Stored::read(dir.path()).unwrap();
        let lines = stored.lines();
        assert_eq!(lines.len(), 95);
        for (line, entry) in lines.iter().zip(Entries::new(2, 0..95)) {
            let record = Record::parse(line.trim_ascii_end()).unwrap();
            assert_eq!(record.body(), entry.body);
            assert_eq!(record.header.id, entry.id);
            assert_eq!(record.header.corr.as_deref(), Some(entry.corr.as_str()));
            assert_eq!(
                record.header.tenant.map(|(tenant, _)| tenant.into_owned()),
                Some(entry.tenant)
            );
        }
        let groups = stored.groups();
        assert!((2..=10).contains(&groups.len()), "{} groups", groups.len());
        assert_eq!(groups.concat(), lines.concat());
    }

    #[test]
    fn one_writer_makes_groups_of_one() {
        let dir = tempfile::tempdir().unwrap();
        let entries: Vec<Entry> = Entries::new(2, 0..5).collect();
        one_writer(dir.path(), &entries).unwrap();
        let stored = Stored::read(dir.path()).unwrap();
        assert_eq!(stored.groups(), stored.lines());
        assert_eq!(stored.lines().len(), 5);
    }
}
