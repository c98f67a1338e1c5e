//! An ingest service in small: many tokio tasks append at once, in batches, are told to wait when the queue is full,
//! and the ledger is closed with a head over all that was acknowledged. Every record has an idempotency key, so a run
//! that was cut short can be run again and stores only what is missing. Who writes the summary is settled by a
//! precondition: of all tasks that try, one does.
//!
//! `cargo run --release -p ledgerstone-engine --example ingest -- DIR [RUN]`
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to whoever tries it"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use ledgerstone_engine::keystore::FileKeys;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::{
    Batch, Error, ErrorKind, Ledger, LedgerIdentity, NewEntry, Options, Precondition, Receipt, Target,
};
use ledgerstone_formats::ids::{Correlation, EntityId, IdempotencyKey, Kind, Tenant};

const TASKS: u64 = 64;
const BATCHES_PER_TASK: u64 = 50;
const RECORDS_PER_BATCH: u64 = 20;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1) else {
        eprintln!("usage: ingest DIR [RUN] (a ledger there is opened, else made; a run is stored once)");
        return ExitCode::from(2);
    };
    let name = std::env::args().nth(2).unwrap_or_else(|| "run-1".to_owned());
    match run(dir.into(), name.into()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(dir: PathBuf, name: Arc<str>) -> Result<(), Failure> {
    // Opening reads and hashes the open segment: not on a thread that serves requests.
    let ledger = tokio::task::spawn_blocking(move || open_or_create(&dir)).await??;
    let ledger = Arc::new(ledger);

    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(ingest(Arc::clone(&ledger), Arc::clone(&name), task)))
        .collect();
    let (mut acknowledged, mut replayed) = (0, 0);
    for task in tasks {
        for receipt in task.await?? {
            acknowledged += 1;
            replayed += u64::from(receipt.replayed);
        }
    }

    let stats = ledger.stats();
    println!(
        "{acknowledged} records acknowledged, {replayed} of them stored before, in {} commit groups",
        stats.groups
    );
    // The last owner closes. Close waits for the writer and the notary: not on a thread that serves requests.
    let ledger = Arc::into_inner(ledger).ok_or("a task still holds the ledger")?;
    let head = tokio::task::spawn_blocking(move || ledger.close()).await??;
    println!(
        "closed at {} records, last hash {}",
        head.next_seq(),
        head.last_hash()
    );
    Ok(())
}

fn open_or_create(dir: &std::path::Path) -> Result<Ledger, Failure> {
    let (storage, keys) = (Arc::new(Disk::new(dir)), Arc::new(FileKeys::beside(dir)?));
    // `ledgerstone append DIR`, `seal` and `checkpoint` go through this process while it holds the ledger.
    let options = Options {
        door_connections_max: 4,
        ..Options::default()
    };
    match Ledger::open(storage.clone(), keys.clone(), options.clone()) {
        Ok((ledger, recovered)) => match recovered.read_only {
            // A service that must not lose records stops here and calls somebody.
            Some(error) => Err(error.into()),
            None => {
                if let Some(adopted) = recovered.adopted {
                    println!(
                        "kept the records {} to {} of a run that was cut short",
                        adopted.first, adopted.last
                    );
                }
                Ok(ledger)
            }
        },
        Err(error) if error.kind() == ErrorKind::Missing => {
            let identity = LedgerIdentity {
                name: "ingest.example".to_owned(),
                signed: true,
            };
            Ok(Ledger::create(storage, keys, &identity, options)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// One producer: its records are stored batch by batch, each batch whole or not at all.
async fn ingest(ledger: Arc<Ledger>, name: Arc<str>, task: u64) -> Result<Vec<Receipt>, Failure> {
    // Checking, salting and digesting happen here, on the producer's side.
    let mut drafter = ledger.drafter();
    let mut receipts = Vec::new();
    for number in 0..BATCHES_PER_TASK {
        let mut batch = Batch::new();
        for record in 0..RECORDS_PER_BATCH {
            let entry = NewEntry {
                tenant: Some(Tenant::new(&format!("tenant-{}", task % 8))?),
                corr: Some(Correlation::new(&format!("request-{task}-{number}"))?),
                // The same for the same record, whenever it is sent again.
                key: Some(IdempotencyKey::new(&format!("{name}:{task}:{number}:{record}"))?),
                ..NewEntry::new(Kind::new("audit_entry")?)
            };
            let body = format!(r#"{{"actor":"service-{task}","action":"read","record":{record}}}"#);
            batch.push(drafter.draft(entry, body.as_bytes())?)?;
        }
        receipts.extend(append(&ledger, &batch).await?);
    }
    receipts.extend(sum_up(&ledger, &name).await?);
    Ok(receipts)
}

/// Stores the one summary of a run; whoever comes second is told who was first.
async fn sum_up(ledger: &Ledger, name: &str) -> Result<Vec<Receipt>, Failure> {
    let (kind, id) = (Kind::new("run")?, EntityId::new(name)?);
    let entry = NewEntry {
        id: Some(id.clone()),
        ..NewEntry::new(kind.clone())
    };
    let mut batch = Batch::from(ledger.draft(entry, br#"{"state":"first task done"}"#)?);
    batch.require(Precondition::Absent(Target {
        kind,
        tenant: None,
        id,
    }));
    match append(ledger, &batch).await {
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(Vec::new()),
        stored => Ok(stored?),
    }
}

/// Submits until there is room, and waits until the batch is durable.
async fn append(ledger: &Ledger, batch: &Batch) -> Result<Vec<Receipt>, Error> {
    loop {
        match ledger.submit(batch.clone()) {
            Ok(ticket) => return ticket.await,
            // The queue is full: this producer waits, the others and the writer go on.
            Err(error) if error.kind() == ErrorKind::Busy => ledger.ready().await,
            Err(error) => return Err(error),
        }
    }
}
