//! Output with what differs from run to run replaced, so that it can be compared.

use std::path::Path;

/// A form that is replaced: how long the match at the start of the text is, if there is one, and what stands for it.
type Form = (fn(&str) -> Option<usize>, &'static str);

const FORMS: [Form; 7] = [
    (uuid, "[UUID]"),
    (time, "[TIME]"),
    (|text| run(text, 64, is_hex), "[HASH]"),
    (|text| run(text, 32, is_hex), "[HEX]"),
    (|text| run(text, 92, is_base64), "[SIGNATURE]"),
    (
        |text| {
            run(text, 43, is_base64)
                .filter(|end| text[*end..].starts_with('='))
                .map(|end| end + 1)
        },
        "[ROOT]",
    ),
    (rate, "[RATE]"),
];

/// `text` with hashes, times, ids, roots, signatures, rates and the folder replaced.
pub(crate) fn normal(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "[FOLDER]");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(char) = rest.chars().next() {
        // A form begins a word: `rehash` does not hold one.
        let begins = !out.ends_with(|before: char| before.is_ascii_alphanumeric());
        let found = FORMS.iter().find_map(|(form, name)| Some((form(rest)?, name)));
        match found.filter(|_| begins) {
            Some((len, name)) => {
                out.push_str(name);
                rest = &rest[len..];
            }
            None => {
                out.push(char);
                rest = &rest[char.len_utf8()..];
            }
        }
    }
    out
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// Exactly `len` bytes of a class.
fn run(text: &str, len: usize, class: fn(u8) -> bool) -> Option<usize> {
    (text.bytes().take_while(|byte| class(*byte)).count() == len).then_some(len)
}

/// Text of a shape in which `0` stands for a hex digit.
fn shaped(text: &str, shape: &str) -> Option<usize> {
    let fits = |(byte, form): (u8, u8)| if form == b'0' { is_hex(byte) } else { byte == form };
    (text.len() >= shape.len() && text.bytes().zip(shape.bytes()).all(fits)).then_some(shape.len())
}

fn uuid(text: &str) -> Option<usize> {
    shaped(text, "00000000-0000-0000-0000-000000000000")
}

fn time(text: &str) -> Option<usize> {
    shaped(text, "0000-00-00T00:00:00.000000Z")
}

/// `1,234.5 MB/s`, `0.12 s`, `3 ms`.
fn rate(text: &str) -> Option<usize> {
    let digits = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.'))
        .count();
    let unit = text[digits..].trim_start_matches(' ');
    let spaces = text.len() - digits - unit.len();
    let name = unit
        .bytes()
        .take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'/')
        .count();
    let is_rate = digits > 0 && (unit[..name].ends_with("/s") || matches!(&unit[..name], "s" | "ms" | "min"));
    is_rate.then_some(digits + spaces + name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_replaced_and_all_else_stays() {
        let hash = "0f".repeat(32);
        let text = format!(
            "/x/books seq 7 at 2026-11-22T14:45:11.123456Z id 0192f3c4-0000-7000-8000-000000000001 hash {hash} \
             {}00 salt {} root {}= 12,345 records, 1,234.5 MB/s in 0.12 s",
            hash,
            &hash[..32],
            "a/".repeat(21) + "b"
        );
        let expected = format!(
            "[FOLDER]/books seq 7 at [TIME] id [UUID] hash [HASH] {hash}00 salt [HEX] root [ROOT] 12,345 records, \
             [RATE] in [RATE]"
        );
        assert_eq!(normal(&text, Path::new("/x")), expected);
    }
}
