//! Why a body is refused, and where.

use std::fmt;

use crate::limits::JSON_DEPTH_MAX;

/// A body is not what a line can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Bytes before the fault.
    pub offset: usize,
    /// What is wrong there.
    pub kind: JsonErrorKind,
}

/// What is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// It begins with U+FEFF.
    ByteOrderMark,
    /// A string holds a raw control character other than a line end.
    Control {
        /// The character, below 0x20.
        byte: u8,
    },
    /// More than [`JSON_DEPTH_MAX`] brackets are open.
    Depth,
    /// A backslash begins no escape of JSON.
    Escape,
    /// It ends inside the object.
    Incomplete,
    /// A raw LF or CR, between tokens or in a string.
    LineEnd,
    /// An escaped surrogate without its other half.
    LoneSurrogate,
    /// An object holds a name twice; the place is that of the second.
    RepeatedName {
        /// The name, unescaped; no more than its first [`JsonErrorKind::NAME_CHARS_MAX`] characters.
        name: String,
    },
    /// Something else stands where the grammar wants this.
    Unexpected {
        /// What may stand there.
        expected: Expected,
    },
    /// Bytes that are not UTF-8.
    Utf8,
}

impl JsonErrorKind {
    /// Characters kept of a repeated name.
    pub const NAME_CHARS_MAX: usize = 64;
}

/// What the grammar of JSON wants at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// The colon between name and value.
    Colon,
    /// What may follow a member.
    CommaOrBrace,
    /// What may follow an element.
    CommaOrBracket,
    /// A digit of a number.
    Digit,
    /// The name of a member.
    Name,
    /// The end of the text.
    Nothing,
    /// The object that a body is.
    Object,
    /// Any value.
    Value,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.kind, self.offset)
    }
}

impl std::error::Error for JsonError {}

impl fmt::Display for JsonErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => f.write_str("a byte order mark stands before the object"),
            Self::Control { byte } => write!(f, "control character 0x{byte:02x} inside a string"),
            Self::Depth => write!(f, "nested deeper than {JSON_DEPTH_MAX} levels"),
            Self::Escape => f.write_str("a backslash that begins no JSON escape"),
            Self::Incomplete => f.write_str("the text ends before the object does"),
            Self::LineEnd => f.write_str("a raw line end (LF or CR) inside the object's line"),
            Self::LoneSurrogate => f.write_str("a surrogate escape without its other half"),
            Self::RepeatedName { name } => {
                f.write_str("name `")?;
                for character in name.chars() {
                    if character.is_control() {
                        write!(f, "{}", character.escape_unicode())?;
                    } else {
                        write!(f, "{character}")?;
                    }
                }
                f.write_str("` appears twice in one object")
            }
            Self::Unexpected { expected } => fmt::Display::fmt(expected, f),
            Self::Utf8 => f.write_str("not UTF-8"),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Colon => "`:` expected after a name",
            Self::CommaOrBrace => "`,` or `}` expected after a member",
            Self::CommaOrBracket => "`,` or `]` expected after an element",
            Self::Digit => "a digit expected in a number",
            Self::Name => "a name in quotes expected",
            Self::Nothing => "nothing may follow the object",
            Self::Object => "an object expected, beginning with `{`",
            Self::Value => "a value expected",
        })
    }
}
