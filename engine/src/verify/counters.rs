//! The counters of the ledger: places within tenants, revisions, keys. Checked in bounded memory, however many tenants,
//! things and keys there are: what each record says of a counter is sorted by the counter, and judged at the end.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hasher as _;
use std::io;

use ledgerstone_formats::header::Header;
use ledgerstone_formats::limits::SALT_BYTES;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::verify::runs::{Event, Sorter};

/// Events held in memory, of 32 bytes: what some hundred thousand records say.
const HELD_MAX: usize = 1 << 20;
/// Bad counters that are named; more are only counted.
const NAMED_MAX: usize = 1_000;
/// Stands for no revision.
const NO_REVISION: u64 = u64::MAX >> 1;
/// Added to a revision where the kind counts them.
const COUNTED: u64 = 1 << 63;

/// Takes in what records say of their tenant's place, their thing's revision and their key.
#[derive(Debug)]
pub(crate) struct Counters {
    /// New for each check, so that nobody can choose names that collide.
    secret: [u8; SALT_BYTES],
    /// Whether a kind counts revisions; kinds are few.
    kinds: HashMap<Box<str>, bool>,
    events: Sorter<Event>,
}

/// Counters that are not what they have to be.
#[derive(Debug, Default)]
pub(crate) struct BadCounters {
    /// The first of them, by record.
    pub(crate) named: BTreeMap<u64, CounterError>,
    /// How many records have one.
    pub(crate) total: u64,
}

/// What a counter is of; the two lowest bits of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Tenant = 0,
    Entity = 1,
    Key = 2,
}

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
    /// Of a unique index, whose value is the body's and stays there.
    ValueTwice {
        /// The newest record of the thing that has it.
        holder: u64,
    },
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
            Self::ValueTwice { holder } => write!(
                f,
                "the record with seq {holder}, about another thing, has the same value in an index that is unique"
            ),
        }
    }
}

impl Counters {
    pub(crate) fn new(secret: [u8; SALT_BYTES]) -> Self {
        Self::holding(secret, HELD_MAX)
    }

    fn holding(secret: [u8; SALT_BYTES], held_max: usize) -> Self {
        Self {
            secret,
            kinds: HashMap::new(),
            events: Sorter::new(held_max),
        }
    }

    /// Takes in a stored record.
    ///
    /// # Errors
    /// What is held cannot be written to a temporary file.
    pub(crate) fn observe(&mut self, header: &Header<'_>) -> io::Result<()> {
        let tenant = header.tenant.as_ref().map(|(tenant, _)| tenant.as_ref());
        if let Some((_, tseq)) = &header.tenant {
            self.push(Subject::Tenant, &[tenant], header.seq, *tseq)?;
        }
        let counted = self.counts_revisions(&header.kind, header.rev.is_some());
        if counted || header.rev.is_some() {
            let value = header.rev.unwrap_or(NO_REVISION) | if counted { COUNTED } else { 0 };
            let entity = [Some(&*header.kind), tenant, Some(&*header.id)];
            self.push(Subject::Entity, &entity, header.seq, value)?;
        }
        if let Some(key) = &header.key {
            self.push(Subject::Key, &[tenant, Some(key)], header.seq, 0)?;
        }
        Ok(())
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

    fn push(&mut self, subject: Subject, parts: &[Option<&str>], seq: u64, value: u64) -> io::Result<()> {
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        for part in parts {
            hasher.write_usize(part.map_or(usize::MAX, str::len));
            hasher.write(part.unwrap_or_default().as_bytes());
        }
        let counter = hasher.finish128().as_u128() << 2 | subject as u128;
        self.events.push(Event { counter, seq, value })
    }

    /// Says which records have a counter that is not what it has to be.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub(crate) fn judge(self) -> io::Result<BadCounters> {
        let mut bad = BadCounters::default();
        let (mut counter, mut last) = (None, None);
        self.events.each(|event| {
            if counter != Some(event.counter) {
                (counter, last) = (Some(event.counter), None);
            }
            if let Err(error) = judge(&event, &mut last) {
                bad.add(event.seq, error);
            }
        })?;
        Ok(bad)
    }
}

impl BadCounters {
    /// Of several bad counters of one record the first is told: tenant, revision, key.
    pub(crate) fn add(&mut self, seq: u64, error: CounterError) {
        match self.named.get_mut(&seq) {
            Some(known) if error.order() < known.order() => *known = error,
            Some(_) => {}
            None => {
                self.total += 1;
                self.named.insert(seq, error);
                if self.named.len() > NAMED_MAX {
                    self.named.pop_last();
                }
            }
        }
    }
}

impl CounterError {
    fn order(&self) -> u8 {
        match self {
            Self::TenantSequence { .. } => 0,
            Self::Revision { .. } => 1,
            Self::KeyTwice => 2,
            Self::ValueTwice { .. } => 3,
        }
    }
}

/// Judges the next event of a counter, of which `last` is the number before. Goes on from what is stored.
fn judge(event: &Event, last: &mut Option<u64>) -> Result<(), CounterError> {
    let found = event.value;
    match event.counter & 3 {
        0 => {
            let expected = last.map_or(0, |last| last + 1);
            *last = Some(found);
            if expected != found {
                return Err(CounterError::TenantSequence { expected, found });
            }
        }
        1 => {
            let counted = found & COUNTED != 0;
            let found = Some(found & !COUNTED).filter(|found| *found != NO_REVISION);
            let next = last.unwrap_or(0) + 1;
            let expected = counted.then_some(next);
            *last = found.or(expected).or(*last);
            if expected != found {
                return Err(CounterError::Revision { expected, found });
            }
        }
        _ => {
            if last.replace(0).is_some() {
                return Err(CounterError::KeyTwice);
            }
        }
    }
    Ok(())
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

    /// What is wrong with records in a row, however few events are held.
    fn bad(headers: &[Header<'_>]) -> Vec<(u64, CounterError)> {
        let judged = [1, 2, HELD_MAX].map(|held_max| {
            let mut counters = Counters::holding([7; SALT_BYTES], held_max);
            for (seq, header) in (0..).zip(headers) {
                counters
                    .observe(&Header {
                        seq,
                        ..header.clone()
                    })
                    .unwrap();
            }
            let bad = counters.judge().unwrap();
            assert_eq!(bad.total, bad.named.len() as u64);
            bad.named.into_iter().collect::<Vec<_>>()
        });
        assert!(judged.iter().all(|bad| *bad == judged[0]));
        judged.into_iter().next().unwrap()
    }

    #[test]
    fn none_is_no_tenant_and_tenants_count_apart() {
        let gap = CounterError::TenantSequence {
            expected: 1,
            found: 2,
        };
        let found = bad(&[
            header(Some(("a", 0)), None, Some("k")),
            header(Some(("b", 0)), None, Some("k")),
            header(None, None, Some("k")),
            header(Some(("a", 2)), None, None),
            // One gap is one finding.
            header(Some(("a", 3)), None, None),
            header(None, None, Some("k")),
        ]);
        assert_eq!(found, [(3, gap), (5, CounterError::KeyTwice)]);
    }

    #[test]
    fn the_first_record_of_a_kind_decides_on_revisions() {
        let lost = |found| CounterError::Revision {
            expected: Some(3),
            found,
        };
        let counted = [header(None, Some(1), None), header(None, Some(2), None)];
        assert_eq!(bad(&counted), []);
        let with = |rev| [&counted[..], &[header(None, rev, None)]].concat();
        assert_eq!(bad(&with(Some(4))), [(2, lost(Some(4)))]);
        assert_eq!(bad(&with(None)), [(2, lost(None))]);
        let uncounted = [header(None, None, None), header(None, Some(1), None)];
        let wrong = CounterError::Revision {
            expected: None,
            found: Some(1),
        };
        assert_eq!(bad(&uncounted), [(1, wrong)]);
    }

    #[test]
    fn a_thousand_are_named_and_all_are_counted() {
        let headers = vec![header(None, None, Some("k")); 3_000];
        let mut counters = Counters::new([7; SALT_BYTES]);
        for (seq, header) in (0..).zip(&headers) {
            counters
                .observe(&Header {
                    seq,
                    ..header.clone()
                })
                .unwrap();
        }
        let bad = counters.judge().unwrap();
        assert_eq!((bad.total, bad.named.len()), (2_999, NAMED_MAX));
        assert_eq!(bad.named.first_key_value().map(|(seq, _)| *seq), Some(1));
    }
}
