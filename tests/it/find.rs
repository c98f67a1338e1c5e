//! Lookups, keys and preconditions, against a model that is a list.

use std::collections::HashMap;
use std::sync::Arc;

use ledgerstone_engine::keystore::MemKeys;
use ledgerstone_engine::storage::Storage;
use ledgerstone_engine::storage::mem::Mem;
use ledgerstone_engine::{
    Batch, By, ErrorKind, Indexed, Ledger, LedgerIdentity, Lookup, NewEntry, Options, Order, Precondition,
    Receipt, Scope, Target,
};
use ledgerstone_formats::draft::Revisions;
use ledgerstone_formats::ids::{Correlation, EntityId, IdempotencyKey, Kind, Tenant};
use ledgerstone_formats::records::family::Family;
use ledgerstone_formats::records::index::{DeclaredIndex, IndexName};

mod declared;
mod exactly_once;
mod levels;
mod lookups;
mod numbers;
mod races;
mod saved;
mod scans;
mod unique;

/// A ledger in memory that can be closed and opened again.
struct Place {
    storage: Mem,
    keys: Arc<MemKeys>,
    options: Options,
}

impl Place {
    /// With segments so small that a few records fill one.
    fn new() -> Self {
        Self {
            storage: Mem::new(),
            keys: Arc::new(MemKeys::new()),
            options: Options {
                segment_bytes: 6_000,
                ..Options::default()
            },
        }
    }

    fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(self.storage.clone())
    }

    fn create(&self) -> Ledger {
        let identity = LedgerIdentity {
            name: "ledger.example".to_owned(),
            signed: true,
        };
        Ledger::create(self.storage(), self.keys.clone(), &identity, self.options.clone()).unwrap()
    }

    fn open(&self) -> Ledger {
        let (ledger, recovered) =
            Ledger::open(self.storage(), self.keys.clone(), self.options.clone()).unwrap();
        assert!(recovered.read_only.is_none(), "{recovered:?}");
        ledger
    }
}

fn kind(name: &str) -> Kind {
    Kind::new(name).unwrap()
}

fn id(name: &str) -> EntityId {
    EntityId::new(name).unwrap()
}

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

fn index(name: &str, parts: &[&str], unique: bool) -> DeclaredIndex {
    let parts = parts.iter().map(|part| part.parse().unwrap()).collect();
    DeclaredIndex::new(IndexName::new(name).unwrap(), parts, unique).unwrap()
}

fn family(name: &str, indexes: Vec<DeclaredIndex>) -> Family {
    Family::new(kind(name), indexes).unwrap()
}

fn indexed(own_kind: &str, name: &str, values: &[&str]) -> Indexed {
    Indexed {
        kind: kind(own_kind),
        index: IndexName::new(name).unwrap(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    }
}

/// An entry about `name`, revisions counted.
fn spec(name: &str) -> NewEntry {
    NewEntry {
        id: Some(id(name)),
        revisions: Revisions::Counted,
        ..NewEntry::new(kind("spec"))
    }
}

fn submit(ledger: &Ledger, entry: NewEntry, body: &str) -> Result<Receipt, ledgerstone_engine::Error> {
    let draft = ledger.draft(entry, body.as_bytes())?;
    Ok(ledger.submit(draft.into())?.wait()?.remove(0))
}
