//! What every storage promises of filler.

use std::io::ErrorKind;

use ledgerstone_engine::storage::Storage;
use ledgerstone_formats::filler;
use ledgerstone_formats::names::FileName;

use super::{Fixture, SEGMENT, contents, expect_kind, with_segment};

/// `lines` and filler behind them up to `to`.
fn filled(lines: &[u8], to: u64) -> Vec<u8> {
    let mut bytes = lines.to_vec();
    filler::extend(&mut bytes, lines.len() as u64, to);
    bytes
}

pub(super) fn only_filler_is_trimmed(fixture: &dyn Fixture) {
    let mut bytes = b"one\n".to_vec();
    bytes.extend((4..4_096).map(filler::byte_at));
    let storage = with_segment(fixture, &bytes);
    expect_kind(storage.trim_filler(7, 3), ErrorKind::InvalidData);
    expect_kind(storage.trim_filler(7, 4_097), ErrorKind::InvalidData);
    assert_eq!(contents(&*storage, &SEGMENT), bytes);
    storage.trim_filler(7, 4).unwrap();
    assert_eq!(contents(&*storage, &SEGMENT), b"one\n");
    storage.trim_filler(7, 4).unwrap();
    // A space where filler has a line feed.
    bytes[511] = b' ';
    fixture.put_raw(&SEGMENT.to_string(), &bytes);
    expect_kind(storage.trim_filler(7, 4), ErrorKind::InvalidData);
    assert_eq!(contents(&*storage, &SEGMENT), bytes);
}

pub(super) fn filler_goes_behind_bytes_and_is_written_over(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\n");
    let mut segment = storage.reopen(&SEGMENT, 4).unwrap();
    assert_eq!(segment.append_with_filler(4, b"two\n", 4_096).unwrap(), 4_096);
    segment.sync().unwrap();
    assert_eq!(contents(&*storage, &SEGMENT), filled(b"one\ntwo\n", 4_096));
    // Only where the lines end.
    for wrong in [0, 4, 9, 4_096] {
        expect_kind(segment.append(wrong, b"x"), ErrorKind::InvalidData);
        expect_kind(
            segment.append_with_filler(wrong, b"x", 8_192),
            ErrorKind::InvalidData,
        );
    }
    assert_eq!(contents(&*storage, &SEGMENT), filled(b"one\ntwo\n", 4_096));
    segment.append(8, b"three\n").unwrap();
    assert_eq!(contents(&*storage, &SEGMENT), filled(b"one\ntwo\nthree\n", 4_096));
    let rest = vec![b'r'; 4_096 - 14];
    segment.append(14, &rest).unwrap();
    assert_eq!(
        contents(&*storage, &SEGMENT),
        [b"one\ntwo\nthree\n", &rest[..]].concat()
    );
    segment.append(4_096, b"four\n").unwrap();
    assert!(contents(&*storage, &SEGMENT).ends_with(b"rfour\n"));
    // Who opens the file anew knows of no filler.
    drop(segment);
    let mut segment = storage.reopen(&SEGMENT, 4_101).unwrap();
    segment.append_with_filler(4_101, b"", 8_192).unwrap();
    expect_kind(storage.reopen(&SEGMENT, 4_101), ErrorKind::InvalidData);
    expect_kind(
        storage.reopen(&SEGMENT, 8_192).unwrap().append(4_101, b"x"),
        ErrorKind::InvalidData,
    );
}

pub(super) fn filler_is_laid_again_behind_bytes_that_reach_over_its_end(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"");
    let mut segment = storage.reopen(&SEGMENT, 0).unwrap();
    segment.append_with_filler(0, b"one\n", 4_096).unwrap();
    let long = vec![b'l'; 5_000];
    assert_eq!(segment.append_with_filler(4, &long, 12_288).unwrap(), 12_288);
    let lines = [b"one\n", &long[..]].concat();
    assert_eq!(contents(&*storage, &SEGMENT), filled(&lines, 12_288));
    // Without filler too, and where there is some already.
    let longer = vec![b'm'; 9_000];
    segment.append(5_004, &longer).unwrap();
    let lines = [lines, longer].concat();
    assert_eq!(contents(&*storage, &SEGMENT), lines);
    assert_eq!(segment.append_with_filler(14_004, b"x", 20_480).unwrap(), 20_480);
    assert_eq!(segment.append_with_filler(14_005, b"y", 16_384).unwrap(), 20_480);
    assert_eq!(
        contents(&*storage, &SEGMENT),
        filled(&[&lines, &b"xy"[..]].concat(), 20_480)
    );
}

pub(super) fn a_file_with_filler_that_somebody_else_has_changed_is_not_written_to(fixture: &dyn Fixture) {
    let theirs: [fn(&dyn Storage); 4] = [
        |storage| {
            let mut segment = storage.reopen(&FileName::Segment(8), 4_096).unwrap();
            segment.append(4_096, b"theirs\n").unwrap();
        },
        |storage| storage.trim_filler(8, 600).unwrap(),
        |storage| storage.trim_filler(8, 4).unwrap(),
        |storage| {
            storage.quarantine(8, 3).unwrap();
        },
    ];
    let storage = with_segment(fixture, b"");
    for change in theirs {
        let name = FileName::Segment(8);
        let mut segment = storage.create(&name).unwrap();
        segment.append_with_filler(0, b"one\n", 4_096).unwrap();
        change(&*fixture.storage());
        let changed = contents(&*storage, &name);
        expect_kind(segment.append(4, b"two\n"), ErrorKind::InvalidData);
        expect_kind(
            segment.append_with_filler(4, b"two\n", 8_192),
            ErrorKind::InvalidData,
        );
        expect_kind(
            segment.append(changed.len() as u64, b"two\n"),
            ErrorKind::InvalidData,
        );
        assert_eq!(contents(&*storage, &name), changed);
        fixture.remove_raw(&name.to_string());
    }
}
