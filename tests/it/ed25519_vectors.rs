//! The verification of heads against Wycheproof's Ed25519 cases, each as a signature by a ledger's key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ledgerstone_formats::checkpoint::{KeyError, VerifierKey};
use ledgerstone_formats::line::lines;
use ledgerstone_tests::{read_file, shared_data};
use serde_json::Value;
use signed_note::Verifier as _;

const ORIGIN: &str = "example.org/vectors/00000000-0000-4000-8000-000000000000";

#[test]
fn signatures_are_judged_as_elsewhere() {
    let Some(folder) = shared_data("vectors-ed25519") else {
        return;
    };
    let mut counts = [0, 0];
    for line in lines(&read_file(&folder.join("ed25519_subset.jsonl"))) {
        let case: Value = serde_json::from_slice(line).unwrap();
        let bytes = |member: &str| bytes_of_hex(case[member].as_str().unwrap());
        let valid = case["result"] == "valid";
        counts[usize::from(valid)] += 1;
        // The vectors hold sound keys only: it is the signatures that differ.
        let key = verifier(&bytes("pk")).unwrap();
        assert_eq!(
            key.verify(&bytes("msg"), &bytes("sig")),
            valid,
            "case {}",
            case["tcId"]
        );
    }
    assert_eq!(counts, [20, 20]);
}

#[test]
fn a_key_of_small_order_is_no_key() {
    // The neutral element: with it, one signature holds for every message.
    let neutral = [&[1][..], &[0; 31]].concat();
    assert_eq!(verifier(&neutral), Err(KeyError));
}

fn verifier(public_key: &[u8]) -> Result<VerifierKey, KeyError> {
    let data = [&[1], public_key].concat();
    let id = signed_note::key_id(ORIGIN, &data);
    VerifierKey::parse(&format!("{ORIGIN}+{id:08x}+{}", BASE64.encode(data)))
}

fn bytes_of_hex(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}
