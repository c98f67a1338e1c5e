//! The bodies of the fuzz targets. Each takes any bytes and panics only where a promise of this crate is broken: what
//! is accepted is exactly what its values encode to, and nothing is accepted that an independent reader refuses. Each
//! says whether it accepted the bytes, so that a corpus which no longer reaches a parser's depths is noticed.
//!
//! The targets themselves are one line each (`fuzz/`); a normal test replays their inputs through these functions.

use std::sync::LazyLock;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::checkpoint::{Head, Signer, VerifierKey};
use crate::header::Header;
use crate::ids::Origin;
use crate::json::check_object;
use crate::line::{Splitter, complete_prefix, lines};
use crate::pointer::Pointer;
use crate::record::{NewerRecord, Payload, Record, build_payload};
use crate::records::family::Family;
use crate::segment::Seal;

/// Signs the notes of the corpus: a seed of 32 bytes 7, published here and of no other use.
static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let origin = Origin::new("example.org/fuzz/00000000-0000-4000-8000-000000000000")
        .expect("printable, with a slash before the id");
    Signer::parse(&Signer::key_text(&origin, &[7; 32])).expect("a key's own text")
});

/// Splits any bytes into lines, in chunks whose length the first byte chooses, and takes each line apart;
/// accepted when one of them is a line of a ledger, hashes included.
pub fn line(input: &[u8]) -> bool {
    let chunk_bytes = input.first().map_or(1, |byte| usize::from(*byte).max(1));
    let mut splitter = Splitter::new(input.len());
    let mut split = Vec::new();
    for mut chunk in input.chunks(chunk_bytes) {
        while let Some(line) = splitter.next_line(&mut chunk) {
            let line = line.expect("no line is longer than the whole input");
            split.push([line.bytes, if line.cr { b"\r" } else { b"" }].concat());
        }
    }
    assert_eq!(
        split,
        lines(input).map(<[u8]>::to_vec).collect::<Vec<_>>(),
        "chunks changed the lines"
    );
    let rest = splitter.finish().map_or(Vec::new(), |line| {
        line.expect("no longer than the input").bytes.to_vec()
    });
    assert_eq!(
        rest,
        input[complete_prefix(input)..],
        "the line without LF changed"
    );
    split.iter().chain([&rest]).filter(|line| record(line)).count() > 0
}

fn record(line: &[u8]) -> bool {
    let newer = NewerRecord::parse_checked(line);
    let Ok(record) = Record::parse(line) else {
        return false;
    };
    let mut again = record.header.encode();
    again.pop();
    again.extend_from_slice(format!(",\"hash\":\"{}\",", record.hash).as_bytes());
    match record.payload {
        Payload::Whole { salt, body } => again.extend_from_slice(&build_payload(salt, body)[1..]),
        Payload::Erased => again.extend_from_slice(&line[again.len()..]),
    }
    assert_eq!(again, line, "a line is not what its values encode to");
    if record.check_hashes().is_err() {
        return false;
    }
    // What holds in every version holds in this one.
    let newer = newer.expect("a line of this version is one of every version");
    assert_eq!(
        (newer.seq, newer.digest, newer.prev),
        (record.header.seq, record.header.digest, record.header.prev)
    );
    true
}

/// Reads any bytes as the body of a record that declares the indexes of a kind.
pub fn family(input: &[u8]) -> bool {
    let Some(family) = Family::parse("entry", input) else {
        return false;
    };
    assert_eq!(
        family.encode(),
        input,
        "a declaration is not what its values encode to"
    );
    let again = Family::new(family.kind().clone(), family.indexes().to_vec());
    assert_eq!(again.as_ref(), Ok(&family), "what is read could not be declared");
    assert_eq!(
        family.with(&family).as_ref(),
        Ok(&family),
        "declared twice it is another"
    );
    true
}

/// Reads any bytes as a header.
pub fn header(input: &[u8]) -> bool {
    let Ok(header) = Header::parse(input) else {
        return false;
    };
    assert_eq!(
        header.encode(),
        input,
        "a header is not what its values encode to"
    );
    assert!(check_object(input).is_ok(), "a header is not JSON");
    true
}

/// Checks any bytes as a body; finds each value of what is accepted by its pointer.
pub fn json(input: &[u8]) -> bool {
    if check_object(input).is_err() {
        return false;
    }
    assert!(
        serde_json::from_slice::<&RawValue>(input).is_ok(),
        "a body is not JSON"
    );
    // A number out of the range of f64 is no fault of a body, but keeps it from being read as values.
    if let Ok(value) = serde_json::from_slice(input) {
        find_all(input, &value, &mut String::new());
    }
    true
}

fn find_all(body: &[u8], value: &Value, pointer: &mut String) {
    let parsed = Pointer::parse(pointer).expect("built from escaped names");
    let found = parsed.find(body).expect("every value is found by its pointer");
    assert_eq!(
        serde_json::from_slice::<Value>(found).ok().as_ref(),
        Some(value),
        "another value is found"
    );
    let mut descend = |token: &str, value: &Value| {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(token);
        find_all(body, value, pointer);
        pointer.truncate(length);
    };
    match value {
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(name, value)| descend(&name.replace('~', "~0").replace('/', "~1"), value));
        }
        Value::Array(elements) => {
            elements
                .iter()
                .enumerate()
                .for_each(|(index, value)| descend(&index.to_string(), value));
        }
        _ => {}
    }
}

/// Reads any bytes as a seal's file.
pub fn seal(input: &[u8]) -> bool {
    let Ok(seal) = Seal::parse(input) else {
        return false;
    };
    assert_eq!(seal.encode(), input, "a seal is not what its values encode to");
    let frontier = seal.frontier().expect("checked by the parser");
    assert_eq!((frontier.size(), frontier.root()), (seal.last + 1, seal.root));
    assert!(
        input
            .strip_suffix(b"\n")
            .is_some_and(|seal| check_object(seal).is_ok()),
        "a seal is not JSON"
    );
    true
}

/// Reads any bytes as a head's file, signed by a known key or not signed, and as the text of a key.
pub fn note(input: &[u8]) -> bool {
    let unsigned = Head::open(input, None);
    if let Ok(head) = &unsigned {
        assert_eq!(
            head.to_text().as_bytes(),
            input,
            "a head is not what its values encode to"
        );
    }
    let signed = Head::open(input, Some(SIGNER.verifier()));
    if let Ok(head) = &signed {
        assert_eq!(
            SIGNER.sign(head).as_deref(),
            Ok(input),
            "a signed head is not what the signer gives"
        );
    }
    let text = std::str::from_utf8(input).unwrap_or_default();
    let key = VerifierKey::parse(text);
    if let Ok(key) = &key {
        assert_eq!(
            key.to_text(),
            text,
            "a verifier key is not what its values encode to"
        );
    }
    let signer = Signer::parse(text);
    if let Ok(signer) = &signer {
        let key = signer.verifier().to_text();
        assert_eq!(
            VerifierKey::parse(&key).as_ref(),
            Ok(signer.verifier()),
            "a signer has no verifier"
        );
    }
    unsigned.is_ok() || signed.is_ok() || key.is_ok() || signer.is_ok()
}
