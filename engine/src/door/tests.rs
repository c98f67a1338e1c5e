//! What is sent arrives as it was, and what was never sent is told apart.

use ledgerstone_formats::draft::{Draft, Entry, Revisions};
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::ids::{Correlation, EntityId, IdempotencyKey, Kind, Tenant};
use ledgerstone_formats::json::Checker;
use ledgerstone_formats::limits::SALT_BYTES;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::records::index::IndexName;
use ledgerstone_formats::time::Timestamp;

use super::answer::Answer;
use super::request::{Request, decode, encode_batch, encode_checkpoint, encode_seal};
use crate::batch::{Batch, Precondition, Receipt, Stream, Target};
use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::read::indexed::Indexed;

fn entries() -> [Entry; 2] {
    let all = Entry {
        kind: Kind::new("entry").unwrap(),
        tenant: Some(Tenant::new("ä").unwrap()),
        id: EntityId::new(&"i".repeat(256)).unwrap(),
        minted: true,
        corr: Some(Correlation::new("c").unwrap()),
        key: Some(IdempotencyKey::new("k").unwrap()),
        revisions: Revisions::Counted,
    };
    let least = Entry {
        tenant: None,
        minted: false,
        corr: None,
        key: None,
        revisions: Revisions::AsKind,
        ..all.clone()
    };
    [all, least]
}

fn batch() -> Batch {
    let mut batch = Batch::new();
    for entry in entries() {
        let draft = Draft::new(entry, [7; SALT_BYTES], b"{ \"a\" : 1 }", 100, &mut Checker::new());
        batch.push(draft.unwrap()).unwrap();
    }
    for precondition in preconditions() {
        batch.require(precondition);
    }
    batch.in_stream(&Stream::numbered(3))
}

fn preconditions() -> [Precondition; 5] {
    let target = |tenant| Target {
        kind: Kind::new("entry").unwrap(),
        tenant,
        id: EntityId::new("x").unwrap(),
    };
    [
        Precondition::Absent(target(None)),
        Precondition::Exists(target(Some(Tenant::new("t").unwrap()))),
        Precondition::Revision(target(None), u64::MAX),
        Precondition::Size(0),
        Precondition::Unique {
            tenant: Some(Tenant::new("t").unwrap()),
            value: Indexed {
                kind: Kind::new("entry").unwrap(),
                index: IndexName::new("slug").unwrap(),
                values: vec!["ä,b".to_owned(), "2".to_owned()],
            },
        },
    ]
}

#[test]
fn a_batch_arrives_as_it_was_sent() {
    let frame = encode_batch(&batch()).unwrap();
    assert_eq!(
        u32::from_le_bytes(frame[..4].try_into().unwrap()) as usize,
        frame.len() - 4
    );
    let Request::Submit(submit) = decode(&frame[4..]).unwrap() else {
        panic!("a batch was sent");
    };
    assert_eq!(
        (submit.stream, &submit.preconditions[..]),
        (3, &preconditions()[..])
    );
    let records = entries().map(|entry| (entry, &b"{ \"a\" : 1 }"[..]));
    assert_eq!(submit.records, records);
    let sealed = encode_seal().unwrap();
    assert!(matches!(decode(&sealed[4..]), Ok(Request::Seal)));
    let head = encode_checkpoint().unwrap();
    assert!(matches!(decode(&head[4..]), Ok(Request::Checkpoint)));
}

#[test]
fn a_receipt_arrives_whole() {
    let all = Receipt {
        seq: 7,
        tseq: Some(0),
        id: EntityId::new("x").unwrap(),
        rev: Some(u64::MAX),
        hash: Hash::digest(b"x"),
        at: Timestamp::MAX,
        key: Some(IdempotencyKey::new("k").unwrap()),
        replayed: true,
    };
    let least = Receipt {
        tseq: None,
        rev: None,
        at: Timestamp::MIN,
        key: None,
        replayed: false,
        ..all.clone()
    };
    let frame = Answer::Stored(vec![all.clone(), least.clone()]).encode().unwrap();
    let Ok(Answer::Stored(receipts)) = Answer::decode(&frame[4..]) else {
        panic!("receipts were sent");
    };
    assert_eq!(receipts, [all, least]);
}

#[test]
fn an_error_arrives_with_its_kind_place_and_findings() {
    let kinds = [
        ErrorKind::Busy,
        ErrorKind::Closed,
        ErrorKind::Conflict,
        ErrorKind::Corrupt,
        ErrorKind::Held,
        ErrorKind::Invalid,
        ErrorKind::Missing,
        ErrorKind::Unavailable,
        ErrorKind::Unknown,
    ];
    let finding = Finding {
        tenant: Some("t".to_owned()),
        ..Finding::new(Code::Rewritten, "cause")
            .in_file(FileName::Seal(7))
            .at_line(3, 90)
            .at_seq(9)
            .hashes(Hash::digest(b"x"), Hash::digest(b"y"))
    };
    let damaged = || Error::corrupt(vec![finding.clone(), Finding::new(Code::Evidence, "another")]);
    let outside = std::io::Error::other("outside");
    let errors = kinds.map(|kind| Error::new(kind, "message").at_seq(3).at_record(7));
    let errors = errors
        .into_iter()
        .chain([damaged(), Error::io("the cause is told", outside)]);
    for error in errors {
        let (text, kind) = (error.to_string(), error.kind());
        let place = (error.file().cloned(), error.seq(), error.record(), error.code());
        let findings = error.findings().to_vec();
        let frame = Answer::Refused(error).encode().unwrap();
        let Ok(Answer::Refused(got)) = Answer::decode(&frame[4..]) else {
            panic!("an error was sent");
        };
        assert_eq!((got.to_string(), got.kind()), (text, kind));
        assert_eq!((got.file().cloned(), got.seq(), got.record(), got.code()), place);
        assert_eq!(got.findings(), findings);
    }
}

#[test]
fn a_frame_that_was_changed_or_cut_is_told_apart_or_is_another() {
    let frames = [
        encode_batch(&batch()).unwrap(),
        Answer::Refused(Error::corrupt(vec![Finding::new(Code::Evidence, "cause")]))
            .encode()
            .unwrap(),
    ];
    for frame in frames {
        let frame = &frame[4..];
        for len in 0..frame.len() {
            assert!(decode(&frame[..len]).is_err() && Answer::decode(&frame[..len]).is_err());
        }
        assert!(decode(&[frame, b"x"].concat()).is_err() && Answer::decode(&[frame, b"x"].concat()).is_err());
        for at in 0..frame.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = frame.to_vec();
                changed[at] = value;
                // Whatever it is now, reading it ends.
                drop(decode(&changed));
                drop(Answer::decode(&changed));
            }
        }
    }
}
