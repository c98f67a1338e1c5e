//! Values that a unique index forbids, and declarations that declare nothing: put there by whoever has the key.

use ledgerstone_engine::keystore::MemKeys;
use ledgerstone_engine::storage::mem::Mem;
use ledgerstone_engine::{LedgerIdentity, NewEntry};
use ledgerstone_formats::ids::{EntityId, Kind, Tenant};
use ledgerstone_formats::records::family::Family;
use ledgerstone_formats::records::index::{DeclaredIndex, IndexName};

use super::*;

/// Seq 1 declares; 2 to 6 are about a, b, a, c and a tenant's d.
fn declared() -> Copy {
    let (storage, keys) = (Mem::new(), MemKeys::new());
    let index = |name: &str, parts: &[&str], unique| {
        let parts = parts.iter().map(|part| part.parse().unwrap()).collect();
        DeclaredIndex::new(IndexName::new(name).unwrap(), parts, unique).unwrap()
    };
    let kind = Kind::new("spec").unwrap();
    let indexes = vec![
        index("slug", &["/slug"], true),
        index("mail", &["/mails/-/at", "/m~1n~0"], true),
        index("note", &["/note"], false),
    ];
    let options = Options {
        families: vec![Family::new(kind.clone(), indexes).unwrap()],
        ..Options::default()
    };
    let identity = LedgerIdentity {
        name: "specimen.example".to_owned(),
        signed: true,
    };
    let (disk, key) = (Arc::new(storage.clone()), Arc::new(keys.clone()));
    let ledger = Ledger::create(disk, key, &identity, options).unwrap();
    for (id, owner, body) in [
        ("a", None, r#"{"slug":"x","note":"n"}"#),
        (
            "b",
            None,
            r#"{"slug":"y","note":"n","mails":[{"at":1},{"at":2.0}],"m/n~":"\u00e9"}"#,
        ),
        ("a", None, r#"{"slug":"z"}"#),
        ("c", None, r#"{"slug":"x","mails":[{"at":2}],"m/n~":"é"}"#),
        ("d", Some("t"), r#"{"slug":"y"}"#),
    ] {
        let entry = NewEntry {
            id: Some(EntityId::new(id).unwrap()),
            tenant: owner.map(|owner| Tenant::new(owner).unwrap()),
            ..NewEntry::new(kind.clone())
        };
        let draft = ledger.draft(entry, body.as_bytes()).unwrap();
        ledger.submit(draft.into()).unwrap().wait().unwrap();
    }
    ledger.close().unwrap();
    Copy::of(&storage, &keys)
}

/// The ledger with another body in a record, and everything made anew that depends on it.
fn forged(seq: u64, body: &str) -> Copy {
    let mut copy = declared();
    let mut lines = copy.lines(FIRST);
    let place = usize::try_from(seq).unwrap();
    lines[place] = edit(&lines[place], |_, old| *old = body.as_bytes().to_vec());
    copy.set_lines(FIRST, &lines);
    copy.relink_from(seq + 1);
    copy.seal_again();
    copy.head_beside = Some(copy.file(&FileName::Checkpoint).clone());
    copy
}

#[test]
fn a_value_that_another_thing_has_is_38() {
    expect(&declared(), 0, None);
    for (seq, body) in [
        (3, r#"{"slug":"x"}"#),
        (3, r#"{ "slug" : "\u0078" }"#),
        (5, r#"{"slug":"z"}"#),
        (5, r#"{"mails":[null,{"at":2.0}],"m/n~":"é"}"#),
        (5, r#"{"mails":[{"at":"1"}],"m/n~":"é"}"#),
    ] {
        expect(&forged(seq, body), 38, segment(FIRST, seq));
    }
    for (seq, body) in [
        (6, r#"{"slug":"x"}"#),
        (5, r#"{"slug":["z"],"note":"n"}"#),
        (5, r#"{"slug":null,"mails":[{"at":1.0}],"m/n~":"é"}"#),
        (5, r#"{"mails":{"at":1},"m/n~":"é"}"#),
        (4, r#"{"slug":"x"}"#),
    ] {
        let kept = seq == 4;
        let place = segment(FIRST, 5).filter(|_| kept);
        expect(&forged(seq, body), if kept { 38 } else { 0 }, place);
    }
}

#[test]
fn a_record_that_declares_nothing_is_38() {
    for body in [
        r#"{"indexes":[{"name":"slug","parts":[],"unique":true}]}"#,
        r#"{"indexes":[{"name":"slug","parts":["/slug"],"unique":false}]}"#,
        r#"{"indexes":[{"name":"slug","parts":["slug"]}]}"#,
        r#"{"indexes":[{"name":"slug","parts":["/a/-","/b/-"]}]}"#,
        r#"{"indexes":[{"name":"a","parts":["/a"]},{"name":"a","parts":["/b"]}]}"#,
        r#"{"indexes": []}"#,
        r#"{"other":1}"#,
    ] {
        expect(&forged(1, body), 38, segment(FIRST, 1));
    }
    let not_unique = r#"{"indexes":[{"name":"slug","parts":["/slug"]}]}"#;
    expect(&forged(1, not_unique), 0, None);
}
