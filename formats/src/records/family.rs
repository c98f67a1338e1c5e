//! A record family as a `sys_family` record declares it: for now, the indexes of a kind.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::Kind;
use crate::limits::INDEXES_MAX;
use crate::records::index::{DeclaredIndex, IndexName};

/// A kind with its declared indexes. The newest `sys_family` record of a kind holds for all of its records, earlier
/// ones too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    kind: Kind,
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    indexes: Vec<DeclaredIndex>,
}

impl Family {
    /// A family with these indexes.
    ///
    /// # Errors
    /// [`FamilyError`] for a kind of the system, two indexes of one name, or too many.
    pub fn new(kind: Kind, indexes: Vec<DeclaredIndex>) -> Result<Self, FamilyError> {
        let family = Self {
            kind,
            body: Body { indexes },
        };
        family.check().map(|()| family)
    }

    fn check(&self) -> Result<(), FamilyError> {
        let indexes = &self.body.indexes;
        if self.kind.is_system() {
            return Err(FamilyError::System);
        }
        if indexes.len() > INDEXES_MAX {
            return Err(FamilyError::TooMany(indexes.len()));
        }
        let twice = |(at, index): (usize, &DeclaredIndex)| {
            let earlier = indexes[..at].iter().any(|before| before.name() == index.name());
            earlier.then(|| FamilyError::Twice(index.name().clone()))
        };
        indexes.iter().enumerate().find_map(twice).map_or(Ok(()), Err)
    }

    /// Its records' kind, which is the `id` of the record that declares it.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Its indexes, in the order in which they were declared.
    pub fn indexes(&self) -> &[DeclaredIndex] {
        &self.body.indexes
    }

    /// The index of this name.
    pub fn index(&self, name: &str) -> Option<&DeclaredIndex> {
        self.body
            .indexes
            .iter()
            .find(|index| index.name().as_str() == name)
    }

    /// The body of its `sys_family` record.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(&self.body).expect("strings serialize")
    }

    /// Reads the record that declares it: its id and a body that is exactly what [`Family::encode`] gives.
    pub fn parse(id: &str, body: &[u8]) -> Option<Self> {
        let family = Self {
            kind: Kind::new(id).ok()?,
            body: serde_json::from_slice(body).ok()?,
        };
        let sound = family.check().is_ok() && family.indexes().iter().all(|index| index.check().is_ok());
        (sound && family.encode() == body).then_some(family)
    }

    /// The family with the indexes of another of its kind too; the same where it has them all.
    ///
    /// # Errors
    /// [`FamilyError`] where an index of one name is declared in two ways, or they become too many.
    pub fn with(&self, other: &Self) -> Result<Self, FamilyError> {
        let mut indexes = self.body.indexes.clone();
        for index in &other.body.indexes {
            match self.index(index.name().as_str()) {
                None => indexes.push(index.clone()),
                Some(own) if own == index => {}
                Some(_) => return Err(FamilyError::Other(index.name().clone())),
            }
        }
        Self::new(self.kind.clone(), indexes)
    }
}

/// Why a family cannot be declared.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FamilyError {
    /// An index of this name is declared in another way.
    Other(IndexName),
    /// The kind belongs to the system.
    System,
    /// More indexes than a kind may have.
    TooMany(usize),
    /// Two indexes have this name.
    Twice(IndexName),
}

impl fmt::Display for FamilyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(name) => write!(
                f,
                "the index {name} is declared with other parts: an index stays what it is, another one needs another name"
            ),
            Self::System => f.write_str("sys_... belongs to the system"),
            Self::TooMany(count) => write!(f, "a kind has at most {INDEXES_MAX} indexes, not {count}"),
            Self::Twice(name) => write!(f, "two indexes are called {name}"),
        }
    }
}

impl std::error::Error for FamilyError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(name: &str, part: &str, unique: bool) -> DeclaredIndex {
        let name = IndexName::new(name).unwrap();
        DeclaredIndex::new(name, vec![part.parse().unwrap()], unique).unwrap()
    }

    fn family(indexes: Vec<DeclaredIndex>) -> Family {
        Family::new(Kind::new("spec").unwrap(), indexes).unwrap()
    }

    #[test]
    fn a_family_is_read_back_from_its_one_text() {
        let family = family(vec![index("slug", "/slug", true), index("tag", "/tags/-", false)]);
        let body = family.encode();
        let text = concat!(
            r#"{"indexes":[{"name":"slug","parts":["/slug"],"unique":true},"#,
            r#"{"name":"tag","parts":["/tags/-"]}]}"#
        );
        assert_eq!(String::from_utf8(body.clone()).unwrap(), text);
        assert_eq!(Family::parse("spec", &body), Some(family));
        for (from, to) in [
            ("\"unique\":true", "\"unique\":false"),
            ("\"tag\"", "\"slug\""),
            ("[\"/slug\"]", "[]"),
            ("{\"indexes", "{ \"indexes"),
            ("}]}", "}],\"x\":1}"),
            ("/tags/-", "/~2"),
        ] {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text);
            assert_eq!(Family::parse("spec", other.as_bytes()), None, "{other}");
        }
        assert_eq!(Family::parse("sys_clock", &body), None);
        assert_eq!(Family::parse("no kind", &body), None);
    }

    #[test]
    fn a_family_grows_and_an_index_stays_what_it_is() {
        let before = family(vec![index("slug", "/slug", true)]);
        let both = before
            .with(&family(vec![index("tag", "/tags/-", false)]))
            .unwrap();
        assert_eq!(both.indexes().len(), 2);
        assert_eq!(both.with(&before), Ok(both.clone()));
        let name = IndexName::new("slug").unwrap();
        for other in [index("slug", "/name", true), index("slug", "/slug", false)] {
            assert_eq!(
                both.with(&family(vec![other])),
                Err(FamilyError::Other(name.clone()))
            );
        }
        let many: Vec<_> = (0..INDEXES_MAX)
            .map(|n| index(&format!("i{n}"), "/x", false))
            .collect();
        assert_eq!(before.with(&family(many)), Err(FamilyError::TooMany(33)));
    }
}
