//! Inclusion and consistency proofs against the vectors of transparency-dev/merkle: 6 good and 92 bad ones of each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::line::lines;
use ledgerstone_formats::tree::{check_consistency, check_inclusion};
use ledgerstone_tests::{read_file, shared_data};
use serde_json::Value;

/// Here, and nowhere else among the proofs that hold, ten bytes stand for any root.
const ANY_ROOT: &str = "consistency/additional/sizes-are-equal-one-and-proof-is-empty";

/// Runs `check` on each case of a file; `None` from it means that a value is no hash at all, which refuses the proof.
fn run(file: &str, check: impl Fn(&Value) -> Option<bool>) {
    let Some(folder) = shared_data("vectors-merkle-rfc6962") else {
        return;
    };
    let mut counts = [0, 0];
    for line in lines(&read_file(&folder.join(file))) {
        let case: Value = serde_json::from_slice(line).unwrap();
        let (name, test) = (case["case"].as_str().unwrap(), &case["test"]);
        let holds = !test["wantErr"].as_bool().unwrap();
        counts[usize::from(holds)] += 1;
        if name == ANY_ROOT {
            assert_eq!(test["root1"], test["root2"]);
            assert_eq!(check(test), None);
            assert_eq!(check_consistency(1, Hash::ZERO, 1, Hash::ZERO, &[]), Ok(()));
        } else {
            assert_eq!(check(test).unwrap_or(false), holds, "{name}");
        }
    }
    assert_eq!(counts, [92, 6]);
}

fn hash(value: &Value) -> Option<Hash> {
    let bytes = BASE64.decode(value.as_str().unwrap()).unwrap();
    bytes.try_into().ok().map(Hash::from_bytes)
}

/// A proof without hashes is written as an empty list or as null.
fn proof(value: &Value) -> Option<Vec<Hash>> {
    value
        .as_array()
        .map_or(Some(Vec::new()), |hashes| hashes.iter().map(hash).collect())
}

#[test]
fn inclusion_proofs_are_judged_as_elsewhere() {
    run("inclusion.jsonl", |test| {
        let (index, size) = (
            test["leafIdx"].as_u64().unwrap(),
            test["treeSize"].as_u64().unwrap(),
        );
        let (leaf, root) = (hash(&test["leafHash"])?, hash(&test["root"])?);
        Some(check_inclusion(index, size, leaf, &proof(&test["proof"])?, root).is_ok())
    });
}

#[test]
fn consistency_proofs_are_judged_as_elsewhere() {
    run("consistency.jsonl", |test| {
        let (size1, size2) = (test["size1"].as_u64().unwrap(), test["size2"].as_u64().unwrap());
        let (root1, root2) = (hash(&test["root1"])?, hash(&test["root2"])?);
        Some(check_consistency(size1, root1, size2, root2, &proof(&test["proof"])?).is_ok())
    });
}
