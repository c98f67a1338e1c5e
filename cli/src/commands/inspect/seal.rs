//! A seal.

use ledgerstone_engine::Code;
use ledgerstone_formats::segment::Seal;
use serde_json::json;

use super::{Explained, head};
use crate::input::Source;

/// What the members of the head in a seal are called.
const HEAD_ROWS: [&str; 4] = ["head_origin", "head_size", "head_root", "head_sig"];

/// Explains a seal's file, which is named for the segment that begins with `named`.
pub(super) fn explain(file: &[u8], source: &Source, named: Option<u64>) -> Explained {
    let mut explained = Explained::new("a seal");
    let seal = match Seal::parse(file) {
        Ok(seal) => seal,
        Err(error) => {
            explained.wrong(Code::Evidence, error.to_string());
            return explained;
        }
    };
    explained.row("ledger", seal.ledger.as_str(), "the ledger's id");
    explained.row("first", seal.first, "first sequence number of the segment");
    explained.row("last", seal.last, "last one");
    explained.row("count", seal.count, "records");
    explained.row("at_min", seal.at_min.to_string(), "earliest time");
    explained.row("at_max", seal.at_max.to_string(), "latest time");
    explained.row("kinds", json!(seal.kinds), "records of each kind");
    explained.row("bytes", seal.bytes, "bytes of the lines");
    explained.row(
        "sha256",
        seal.sha256.to_string(),
        "of the lines, which are not looked at here",
    );
    explained.row("last_hash", seal.last_hash.to_string(), "hash of the last record");
    explained.row(
        "tree_size",
        seal.tree_size,
        "records from the first of the ledger to here",
    );
    explained.row(
        "root",
        seal.root.to_string(),
        "root of the tree over them; right: it follows from the frontier",
    );
    explained.row(
        "frontier",
        json!(seal.frontier),
        "roots of the perfect subtrees, largest first",
    );
    explained.row(
        "prev_seal",
        seal.prev_seal.to_string(),
        "SHA-256 of the seal file before",
    );
    let identity = head::identity_near(source);
    let head = head::rows(&mut explained, HEAD_ROWS, seal.head.as_bytes(), identity.as_ref());
    if head.is_some_and(|head| head.size != seal.tree_size || head.root != seal.root) {
        explained.wrong(Code::Evidence, "the head in it is of another size or root");
    }
    if identity.is_some_and(|genesis| genesis.ledger != seal.ledger) {
        explained.wrong(Code::Evidence, "it names another ledger than ledger.json");
    }
    if named.is_some_and(|first| first != seal.first) {
        explained.wrong(Code::Evidence, "its file is named for another segment");
    }
    explained
}
