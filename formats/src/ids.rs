//! The values of a header, each a type that only a valid value can make.

use std::fmt;

use crate::limits::{
    CORRELATION_BYTES_MAX, ID_BYTES_MAX, KEY_BYTES_MAX, KIND_BYTES_MAX, ORIGIN_BYTES_MAX, ORIGIN_BYTES_MIN,
    TENANT_BYTES_MAX,
};

/// Why a value cannot stand in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdError {
    /// It has no bytes.
    Empty {
        /// The member's name.
        member: &'static str,
    },
    /// It holds a control character, U+2028, U+2029 or a noncharacter.
    Forbidden {
        /// The member's name.
        member: &'static str,
        /// The first such character.
        character: char,
    },
    /// It is not of the member's own form.
    Form {
        /// The member's name.
        member: &'static str,
        /// The form in words.
        expected: &'static str,
    },
    /// It is longer than the member's limit.
    TooLong {
        /// The member's name.
        member: &'static str,
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        bytes_max: usize,
    },
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { member } => write!(f, "{member} is empty"),
            Self::Forbidden { member, character } => {
                write!(
                    f,
                    "{member} holds the character U+{:04X}, which no header may",
                    u32::from(*character)
                )
            }
            Self::Form { member, expected } => write!(f, "{member} is not {expected}"),
            Self::TooLong {
                member,
                bytes,
                bytes_max,
            } => {
                write!(f, "{member} is {bytes} bytes long, the limit is {bytes_max}")
            }
        }
    }
}

impl std::error::Error for IdError {}

/// True for what no header string may hold: U+0000–001F, U+007F–009F, U+2028, U+2029 and noncharacters.
pub(crate) fn is_forbidden(character: char) -> bool {
    let code = u32::from(character);
    matches!(code, 0..=0x1F | 0x7F..=0x9F | 0x2028 | 0x2029 | 0xFDD0..=0xFDEF) || code & 0xFFFE == 0xFFFE
}

/// The rule of every header string: not empty, no longer than its limit, no forbidden character.
pub(crate) fn check_text(member: &'static str, text: &str, bytes_max: usize) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { member });
    }
    if text.len() > bytes_max {
        return Err(IdError::TooLong {
            member,
            bytes: text.len(),
            bytes_max,
        });
    }
    // Printable ASCII, which nearly every id is, needs no look at characters.
    if text.bytes().all(|byte| (0x20..0x7F).contains(&byte)) {
        return Ok(());
    }
    match text.chars().find(|character| is_forbidden(*character)) {
        Some(character) => Err(IdError::Forbidden { member, character }),
        None => Ok(()),
    }
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $member:literal, $bytes_max:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks the value against the format's rule.
            ///
            /// # Errors
            /// [`IdError`] says which rule it breaks.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check_text($member, text, $bytes_max)?;
                Ok(Self(text.into()))
            }

            /// The value.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
    };
}

text_type!(
    /// Owner scope of a record, 1–128 bytes. "None" is not equal to any tenant.
    Tenant, "tenant", TENANT_BYTES_MAX
);
text_type!(
    /// The thing that a record is about, 1–256 bytes.
    EntityId, "id", ID_BYTES_MAX
);
text_type!(
    /// Correlation id, 1–256 bytes.
    Correlation, "corr", CORRELATION_BYTES_MAX
);
text_type!(
    /// The producer's idempotency key, 1–128 bytes.
    IdempotencyKey, "key", KEY_BYTES_MAX
);

/// A record family: `[a-z][a-z0-9_]{0,63}`, no Windows device name. `sys_…` belongs to the system.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(Box<str>);

impl Kind {
    /// Checks the value against the format's rule.
    ///
    /// # Errors
    /// [`IdError`] says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, IdError> {
        check_kind(text)?;
        Ok(Self(text.into()))
    }

    /// The value.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the kinds that only the engine writes.
    pub fn is_system(&self) -> bool {
        is_system_kind(&self.0)
    }
}

/// True for the kinds that only the engine writes.
pub fn is_system_kind(kind: &str) -> bool {
    kind.starts_with("sys_")
}

pub(crate) fn check_kind(text: &str) -> Result<(), IdError> {
    check_text("kind", text, KIND_BYTES_MAX)?;
    let form = text.as_bytes()[0].is_ascii_lowercase()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    // A kind becomes a folder's name in the archive: these cannot be one on Windows.
    let device = matches!(text, "con" | "prn" | "aux" | "nul")
        || text.len() == 4
            && (text.starts_with("com") || text.starts_with("lpt"))
            && text.as_bytes()[3].is_ascii_digit();
    if form && !device {
        return Ok(());
    }
    let expected = "of the form [a-z][a-z0-9_]{0,63}, other than con, prn, aux, nul, com0–9 and lpt0–9";
    Err(IdError::Form {
        member: "kind",
        expected,
    })
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::str::FromStr for Kind {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

/// The name under which a ledger signs: 3–255 printable ASCII characters, no space or `+`, ending in `/` and the
/// ledger id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin(Box<str>);

impl Origin {
    /// Checks an origin as it stands in a genesis record or a head.
    ///
    /// # Errors
    /// [`IdError`] says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, IdError> {
        check_text("origin", text, ORIGIN_BYTES_MAX)?;
        let printable = text
            .bytes()
            .all(|byte| (0x21..0x7F).contains(&byte) && byte != b'+');
        if printable && text.len() >= ORIGIN_BYTES_MIN {
            return Ok(Self(text.into()));
        }
        let expected = "3 to 255 printable ASCII characters without space or +";
        Err(IdError::Form {
            member: "origin",
            expected,
        })
    }

    /// The value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for good in [
            "a",
            "audit_entry",
            "sys_genesis",
            "com",
            "com10",
            "x9_",
            &"k".repeat(64),
        ] {
            assert!(Kind::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "A",
            "9a",
            "_a",
            "a-b",
            "a.b",
            "ä",
            "con",
            "com1",
            "lpt0",
            &"k".repeat(65),
        ] {
            assert!(Kind::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn strings_hold_no_control_characters_or_noncharacters() {
        for good in ["a", " ", "\"\\", "Grüße", "日本", "\u{10FFFD}", &"x".repeat(128)] {
            assert!(Tenant::new(good).is_ok(), "{good:?}");
        }
        for bad in [
            "",
            "\n",
            "a\u{7f}",
            "\u{85}",
            "\u{2028}",
            "\u{FDD0}",
            "\u{FFFE}",
            "\u{10FFFF}",
            &"x".repeat(129),
        ] {
            assert!(Tenant::new(bad).is_err(), "{bad:?}");
        }
    }
}
