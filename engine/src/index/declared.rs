//! The indexes that the ledger's families declare.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::record::{Payload, Record};
use ledgerstone_formats::records::family::Family;
use ledgerstone_formats::records::index::{DeclaredIndex, IndexError, Indexable};

use crate::index::keys::Key;

/// The families of a ledger, by their kind. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Declared(Arc<BTreeMap<Box<str>, Family>>);

impl Declared {
    pub(crate) fn new(families: impl IntoIterator<Item = Family>) -> Self {
        let by_kind = families
            .into_iter()
            .map(|family| (family.kind().as_str().into(), family));
        Self(Arc::new(by_kind.collect()))
    }

    /// Takes in families, each in the place of an earlier one of its kind.
    pub(crate) fn extend(&mut self, families: impl IntoIterator<Item = Family>) {
        for family in families {
            Arc::make_mut(&mut self.0).insert(family.kind().as_str().into(), family);
        }
    }

    /// The family of a kind.
    pub(crate) fn family(&self, kind: &str) -> Option<&Family> {
        self.0.get(kind)
    }

    /// Whether the records of a kind have values that no two things may share.
    pub(crate) fn has_unique(&self, kind: &str) -> bool {
        let unique = |family: &Family| family.indexes().iter().any(DeclaredIndex::is_unique);
        self.family(kind).is_some_and(unique)
    }

    /// All families, in the order of their kinds.
    pub(crate) fn families(&self) -> impl Iterator<Item = &Family> {
        self.0.values()
    }

    /// What binds an index to the declarations that it was made with: of the kinds that its records have, so that a
    /// new kind leaves it as it is. Zeros where none of them is declared.
    pub(crate) fn digest(&self, mut has_kind: impl FnMut(&str) -> bool) -> Hash {
        let mut text = Vec::new();
        for family in self.families().filter(|family| has_kind(family.kind().as_str())) {
            text.extend_from_slice(family.kind().as_str().as_bytes());
            text.push(b'\n');
            text.extend_from_slice(&family.encode());
            text.push(b'\n');
        }
        if text.is_empty() {
            Hash::ZERO
        } else {
            Hash::digest(&text)
        }
    }

    /// A stored record with what is declared for its kind, if anything is. An erased one has no values any more.
    pub(crate) fn of_record<'a>(&'a self, record: &'a Record<'_>) -> Option<DeclaredRecord<'a>> {
        let Payload::Whole { body, .. } = record.payload else {
            return None;
        };
        let header = &record.header;
        Some(DeclaredRecord {
            family: self.family(&header.kind)?,
            tenant: header.tenant.as_ref().map(|(tenant, _)| tenant.as_ref()),
            record: Indexable {
                id: &header.id,
                corr: header.corr.as_deref(),
                body,
            },
        })
    }

    /// The same for a record that is about to be stored.
    pub(crate) fn of_draft<'a>(&'a self, draft: &'a Draft) -> Option<DeclaredRecord<'a>> {
        let entry = draft.entry();
        Some(DeclaredRecord {
            family: self.family(entry.kind.as_str())?,
            tenant: entry.tenant.as_ref().map(|tenant| tenant.as_str()),
            record: Indexable {
                id: entry.id.as_str(),
                corr: entry.corr.as_ref().map(|corr| corr.as_str()),
                body: draft.body(),
            },
        })
    }
}

/// A record of a kind that has declared indexes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeclaredRecord<'a> {
    family: &'a Family,
    tenant: Option<&'a str>,
    record: Indexable<'a>,
}

impl DeclaredRecord<'_> {
    /// Calls `each` with every key of the record.
    ///
    /// # Errors
    /// [`IndexError`] where it is beyond the limits of an index.
    pub(crate) fn each_key(&self, mut each: impl FnMut(&Key<'_>)) -> Result<(), IndexError> {
        let mut outcome = Ok(());
        for index in self.family.indexes() {
            outcome = outcome.and(self.each_key_in(index, &mut each));
        }
        outcome
    }

    /// Calls `each` with every key in an index that no other thing may have.
    pub(crate) fn each_unique_key(&self, mut each: impl FnMut(&Key<'_>)) {
        for index in self.family.indexes().iter().filter(|index| index.is_unique()) {
            // What is beyond the limits has no key.
            self.each_key_in(index, &mut each).ok();
        }
    }

    /// Whether it has this key.
    pub(crate) fn has_key(&self, key: &Key<'_>) -> bool {
        let Key::Declared { index, .. } = key else {
            return false;
        };
        let mut found = false;
        if let Some(index) = self.family.index(index) {
            self.each_key_in(index, &mut |own: &Key<'_>| found |= own == key)
                .ok();
        }
        found
    }

    fn each_key_in(&self, index: &DeclaredIndex, each: &mut impl FnMut(&Key<'_>)) -> Result<(), IndexError> {
        index.each_key(&self.record, |values| {
            each(&Key::Declared {
                kind: self.family.kind().as_str(),
                tenant: self.tenant,
                index: index.name().as_str(),
                values,
            });
        })
    }
}
