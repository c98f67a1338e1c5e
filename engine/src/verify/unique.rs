//! Values of unique indexes: no two things have the same one at a time, where the newest record of each says what it
//! has. Checked in bounded memory, in two sortings: by thing, which tells when it gives a value up, then by value.

use std::hash::Hasher as _;
use std::io;

use ledgerstone_formats::limits::SALT_BYTES;
use ledgerstone_formats::record::Record;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::index::declared::Declared;
use crate::index::keys::Key;
use crate::verify::counters::{BadCounters, CounterError};
use crate::verify::runs::{Event, Item, Sorter, long, word};

/// Items held in memory, of at most 48 bytes.
const HELD_MAX: usize = 1 << 19;
/// Stands for no value.
const NOTHING: u128 = 0;

/// Takes in which things have which values.
#[derive(Debug)]
pub(crate) struct Uniques {
    /// New for each check, so that nobody can choose values that collide.
    secret: [u8; SALT_BYTES],
    bearings: Sorter<Bearing>,
    held_max: usize,
}

/// That a record about a thing has a value; or that it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Bearing {
    thing: u128,
    seq: u64,
    value: u128,
}

impl Item for Bearing {
    const BYTES: usize = 40;

    fn put(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(&self.thing.to_le_bytes())?;
        out.write_all(&self.seq.to_le_bytes())?;
        out.write_all(&self.value.to_le_bytes())
    }

    fn get(bytes: &[u8]) -> Self {
        let (thing, rest) = bytes.split_at(16);
        let (seq, value) = rest.split_at(8);
        Self {
            thing: long(thing),
            seq: word(seq),
            value: long(value),
        }
    }
}

impl Uniques {
    pub(crate) fn new(secret: [u8; SALT_BYTES]) -> Self {
        Self::holding(secret, HELD_MAX)
    }

    fn holding(secret: [u8; SALT_BYTES], held_max: usize) -> Self {
        Self {
            secret,
            bearings: Sorter::new(held_max),
            held_max,
        }
    }

    /// Takes in the values of a record, in indexes that were declared before it.
    ///
    /// # Errors
    /// What is held cannot be written to a temporary file.
    pub(crate) fn observe(&mut self, record: &Record<'_>, declared: &Declared) -> io::Result<()> {
        let header = &record.header;
        if !declared.has_unique(&header.kind) {
            return Ok(());
        }
        let tenant = header.tenant.as_ref().map(|(tenant, _)| tenant.as_ref());
        let thing = self.hash(&[Some(&*header.kind), tenant, Some(&*header.id)]);
        let mut values = Vec::new();
        if let Some(record) = declared.of_record(record) {
            record.each_unique_key(|key| values.push(self.hash_of(key)));
        }
        values.sort_unstable();
        values.dedup();
        if values.is_empty() {
            values.push(NOTHING);
        }
        let seq = header.seq;
        let mut bearings = values.into_iter().map(|value| Bearing { thing, seq, value });
        bearings.try_for_each(|bearing| self.bearings.push(bearing))
    }

    fn hash_of(&self, key: &Key<'_>) -> u128 {
        let Key::Declared {
            kind,
            tenant,
            index,
            values,
        } = *key
        else {
            return NOTHING;
        };
        let mut parts = vec![Some(kind), tenant, Some(index)];
        parts.extend(values.iter().copied().map(Some));
        // One value in 2^128 is taken for none.
        self.hash(&parts)
    }

    fn hash(&self, parts: &[Option<&str>]) -> u128 {
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        for part in parts {
            hasher.write_usize(part.map_or(usize::MAX, str::len));
            hasher.write(part.unwrap_or_default().as_bytes());
        }
        hasher.finish128().as_u128()
    }

    /// Says which records have a value that another thing has. They have it from then on.
    ///
    /// # Errors
    /// The temporary files cannot be read or written.
    pub(crate) fn judge(self) -> io::Result<BadCounters> {
        let mut changes = Changes {
            by_value: Sorter::new(self.held_max),
            thing: None,
            held: Vec::new(),
            seq: 0,
            now: Vec::new(),
        };
        self.bearings.try_each(|bearing| changes.add(bearing))?;
        changes.end_record()?;
        let (mut bad, mut value, mut holder) = (BadCounters::default(), None, None);
        changes.by_value.each(|change| {
            if value != Some(change.counter) {
                (value, holder) = (Some(change.counter), None);
            }
            let (thing, takes) = (change.value & !1, change.value & 1 == 1);
            match holder {
                Some((own, _)) if own == thing && !takes => holder = None,
                _ if !takes => {}
                Some((own, seq)) if own != thing => {
                    bad.add(change.seq, CounterError::ValueTwice { holder: seq });
                    holder = Some((thing, change.seq));
                }
                _ => holder = Some((thing, change.seq)),
            }
        })?;
        Ok(bad)
    }
}

/// Makes of what the records of each thing have when it takes a value, and when it gives it up.
struct Changes {
    /// Sorted by value; `value` is the thing, and its lowest bit that it takes it.
    by_value: Sorter<Event>,
    thing: Option<u128>,
    /// What the thing has by the record before.
    held: Vec<u128>,
    seq: u64,
    /// What it has by the record that is being put together.
    now: Vec<u128>,
}

impl Changes {
    fn add(&mut self, bearing: Bearing) -> io::Result<()> {
        if self.thing != Some(bearing.thing) || self.seq != bearing.seq {
            self.end_record()?;
        }
        if self.thing != Some(bearing.thing) {
            self.held.clear();
        }
        (self.thing, self.seq) = (Some(bearing.thing), bearing.seq);
        if bearing.value != NOTHING {
            self.now.push(bearing.value);
        }
        Ok(())
    }

    fn end_record(&mut self) -> io::Result<()> {
        let Some(thing) = self.thing else { return Ok(()) };
        // Two things in 2^63 are taken for one.
        let thing = u64::try_from(thing >> 64).expect("half of it") & !1;
        let seq = self.seq;
        let event = |counter: u128, value: u64| Event { counter, seq, value };
        // Both are sorted.
        for given_up in self
            .held
            .iter()
            .filter(|value| self.now.binary_search(value).is_err())
        {
            self.by_value.push(event(*given_up, thing))?;
        }
        for taken in &self.now {
            self.by_value.push(event(*taken, thing | 1))?;
        }
        self.held = std::mem::take(&mut self.now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of things with their values, and which of them are bad, however few items are held.
    fn bad(records: &[(u128, &[u128])]) -> Vec<(u64, CounterError)> {
        let judged = [1, 2, HELD_MAX].map(|held_max| {
            let mut uniques = Uniques::holding([7; SALT_BYTES], held_max);
            for (seq, (thing, values)) in (0..).zip(records) {
                let none = [NOTHING];
                for value in if values.is_empty() { &none[..] } else { values } {
                    let (thing, value) = (*thing << 65, *value);
                    uniques.bearings.push(Bearing { thing, seq, value }).unwrap();
                }
            }
            uniques.judge().unwrap().named.into_iter().collect::<Vec<_>>()
        });
        assert!(judged.iter().all(|bad| *bad == judged[0]));
        judged.into_iter().next().unwrap()
    }

    #[test]
    fn a_value_is_free_once_its_thing_has_another() {
        let twice = |seq, holder| (seq, CounterError::ValueTwice { holder });
        let (a, b, c, d) = (1, 2, 3, 4);
        let found = bad(&[
            (a, &[10, 11]),
            (a, &[10]),
            (b, &[11]),
            (c, &[10]),
            (a, &[]),
            (d, &[10]),
            (c, &[12]),
            (b, &[10, 11]),
        ]);
        assert_eq!(found, [twice(3, 1), twice(5, 3), twice(7, 5)]);
        assert_eq!(bad(&[(a, &[]), (b, &[]), (a, &[10]), (a, &[10]), (b, &[11])]), []);
        assert_eq!(bad(&[]), []);
    }
}
