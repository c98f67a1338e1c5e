//! What is submitted in a run: the length of a body decides whose the record is, its key, and what its batch asks for.
//! So the same lengths again are the same records again, and a run that is shrunk keeps what it is about.

use ledgerstone_engine::{Batch, NewEntry, Precondition, Target};
use ledgerstone_formats::draft::Revisions;
use ledgerstone_formats::ids::{Correlation, EntityId, IdempotencyKey, Kind, Tenant};
use ledgerstone_formats::records::family::Family;
use ledgerstone_formats::records::index::{DeclaredIndex, IndexName};

use crate::machine::Running;

const PLAIN: &str = "audit_entry";
const COUNTED: &str = "spec";

/// A tenant and a key of his.
pub(super) type Owned = (Option<String>, String);

/// What is declared for the records of some runs.
pub(super) fn families() -> Vec<Family> {
    let index = |name: &str, part: &str, unique| {
        let part = part.parse().expect("a pointer");
        DeclaredIndex::new(IndexName::new(name).expect("a name"), vec![part], unique).expect("an index")
    };
    let indexes = vec![index("n", "/n", false), index("serial", "/serial", true)];
    vec![Family::new(Kind::new(PLAIN).expect("a kind"), indexes).expect("a family")]
}

/// The batch of these lengths, of a ledger with so many records.
pub(super) fn batch(running: &Running, lengths: &[usize], size: u64) -> Batch {
    let mut batch = Batch::new();
    for bytes in lengths {
        let draft = running.ledger.draft(entry(*bytes), body(*bytes).as_bytes());
        batch
            .push(draft.expect("a body of a few thousand bytes"))
            .expect("few records");
    }
    let first = target(lengths[0]);
    match lengths.iter().sum::<usize>() % 16 {
        0 => batch.require(Precondition::Size(size)),
        1 => batch.require(Precondition::Absent(first)),
        2 => batch.require(Precondition::Exists(first)),
        3 => batch.require(Precondition::Revision(first, 1)),
        _ => {}
    }
    batch
}

/// Whether the batch of these lengths is stored only behind so many records as there were.
pub(super) fn is_sized(lengths: &[usize]) -> bool {
    lengths.iter().sum::<usize>().is_multiple_of(16)
}

/// Under which key a record of this length is stored once.
pub(super) fn key_of(bytes: usize) -> Option<Owned> {
    let key = match bytes % 16 {
        1 | 5 | 9 => format!("k{bytes}"),
        // The same key for other bytes.
        3 => "shared".to_owned(),
        _ => return None,
    };
    Some((tenant_of(bytes).map(str::to_owned), key))
}

fn tenant_of(bytes: usize) -> Option<&'static str> {
    [None, Some("acme"), Some("other")][bytes % 3]
}

fn target(bytes: usize) -> Target {
    Target {
        kind: Kind::new(if bytes.is_multiple_of(5) { COUNTED } else { PLAIN }).expect("a kind"),
        tenant: tenant_of(bytes).map(|tenant| Tenant::new(tenant).expect("a tenant")),
        id: EntityId::new(&format!("thing{}", bytes % 7)).expect("an id"),
    }
}

fn entry(bytes: usize) -> NewEntry {
    let target = target(bytes);
    let counted = target.kind.as_str() == COUNTED;
    NewEntry {
        tenant: target.tenant,
        id: Some(target.id),
        corr: bytes
            .is_multiple_of(2)
            .then(|| Correlation::new(&format!("c{}", bytes % 4)).expect("a correlation id")),
        key: key_of(bytes).map(|(_, key)| IdempotencyKey::new(&key).expect("a key")),
        revisions: if counted {
            Revisions::Counted
        } else {
            Revisions::AsKind
        },
        ..NewEntry::new(target.kind)
    }
}

fn body(bytes: usize) -> String {
    let text = "x".repeat(bytes);
    let number = bytes % 5;
    // Of some, a value that only one thing may have.
    let serial = match bytes % 16 {
        6 => format!(",\"serial\":\"s{}\"", bytes % 48),
        _ => String::new(),
    };
    format!("{{\"x\":\"{text}\",\"n\":{number}{serial}}}")
}
