//! What records can be looked up by, as 64-bit hashes.
//!
//! A hit is always checked against its record, so a collision costs a read, never a wrong answer. The hash has a secret
//! key, made with the index, so that nobody can choose values that collide.

use std::hash::Hasher as _;

use ledgerstone_formats::draft::Entry;
use ledgerstone_formats::header::Header;
use siphasher::sip::SipHasher13;

/// Bytes of the secret.
pub(crate) const HASH_KEY_BYTES: usize = 16;

/// The secret of an index's hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HashKey(pub(crate) [u8; HASH_KEY_BYTES]);

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
        }
        hasher.finish()
    }

    /// The hashes of all that a stored record is found by.
    pub(crate) fn of_header(&self, header: &Header<'_>, out: &mut Vec<u64>) {
        self.of_parts(
            &header.kind,
            header.tenant.as_ref().map(|(tenant, _)| tenant.as_ref()),
            &header.id,
            header.corr.as_deref(),
            header.key.as_deref(),
            out,
        );
    }

    /// The same for a record that is about to be stored.
    pub(crate) fn of_entry(&self, entry: &Entry, out: &mut Vec<u64>) {
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

impl Key<'_> {
    /// Whether a record is one that is looked for.
    pub(crate) fn fits(&self, header: &Header<'_>) -> bool {
        let own = header.tenant.as_ref().map(|(tenant, _)| tenant.as_ref());
        match *self {
            Self::Entity { kind, tenant, id } => header.kind == kind && own == tenant && header.id == id,
            Self::Correlation { tenant, corr } => own == tenant && header.corr.as_deref() == Some(corr),
            Self::Idempotency { tenant, key } => own == tenant && header.key.as_deref() == Some(key),
            Self::Tenant(tenant) => own == tenant,
            Self::Kind(kind) => header.kind == kind,
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
        ];
        let mut hashes: Vec<u64> = keys.iter().map(|key| secret.hash(key)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), keys.len());
        assert_ne!(secret.hash(&keys[0]), HashKey([8; HASH_KEY_BYTES]).hash(&keys[0]));
    }
}
