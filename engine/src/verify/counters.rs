//! The counters of the ledger: places within tenants, revisions, keys.
//!
//! Held in memory, so that it grows with the tenants, ids and keys of the ledger.

use std::collections::{HashMap, HashSet};
use std::fmt;

use ledgerstone_formats::header::Header;

/// What comes next for each tenant, kind, id and key.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Records of each tenant so far.
    tenants: HashMap<Box<str>, u64>,
    /// Whether a kind counts revisions.
    kinds: HashMap<Box<str>, bool>,
    revisions: HashMap<Entity, u64>,
    keys: HashSet<(Option<Box<str>>, Box<str>)>,
}

type Entity = (Box<str>, Option<Box<str>>, Box<str>);

/// A counter of a stored record that is not what it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CounterError {
    TenantSequence {
        expected: u64,
        found: u64,
    },
    Revision {
        expected: Option<u64>,
        found: Option<u64>,
    },
    KeyTwice,
}

impl fmt::Display for CounterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |rev: &Option<u64>| rev.map_or_else(|| "none".to_owned(), |rev| rev.to_string());
        match self {
            Self::TenantSequence { expected, found } => {
                write!(
                    f,
                    "`tseq` is {found}, the tenant's records so far make it {expected}"
                )
            }
            Self::Revision { expected, found } => {
                write!(
                    f,
                    "`rev` is {}, the records of this kind and id make it {}",
                    show(found),
                    show(expected)
                )
            }
            Self::KeyTwice => f.write_str("`key` stands in an earlier record of this tenant"),
        }
    }
}

impl Counters {
    /// Takes in a stored record and says whether its counters are what they have to be. Goes on from what is stored.
    pub(crate) fn observe(&mut self, header: &Header<'_>) -> Result<(), CounterError> {
        let mut verdict = Ok(());
        if let Some((tenant, found)) = &header.tenant {
            let expected = self.next_in_tenant(tenant);
            if expected != *found {
                self.tenants.insert(tenant.as_ref().into(), found + 1);
                verdict = Err(CounterError::TenantSequence {
                    expected,
                    found: *found,
                });
            }
        }
        let counted = self.counts_revisions(&header.kind, header.rev.is_some());
        let tenant = || header.tenant.as_ref().map(|(tenant, _)| tenant.as_ref().into());
        if counted || header.rev.is_some() {
            let entity: Entity = (header.kind.as_ref().into(), tenant(), header.id.as_ref().into());
            let expected = counted.then(|| self.next_revision(entity.clone()));
            if expected != header.rev {
                if let Some(found) = header.rev {
                    self.revisions.insert(entity, found);
                }
                verdict = verdict.and(Err(CounterError::Revision {
                    expected,
                    found: header.rev,
                }));
            }
        }
        if let Some(key) = &header.key
            && !self.keys.insert((tenant(), key.as_ref().into()))
        {
            verdict = verdict.and(Err(CounterError::KeyTwice));
        }
        verdict
    }

    fn next_in_tenant(&mut self, tenant: &str) -> u64 {
        match self.tenants.get_mut(tenant) {
            Some(count) => {
                *count += 1;
                *count - 1
            }
            None => {
                self.tenants.insert(tenant.into(), 1);
                0
            }
        }
    }

    /// Whether the kind counts revisions; its first record decides.
    fn counts_revisions(&mut self, kind: &str, first: bool) -> bool {
        match self.kinds.get(kind) {
            Some(counted) => *counted,
            None => {
                self.kinds.insert(kind.into(), first);
                first
            }
        }
    }

    fn next_revision(&mut self, entity: Entity) -> u64 {
        let last = self.revisions.entry(entity).or_insert(0);
        *last += 1;
        *last
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use ledgerstone_formats::hash::Hash;
    use ledgerstone_formats::time::Timestamp;

    use super::*;

    fn header(
        tenant: Option<(&'static str, u64)>,
        rev: Option<u64>,
        key: Option<&'static str>,
    ) -> Header<'static> {
        Header {
            seq: 0,
            at: Timestamp::MIN,
            group: None,
            kind: Cow::Borrowed("spec"),
            tenant: tenant.map(|(tenant, tseq)| (tenant.into(), tseq)),
            id: Cow::Borrowed("a"),
            rev,
            corr: None,
            key: key.map(Cow::Borrowed),
            digest: Hash::ZERO,
            prev: Hash::ZERO,
        }
    }

    #[test]
    fn none_is_no_tenant_and_tenants_count_apart() {
        let mut counters = Counters::default();
        assert_eq!(counters.observe(&header(Some(("a", 0)), None, Some("k"))), Ok(()));
        assert_eq!(counters.observe(&header(Some(("b", 0)), None, Some("k"))), Ok(()));
        assert_eq!(counters.observe(&header(None, None, Some("k"))), Ok(()));
        let gap = CounterError::TenantSequence {
            expected: 1,
            found: 2,
        };
        assert_eq!(counters.observe(&header(Some(("a", 2)), None, None)), Err(gap));
        assert_eq!(
            counters.observe(&header(Some(("a", 3)), None, None)),
            Ok(()),
            "one gap is one finding"
        );
        assert_eq!(
            counters.observe(&header(None, None, Some("k"))),
            Err(CounterError::KeyTwice)
        );
    }

    #[test]
    fn the_first_record_of_a_kind_decides_on_revisions() {
        let mut counters = Counters::default();
        assert_eq!(counters.observe(&header(None, Some(1), None)), Ok(()));
        assert_eq!(counters.observe(&header(None, Some(2), None)), Ok(()));
        let lost = CounterError::Revision {
            expected: Some(3),
            found: Some(4),
        };
        assert_eq!(counters.observe(&header(None, Some(4), None)), Err(lost));
        assert!(counters.observe(&header(None, None, None)).is_err());
    }
}
