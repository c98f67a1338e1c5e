//! The peer: what a careful program does today with SQLite.
//!
//! Write-ahead log, `synchronous=FULL`, prepared statements, a hash chain computed by the program, one commit for all
//! that waits, seven indexes, and a side table that finds the entries which changed a field.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender};

use rusqlite::{Connection, Result, Statement, params};

pub use row::Row;

mod row;
pub mod runs;

/// Pages kept in memory: enough that no index page of a measured run is read back from the disk.
const CACHE_BYTES: i64 = 512 << 20;
/// Rows of about a kilobyte waste less of such a page than of SQLite's usual 4 KiB: a tenth less work in bulk.
const PAGE_BYTES: i64 = 8 << 10;
/// Pages in the log before they are carried into the database: ten times the usual, which does much for many writers.
const CHECKPOINT_PAGES: i64 = 10_000;

const SCHEMA: &str = "
    CREATE TABLE entry (
        seq INTEGER PRIMARY KEY,
        time INTEGER NOT NULL,
        tenant TEXT NOT NULL,
        id TEXT NOT NULL,
        corr TEXT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        resource_type TEXT NOT NULL,
        resource_id TEXT NOT NULL,
        body BLOB NOT NULL,
        prev BLOB NOT NULL,
        hash BLOB NOT NULL
    ) STRICT;
    CREATE INDEX entry_tenant ON entry (tenant);
    CREATE UNIQUE INDEX entry_id ON entry (tenant, id);
    CREATE INDEX entry_corr ON entry (tenant, corr);
    CREATE INDEX entry_time ON entry (tenant, time);
    CREATE INDEX entry_actor ON entry (tenant, actor);
    CREATE INDEX entry_action ON entry (tenant, action);
    CREATE INDEX entry_resource ON entry (tenant, resource_id);
    CREATE TABLE changed (
        tenant TEXT NOT NULL,
        field TEXT NOT NULL,
        seq INTEGER NOT NULL REFERENCES entry (seq),
        PRIMARY KEY (tenant, field, seq)
    ) STRICT, WITHOUT ROWID;
";

/// Makes an empty database.
///
/// # Errors
/// SQLite's.
pub fn create(path: &Path) -> Result<Connection> {
    let connection = open(path)?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// Opens a database with the settings that it was made with.
///
/// # Errors
/// SQLite's.
pub fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", -(CACHE_BYTES >> 10))?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    // The program writes both tables in one transaction: looking the parent up again would only slow the peer.
    connection.pragma_update(None, "foreign_keys", false)?;
    Ok(connection)
}

/// The one writer of a database: its statements, and where the chain stands.
#[derive(Debug)]
pub struct Writer<'c> {
    begin: Statement<'c>,
    entry: Statement<'c>,
    changed: Statement<'c>,
    commit: Statement<'c>,
    seq: i64,
    last: [u8; 32],
}

impl<'c> Writer<'c> {
    /// Of a database that is still empty.
    ///
    /// # Errors
    /// SQLite's.
    pub fn new(connection: &'c Connection) -> Result<Self> {
        Ok(Self {
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            entry: connection.prepare("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?,
            changed: connection.prepare("INSERT INTO changed VALUES (?, ?, ?)")?,
            commit: connection.prepare("COMMIT")?,
            seq: 0,
            last: [0; 32],
        })
    }

    /// Inserts the rows in one transaction, which is durable on return.
    ///
    /// # Errors
    /// SQLite's.
    pub fn append<'r>(&mut self, rows: impl IntoIterator<Item = &'r Row>) -> Result<()> {
        self.begin.execute([])?;
        for row in rows {
            self.insert(row)?;
        }
        self.commit.execute([])?;
        Ok(())
    }

    fn insert(&mut self, row: &Row) -> Result<()> {
        let hash = row.hash(self.seq, &self.last);
        let [tenant, id, corr, actor, action, resource_type, resource_id] = &row.columns;
        self.entry.execute(params![
            self.seq,
            row.time_micros,
            tenant,
            id,
            corr,
            actor,
            action,
            resource_type,
            resource_id,
            row.body,
            self.last,
            hash
        ])?;
        for field in &row.fields {
            self.changed.execute(params![tenant, field, self.seq])?;
        }
        self.seq += 1;
        self.last = hash;
        Ok(())
    }

    /// Group commit: takes all that waits, commits it at once, wakes each waiter by itself; until no sender is left.
    ///
    /// # Errors
    /// SQLite's; the waiters of that group then find their channel closed.
    pub fn serve(&mut self, waiting: &Receiver<(Row, SyncSender<()>)>) -> Result<()> {
        while let Ok(first) = waiting.recv() {
            let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
            self.append(group.iter().map(|(row, _)| row))?;
            for (_, durable) in group {
                // A waiter that has gone away does not need to know.
                let _ = durable.send(());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::entries::{Entries, Entry};

    fn rows(count: u64) -> Vec<Row> {
        Entries::new(5, 0..count)
            .map(|entry: Entry| Row::parse(&entry.body).unwrap())
            .collect()
    }

    fn count(connection: &Connection, query: &str) -> i64 {
        connection.query_row(query, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn the_database_is_as_durable_and_as_indexed_as_it_says() {
        let dir = tempfile::tempdir().unwrap();
        let connection = create(&dir.path().join("peer.db")).unwrap();
        let mode: String = connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "wal");
        assert_eq!(
            connection
                .pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0))
                .unwrap(),
            2
        );
        let named = "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";
        assert_eq!(count(&connection, named), 7);
    }

    #[test]
    fn every_row_is_chained_to_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let connection = create(&dir.path().join("peer.db")).unwrap();
        let rows = rows(50);
        let mut writer = Writer::new(&connection).unwrap();
        writer.append(&rows[..20]).unwrap();
        writer.append(&rows[20..]).unwrap();
        let mut select = connection
            .prepare("SELECT seq, id, body, prev, hash FROM entry ORDER BY seq")
            .unwrap();
        let mut stored = select.query([]).unwrap();
        let mut last = [0; 32];
        for (seq, row) in (0..).zip(&rows) {
            let found = stored.next().unwrap().unwrap();
            assert_eq!(found.get::<_, i64>(0).unwrap(), seq);
            assert_eq!(*found.get::<_, String>(1).unwrap(), *row.columns[1]);
            assert_eq!(*found.get::<_, Vec<u8>>(2).unwrap(), *row.body);
            assert_eq!(found.get::<_, [u8; 32]>(3).unwrap(), last);
            last = row.hash(seq, &last);
            assert_eq!(found.get::<_, [u8; 32]>(4).unwrap(), last);
        }
        assert!(stored.next().unwrap().is_none());
        let fields: usize = rows.iter().map(|row| row.fields.len()).sum();
        assert_eq!(
            count(&connection, "SELECT count(*) FROM changed"),
            i64::try_from(fields).unwrap()
        );
    }

    #[test]
    fn group_commit_answers_every_writer() {
        let dir = tempfile::tempdir().unwrap();
        let connection = create(&dir.path().join("peer.db")).unwrap();
        let (submit, waiting) = mpsc::channel();
        std::thread::scope(|scope| {
            for rows in rows(80).chunks(10) {
                let (submit, rows) = (submit.clone(), rows.to_vec());
                scope.spawn(move || {
                    let (durable, answered) = mpsc::sync_channel(1);
                    for row in rows {
                        submit.send((row, durable.clone())).unwrap();
                        answered.recv().unwrap();
                    }
                });
            }
            drop(submit);
            Writer::new(&connection).unwrap().serve(&waiting).unwrap();
        });
        assert_eq!(count(&connection, "SELECT count(*) FROM entry"), 80);
    }
}
