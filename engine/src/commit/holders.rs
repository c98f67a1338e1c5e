//! Which thing has which values of unique indexes by the records of one batch, where the newest record of each thing
//! says what it has.

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

    /// As it is looked up.
    pub(crate) fn indexed(&self) -> Indexed {
        Indexed {
            kind: Kind::new(&self.kind).expect("a declared kind is a kind"),
            index: IndexName::new(&self.index).expect("a declared name is a name"),
            values: self.values.iter().map(|value| value.to_string()).collect(),
        }
    }
}

/// What some records in a row have made of who has what.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    by_value: HashMap<Value, Entity>,
    /// Values of the newest record of each thing.
    held: HashMap<Entity, Vec<Value>>,
}

impl Holders {
    /// Whether a record about this thing was taken in.
    pub(crate) fn knows(&self, entity: &Entity) -> bool {
        self.held.contains_key(entity)
    }

    /// Takes in the next record: what its thing had before it has no more.
    ///
    /// # Errors
    /// A value that another thing has.
    pub(crate) fn take(&mut self, entity: &Entity, values: Vec<Value>) -> Result<(), Value> {
        for old in self.held.remove(entity).unwrap_or_default() {
            self.by_value.remove(&old);
        }
        for value in &values {
            let before = self.by_value.insert(value.clone(), entity.clone());
            if before.is_some_and(|before| before != *entity) {
                return Err(value.clone());
            }
        }
        self.held.insert(entity.clone(), values);
        Ok(())
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
        let mut take = |id: &str, values: &[&str]| {
            let entity = ("spec".into(), None, id.into());
            let values = values.iter().map(|text| value(text)).collect();
            holders.take(&entity, values).is_ok()
        };
        assert!(take("a", &["v", "w", "v"]));
        assert!(take("a", &["v"]));
        assert!(take("b", &["w"]));
        assert!(take("a", &[]));
        assert!(take("c", &["v"]));
        assert!(!take("a", &["x", "w"]));
    }
}
