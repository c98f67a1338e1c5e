//! What has to hold of a ledger, whatever happened to it: what producers and readers were told stays true.

use std::collections::{BTreeMap, HashMap, HashSet};

use ledgerstone_engine::storage::Storage;
use ledgerstone_engine::{Batch, Receipt, Scope, Selection, Snapshot};
use ledgerstone_formats::checkpoint::Head;
use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::tree::Frontier;

use super::entries::Owned;
use crate::machine::Machine;

/// What a rule that is broken says.
pub type Broken = String;

/// What the world outside knows of the ledger.
#[derive(Debug, Default)]
pub struct Model {
    batches: Vec<KnownBatch>,
    /// By the digest of a submitted record: its batch, and its place there.
    submitted: HashMap<Hash, (usize, usize)>,
    /// Records that somebody was told are stored, in order.
    settled: Vec<Hash>,
    /// By size: the root of every head that was ever seen.
    heads: BTreeMap<u64, Hash>,
}

#[derive(Debug)]
struct KnownBatch {
    /// Of each record, if it has one.
    keys: Vec<Option<Owned>>,
    fate: Fate,
}

/// What a producer was told of a batch, or would see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is not there, and never will be.
    Absent,
    /// It is stored.
    Stored,
    /// Only the next opening will tell.
    Unknown,
}

/// A record as it was read, with its place.
#[derive(Debug)]
struct Read {
    hash: Hash,
    digest: Hash,
    key: Option<Owned>,
    system: bool,
}

impl KnownBatch {
    /// The next record from a place on that is not stored already, under its key.
    fn next_fresh(&self, from: usize, stored: &HashSet<&Owned>) -> usize {
        let replayed = |key: &Option<Owned>| key.as_ref().is_some_and(|key| stored.contains(key));
        from + self.keys[from..].iter().take_while(|key| replayed(key)).count()
    }
}

impl Model {
    /// Notes a batch that is about to be submitted; gives its number.
    pub(super) fn submit(&mut self, batch: &Batch, keys: Vec<Option<Owned>>) -> usize {
        let number = self.batches.len();
        let digests = batch.drafts().iter().map(Draft::digest).zip(0..);
        self.submitted
            .extend(digests.map(|(digest, place)| (digest, (number, place))));
        self.batches.push(KnownBatch {
            keys,
            fate: Fate::Unknown,
        });
        number
    }

    /// Notes what a producer was told of a batch.
    pub fn tell(&mut self, number: usize, fate: Fate) {
        self.batches[number].fate = fate;
    }

    /// Notes what was acknowledged.
    pub fn acknowledge(&mut self, number: usize, receipts: &[Receipt]) -> Result<(), Broken> {
        self.tell(number, Fate::Stored);
        for receipt in receipts {
            if receipt.replayed {
                let known = usize::try_from(receipt.seq)
                    .ok()
                    .and_then(|seq| self.settled.get(seq));
                if known != Some(&receipt.hash) {
                    return Err(format!(
                        "a replay of seq {}, which is another record",
                        receipt.seq
                    ));
                }
                continue;
            }
            if receipt.seq != self.size() {
                return Err(format!(
                    "a receipt for seq {}, {} are stored",
                    receipt.seq,
                    self.size()
                ));
            }
            self.settled.push(receipt.hash);
        }
        Ok(())
    }

    /// How many records somebody was told of.
    pub fn size(&self) -> u64 {
        self.settled.len() as u64
    }

    /// Size of the largest head that was seen.
    pub fn head_size(&self) -> u64 {
        self.heads.last_key_value().map_or(0, |(size, _)| *size)
    }

    /// Notes the heads that are to be seen now: none contradicts one that was seen before, none covers what nobody was
    /// told of.
    pub fn see_heads(&mut self, machine: &Machine) -> Result<(), Broken> {
        let own = machine
            .disk
            .raw("checkpoint")
            .or_else(|| machine.disk.raw("head"));
        for file in [own, machine.keys.own.raw("head")].into_iter().flatten() {
            let head = read_head(&file)?;
            let root = *self.heads.entry(head.size).or_insert(head.root);
            if root != head.root {
                return Err(format!("two heads of size {}", head.size));
            }
        }
        Ok(())
    }

    /// No head covers more than was told.
    pub fn check_heads_are_behind(&self) -> Result<(), Broken> {
        if self.head_size() > self.size() {
            return Err(format!(
                "a head over {} records, {} are known to be stored",
                self.head_size(),
                self.size()
            ));
        }
        Ok(())
    }

    /// What can be read: all that was told, unchanged; nothing that was not submitted; batches whole or not at all;
    /// under every head that was seen the records that it covers.
    pub fn check(&self, snapshot: &Snapshot) -> Result<(), Broken> {
        self.check_records(&read(snapshot)?)
    }

    /// The same of a ledger that is open for writing: what it shows now was told.
    pub fn settle(&mut self, snapshot: &Snapshot) -> Result<(), Broken> {
        let records = read(snapshot)?;
        self.check_records(&records)?;
        self.settled = records.iter().map(|record| record.hash).collect();
        for batch in &mut self.batches {
            if batch.fate == Fate::Unknown {
                batch.fate = Fate::Absent;
            }
        }
        for record in &records {
            if let Some((batch, _)) = self.submitted.get(&record.digest) {
                self.batches[*batch].fate = Fate::Stored;
            }
        }
        self.check_heads_are_behind()
    }

    fn check_records(&self, records: &[Read]) -> Result<(), Broken> {
        for (seq, hash) in self.settled.iter().enumerate() {
            match records.get(seq) {
                Some(record) if record.hash == *hash => {}
                Some(_) => return Err(format!("seq {seq} is another record than the one that was told")),
                None => {
                    return Err(format!(
                        "seq {seq} was told and is gone: {} are there",
                        records.len()
                    ));
                }
            }
        }
        self.check_batches(records)?;
        let mut tree = Frontier::new();
        for record in records {
            tree.push(record.hash);
            if let Some(root) = self.heads.get(&tree.size())
                && *root != tree.root()
            {
                return Err(format!("the head of size {} covers other records", tree.size()));
            }
        }
        if self.head_size() > tree.size() {
            return Err(format!(
                "a head of size {} was seen, {} records are there",
                self.head_size(),
                tree.size()
            ));
        }
        Ok(())
    }

    fn check_batches(&self, records: &[Read]) -> Result<(), Broken> {
        let mut present = vec![0; self.batches.len()];
        let mut stored = HashSet::new();
        // The batch that is being read, and the place of its next record.
        let mut open = None;
        for (seq, record) in records.iter().enumerate() {
            let found = self.submitted.get(&record.digest).copied();
            if found.is_none() && !record.system {
                return Err(format!("seq {seq} was invented"));
            }
            if let Some((batch, next)) = open
                && found != Some((batch, next))
            {
                return Err(format!("seq {seq} stands inside a batch"));
            }
            open = None;
            if let Some((batch, place)) = found {
                if place != self.batches[batch].next_fresh(present[batch], &stored) {
                    return Err(format!(
                        "seq {seq} is record {place} of its batch, in the wrong place"
                    ));
                }
                if self.batches[batch].fate == Fate::Absent {
                    return Err(format!(
                        "seq {seq} belongs to a batch of which nothing was to be stored"
                    ));
                }
                if let Some(key) = &record.key
                    && !stored.insert(key)
                {
                    return Err(format!("seq {seq} has a key that was used before"));
                }
                let known = &self.batches[batch];
                present[batch] = known.next_fresh(place + 1, &stored);
                open = (present[batch] < known.keys.len()).then_some((batch, present[batch]));
            }
        }
        match open {
            None => Ok(()),
            Some(_) => Err("the last batch is there in part".to_owned()),
        }
    }
}

fn read(snapshot: &Snapshot) -> Result<Vec<Read>, Broken> {
    let mut records = Vec::new();
    let mut scan = snapshot.scan(Selection::all(Scope::Operator));
    while let Some(line) = scan
        .next_line()
        .map_err(|error| format!("it cannot be read: {error}"))?
    {
        let record = line.record();
        let tenant = record
            .header
            .tenant
            .as_ref()
            .map(|(tenant, _)| tenant.to_string());
        records.push(Read {
            hash: record.hash,
            digest: record.header.digest,
            key: record.header.key.as_ref().map(|key| (tenant, key.to_string())),
            system: record.header.kind.starts_with("sys_"),
        });
    }
    if records.len() as u64 != snapshot.size() {
        return Err(format!(
            "{} records are read, {} are said to be there",
            records.len(),
            snapshot.size()
        ));
    }
    Ok(records)
}

/// A head's text, whoever signed it: that is for the verifier to judge.
fn read_head(file: &[u8]) -> Result<Head, Broken> {
    let text = file.windows(2).position(|pair| pair == b"\n\n");
    let text = text.map_or(file, |end| &file[..=end]);
    Head::parse_text(text).map_err(|error| format!("what stands in a head's place is none: {error}"))
}

/// Every copy that recovery made is named by one record.
pub fn check_told_once(machine: &Machine, snapshot: &Snapshot) -> Result<(), Broken> {
    let mut named: HashMap<String, u32> = HashMap::new();
    let mut scan = snapshot.scan(Selection::all(Scope::Operator));
    while let Some(line) = scan.next_line().map_err(|error| error.to_string())? {
        if line.record().header.kind == "sys_recovery" {
            *named.entry(line.record().header.id.to_string()).or_default() += 1;
        }
    }
    let listing = machine.disk.list().map_err(|error| error.to_string())?;
    for (name, _) in listing.files {
        if let FileName::Quarantine(name) = name {
            let count = named.get(&name.to_string()).copied().unwrap_or(0);
            if count != 1 {
                return Err(format!("{name} is named by {count} records"));
            }
        }
    }
    Ok(())
}
