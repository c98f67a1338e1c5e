//! The engine on a simulated machine: its disk, its key store and its clock are a test's to break, and the writer turns
//! one step at a time.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_engine::storage::Storage;
use ledgerstone_engine::storage::sim::{Sim, Survival};
use ledgerstone_engine::verify::{VerifyOptions, verify};
use ledgerstone_engine::{
    Batch, Error, Ledger, LedgerIdentity, NewEntry, Options, Receipt, Scope, Selection, Snapshot, Step,
};
use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::ids::{EntityId, Kind};
use ledgerstone_formats::names::FileName;
use ledgerstone_tests::clock::HandClock;
use ledgerstone_tests::machine::{Machine, NOON, Running, entry};
use ledgerstone_tests::python;

/// The first segment's path.
const SEGMENT: &str = "segments/00000000000000000000.jsonl";

/// What producers know: that there is a ledger, what they submitted, and what they were told is stored.
#[derive(Debug, Clone, Default)]
struct Told {
    created: bool,
    submitted: HashSet<Hash>,
    acknowledged: Vec<Receipt>,
}

impl Told {
    /// Submits a batch and lets it be committed.
    fn append(&mut self, running: &mut Running, bodies: &[&str]) -> Result<(), Error> {
        let batch = running.batch(bodies);
        self.submitted.extend(batch.drafts().iter().map(Draft::digest));
        let ticket = running.ledger.submit(batch)?;
        running.writer.step();
        self.acknowledged.extend(ticket.wait()?);
        Ok(())
    }

    /// Acknowledged: present and unchanged. Present: submitted, or the system's own.
    #[track_caller]
    fn check(&self, snapshot: &Snapshot, of: &dyn Fn() -> String) {
        let mut hashes = Vec::new();
        let mut scan = snapshot.scan(Selection::all(Scope::Operator));
        while let Some(line) = scan.next_line().unwrap_or_else(|e| panic!("{e}: {}", of())) {
            let header = &line.record().header;
            let known = header.kind.starts_with("sys_") || self.submitted.contains(&header.digest);
            assert!(known, "seq {} was invented: {}", header.seq, of());
            hashes.push(line.record().hash);
        }
        assert_eq!(hashes.len() as u64, snapshot.size(), "{}", of());
        for receipt in &self.acknowledged {
            let found = usize::try_from(receipt.seq).ok().and_then(|seq| hashes.get(seq));
            assert_eq!(
                found,
                Some(&receipt.hash),
                "seq {} was acknowledged: {}",
                receipt.seq,
                of()
            );
        }
    }
}

fn log_of(machine: &Machine) -> String {
    let log: Vec<String> = machine.disk.log().iter().map(ToString::to_string).collect();
    format!("\n  {}", log.join("\n  "))
}

mod clock;
mod crash;
mod creation;
mod fault_table;
mod faults_answered;
mod filler;
mod heads;
mod late_head;
mod panics;
mod queue;
mod read_back;
mod review;
mod segments;
mod settled;
mod tail;
