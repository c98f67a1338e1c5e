//! A head, and the identity that says who may sign it.

use ledgerstone_engine::Code;
use ledgerstone_formats::checkpoint::{Head, VerifierKey};
use ledgerstone_formats::records::system::Genesis;

use super::Explained;
use crate::files;
use crate::input::Source;

/// Explains a head's file.
pub(super) fn explain(file: &[u8], source: &Source) -> Explained {
    let mut explained = Explained::new("a head");
    rows(
        &mut explained,
        ["origin", "size", "root", "signature"],
        file,
        identity_near(source).as_ref(),
    );
    explained
}

/// Adds what a head says under these names, and whether it is signed by the key of the ledger it lies in. Gives the
/// head when it is one.
pub(super) fn rows(
    explained: &mut Explained,
    [origin, size, root, signature]: [&'static str; 4],
    file: &[u8],
    identity: Option<&Genesis>,
) -> Option<Head> {
    let text = memchr::memmem::find(file, b"\n\n").map_or(file, |end| &file[..=end]);
    let signed = text.len() < file.len();
    let head = match Head::parse_text(text) {
        Ok(head) => head,
        Err(error) => {
            explained.wrong(Code::Evidence, error.to_string());
            return None;
        }
    };
    explained.row(origin, head.origin.as_str(), "the ledger's name");
    explained.row(size, head.size, "records covered");
    explained.row(root, head.root.to_string(), "root of the tree over them");
    let key = identity.map(|genesis| genesis.vkey.as_deref().map(VerifierKey::parse));
    let meaning = match (key, signed) {
        (Some(Some(Ok(key))), _) => match Head::open(file, Some(&key)) {
            Ok(_) => "right: made by the key in ledger.json",
            Err(error) => {
                explained.wrong(Code::Evidence, error.to_string());
                "wrong"
            }
        },
        (Some(Some(Err(error))), _) => {
            explained.wrong(
                Code::Evidence,
                format!("the verifier key in ledger.json: {error}"),
            );
            "not compared"
        }
        (Some(None), true) => {
            explained.wrong(Code::Evidence, "signed, in a ledger that has no key");
            "wrong"
        }
        (Some(None), false) => "this ledger has no key",
        (None, _) => "not compared: no ledger.json near this file names the key",
    };
    explained.row(signature, if signed { "yes" } else { "none" }, meaning);
    Some(head)
}

/// Explains the line of `ledger.json`.
pub(super) fn explain_identity(file: &[u8]) -> Explained {
    let mut explained = Explained::new("an identity");
    let Some(genesis) = file.strip_suffix(b"\n").and_then(Genesis::parse) else {
        explained.wrong(
            Code::Evidence,
            "not the body of a genesis record in canonical form",
        );
        return explained;
    };
    explained.row("format", genesis.format, "what wrote the first record");
    explained.row("ledger", genesis.ledger, "the ledger's id");
    explained.row("origin", genesis.origin, "the name under which it signs");
    explained.row("created", genesis.created.to_string(), "time of the first record");
    explained.row("hash", genesis.hash, "hash algorithm");
    match genesis.vkey {
        Some(vkey) => {
            if let Err(error) = VerifierKey::parse(&vkey) {
                explained.wrong(Code::Evidence, format!("the verifier key: {error}"));
            }
            explained.row(
                "vkey",
                vkey,
                "verifier key: compare it with the copy you keep elsewhere",
            );
        }
        None => explained.row("vkey", "none", "heads are not signed"),
    }
    explained
}

/// The identity of the ledger that a file lies in.
pub(super) fn identity_near(source: &Source) -> Option<Genesis> {
    let Source::File(path) = source else { return None };
    let path = std::path::absolute(path).ok()?;
    path.ancestors().skip(1).take(2).find_map(|folder| {
        let file = files::read(&folder.join("ledger.json")).ok()?;
        Genesis::parse(file.strip_suffix(b"\n")?)
    })
}
