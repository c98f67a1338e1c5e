//! Which thing has which values of unique indexes, where the newest record of each thing says what it has.

use std::collections::HashMap;

use ledgerstone_formats::ids::Kind;
use ledgerstone_formats::records::index::IndexName;

use crate::index::keys::Key;
use crate::read::indexed::Indexed;

/// Kind, tenant and id of a thing.
pub(crate) type Entity = (Box<str>, Option<Box<str>>, Box<str>);

/// A value of a tenant in an index of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Value {
    kind: Box<str>,
    tenant: Option<Box<str>>,
    index: Box<str>,
    values: Vec<Box<str>>,
}

impl Value {
    /// The value of a key, if it is one of a declared index.
    pub(crate) fn of(key: &Key<'_>) -> Option<Self> {
        let Key::Declared {
            kind,
            tenant,
            index,
            values,
        } = *key
        else {
            return None;
        };
        Some(Self {
            kind: kind.into(),
            tenant: tenant.map(Into::into),
            index: index.into(),
            values: values.iter().map(|value| (*value).into()).collect(),
        })
    }

    /// The index that it stands in.
    pub(crate) fn index(&self) -> &str {
        &self.index
    }

    /// As it is looked up.
    pub(crate) fn indexed(&self) -> Indexed {
        Indexed {
            kind: Kind::new(&self.kind).expect("a declared kind is a kind"),
            index: IndexName::new(&self.index).expect("a declared name is a name"),
            values: self.values.iter().map(|value| value.to_string()).collect(),
        }
    }
}

/// A thing that has a value, by its newest record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) entity: Entity,
    pub(crate) seq: u64,
}

/// What some records in a row have made of who has what.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    by_value: HashMap<Value, Holder>,
    /// Values of the newest record of each thing.
    held: HashMap<Entity, Vec<Value>>,
}

impl Holders {
    /// Whether a record about this thing was taken in.
    pub(crate) fn knows(&self, entity: &Entity) -> bool {
        self.held.contains_key(entity)
    }

    /// Takes in the next record: what its thing had before it has no more. Gives the first value that another thing
    /// has; the record has it from now on.
    pub(crate) fn take(&mut self, holder: &Holder, values: Vec<Value>) -> Option<(Value, Holder)> {
        for old in self.held.remove(&holder.entity).unwrap_or_default() {
            let own = self.by_value.get(&old);
            if own.is_some_and(|own| own.entity == holder.entity) {
                self.by_value.remove(&old);
            }
        }
        let mut other = None;
        for value in &values {
            let before = self.by_value.insert(value.clone(), holder.clone());
            let before = before.filter(|before| before.entity != holder.entity);
            other = other.or(before.map(|before| (value.clone(), before)));
        }
        self.held.insert(holder.entity.clone(), values);
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(value: &str) -> Value {
        let key = Key::Declared {
            kind: "spec",
            tenant: None,
            index: "slug",
            values: &[value],
        };
        Value::of(&key).unwrap()
    }

    #[test]
    fn a_value_is_free_once_its_thing_has_another() {
        let mut holders = Holders::default();
        let mut take = |id: &str, seq, values: &[&str]| {
            let holder = Holder {
                entity: ("spec".into(), None, id.into()),
                seq,
            };
            let other = holders.take(&holder, values.iter().map(|text| value(text)).collect());
            other.map(|(_, holder)| holder.seq)
        };
        assert_eq!(take("a", 1, &["v", "w"]), None);
        assert_eq!(take("a", 2, &["v"]), None);
        assert_eq!(take("b", 3, &["w"]), None, "freed by 2");
        assert_eq!(take("c", 4, &["v"]), Some(2));
        assert_eq!(take("a", 5, &[]), None);
        assert_eq!(take("d", 6, &["v"]), Some(4), "what it took it has");
        assert_eq!(take("b", 7, &["x", "x"]), None);
    }
}
