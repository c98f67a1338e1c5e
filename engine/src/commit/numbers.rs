//! The numbers that the writer gives: places within tenants, revisions of things.
//!
//! What was asked lately is in memory, the rest is read through the index: both are bounded, however long the ledger.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use ledgerstone_formats::chain::Counters as Assigned;
use ledgerstone_formats::draft::{Draft, Entry, Revisions};
use ledgerstone_formats::ids::Tenant;
use ledgerstone_formats::record::Record;

use crate::batch::Batch;
use crate::error::Error;
use crate::read::lookup::{By, Lookup, Order};
use crate::read::snapshot::{Scope, Snapshot};

/// What comes next for each tenant, kind and thing.
#[derive(Debug)]
pub(crate) struct Numbers {
    /// Entries of each map that are held for sure; up to twice as many are.
    cached_max: usize,
    /// Records of each tenant so far.
    tenants: Recent<Tenant, u64>,
    /// Whether a kind counts revisions.
    kinds: Recent<Box<str>, bool>,
    /// The newest revision of each thing; 0 before the first.
    revisions: Recent<Entity, u64>,
}

type Entity = (Box<str>, Option<Tenant>, Box<str>);

impl Numbers {
    pub(crate) fn new(cached_max: usize) -> Self {
        Self {
            cached_max,
            tenants: Recent::default(),
            kinds: Recent::default(),
            revisions: Recent::default(),
        }
    }

    /// Forgets what was not asked for long. Called between groups: what is prepared for a group is known until it is
    /// assigned.
    pub(crate) fn forget_old(&mut self) {
        self.tenants.age(self.cached_max);
        self.kinds.age(self.cached_max);
        self.revisions.age(self.cached_max);
    }

    /// Makes sure that `assign` knows what these records need.
    ///
    /// # Errors
    /// Those of reading the newest records of their tenants, kinds and things; nothing is assigned then.
    pub(crate) fn prepare<'a>(
        &mut self,
        drafts: impl Iterator<Item = &'a Draft>,
        snapshot: impl Fn() -> Snapshot,
    ) -> Result<(), Error> {
        // Made once, and only when something is not known.
        let mut durable = None;
        for entry in drafts.map(Draft::entry) {
            if let Some(tenant) = &entry.tenant
                && !self.tenants.has(tenant)
            {
                let durable = durable.get_or_insert_with(&snapshot);
                let next = newest(durable, Scope::Tenant(tenant.clone()), By::Scope, |record| {
                    record.header.tenant.as_ref().map_or(0, |(_, tseq)| tseq + 1)
                })?;
                self.tenants.insert(tenant.clone(), next.unwrap_or(0));
            }
            // The system's own records have no revisions: none of them waits for what a lookup finds, or does not.
            if !entry.kind.is_system() && !self.kinds.has(entry.kind.as_str()) {
                let durable = durable.get_or_insert_with(&snapshot);
                let by = By::Kind(entry.kind.clone());
                let counted = newest(durable, Scope::Operator, by, |record| record.header.rev.is_some())?;
                if let Some(counted) = counted {
                    self.kinds.insert(entry.kind.as_str().into(), counted);
                }
            }
            self.prepare_revision(entry, || durable.get_or_insert_with(&snapshot))?;
        }
        Ok(())
    }

    fn prepare_revision<'s>(
        &mut self,
        entry: &Entry,
        durable: impl FnOnce() -> &'s mut Snapshot,
    ) -> Result<(), Error> {
        let counted = self.kinds.get(entry.kind.as_str()).copied();
        if !counted.unwrap_or(entry.revisions == Revisions::Counted) {
            return Ok(());
        }
        let entity = entity(entry);
        if self.revisions.has(&entity) {
            return Ok(());
        }
        // An id that was made for this record names nothing that is stored.
        let last = if entry.minted {
            None
        } else {
            let by = By::Entity {
                kind: entry.kind.clone(),
                id: entry.id.clone(),
            };
            newest(durable(), Scope::of(entry.tenant.as_ref()), by, |record| {
                record.header.rev.unwrap_or(0)
            })?
        };
        self.revisions.insert(entity, last.unwrap_or(0));
        Ok(())
    }

    /// The numbers of a record about to be stored, for which `prepare` was called.
    pub(crate) fn assign(&mut self, entry: &Entry) -> Assigned {
        let tseq = entry.tenant.as_ref().map(|tenant| {
            let next = self.tenants.get_mut(tenant).expect("`prepare` has asked for it");
            *next += 1;
            *next - 1
        });
        let first = entry.revisions == Revisions::Counted;
        let counted = match self.kinds.get(entry.kind.as_str()) {
            Some(counted) => *counted,
            None => {
                self.kinds.insert(entry.kind.as_str().into(), first);
                first
            }
        };
        let rev = counted.then(|| {
            let last = self.revisions.entry(&entity(entry), 0);
            *last += 1;
            *last
        });
        Assigned { tseq, rev }
    }
}

/// What `read` finds in the newest record of a lookup.
fn newest<T>(
    durable: &Snapshot,
    scope: Scope,
    by: By,
    read: impl FnOnce(&Record<'_>) -> T,
) -> Result<Option<T>, Error> {
    let mut matches = durable.find(Lookup {
        order: Order::NewestFirst,
        ..Lookup::new(scope, by)
    })?;
    Ok(matches.next_line()?.map(|line| read(&line.record())))
}

fn entity(entry: &Entry) -> Entity {
    (
        entry.kind.as_str().into(),
        entry.tenant.clone(),
        entry.id.as_str().into(),
    )
}

/// A map that forgets what was not asked for long.
#[derive(Debug)]
struct Recent<K, V> {
    new: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self {
            new: HashMap::new(),
            old: HashMap::new(),
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Recent<K, V> {
    /// Forgets what was not asked since it was called last, if there is much. Nothing is forgotten in between.
    fn age(&mut self, cached_max: usize) {
        if self.new.len() >= cached_max {
            self.old = std::mem::take(&mut self.new);
        }
    }

    /// Whether it is known; it stays known until `age` was called twice.
    fn has<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: std::borrow::Borrow<Q>,
    {
        if self.new.contains_key(key) {
            return true;
        }
        let Some((key, value)) = self.old.remove_entry(key) else {
            return false;
        };
        self.new.insert(key, value);
        true
    }

    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.new.get(key)
    }

    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.new.get_mut(key)
    }

    fn insert(&mut self, key: K, value: V) {
        self.new.insert(key, value);
    }

    fn entry(&mut self, key: &K, or: V) -> &mut V {
        if !self.new.contains_key(key) {
            self.new.insert(key.clone(), or);
        }
        self.new.get_mut(key).expect("inserted above")
    }
}

/// Kinds that begin with the group being built, and whether they count revisions.
#[derive(Debug, Default)]
pub(crate) struct NewKinds {
    began: HashMap<Box<str>, bool>,
}

impl NewKinds {
    /// Whether a batch asks for revisions of a kind that began without; if not, its new kinds are taken in.
    pub(crate) fn contradict(&mut self, batch: &Batch, numbers: &Numbers) -> bool {
        let mut new: HashMap<&str, bool> = HashMap::new();
        let mut seen = HashSet::new();
        for entry in batch.drafts().iter().map(Draft::entry) {
            let (kind, counted) = (entry.kind.as_str(), entry.revisions == Revisions::Counted);
            // Most batches have one kind.
            if !seen.insert((kind, counted)) {
                continue;
            }
            let began = numbers.kinds.get(kind).or_else(|| self.began.get(kind)).copied();
            let began = began.unwrap_or_else(|| *new.entry(kind).or_insert(counted));
            if counted && !began {
                return true;
            }
        }
        self.began
            .extend(new.into_iter().map(|(kind, counted)| (kind.into(), counted)));
        false
    }
}
