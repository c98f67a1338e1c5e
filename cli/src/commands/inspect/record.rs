//! A stored line, member by member.

use ledgerstone_engine::Code;
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::header::Header;
use ledgerstone_formats::json::check_object;
use ledgerstone_formats::record::{NewerRecord, Payload, Record, RecordError};
use ledgerstone_formats::records::system;
use serde_json::json;

use super::Explained;

/// Ends the header of a line; its value, a quote and a comma follow.
const HASH_MEMBER: &[u8] = b",\"hash\":\"";

/// Explains a line without its LF.
pub(super) fn explain(line: &[u8]) -> Explained {
    let mut explained = Explained::new("a stored line");
    match Record::parse(line) {
        Ok(record) => {
            header(&mut explained, &record.header);
            hashes(&mut explained, &record, line);
            body(&mut explained, &record);
        }
        Err(RecordError::Newer(version)) => newer(&mut explained, version, line),
        Err(error) => explained.wrong(Code::Altered, error.to_string()),
    }
    explained
}

fn header(explained: &mut Explained, header: &Header<'_>) {
    explained.row("v", 1, "format version");
    explained.row("seq", header.seq, "place in the ledger, from 0");
    explained.row(
        "at",
        header.at.to_string(),
        "the ledger's clock when the group was written",
    );
    if let Some(group) = header.group {
        let meaning = format!(
            "record {} of {} written and synced together",
            group.index + 1,
            group.count
        );
        explained.row("grp", json!([group.index, group.count]), meaning);
    }
    let kind = if header.kind.starts_with("sys_") {
        "record family, the ledger's own"
    } else {
        "record family"
    };
    explained.row("kind", &*header.kind, kind);
    if let Some((tenant, tseq)) = &header.tenant {
        explained.row("tenant", &**tenant, "owner");
        explained.row("tseq", *tseq, "place among this tenant's records, from 0");
    }
    explained.row("id", &*header.id, "what the record is about");
    if let Some(rev) = header.rev {
        explained.row("rev", rev, "revision of this id, from 1");
    }
    if let Some(corr) = &header.corr {
        explained.row("corr", &**corr, "correlation id");
    }
    if let Some(key) = &header.key {
        explained.row("key", &**key, "the producer's idempotency key");
    }
}

fn hashes(explained: &mut Explained, record: &Record<'_>, line: &[u8]) {
    let header = &record.header;
    let prev = match header.seq.checked_sub(1) {
        Some(before) => format!("hash of record {before}, not looked at here"),
        None => "zeros: there is no record before".to_owned(),
    };
    let text = header.encode();
    let computed = Hash::leaf(&text);
    let right = computed == record.hash;
    let payload = payload_rest(line);
    let digest = Hash::digest_of_two(b"{", payload);
    let digest_right = digest == header.digest;
    let erased = record.payload == Payload::Erased;
    explained.row(
        "digest",
        header.digest.to_string(),
        match (erased, digest_right) {
            (true, _) => "of a payload that is erased: nothing to compare".to_owned(),
            (false, true) => format!("right: SHA-256 of the payload, {} bytes", payload.len() + 1),
            (false, false) => "wrong".to_owned(),
        },
    );
    explained.row("prev", header.prev.to_string(), prev);
    let meaning = if right {
        format!(
            "right: SHA-256 of a zero byte and the header, {} bytes",
            text.len()
        )
    } else {
        "wrong".to_owned()
    };
    explained.row("hash", record.hash.to_string(), meaning);
    if header.seq == 0 && header.prev != Hash::ZERO {
        explained.wrong(Code::Altered, "the first record names a record before it");
    }
    if !right {
        let error = RecordError::Hash {
            stored: record.hash,
            computed,
        };
        explained.wrong(Code::Altered, error.to_string());
    }
    if !erased && !digest_right {
        let error = RecordError::Digest {
            stored: header.digest,
            computed: digest,
        };
        explained.wrong(Code::Altered, error.to_string());
    }
}

fn body(explained: &mut Explained, record: &Record<'_>) {
    let Payload::Whole { salt, body } = record.payload else {
        explained.row(
            "body",
            "null",
            "erased; only a later record of the ledger can say by whose order",
        );
        explained.wrong(
            Code::Missing,
            "the body is gone, and this line alone cannot show that it was erased by order",
        );
        return;
    };
    let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
    explained.row(
        "salt",
        salt,
        "random, so that an erased short body cannot be guessed",
    );
    match check_object(body) {
        Ok(()) => explained.row("body", format!("{} bytes", body.len()), "one strict JSON object"),
        Err(error) => {
            explained.row("body", format!("{} bytes", body.len()), "not what a ledger takes");
            explained.wrong(Code::Altered, format!("the body is no strict JSON: {error}"));
        }
    }
    let header = &record.header;
    if let Err(error) = system::check(header.seq, &header.kind, body) {
        explained.wrong(Code::Bookkeeping, error.to_string());
    }
}

fn newer(explained: &mut Explained, version: u64, line: &[u8]) {
    match NewerRecord::parse_checked(line) {
        Ok(record) => {
            explained.row("v", version, "format version, newer than this program");
            explained.row("seq", record.seq, "place in the ledger, from 0");
            explained.row("digest", record.digest.to_string(), "right");
            explained.row("prev", record.prev.to_string(), "not looked at here");
            explained.row("hash", record.hash.to_string(), "right");
            explained.wrong(
                Code::Newer,
                format!("format version {version}: the rest cannot be judged"),
            );
        }
        Err(error) => explained.wrong(Code::Altered, error.to_string()),
    }
}

/// What follows the hash of a line that was parsed: PAYLOAD without its first brace.
fn payload_rest(line: &[u8]) -> &[u8] {
    let end = memchr::memmem::find(line, HASH_MEMBER).unwrap_or(line.len());
    line.get(end + HASH_MEMBER.len() + 64 + 2..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use ledgerstone_formats::chain::{ChainHead, Counters, GroupStamp};
    use ledgerstone_formats::draft::{Draft, Entry, Revisions};
    use ledgerstone_formats::ids::{EntityId, Kind, Tenant};
    use ledgerstone_formats::json::Checker;
    use ledgerstone_formats::time::Timestamp;

    use super::*;

    fn line() -> Vec<u8> {
        let entry = Entry {
            kind: Kind::new("audit_entry").unwrap(),
            tenant: Some(Tenant::new("acme").unwrap()),
            id: EntityId::new("e-1").unwrap(),
            minted: false,
            corr: None,
            key: None,
            revisions: Revisions::AsKind,
        };
        let draft = Draft::new(entry, [7; 16], b"{\"a\":1}", 100, &mut Checker::new()).unwrap();
        let mut line = Vec::new();
        let stamp = GroupStamp::new(Timestamp::MIN, 1);
        let counters = Counters {
            tseq: Some(3),
            rev: None,
        };
        ChainHead::resume(7, Hash::digest(b"before"), None).extend(&draft, &stamp, 0, counters, &mut line);
        line.pop();
        line
    }

    #[test]
    fn a_line_that_is_right_has_every_member_and_no_problem() {
        let explained = explain(&line());
        assert_eq!(explained.code(), None, "{explained:?}");
        let names: Vec<_> = explained.rows.iter().map(|row| row.name).collect();
        assert_eq!(
            names,
            [
                "v", "seq", "at", "kind", "tenant", "tseq", "id", "digest", "prev", "hash", "salt", "body"
            ]
        );
    }

    #[test]
    fn every_flipped_bit_of_a_line_is_named() {
        let line = line();
        for bit in 0..line.len() * 8 {
            let mut flipped = line.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let explained = explain(&flipped);
            assert!(
                explained.code().is_some(),
                "bit {bit}: {}",
                String::from_utf8_lossy(&flipped)
            );
        }
    }
}
