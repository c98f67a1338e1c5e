//! Values in a declared index, as they are asked for.

use std::fmt;

use ledgerstone_formats::ids::Kind;
use ledgerstone_formats::limits::INDEX_VALUE_BYTES_MAX;
use ledgerstone_formats::records::index::{IndexError, IndexName};

use crate::error::{Error, ErrorKind};
use crate::index::declared::Declared;
use crate::index::keys::Key;

/// Values in an index that a kind declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// The kind that declares it.
    pub kind: Kind,
    /// The index.
    pub index: IndexName,
    /// A value for each of its parts: a string, or a number as its digits stand in the records.
    pub values: Vec<String>,
}

impl Indexed {
    /// Calls `with` with the key of those records of a tenant, or of nobody.
    pub(crate) fn with_key<T>(&self, tenant: Option<&str>, with: impl FnOnce(&Key<'_>) -> T) -> T {
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        with(&Key::Declared {
            kind: self.kind.as_str(),
            tenant,
            index: self.index.as_str(),
            values: &values,
        })
    }

    /// Refuses values that no record can have in the index, and an index that is not declared.
    pub(crate) fn check(&self, declared: &Declared) -> Result<(), Error> {
        let invalid = |message: String| Err(Error::new(ErrorKind::Invalid, message));
        let family = declared.family(self.kind.as_str());
        let Some(index) = family.and_then(|family| family.index(self.index.as_str())) else {
            return invalid(format!("{} declares no index {}", self.kind, self.index));
        };
        let (expected, found) = (index.parts().len(), self.values.len());
        if found != expected {
            return invalid(format!(
                "the index {} has {expected} parts, {found} values were given",
                self.index
            ));
        }
        match self
            .values
            .iter()
            .find(|value| value.len() > INDEX_VALUE_BYTES_MAX)
        {
            Some(value) => invalid(IndexError::TooLong(value.len()).to_string()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Indexed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}={}", self.kind, self.index, self.values.join(","))
    }
}
