//! Bytes that no writer put there: after the end of a sealed segment, and the NUL bytes of holes.

use std::fs;
use std::os::unix::fs::FileExt as _;

use ledgerstone_tests::cli::{Call, Place};

const SEALED: &str = "l/segments/00000000000000000000.jsonl";
const OPEN: &str = "l/segments/00000000000000000003.jsonl";
/// Address space of a reader, in KiB: some hundred MiB more than the largest group that it may have to look for.
const MEMORY_KIB: u32 = 1 << 20;

/// Two records in a sealed segment and two in an open one.
fn ledger() -> Place {
    let place = Place::new();
    place.run("init l --quiet");
    let append = ["append", "l", "-", "--kind", "entry", "-q"];
    place.call(append).stdin("{\"n\":1}\n{\"n\":2}").ends_with(0);
    place.run("seal l -q");
    place.call(append).stdin("{\"n\":3}\n{\"n\":4}").ends_with(0);
    place
}

fn replace(place: &Place, name: &str, bytes: &[u8]) {
    fs::remove_file(place.join(name)).unwrap();
    place.write(name, bytes);
}

#[test]
fn bytes_after_the_end_of_a_sealed_segment_are_31_with_file_and_offset() {
    let whole = ledger().read(SEALED);
    let line = whole.split_inclusive(|byte| *byte == b'\n').next_back().unwrap();
    let (nul, half) = ([0; 512], &line[..line.len() / 2]);
    for added in [&b"\n"[..], b" ", b"{}\n", &nul, half, line] {
        let place = ledger();
        let len = place.read(SEALED).len();
        replace(&place, SEALED, &[&place.read(SEALED), added].concat());
        let found = place.call(["verify", "l"]).ends_with(31);
        let place_of = format!("segments/00000000000000000000.jsonl:4 (byte {len}, ");
        assert!(found.text().contains(&place_of), "{added:?}: {}", found.report());
        let before = place.read(SEALED);
        place.call(["recover", "l", "--apply"]).ends_with(31);
        assert_eq!(place.read(SEALED), before, "nothing is cut");
    }
}

/// A reader that gets no more memory than it should need.
fn frugal<'a>(place: &'a Place, args: &str) -> Call<'a> {
    let script = format!("ulimit -v {MEMORY_KIB}; shift; exec \"$@\"");
    place
        .call(args.split(' '))
        .under("sh", ["-c", &script, "sh", "--"])
}

#[test]
fn a_hole_after_the_records_is_damage_to_readers_who_take_no_memory_for_it() {
    for len in [1_u64 << 28, 1 << 40] {
        let place = ledger();
        let file = fs::File::options().write(true).open(place.join(OPEN)).unwrap();
        file.set_len(len).unwrap();
        for command in ["scan l", "tail l", "get l 4", "get l 1"] {
            let refused = frugal(&place, command).ends_with(31);
            assert_eq!(refused.text(), "", "{}", refused.report());
            assert!(
                refused.stderr.contains("no whole group ends in the last"),
                "{}",
                refused.report()
            );
            assert!(
                refused.stderr.contains(OPEN.trim_start_matches("l/")),
                "{}",
                refused.report()
            );
        }
    }
    // A short one is what an interrupted append may leave: readers end before it.
    let place = ledger();
    let file = fs::File::options().write(true).open(place.join(OPEN)).unwrap();
    file.set_len(1 << 20).unwrap();
    assert_eq!(frugal(&place, "scan l").ends_with(0).text().lines().count(), 5);
    assert_eq!(
        frugal(&place, "tail l -n 1 --body").ends_with(0).text(),
        "{\"n\":4}\n"
    );
    assert_eq!(
        frugal(&place, "get l 4 --body").ends_with(0).text(),
        "{\"n\":4}\n"
    );
}

#[test]
fn a_hole_in_a_sealed_segment_is_damage_of_the_line_where_it_begins() {
    let place = ledger();
    let mut whole = place.read(SEALED);
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    // The line's beginning, then all from there and a terabyte more.
    whole[second..second + 40].fill(0);
    replace(&place, SEALED, &whole);
    let at = format!("segments/00000000000000000000.jsonl:2 (byte {second}, ");
    for (command, lines) in [("scan l", 1), ("tail l", 0), ("get l 1", 0)] {
        let refused = frugal(&place, command).ends_with(31);
        assert_eq!(refused.text().lines().count(), lines, "{}", refused.report());
        assert!(refused.stderr.contains(&at), "{}", refused.report());
    }
    let file = fs::File::options().write(true).open(place.join(SEALED)).unwrap();
    file.set_len(second as u64).unwrap();
    file.set_len(1 << 40).unwrap();
    file.write_at(b"x", (1 << 40) - 1).unwrap();
    for (command, lines) in [("scan l", 1), ("tail l", 0), ("get l 1", 0), ("get l 2", 0)] {
        let refused = frugal(&place, command).ends_with(31);
        assert_eq!(refused.text().lines().count(), lines, "{}", refused.report());
        assert!(refused.stderr.contains(&at), "{}", refused.report());
    }
    assert_eq!(frugal(&place, "get l 0").ends_with(0).text().lines().count(), 1);
    assert_eq!(
        frugal(&place, "get l 4 --body").ends_with(0).text(),
        "{\"n\":4}\n"
    );
}
