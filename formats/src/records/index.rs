//! Declared indexes: what the records of a kind can be found by, besides their header.
//!
//! A value is a string, unescaped, or a number with its digits as they stand: nothing is converted, so that `1` and
//! `1.0` are two values, and the number `1` and the string `"1"` are one.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::IdError;
use crate::limits::{
    INDEX_KEYS_MAX, INDEX_NAME_BYTES_MAX, INDEX_PARTS_MAX, INDEX_POINTER_BYTES_MAX, INDEX_VALUE_BYTES_MAX,
};
use crate::pointer::{Pointer, Scalar};

/// Name of a declared index: `[a-z][a-z0-9_]{0,63}`. Indexes of different kinds are different, whatever their names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexName(Box<str>);

impl IndexName {
    /// Checks the name.
    ///
    /// # Errors
    /// [`IdError`] says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let member = "index name";
        if text.is_empty() {
            return Err(IdError::Empty { member });
        }
        if text.len() > INDEX_NAME_BYTES_MAX {
            return Err(IdError::TooLong {
                member,
                bytes: text.len(),
                bytes_max: INDEX_NAME_BYTES_MAX,
            });
        }
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if text.as_bytes()[0].is_ascii_lowercase() && text.bytes().all(inner) {
            return Ok(Self(text.into()));
        }
        let expected = "of the form [a-z][a-z0-9_]{0,63}";
        Err(IdError::Form { member, expected })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl FromStr for IndexName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

/// Where one part of a key stands. As text: `id`, `corr`, or a JSON pointer into the body, in which one token `-`
/// stands for every element of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexPart {
    /// In the body.
    Body(Pointer),
    /// The correlation id.
    Corr,
    /// In each element of an array of the body.
    Each {
        /// The array.
        array: Pointer,
        /// From an element on; empty for the element itself.
        value: Pointer,
    },
    /// The id.
    Id,
}

impl fmt::Display for IndexPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(pointer) => pointer.fmt(f),
            Self::Corr => f.write_str("corr"),
            Self::Each { array, value } => write!(f, "{array}/-{value}"),
            Self::Id => f.write_str("id"),
        }
    }
}

impl FromStr for IndexPart {
    type Err = IndexError;

    fn from_str(text: &str) -> Result<Self, IndexError> {
        match text {
            "id" => return Ok(Self::Id),
            "corr" => return Ok(Self::Corr),
            _ => {}
        }
        let none = || IndexError::Pointer(text.chars().take(80).collect());
        if text.len() > INDEX_POINTER_BYTES_MAX {
            return Err(none());
        }
        let pointer = Pointer::parse(text).map_err(|_| none())?;
        match pointer.split_at_each() {
            None if pointer.is_whole() => Err(none()),
            None => Ok(Self::Body(pointer)),
            Some((_, value)) if value.split_at_each().is_some() => Err(none()),
            Some((array, value)) => Ok(Self::Each { array, value }),
        }
    }
}

impl IndexPart {
    /// Calls `each` with what stands there, unless it is missing, null, empty, or no text.
    fn each_value<'a>(&self, record: &Indexable<'a>, each: &mut dyn FnMut(Cow<'a, str>)) {
        let mut take = |scalar: Scalar<'a>| {
            if let Scalar::Text(text) = scalar {
                each(text);
            }
        };
        match self {
            Self::Id => take(Scalar::Text(Cow::Borrowed(record.id))),
            Self::Corr => record
                .corr
                .into_iter()
                .for_each(|corr| take(Scalar::Text(Cow::Borrowed(corr)))),
            Self::Body(pointer) => take(pointer.scalar(record.body)),
            Self::Each { array, value } => array
                .elements(record.body)
                .for_each(|element| take(Scalar::of(value.find(element)))),
        }
    }
}

impl Serialize for IndexPart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IndexPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for IndexName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for IndexName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What of a record can be indexed. Its kind and tenant are part of every key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indexable<'a> {
    /// The thing that the record is about.
    pub id: &'a str,
    /// Its correlation id.
    pub corr: Option<&'a str>,
    /// A checked body.
    pub body: &'a [u8],
}

/// An index over the records of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredIndex {
    name: IndexName,
    parts: Vec<IndexPart>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unique: bool,
}

impl DeclaredIndex {
    /// An index over these parts, in this order. `unique`: no two things of a tenant have the same key at a time, where
    /// the newest record of each thing says what it has.
    ///
    /// # Errors
    /// [`IndexError`] for no or too many parts, or two that go through arrays.
    pub fn new(name: IndexName, parts: Vec<IndexPart>, unique: bool) -> Result<Self, IndexError> {
        let index = Self { name, parts, unique };
        index.check().map(|()| index)
    }

    pub(crate) fn check(&self) -> Result<(), IndexError> {
        if self.parts.is_empty() || self.parts.len() > INDEX_PARTS_MAX {
            return Err(IndexError::Parts(self.parts.len()));
        }
        let arrays = self
            .parts
            .iter()
            .filter(|part| matches!(part, IndexPart::Each { .. }));
        if arrays.count() > 1 {
            return Err(IndexError::Arrays);
        }
        Ok(())
    }

    /// Its name.
    pub fn name(&self) -> &IndexName {
        &self.name
    }

    /// What its keys are made of.
    pub fn parts(&self) -> &[IndexPart] {
        &self.parts
    }

    /// Whether no two things may have the same key.
    pub fn is_unique(&self) -> bool {
        self.unique
    }

    /// Calls `each` with every key of a record, as the values of its parts. A record in which a part has no value has
    /// no key; of an array each element that is a value gives one. The same key may come twice.
    ///
    /// # Errors
    /// [`IndexError`] when a value is too long, or when there are too many: those give no key, and the others were
    /// given. A writer refuses such a record.
    pub fn each_key(&self, record: &Indexable<'_>, mut each: impl FnMut(&[&str])) -> Result<(), IndexError> {
        let (mut outcome, mut values) = (Ok(()), Vec::with_capacity(self.parts.len()));
        for part in &self.parts {
            let mut found = Vec::with_capacity(1);
            part.each_value(record, &mut |value| {
                if value.len() > INDEX_VALUE_BYTES_MAX {
                    outcome = Err(IndexError::TooLong(value.len()));
                } else if found.len() == INDEX_KEYS_MAX {
                    outcome = Err(IndexError::TooMany);
                } else {
                    found.push(value);
                }
            });
            if found.is_empty() {
                return outcome;
            }
            values.push(found);
        }
        let keys = values.iter().map(Vec::len).max().unwrap_or(0);
        for nth in 0..keys {
            // Only one part has several.
            let key: Vec<&str> = values
                .iter()
                .map(|values| values.get(nth).unwrap_or(&values[0]).as_ref())
                .collect();
            each(&key);
        }
        outcome
    }
}

/// Why an index cannot be declared, or a record not be indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexError {
    /// Two parts go through arrays.
    Arrays,
    /// No part, or too many.
    Parts(usize),
    /// No pointer that can lead to a value.
    Pointer(String),
    /// A value of so many bytes.
    TooLong(usize),
    /// More keys than a record may have.
    TooMany,
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrays => f.write_str("two parts of the index go through arrays, one may"),
            Self::Parts(count) => write!(f, "an index has 1 to {INDEX_PARTS_MAX} parts, not {count}"),
            Self::Pointer(text) => write!(
                f,
                "`{text}` is no part of an index: expected `id`, `corr` or a JSON pointer below the body, of at most \
                 {INDEX_POINTER_BYTES_MAX} bytes, with at most one `-` for all elements of an array"
            ),
            Self::TooLong(bytes) => {
                write!(
                    f,
                    "a value is {bytes} bytes long, an index takes {INDEX_VALUE_BYTES_MAX}"
                )
            }
            Self::TooMany => write!(
                f,
                "an array has more values than the {INDEX_KEYS_MAX} that an index takes"
            ),
        }
    }
}

impl std::error::Error for IndexError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(parts: &[&str]) -> DeclaredIndex {
        let parts = parts.iter().map(|part| part.parse().unwrap()).collect();
        DeclaredIndex::new(IndexName::new("x").unwrap(), parts, false).unwrap()
    }

    fn keys(parts: &[&str], body: &str) -> (Vec<String>, Result<(), IndexError>) {
        crate::json::check_object(body.as_bytes()).unwrap();
        let record = Indexable {
            id: "the-id",
            corr: None,
            body: body.as_bytes(),
        };
        let mut keys = Vec::new();
        let outcome = index(parts).each_key(&record, |key| keys.push(key.join("|")));
        (keys, outcome)
    }

    #[test]
    fn values_are_exact_texts_and_what_is_no_text_gives_no_key() {
        let body = concat!(
            r#"{"s":"a\u00e9","n":1.0E2,"big":12345678901234567890123,"e":"","#,
            r#""z":null,"t":true,"o":{"x":1},"a":[1]}"#
        );
        let one = |part: &str| keys(&[part], body).0;
        assert_eq!(one("/s"), ["aé"]);
        assert_eq!(one("/n"), ["1.0E2"]);
        assert_eq!(one("/big"), ["12345678901234567890123"]);
        assert_eq!(one("/o/x"), ["1"]);
        assert_eq!(one("id"), ["the-id"]);
        for none in ["/e", "/z", "/t", "/o", "/a", "/nowhere", "corr"] {
            assert_eq!(one(none), [""; 0], "{none}");
            assert_eq!(keys(&["/s", none], body).0, [""; 0], "a key has all of its parts");
        }
    }

    #[test]
    fn each_element_of_an_array_gives_a_key() {
        let body = r#"{"k":"v","tags":["a",2,null,"",true,["x"],"b","a"],"ends":[{"v":"x"},{"w":1},{"v":3}],"no":"a"}"#;
        assert_eq!(keys(&["/tags/-"], body).0, ["a", "2", "b", "a"]);
        assert_eq!(keys(&["/tags/-", "/k"], body).0, ["a|v", "2|v", "b|v", "a|v"]);
        assert_eq!(keys(&["id", "/ends/-/v"], body).0, ["the-id|x", "the-id|3"]);
        for none in ["/no/-", "/k/-/x", "/tags/-/x"] {
            assert_eq!(keys(&[none], body).0, [""; 0], "{none}");
        }
    }

    #[test]
    fn what_is_beyond_the_limits_gives_no_key_and_is_told() {
        let long = "x".repeat(INDEX_VALUE_BYTES_MAX + 1);
        let body = format!(r#"{{"a":["{}","{long}","b"]}}"#, &long[1..]);
        let (found, outcome) = keys(&["/a/-"], &body);
        assert_eq!((found.len(), outcome), (2, Err(IndexError::TooLong(257))));
        let many = vec!["1"; INDEX_KEYS_MAX + 1].join(",");
        let (found, outcome) = keys(&["/a/-"], &format!("{{\"a\":[{many}]}}"));
        assert_eq!((found.len(), outcome), (INDEX_KEYS_MAX, Err(IndexError::TooMany)));
    }

    #[test]
    fn declarations_that_mean_nothing_are_refused() {
        for text in [
            "",
            "tags",
            "kind",
            "/a/-/b/-",
            "/~2",
            &format!("/{}", "x".repeat(512)),
        ] {
            assert!(text.parse::<IndexPart>().is_err(), "{text}");
        }
        for text in ["id", "corr", "/", "/a~1b", "/a/-", "/-", "/a/-/b~0"] {
            assert_eq!(text.parse::<IndexPart>().unwrap().to_string(), text);
        }
        let new = |parts: &[&str]| {
            let parts = parts.iter().map(|part| part.parse().unwrap()).collect();
            DeclaredIndex::new(IndexName::new("x").unwrap(), parts, true)
        };
        assert_eq!(new(&[]), Err(IndexError::Parts(0)));
        assert_eq!(new(&["id"; INDEX_PARTS_MAX + 1]), Err(IndexError::Parts(9)));
        assert_eq!(new(&["/a/-", "/b/-"]), Err(IndexError::Arrays));
        for name in ["", "A", "1a", "a-b", "ä", &"x".repeat(65)] {
            assert!(IndexName::new(name).is_err(), "{name}");
        }
    }
}
