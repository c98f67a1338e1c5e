//! The inputs kept for the fuzz targets, through the same functions, with no fuzzer.

use std::path::Path;

use ledgerstone_formats::fuzzing;
use ledgerstone_tests::{fuzzing as whole, read_folder};

/// Runs the corpus of a target. `valid-…` must be accepted and `refused-…` not; of what a fuzzer adds under other names
/// only the promises are checked.
fn replay(target: &str, run: fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let mut seen = [0, 0];
    for (name, input) in read_folder(&folder) {
        let accepted = run(&input);
        if name.starts_with("valid-") || name.starts_with("refused-") {
            assert_eq!(accepted, name.starts_with("valid-"), "{target}/{name}");
            seen[usize::from(accepted)] += 1;
        }
    }
    assert!(
        seen.iter().all(|&count| count > 0),
        "{target} has no seeds of one kind"
    );
}

#[test]
fn lines() {
    replay("line", fuzzing::line);
}

#[test]
fn families() {
    replay("family", fuzzing::family);
}

#[test]
fn headers() {
    replay("header", fuzzing::header);
}

#[test]
fn bodies() {
    replay("json", fuzzing::json);
}

#[test]
fn seals() {
    replay("seal", fuzzing::seal);
}

#[test]
fn notes() {
    replay("note", fuzzing::note);
}

#[test]
fn ledgers() {
    replay("ledger", whole::ledger);
}
