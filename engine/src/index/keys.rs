//! What records can be looked up by, as 64-bit hashes.
//!
//! A hit is always checked against its record, so a collision costs a read, never a wrong answer. The hash has a secret
//! key, made with the index, so that nobody can choose values that collide.

use std::hash::Hasher as _;

use ledgerstone_formats::draft::{Draft, Entry};
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::header::Header;
use ledgerstone_formats::record::Record;
use ledgerstone_formats::records::index::IndexError;
use siphasher::sip::SipHasher13;

use crate::index::blocks::BadBlock;
use crate::index::declared::{Declared, DeclaredRecord};
use crate::index::sidecar::Sidecar;

/// Bytes of the secret.
pub(crate) const HASH_KEY_BYTES: usize = 16;

/// The secret of an index's hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HashKey(pub(crate) [u8; HASH_KEY_BYTES]);

/// What the hashes of records are made with.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) key: HashKey,
    pub(crate) declared: Declared,
}

/// What records share. `None` is no tenant, which is equal to no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key<'a> {
    /// Records about one thing.
    Entity {
        kind: &'a str,
        tenant: Option<&'a str>,
        id: &'a str,
    },
    /// Records with one correlation id.
    Correlation { tenant: Option<&'a str>, corr: &'a str },
    /// The record with an idempotency key.
    Idempotency { tenant: Option<&'a str>, key: &'a str },
    /// A tenant's records.
    Tenant(Option<&'a str>),
    /// Records of a kind.
    Kind(&'a str),
    /// Records with these values in a declared index of their kind.
    Declared {
        kind: &'a str,
        tenant: Option<&'a str>,
        index: &'a str,
        values: &'a [&'a str],
    },
}

impl HashKey {
    /// The hash of what is looked up. Parts are led by their length, so that no two keys give the same bytes.
    pub(crate) fn hash(&self, key: &Key<'_>) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        let mut part = |part: Option<&str>| match part {
            None => hasher.write_u32(u32::MAX),
            Some(text) => {
                // Every part is bounded by a header's length.
                hasher.write_u32(u32::try_from(text.len()).unwrap_or(u32::MAX - 1));
                hasher.write(text.as_bytes());
            }
        };
        match *key {
            Key::Entity { kind, tenant, id } => {
                part(Some("entity"));
                part(Some(kind));
                part(tenant);
                part(Some(id));
            }
            Key::Correlation { tenant, corr } => {
                part(Some("corr"));
                part(tenant);
                part(Some(corr));
            }
            Key::Idempotency { tenant, key } => {
                part(Some("key"));
                part(tenant);
                part(Some(key));
            }
            Key::Tenant(tenant) => {
                part(Some("tenant"));
                part(tenant);
            }
            Key::Kind(kind) => {
                part(Some("kind"));
                part(Some(kind));
            }
            Key::Declared {
                kind,
                tenant,
                index,
                values,
            } => {
                part(Some("index"));
                part(Some(kind));
                part(tenant);
                part(Some(index));
                values.iter().for_each(|value| part(Some(value)));
            }
        }
        hasher.finish()
    }

    fn of_header(&self, header: &Header<'_>, out: &mut Vec<u64>) {
        self.of_parts(
            &header.kind,
            header.tenant.as_ref().map(|(tenant, _)| tenant.as_ref()),
            &header.id,
            header.corr.as_deref(),
            header.key.as_deref(),
            out,
        );
    }

    fn of_entry(&self, entry: &Entry, out: &mut Vec<u64>) {
        self.of_parts(
            entry.kind.as_str(),
            entry.tenant.as_ref().map(|tenant| tenant.as_str()),
            entry.id.as_str(),
            entry.corr.as_ref().map(|corr| corr.as_str()),
            entry.key.as_ref().map(|key| key.as_str()),
            out,
        );
    }

    fn of_parts(
        &self,
        kind: &str,
        tenant: Option<&str>,
        id: &str,
        corr: Option<&str>,
        key: Option<&str>,
        out: &mut Vec<u64>,
    ) {
        out.push(self.hash(&Key::Entity { kind, tenant, id }));
        out.push(self.hash(&Key::Tenant(tenant)));
        out.push(self.hash(&Key::Kind(kind)));
        out.extend(corr.map(|corr| self.hash(&Key::Correlation { tenant, corr })));
        out.extend(key.map(|key| self.hash(&Key::Idempotency { tenant, key })));
    }
}

impl Recipe {
    /// Of a ledger in which nothing is declared, or is not known to be yet.
    pub(crate) fn plain(key: HashKey) -> Self {
        Self {
            key,
            declared: Declared::default(),
        }
    }

    /// What binds a file with these postings.
    pub(crate) fn digest_of(&self, sidecar: &Sidecar) -> Result<Hash, BadBlock> {
        let mut outcome = Ok(());
        let digest = self.declared.digest(|kind| {
            let count = sidecar.count(self.key.hash(&Key::Kind(kind)));
            count
                .map_err(|bad| outcome = Err(bad))
                .is_ok_and(|count| count > 0)
        });
        outcome.map(|()| digest)
    }

    /// The hashes of all that a stored record is found by, each once.
    pub(crate) fn of_record(&self, record: &Record<'_>, out: &mut Vec<u64>) {
        let start = out.len();
        self.key.of_header(&record.header, out);
        if let Some(declared) = self.declared.of_record(record) {
            // What is beyond the limits was stored before the index was declared, and has no key.
            self.of_declared(&declared, start, out).ok();
        }
    }

    /// The same for a record that is about to be stored.
    ///
    /// # Errors
    /// [`IndexError`] for one that is beyond the limits of a declared index.
    pub(crate) fn of_draft(&self, draft: &Draft, out: &mut Vec<u64>) -> Result<(), IndexError> {
        let start = out.len();
        self.key.of_entry(draft.entry(), out);
        match self.declared.of_draft(draft) {
            Some(declared) => self.of_declared(&declared, start, out),
            None => Ok(()),
        }
    }

    fn of_declared(
        &self,
        record: &DeclaredRecord<'_>,
        start: usize,
        out: &mut Vec<u64>,
    ) -> Result<(), IndexError> {
        let outcome = record.each_key(|key| out.push(self.key.hash(key)));
        // An array may hold a value twice, and the postings of a hash are a record each.
        out[start..].sort_unstable();
        let mut last = None;
        let mut at = 0;
        out.retain(|hash| {
            at += 1;
            at <= start || last.replace(*hash) != Some(*hash)
        });
        outcome
    }
}

impl Key<'_> {
    /// Whether a record is one that is looked for.
    pub(crate) fn fits(&self, record: &Record<'_>, declared: &Declared) -> bool {
        let header = &record.header;
        let own = header.tenant.as_ref().map(|(tenant, _)| tenant.as_ref());
        match *self {
            Self::Entity { kind, tenant, id } => header.kind == kind && own == tenant && header.id == id,
            Self::Correlation { tenant, corr } => own == tenant && header.corr.as_deref() == Some(corr),
            Self::Idempotency { tenant, key } => own == tenant && header.key.as_deref() == Some(key),
            Self::Tenant(tenant) => own == tenant,
            Self::Kind(kind) => header.kind == kind,
            Self::Declared { .. } => declared
                .of_record(record)
                .is_some_and(|record| record.has_key(self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        let secret = HashKey([7; HASH_KEY_BYTES]);
        let keys = [
            Key::Entity {
                kind: "ab",
                tenant: None,
                id: "c",
            },
            Key::Entity {
                kind: "a",
                tenant: None,
                id: "bc",
            },
            Key::Entity {
                kind: "ab",
                tenant: Some(""),
                id: "c",
            },
            Key::Entity {
                kind: "a",
                tenant: Some("b"),
                id: "c",
            },
            Key::Correlation {
                tenant: Some("a"),
                corr: "b",
            },
            Key::Idempotency {
                tenant: Some("a"),
                key: "b",
            },
            Key::Tenant(None),
            Key::Tenant(Some("none")),
            Key::Kind("none"),
            Key::Declared {
                kind: "a",
                tenant: None,
                index: "x",
                values: &["b", "c"],
            },
            Key::Declared {
                kind: "a",
                tenant: None,
                index: "x",
                values: &["bc"],
            },
            Key::Declared {
                kind: "a",
                tenant: Some("x"),
                index: "b",
                values: &["c"],
            },
        ];
        let mut hashes: Vec<u64> = keys.iter().map(|key| secret.hash(key)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), keys.len());
        assert_ne!(secret.hash(&keys[0]), HashKey([8; HASH_KEY_BYTES]).hash(&keys[0]));
    }
}
