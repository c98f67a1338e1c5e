//! JSON Pointer (RFC 6901) into a body, without building its values.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::json::{plain_end, unescape, unescape_into};

/// A parsed pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// The reference tokens, `~0` and `~1` replaced.
    tokens: Vec<String>,
}

/// Why a text is no JSON Pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PointerError {
    /// A `~` is followed by something else than `0` or `1`.
    Escape,
    /// It is not empty and does not begin with a slash.
    LeadingSlash,
}

impl fmt::Display for PointerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Escape => "a JSON pointer holds `~` only as `~0` or `~1`",
            Self::LeadingSlash => "a JSON pointer begins with `/`",
        })
    }
}

impl std::error::Error for PointerError {}

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        Self::parse(text)
    }
}

/// The pointer as RFC 6901 writes it.
impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tokens
            .iter()
            .try_for_each(|token| write!(f, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}

impl Pointer {
    /// Parses a pointer in its plain form (not the URI fragment, which begins with `#`). The empty text points to the
    /// whole body.
    ///
    /// # Errors
    /// [`PointerError`] when `text` is not of that form.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self { tokens: Vec::new() });
        }
        let tokens = text.strip_prefix('/').ok_or(PointerError::LeadingSlash)?;
        Ok(Self {
            tokens: tokens.split('/').map(parse_token).collect::<Result<_, _>>()?,
        })
    }

    /// The raw text of the value that the pointer leads to in `body`, which must have passed
    /// [`check_object`](crate::json::check_object); of other bytes the answer means nothing.
    pub fn find<'a>(&self, body: &'a [u8]) -> Option<&'a [u8]> {
        let walk = Walk { body };
        let mut start = walk.space(0);
        for token in &self.tokens {
            start = match body.get(start)? {
                b'{' => walk.member(start, token)?,
                b'[' => walk.element(start, index(token)?)?,
                _ => return None,
            };
        }
        body.get(start..walk.skip_value(start)?)
    }

    /// The raw texts of the elements of the array that the pointer leads to in a checked body; none where no array is.
    pub fn elements<'a>(&self, body: &'a [u8]) -> Elements<'a> {
        let array = self.find(body).filter(|value| value.first() == Some(&b'['));
        Elements {
            array: array.unwrap_or_default(),
            at: 0,
        }
    }

    /// The pointers to an array and from each of its elements on, when one token is `-`. To RFC 6901 that is the place
    /// after the last element, which never holds a value, so that it is free to stand for all of them.
    pub fn split_at_each(&self) -> Option<(Self, Self)> {
        let at = self.tokens.iter().position(|token| token == "-")?;
        let part = |tokens: &[String]| Self {
            tokens: tokens.to_vec(),
        };
        Some((part(&self.tokens[..at]), part(&self.tokens[at + 1..])))
    }

    /// True for the empty pointer, which leads to the whole body.
    pub fn is_whole(&self) -> bool {
        self.tokens.is_empty()
    }

    /// What the pointer leads to in a checked body, for use as an id or another short text.
    pub fn scalar<'a>(&self, body: &'a [u8]) -> Scalar<'a> {
        Scalar::of(self.find(body))
    }
}

/// The elements of an array of a checked body, as their raw texts.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    /// Its brackets included; nothing where there is no array.
    array: &'a [u8],
    /// The bracket or comma before the next element.
    at: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let walk = Walk { body: self.array };
        if !matches!(self.array.get(self.at)?, b'[' | b',') {
            return None;
        }
        let start = walk.space(self.at + 1);
        if *self.array.get(start)? == b']' {
            return None;
        }
        let end = walk.skip_value(start)?;
        self.at = walk.space(end);
        self.array.get(start..end)
    }
}

/// A value for use as a short text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// No value, null, or an empty string.
    Missing,
    /// A string, unescaped, or a number with its digits as they stand.
    Text(Cow<'a, str>),
    /// A value of a type that has no such text.
    Other(OtherType),
}

/// The types of JSON that are neither text nor absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherType {
    /// An array.
    Array,
    /// `true` or `false`.
    Boolean,
    /// An object.
    Object,
}

impl fmt::Display for OtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Array => "an array",
            Self::Boolean => "a boolean",
            Self::Object => "an object",
        })
    }
}

impl<'a> Scalar<'a> {
    /// Judges the raw text of a value of a checked body.
    pub fn of(value: Option<&'a [u8]>) -> Self {
        let Some(value @ [first, ..]) = value else {
            return Self::Missing;
        };
        let text = match first {
            b'n' => None,
            b'[' => return Self::Other(OtherType::Array),
            b't' | b'f' => return Self::Other(OtherType::Boolean),
            b'{' => return Self::Other(OtherType::Object),
            b'"' => value.get(1..value.len() - 1).and_then(string_text),
            _ => std::str::from_utf8(value).ok().map(Cow::Borrowed),
        };
        text.filter(|text| !text.is_empty())
            .map_or(Self::Missing, Self::Text)
    }
}

/// The text of a string from what stands between its quotes.
fn string_text(token: &[u8]) -> Option<Cow<'_, str>> {
    if plain_end(token, 0) == token.len() {
        return std::str::from_utf8(token).ok().map(Cow::Borrowed);
    }
    unescape(token).map(Cow::Owned)
}

fn parse_token(token: &str) -> Result<String, PointerError> {
    let mut parts = token.split('~');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            _ => return Err(PointerError::Escape),
        };
        text.push(character);
        text.push_str(rest);
    }
    Ok(text)
}

/// An array index: digits without a leading zero. (`-`, the place after the last element, never holds a value.)
fn index(token: &str) -> Option<usize> {
    let canonical =
        token == "0" || !token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit());
    canonical.then(|| token.parse().ok())?
}

/// Steps through a checked body: each takes a place and gives the place where it ends. Whatever the bytes are, a step
/// ends, and `None` says that they are no checked body or that nothing is there.
struct Walk<'a> {
    body: &'a [u8],
}

impl Walk<'_> {
    /// From the brace of an object to the value of the member with this name.
    fn member(&self, brace: usize, name: &str) -> Option<usize> {
        let mut at = brace;
        loop {
            // Past the brace, or past the comma after the member before.
            let start = self.space(at + 1);
            if *self.body.get(start)? != b'"' {
                return None;
            }
            let (end, escaped) = self.skip_string(start)?;
            let value = self.space(self.space(end) + 1);
            if is_name(&self.body[start + 1..end - 1], escaped, name) {
                return Some(value);
            }
            at = self.space(self.skip_value(value)?);
            if *self.body.get(at)? != b',' {
                return None;
            }
        }
    }

    /// From the bracket of an array to its element at `index`.
    fn element(&self, bracket: usize, index: usize) -> Option<usize> {
        let mut at = self.space(bracket + 1);
        if *self.body.get(at)? == b']' {
            return None;
        }
        for _ in 0..index {
            at = self.space(self.skip_value(at)?);
            if *self.body.get(at)? != b',' {
                return None;
            }
            at = self.space(at + 1);
        }
        Some(at)
    }

    fn skip_value(&self, start: usize) -> Option<usize> {
        match self.body.get(start)? {
            b'"' => self.skip_string(start).map(|(end, _)| end),
            b'{' | b'[' => self.skip_brackets(start),
            _ => {
                let rest = &self.body[start..];
                let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t');
                // A number may be all of an element's text.
                let length = rest.iter().position(is_end).unwrap_or(rest.len());
                (length > 0).then_some(start + length)
            }
        }
    }

    /// Past an object or array. Inside, only a string can hide a bracket.
    fn skip_brackets(&self, start: usize) -> Option<usize> {
        let (mut at, mut depth) = (start, 0_usize);
        loop {
            match self.body.get(at)? {
                b'"' => {
                    at = self.skip_string(at)?.0;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }

    /// Past a string; says too whether it holds an escape.
    fn skip_string(&self, start: usize) -> Option<(usize, bool)> {
        let mut at = plain_end(self.body, start + 1);
        let mut escaped = false;
        loop {
            match self.body.get(at)? {
                b'"' => return Some((at + 1, escaped)),
                // The character after a backslash may be a quote; the rest of a longer escape is plain.
                b'\\' => at = plain_end(self.body, at + 2),
                _ => return None,
            }
            escaped = true;
        }
    }

    fn space(&self, mut at: usize) -> usize {
        while matches!(self.body.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        at
    }
}

fn is_name(token: &[u8], escaped: bool, name: &str) -> bool {
    if !escaped {
        return token == name.as_bytes();
    }
    let mut text = Vec::new();
    unescape_into(token, &mut text).is_some() && text == name.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pointer: &str, body: &str) -> Option<String> {
        crate::json::check_object(body.as_bytes()).unwrap();
        let found = Pointer::parse(pointer).unwrap().find(body.as_bytes())?;
        Some(String::from_utf8(found.to_vec()).unwrap())
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let body =
            r##"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"##;
        let expected = [
            ("", body),
            ("/foo", r#"["bar","baz"]"#),
            ("/foo/0", r#""bar""#),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ];
        for (pointer, value) in expected {
            assert_eq!(find(pointer, body).as_deref(), Some(value), "{pointer}");
            assert_eq!(Pointer::parse(pointer).unwrap().to_string(), pointer);
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let body = r#"{"a":[1,[2],{}],"b":"x","n":null}"#;
        for pointer in [
            "/c",
            "/A",
            "/a/3",
            "/a/-",
            "/a/00",
            "/a/01",
            "/a/+1",
            "/a/",
            "/a/1/1",
            "/a/2/x",
            "/b/0",
            "/n/x",
            "/a/99999999999999999999",
        ] {
            assert_eq!(find(pointer, body), None, "{pointer}");
        }
        assert_eq!(find("/a/1/0", body).as_deref(), Some("2"));
        assert_eq!(find("/a/2", body).as_deref(), Some("{}"));
    }

    #[test]
    fn siblings_that_look_like_the_name_are_passed_over() {
        let body = r#" { "x" : "{\"id\":1}" , "y":{"id":2,"z":["]","\\"]},<TAB>"id" : [ -1.5e3 , true ] } "#;
        let body = &body.replace("<TAB>", "\t");
        assert_eq!(find("/id", body).as_deref(), Some("[ -1.5e3 , true ]"));
        assert_eq!(find("/id/0", body).as_deref(), Some("-1.5e3"));
        assert_eq!(find("/id/1", body).as_deref(), Some("true"));
        assert_eq!(find("/y/z/1", body).as_deref(), Some(r#""\\""#));
        assert_eq!(find("", body).as_deref(), Some(body.trim()));
    }

    #[test]
    fn elements_are_those_of_an_array_and_of_nothing_else() {
        let body = r#"{"a":[ 1 ,"x]",[2,3],{"b":[4]} ],"e":[ ],"s":"[1]","n":null}"#;
        let elements = |pointer: &str| -> Vec<String> {
            let pointer = Pointer::parse(pointer).unwrap();
            let found = pointer.elements(body.as_bytes());
            found
                .map(|raw| String::from_utf8(raw.to_vec()).unwrap())
                .collect()
        };
        assert_eq!(elements("/a"), ["1", r#""x]""#, "[2,3]", r#"{"b":[4]}"#]);
        assert_eq!(elements("/a/3/b"), ["4"]);
        for none in ["", "/e", "/s", "/n", "/a/0", "/nowhere"] {
            assert_eq!(elements(none), [""; 0], "{none}");
        }
        let (at, each) = Pointer::parse("/a/-/b/0").unwrap().split_at_each().unwrap();
        assert_eq!(
            (at.to_string(), each.to_string()),
            ("/a".to_owned(), "/b/0".to_owned())
        );
        assert_eq!(Pointer::parse("/a/b-").unwrap().split_at_each(), None);
    }

    #[test]
    fn names_are_compared_after_unescaping() {
        let body = r#"{"\u0069d":1,"a\/b":2,"\ud83d\ude00":3}"#;
        assert_eq!(find("/id", body).as_deref(), Some("1"));
        assert_eq!(find("/a~1b", body).as_deref(), Some("2"));
        assert_eq!(find("/😀", body).as_deref(), Some("3"));
    }

    #[test]
    fn malformed_pointers_are_refused() {
        for (text, error) in [
            ("a", PointerError::LeadingSlash),
            ("#/a", PointerError::LeadingSlash),
            ("/~", PointerError::Escape),
            ("/~2", PointerError::Escape),
            ("/a~/b", PointerError::Escape),
            ("/~é", PointerError::Escape),
        ] {
            assert_eq!(Pointer::parse(text), Err(error), "{text}");
        }
        // `~01` is a tilde and a one, never a slash.
        assert_eq!(find("/~01", r#"{"/":1,"~1":2}"#).as_deref(), Some("2"));
    }

    #[test]
    fn bytes_that_are_no_checked_body_are_safe_to_ask() {
        let body = br#"{"a":["x\u0022",{"b":[1,-2]}],"c":"y"}"#;
        let pointers = ["", "/a/0", "/a/1/b/1", "/c", "/d"].map(|pointer| Pointer::parse(pointer).unwrap());
        for end in 0..body.len() {
            for byte in [0, b'"', b'\\', b'{', b']', b' '] {
                let mut broken = body[..=end].to_vec();
                broken[end] = byte;
                for pointer in &pointers {
                    pointer.scalar(&broken);
                    assert!(pointer.elements(&broken).count() <= body.len());
                }
            }
        }
    }

    #[test]
    fn a_scalar_is_a_text_a_number_or_missing() {
        let body = concat!(
            r#"{"s":"a\u00e9","p":"plain","e":"","n":null,"i":12345678901234567890,"#,
            r#""f":-1.50E+3,"t":true,"o":{},"a":[]}"#
        );
        let body = body.as_bytes();
        let scalar = |pointer: &str| Pointer::parse(pointer).unwrap().scalar(body);
        let text = |text: &'static str| Scalar::Text(Cow::Borrowed(text));
        assert_eq!(scalar("/s"), text("aé"));
        assert_eq!(scalar("/p"), text("plain"));
        assert_eq!(scalar("/i"), text("12345678901234567890"));
        assert_eq!(scalar("/f"), text("-1.50E+3"));
        for missing in ["/e", "/n", "/nowhere"] {
            assert_eq!(scalar(missing), Scalar::Missing);
        }
        assert_eq!(scalar("/t"), Scalar::Other(OtherType::Boolean));
        assert_eq!(scalar("/o"), Scalar::Other(OtherType::Object));
        assert_eq!(scalar("/a"), Scalar::Other(OtherType::Array));
    }
}
