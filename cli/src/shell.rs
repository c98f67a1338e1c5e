//! Words as a POSIX shell takes them.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;

/// The word in quotes where it needs them. Bytes that are no UTF-8 are spelt out for `printf`, since no message can
/// carry them.
pub(crate) fn quote(word: &OsStr) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=,@+%".contains(byte);
    if word.is_empty() {
        return "''".to_owned();
    }
    let mut quoted = String::new();
    for chunk in word.as_bytes().utf8_chunks() {
        let text = chunk.valid();
        if text.as_bytes().iter().all(is_plain) {
            quoted.push_str(text);
        } else {
            quoted.push('\'');
            quoted.push_str(&text.replace('\'', r"'\''"));
            quoted.push('\'');
        }
        if !chunk.invalid().is_empty() {
            quoted.push_str("\"$(printf '");
            for byte in chunk.invalid() {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\{byte:03o}");
            }
            quoted.push_str("')\"");
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_takes_every_word_as_it_was() {
        for word in [
            &b"plain-word_1.jsonl"[..],
            b"",
            b"two words",
            b"it's $HOME `id` \\ \"x\"\n",
            b"caf\xc3\xa9",
            b"latin\xe9 \xff\xfe100%",
            b"\x80",
        ] {
            let quoted = quote(OsStr::from_bytes(word));
            let printed = Command::new("sh")
                .args(["-c", &format!("printf %s {quoted}")])
                .output()
                .unwrap();
            assert_eq!(printed.stdout, word, "{quoted}");
        }
        assert_eq!(quote(OsStr::new("a/b.jsonl")), "a/b.jsonl");
    }
}
