//! The short verifier in Python, on its own: small enough to be read before it is trusted, and sharp enough to be worth
//! that. What it says of every ledger that the tests make is compared by `ledgerstone_tests::python`.

use std::path::Path;

use ledgerstone_formats::names::FileName;
use ledgerstone_tests::cli::Place;
use ledgerstone_tests::forge::{Copy, beside};
use ledgerstone_tests::python;
use ledgerstone_tests::sources::root;
use ledgerstone_tests::specimen::closed;

const LINES_MAX: usize = 149;
const COLUMNS_MAX: usize = 100;

fn program() -> String {
    std::fs::read_to_string(root().join("tests/independent/verify.py")).unwrap()
}

/// Runs a copy of the program in a folder where nothing else of the project is.
fn run_alone(place: &Place, ledger: &Path, heads: &[&Path]) -> (Option<i32>, String) {
    let alone = place.write("alone.py", program());
    let output = python::interpreter()
        .arg("-I")
        .arg(alone)
        .arg(ledger)
        .args(heads)
        .output()
        .unwrap();
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn it_is_one_short_file() {
    let text = program();
    assert!(
        text.lines().count() <= LINES_MAX,
        "{} lines",
        text.lines().count()
    );
    let long: Vec<&str> = text
        .lines()
        .filter(|line| line.chars().count() > COLUMNS_MAX)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
    assert!(
        !text.contains(';'),
        "two statements on a line are one line too few"
    );
}

#[test]
fn it_finds_a_ledger_whole_with_nothing_beside_it() {
    for signed in [true, false] {
        let place = Place::new();
        let ledger = place.join("books");
        closed(signed).write(&ledger);
        let head = beside(&ledger, if signed { ".key.head" } else { ".head" });
        let (code, text) = run_alone(&place, &ledger, &[&head]);
        assert_eq!(code, Some(0), "{text}");
    }
}

/// One changed byte in every line of every segment, and in each file that seals or heads are in.
#[test]
fn it_names_the_file_and_the_record_of_a_changed_byte() {
    let copy = closed(false);
    let mut damages = 0;
    for first in copy.segments() {
        for index in 0..copy.lines(first).len() {
            let mut damaged = copy.clone();
            let mut lines = copy.lines(first);
            let middle = lines[index].len() / 2;
            lines[index][middle] ^= 1;
            damaged.set_lines(first, &lines);
            let seq = first + index as u64;
            expect(&damaged, &format!("31 {} {seq} ", FileName::Segment(first)));
            damages += 1;
        }
    }
    assert_eq!(damages, 9);
    for (name, from, to) in [
        (FileName::Identity, "created", "createe"),
        (FileName::Seal(0), "\"kinds\":", "\"kindt\":"),
        (FileName::Head, "specimen", "specimeN"),
    ] {
        let mut damaged = copy.clone();
        let text = String::from_utf8(damaged.file(&name).clone()).unwrap();
        assert!(text.contains(from), "{text}");
        damaged.put(&name, text.replacen(from, to, 1));
        expect(&damaged, &format!("37 {name} "));
    }
}

#[track_caller]
fn expect(damaged: &Copy, beginning: &str) {
    let place = Place::new();
    let ledger = place.join("books");
    damaged.write(&ledger);
    let (code, text) = run_alone(&place, &ledger, &[]);
    assert!(
        text.starts_with(beginning),
        "expected {beginning:?}, found {text}"
    );
    assert_eq!(
        code,
        beginning.get(..2).and_then(|code| code.parse().ok()),
        "{text}"
    );
}
