//! Small closed ledgers to be damaged: a few records of every shape, in sealed segments and an open one.

use std::sync::Arc;

use ledgerstone_engine::keystore::MemKeys;
use ledgerstone_engine::storage::mem::Mem;
use ledgerstone_engine::{Batch, Ledger, LedgerIdentity, NewEntry, Options};
use ledgerstone_formats::ids::{Correlation, EntityId, Kind, Tenant};

use crate::forge::Copy;

/// A ledger in memory that records are put into, group by group.
#[derive(Debug)]
pub struct Specimen {
    storage: Mem,
    keys: MemKeys,
}

impl Specimen {
    /// A new ledger with its genesis record.
    pub fn new(signed: bool) -> Self {
        let storage = Mem::new();
        let keys = if signed {
            MemKeys::new()
        } else {
            MemKeys::unsigned()
        };
        let identity = LedgerIdentity {
            name: "specimen.example".to_owned(),
            signed,
        };
        let ledger = Ledger::create(
            Arc::new(storage.clone()),
            Arc::new(keys.clone()),
            &identity,
            Options::default(),
        )
        .unwrap();
        ledger.close().unwrap();
        Self { storage, keys }
    }

    /// A ledger that is open again where the copy was taken.
    pub fn reopen(copy: &Copy) -> Self {
        let (storage, keys) = copy.in_memory();
        Self { storage, keys }
    }

    /// Opens it, stores each group, seals when asked, and closes it.
    ///
    /// # Panics
    /// When the ledger refuses: a specimen is whole.
    pub fn store(&self, groups: &[&[&str]], seal: bool) {
        let (storage, keys) = (Arc::new(self.storage.clone()), Arc::new(self.keys.clone()));
        let (ledger, recovered) = Ledger::open(storage, keys, Options::default()).unwrap();
        assert!(recovered.read_only.is_none(), "{recovered:?}");
        for bodies in groups {
            ledger.submit(batch(&ledger, bodies)).unwrap().wait().unwrap();
        }
        if seal {
            ledger.seal().unwrap().expect("there are records to seal");
        }
        ledger.close().unwrap();
    }

    /// Its files.
    pub fn copy(&self) -> Copy {
        Copy::of(&self.storage, &self.keys)
    }
}

/// Two sealed segments and an open one, nine records: groups of one and of several, with a tenant and without.
pub fn closed(signed: bool) -> Copy {
    let specimen = Specimen::new(signed);
    specimen.store(&[&[r#"{"n":1}"#, r#" { "n" : 2 } "#]], true);
    specimen.store(
        &[
            &[r#"{"n":3,"x":1E400}"#],
            &[r#"{"n":4}"#, r#"{"n":5,"s":"\u0000"}"#],
        ],
        true,
    );
    specimen.store(&[&[r#"{"n":6}"#], &[r#"{"n":7}"#, r#"{"n":8}"#]], false);
    specimen.copy()
}

fn batch(ledger: &Ledger, bodies: &[&str]) -> Batch {
    let mut batch = Batch::new();
    for (index, body) in bodies.iter().enumerate() {
        let mut entry = NewEntry::new(Kind::new("audit_entry").unwrap());
        // The first of a group belongs to a tenant and names everything, the others have what they must.
        if index == 0 {
            entry.tenant = Some(Tenant::new("ac\"me").unwrap());
            entry.id = Some(EntityId::new("größe").unwrap());
            entry.corr = Some(Correlation::new("req-7").unwrap());
        }
        batch.push(ledger.draft(entry, body.as_bytes()).unwrap()).unwrap();
    }
    batch
}
