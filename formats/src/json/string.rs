//! What stands between the quotes of a JSON string.

use super::JsonErrorKind;

/// Place, from `at` on, of the first byte that does not simply stand for itself: a quote, a backslash or a control
/// character below 0x20. The length of `bytes` where there is none.
pub(crate) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let marks = marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes
        .get(at)
        .is_some_and(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\')
    {
        at += 1;
    }
    at
}

/// Eight bytes at once: the lowest bit set is the top bit of the first byte looked for. Higher ones may be set by a
/// borrow from it, so that only the lowest says something.
fn marks(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    // Each subtraction sets the top bit of a byte that is too small, and leaves it in bytes of 0x80 and more.
    let control = word.wrapping_sub(ONES * 0x20);
    let quote = (word ^ (ONES * 0x22)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
    (control | quote | backslash) & !word & TOPS
}

/// Reads the escape that `text`, beginning with a backslash, begins with: the character it stands for and its length
/// in bytes (a pair of surrogates is one escape).
pub(super) fn escape(text: &[u8]) -> Result<(char, usize), JsonErrorKind> {
    let character = match text.get(1) {
        Some(b'u') => return unicode_escape(text),
        Some(&(b'"' | b'\\' | b'/')) => char::from(text[1]),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        _ => return Err(JsonErrorKind::Escape),
    };
    Ok((character, 2))
}

fn unicode_escape(text: &[u8]) -> Result<(char, usize), JsonErrorKind> {
    let unit = code_unit(text).ok_or(JsonErrorKind::Escape)?;
    match unit {
        0xd800..=0xdbff => {
            let low = text
                .get(6..)
                .and_then(code_unit)
                .filter(|low| (0xdc00..=0xdfff).contains(low));
            let low = low.ok_or(JsonErrorKind::LoneSurrogate)?;
            let scalar = 0x1_0000 + ((unit - 0xd800) << 10 | (low - 0xdc00));
            Ok((
                char::from_u32(scalar).expect("a pair of surrogates is at most U+10FFFF"),
                12,
            ))
        }
        // The rest of the surrogates: a low one that comes first.
        _ => Ok((char::from_u32(unit).ok_or(JsonErrorKind::LoneSurrogate)?, 6)),
    }
}

/// The four hex digits of a `\u` escape at the start of `text`.
fn code_unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, &digit| {
        Some(unit << 4 | char::from(digit).to_digit(16)?)
    })
}

/// What a string stands for, from its raw text without the quotes; `None` when it is not the inside of one.
pub fn unescape(token: &[u8]) -> Option<String> {
    let mut text = Vec::with_capacity(token.len());
    unescape_into(token, &mut text)?;
    String::from_utf8(text).ok()
}

/// Appends what `token` stands for; where that is nothing, `None`, and `out` may have grown by a part of it.
pub(crate) fn unescape_into(token: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = token;
    loop {
        let (plain, special) = rest.split_at(plain_end(rest, 0));
        out.extend_from_slice(plain);
        match special.first() {
            None => return Some(()),
            Some(b'\\') => {
                let (character, length) = escape(special).ok()?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &special[length..];
            }
            Some(_) => return None,
        }
    }
}
