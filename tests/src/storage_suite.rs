//! What every storage promises, sentence by sentence of its contract, for each implementation to run.

use std::io::ErrorKind;

use ledgerstone_engine::storage::{FileError, Listing, Storage, UNKNOWN_NAMES_MAX};
use ledgerstone_formats::names::{FileName, QuarantineName};

mod filler;

/// An implementation under test, and the operator's hands on its files.
pub trait Fixture {
    /// Another handle on the same files, as another process would have.
    fn storage(&self) -> Box<dyn Storage>;
    /// Makes or replaces a file of any name, and the directory that it is in.
    fn put_raw(&self, path: &str, bytes: &[u8]);
    /// The bytes of a file of any name.
    fn raw(&self, path: &str) -> Option<Vec<u8>>;
    /// Removes a file.
    fn remove_raw(&self, path: &str);
}

/// A check of one part of the contract, on files that nobody has used.
pub type Check = fn(&dyn Fixture);

/// All checks.
pub const CHECKS: &[Check] = &[
    nothing_is_there_before_it_is_made,
    directories_are_made_once_and_again,
    only_segments_are_appended_to,
    only_names_that_allow_it_are_published,
    a_segment_is_made_once,
    bytes_go_to_the_end_or_nowhere,
    a_file_grown_by_somebody_else_is_noticed,
    reopening_needs_the_length,
    reading_stops_at_the_end,
    published_bytes_never_change,
    a_head_is_replaced_whole,
    leftovers_do_not_matter,
    quarantine_saves_then_cuts,
    quarantine_can_be_done_again,
    quarantine_cuts_nothing_without_a_copy,
    settling_changes_nothing,
    filler::only_filler_is_trimmed,
    filler::filler_goes_behind_bytes_and_is_written_over,
    filler::filler_is_laid_again_behind_bytes_that_reach_over_its_end,
    filler::a_file_with_filler_that_somebody_else_has_changed_is_not_written_to,
    a_sealed_segment_is_not_written_to,
    a_protected_segment_is_not_written_to,
    one_holder_at_a_time,
    a_removed_lock_file_lets_nobody_in,
    files_are_listed_with_their_lengths,
    what_is_no_part_of_the_ledger_is_named,
    unknown_names_are_bounded,
    errors_name_the_file,
];

const SEGMENT: FileName = FileName::Segment(7);

/// A storage with its directories, and segment 7 with these bytes.
fn with_segment(fixture: &dyn Fixture, bytes: &[u8]) -> Box<dyn Storage> {
    let storage = fixture.storage();
    storage.create_directories().unwrap();
    let mut segment = storage.create(&SEGMENT).unwrap();
    segment.append(0, bytes).unwrap();
    segment.sync().unwrap();
    storage
}

fn contents(storage: &dyn Storage, name: &FileName) -> Vec<u8> {
    storage.open(name).unwrap().read_all(1 << 20).unwrap()
}

#[track_caller]
fn expect_kind<T>(result: std::io::Result<T>, kind: ErrorKind) -> std::io::Error {
    match result {
        Ok(_) => panic!("expected {kind:?}, it was done"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{error}");
            error
        }
    }
}

fn nothing_is_there_before_it_is_made(fixture: &dyn Fixture) {
    let storage = fixture.storage();
    assert_eq!(storage.list().unwrap(), Listing::default());
    assert_eq!(storage.holder().unwrap(), None);
    expect_kind(storage.open(&FileName::Identity), ErrorKind::NotFound);
    expect_kind(storage.reopen(&SEGMENT, 0), ErrorKind::NotFound);
    expect_kind(storage.create(&SEGMENT), ErrorKind::NotFound);
    expect_kind(storage.publish(&FileName::Seal(0), b"x"), ErrorKind::NotFound);
}

fn directories_are_made_once_and_again(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"{}\n");
    storage.create_directories().unwrap();
    storage.sync_directories().unwrap();
    assert_eq!(contents(&*storage, &SEGMENT), b"{}\n");
    assert_eq!(storage.list().unwrap().files, [(SEGMENT, 3)]);
    assert!(storage.free_bytes().unwrap() > 0);
}

fn all_names() -> [FileName; 7] {
    [
        FileName::Checkpoint,
        FileName::Head,
        FileName::Identity,
        FileName::Lock,
        FileName::Quarantine(QuarantineName::of(7, 0, b"x")),
        FileName::Seal(7),
        FileName::Segment(7),
    ]
}

fn only_segments_are_appended_to(fixture: &dyn Fixture) {
    let storage = fixture.storage();
    storage.create_directories().unwrap();
    for name in all_names()
        .iter()
        .filter(|name| !matches!(name, FileName::Segment(_)))
    {
        expect_kind(storage.create(name), ErrorKind::InvalidInput);
        fixture.put_raw(&name.to_string(), b"x");
        expect_kind(storage.reopen(name, 1), ErrorKind::InvalidInput);
    }
}

fn only_names_that_allow_it_are_published(fixture: &dyn Fixture) {
    let storage = fixture.storage();
    storage.create_directories().unwrap();
    for name in all_names() {
        let published = storage.publish(&name, b"x");
        let replaced = storage.replace_head(&name, b"y");
        match name {
            FileName::Identity | FileName::Seal(_) => {
                published.unwrap();
                expect_kind(replaced, ErrorKind::InvalidInput);
                assert_eq!(contents(&*storage, &name), b"x");
            }
            FileName::Checkpoint | FileName::Head => {
                expect_kind(published, ErrorKind::InvalidInput);
                replaced.unwrap();
                assert_eq!(contents(&*storage, &name), b"y");
            }
            _ => {
                expect_kind(published, ErrorKind::InvalidInput);
                expect_kind(replaced, ErrorKind::InvalidInput);
                expect_kind(storage.open(&name), ErrorKind::NotFound);
            }
        }
    }
}

fn a_segment_is_made_once(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"{}\n");
    expect_kind(storage.create(&SEGMENT), ErrorKind::AlreadyExists);
    assert_eq!(contents(&*storage, &SEGMENT), b"{}\n");
    storage.create(&FileName::Segment(8)).unwrap();
    assert_eq!(contents(&*storage, &FileName::Segment(8)), b"");
}

fn bytes_go_to_the_end_or_nowhere(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\n");
    let reader = storage.open(&SEGMENT).unwrap();
    let mut segment = storage.reopen(&SEGMENT, 4).unwrap();
    for wrong in [0, 3, 5, 4_096] {
        let error = expect_kind(segment.append(wrong, b"x"), ErrorKind::InvalidData).to_string();
        assert!(
            error.contains("4 bytes") && error.contains(&format!("expected {wrong}")),
            "{error}"
        );
    }
    assert_eq!(fixture.raw(&SEGMENT.to_string()).unwrap(), b"one\n");
    segment.append(4, b"two\n").unwrap();
    segment.append(8, b"").unwrap();
    segment.append(8, b"three\n").unwrap();
    segment.sync().unwrap();
    segment.sync().unwrap();
    // A reader that was there before sees them too.
    assert_eq!(reader.len().unwrap(), 14);
    assert_eq!(reader.read_all(14).unwrap(), b"one\ntwo\nthree\n");
}

fn a_file_grown_by_somebody_else_is_noticed(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\n");
    let mut ours = storage.reopen(&SEGMENT, 4).unwrap();
    fixture
        .storage()
        .reopen(&SEGMENT, 4)
        .unwrap()
        .append(4, b"theirs\n")
        .unwrap();
    expect_kind(ours.append(4, b"two\n"), ErrorKind::InvalidData);
    assert_eq!(contents(&*storage, &SEGMENT), b"one\ntheirs\n");
}

fn reopening_needs_the_length(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\n");
    expect_kind(storage.reopen(&SEGMENT, 3), ErrorKind::InvalidData);
    expect_kind(storage.reopen(&SEGMENT, 5), ErrorKind::InvalidData);
    expect_kind(storage.reopen(&FileName::Segment(8), 0), ErrorKind::NotFound);
    storage.reopen(&SEGMENT, 4).unwrap().append(4, b"two\n").unwrap();
    assert_eq!(contents(&*storage, &SEGMENT), b"one\ntwo\n");
}

fn reading_stops_at_the_end(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"0123456789");
    let reader = storage.open(&SEGMENT).unwrap();
    let mut buffer = [0; 4];
    assert_eq!(reader.read_at(2, &mut buffer).unwrap(), 4);
    assert_eq!(&buffer, b"2345");
    assert_eq!(reader.read_at(8, &mut buffer).unwrap(), 2);
    assert_eq!(&buffer[..2], b"89");
    assert_eq!(reader.read_at(10, &mut buffer).unwrap(), 0);
    assert_eq!(reader.read_at(1 << 40, &mut buffer).unwrap(), 0);
    assert!(!reader.is_empty().unwrap());
    expect_kind(reader.read_all(9), ErrorKind::FileTooLarge);
    storage.create(&FileName::Segment(8)).unwrap();
    assert!(storage.open(&FileName::Segment(8)).unwrap().is_empty().unwrap());
}

fn published_bytes_never_change(fixture: &dyn Fixture) {
    let storage = fixture.storage();
    storage.create_directories().unwrap();
    for name in [FileName::Identity, FileName::Seal(0)] {
        // Longer than what is compared in one piece, and different in the last byte alone.
        let bytes = vec![b'x'; (1 << 20) + 1];
        let mut other = bytes.clone();
        *other.last_mut().unwrap() = b'y';
        storage.publish(&name, &bytes).unwrap();
        storage.publish(&name, &bytes).unwrap();
        for wrong in [&other, &bytes[1..], b""] {
            expect_kind(storage.publish(&name, wrong), ErrorKind::AlreadyExists);
        }
        assert!(storage.open(&name).unwrap().read_all(1 << 21).unwrap() == bytes);
    }
    assert_eq!(storage.list().unwrap().unknown_count, 0);
}

fn a_head_is_replaced_whole(fixture: &dyn Fixture) {
    let storage = fixture.storage();
    storage.create_directories().unwrap();
    for name in [FileName::Checkpoint, FileName::Head] {
        for head in [b"size 1".as_slice(), b"size 12345", b"size 2", b""] {
            storage.replace_head(&name, head).unwrap();
            assert_eq!(contents(&*storage, &name), head);
        }
    }
    assert_eq!(
        storage.list().unwrap().files,
        [(FileName::Checkpoint, 0), (FileName::Head, 0)]
    );
}

fn leftovers_do_not_matter(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\ntorn");
    let copy = FileName::Quarantine(QuarantineName::of(7, 4, b"torn"));
    for name in [
        &FileName::Identity,
        &FileName::Checkpoint,
        &FileName::Seal(9),
        &copy,
    ] {
        fixture.put_raw(&name.temp(), b"half of something that is longer");
    }
    assert_eq!(storage.list().unwrap().unknown_count, 0);
    storage.publish(&FileName::Identity, b"whole").unwrap();
    storage.publish(&FileName::Seal(9), b"whole").unwrap();
    storage.replace_head(&FileName::Checkpoint, b"whole").unwrap();
    storage.quarantine(7, 4).unwrap();
    for name in [FileName::Identity, FileName::Seal(9), FileName::Checkpoint] {
        assert_eq!(contents(&*storage, &name), b"whole");
    }
    assert_eq!(contents(&*storage, &copy), b"torn");
}

fn quarantine_saves_then_cuts(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\nto\0rn");
    let name = storage.quarantine(7, 4).unwrap();
    assert_eq!(name, QuarantineName::of(7, 4, b"to\0rn"));
    assert_eq!(contents(&*storage, &FileName::Quarantine(name)), b"to\0rn");
    assert_eq!(contents(&*storage, &SEGMENT), b"one\n");
    // A segment of nothing but a torn line, and the next append to it.
    let name = storage.quarantine(7, 0).unwrap();
    assert_eq!(contents(&*storage, &FileName::Quarantine(name)), b"one\n");
    storage.reopen(&SEGMENT, 0).unwrap().append(0, b"new\n").unwrap();
    assert_eq!(contents(&*storage, &SEGMENT), b"new\n");
}

fn quarantine_can_be_done_again(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\ntorn");
    expect_kind(storage.quarantine(7, 9), ErrorKind::InvalidData);
    expect_kind(storage.quarantine(7, 8), ErrorKind::NotFound);
    let name = storage.quarantine(7, 4).unwrap();
    assert_eq!(storage.quarantine(7, 4).unwrap(), name);
    // Cut short between the copy and the cut: the copy is there, and the bytes too.
    let segment = SEGMENT.to_string();
    fixture.put_raw(&segment, b"one\ntorn");
    assert_eq!(storage.quarantine(7, 4).unwrap(), name);
    // The same offset torn again, otherwise.
    fixture.put_raw(&segment, b"one\ntorn again");
    let other = storage.quarantine(7, 4).unwrap();
    assert_ne!(other, name);
    assert_eq!(storage.quarantine(7, 4).unwrap(), name.min(other));
    assert_eq!(contents(&*storage, &SEGMENT), b"one\n");
}

fn quarantine_cuts_nothing_without_a_copy(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\ntorn");
    let copy = FileName::Quarantine(QuarantineName::of(7, 4, b"torn"));
    fixture.put_raw(&copy.to_string(), b"something else");
    expect_kind(storage.quarantine(7, 4), ErrorKind::AlreadyExists);
    assert_eq!(contents(&*storage, &SEGMENT), b"one\ntorn");
    assert_eq!(contents(&*storage, &copy), b"something else");
}

fn settling_changes_nothing(fixture: &dyn Fixture) {
    // More than one piece of it.
    let bytes: Vec<u8> = (0..(1 << 20) + 1_000).map(|n: u32| n.to_le_bytes()[1]).collect();
    let storage = with_segment(fixture, &bytes);
    let len = bytes.len() as u64;
    for (from, to) in [(0, len), (3, len - 3), (len, len), (5, 5)] {
        storage.settle(7, from, to).unwrap();
    }
    expect_kind(storage.settle(7, 0, len + 1), ErrorKind::InvalidData);
    expect_kind(storage.settle(8, 0, 0), ErrorKind::NotFound);
    assert!(fixture.raw(&SEGMENT.to_string()).unwrap() == bytes);
}

fn expect_write_once(fixture: &dyn Fixture, storage: &dyn Storage) {
    expect_kind(storage.reopen(&SEGMENT, 4), ErrorKind::PermissionDenied);
    expect_kind(storage.quarantine(7, 0), ErrorKind::PermissionDenied);
    expect_kind(storage.settle(7, 0, 4), ErrorKind::PermissionDenied);
    expect_kind(storage.trim_filler(7, 4), ErrorKind::PermissionDenied);
    expect_kind(storage.create(&SEGMENT), ErrorKind::AlreadyExists);
    assert_eq!(fixture.raw(&SEGMENT.to_string()).unwrap(), b"one\n");
    assert_eq!(contents(storage, &SEGMENT), b"one\n");
}

fn a_sealed_segment_is_not_written_to(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\n");
    storage.publish(&FileName::Seal(7), b"{}\n").unwrap();
    expect_write_once(fixture, &*storage);
    storage.protect(7).unwrap();
    expect_write_once(fixture, &*storage);
}

fn a_protected_segment_is_not_written_to(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\n");
    storage.protect(7).unwrap();
    storage.protect(7).unwrap();
    expect_write_once(fixture, &*storage);
    expect_kind(storage.protect(8), ErrorKind::NotFound);
}

fn one_holder_at_a_time(fixture: &dyn Fixture) {
    let storage = fixture.storage();
    storage.create_directories().unwrap();
    let lock = storage
        .lock(r#"{"pid":1,"host":"the first, with a long name"}"#)
        .unwrap();
    for other in [&storage, &fixture.storage()] {
        let error = expect_kind(other.lock(r#"{"pid":2}"#), ErrorKind::WouldBlock);
        assert_eq!(
            error.to_string(),
            r#"{"pid":1,"host":"the first, with a long name"}"#
        );
        assert_eq!(
            other.holder().unwrap().unwrap(),
            r#"{"pid":1,"host":"the first, with a long name"}"#
        );
    }
    assert!(storage.list().unwrap().len_of(&FileName::Lock).is_some());
    drop(lock);
    assert_eq!(storage.holder().unwrap(), None);
    let _lock = fixture.storage().lock(r#"{"pid":2}"#).unwrap();
    assert_eq!(storage.holder().unwrap().unwrap(), r#"{"pid":2}"#);
}

fn a_removed_lock_file_lets_nobody_in(fixture: &dyn Fixture) {
    let storage = fixture.storage();
    storage.create_directories().unwrap();
    let _lock = storage.lock("first").unwrap();
    fixture.remove_raw("LOCK");
    expect_kind(fixture.storage().lock("second"), ErrorKind::WouldBlock);
    assert!(storage.holder().unwrap().is_some());
    fixture.put_raw("LOCK", b"");
    expect_kind(fixture.storage().lock("second"), ErrorKind::WouldBlock);
}

fn files_are_listed_with_their_lengths(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\ntorn");
    storage.publish(&FileName::Identity, b"12345").unwrap();
    storage.replace_head(&FileName::Checkpoint, b"123").unwrap();
    let copy = storage.quarantine(7, 4).unwrap();
    storage.publish(&FileName::Seal(7), b"12").unwrap();
    storage.create(&FileName::Segment(10)).unwrap();
    let listing = storage.list().unwrap();
    let expected = [
        (FileName::Checkpoint, 3),
        (FileName::Identity, 5),
        (FileName::Quarantine(copy), 4),
        (FileName::Seal(7), 2),
        (FileName::Segment(7), 4),
        (FileName::Segment(10), 0),
    ];
    assert_eq!(listing.files, expected);
    assert_eq!(listing.len_of(&FileName::Identity), Some(5));
    assert_eq!(listing.len_of(&FileName::Head), None);
}

fn what_is_no_part_of_the_ledger_is_named(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\n");
    for other in [
        "notes.txt",
        "segments/notes.txt",
        "segments/1.jsonl",
        "segments/old/00000000000000000001.jsonl",
        "quarantine/notes.txt",
        "backup/segments/00000000000000000000.jsonl",
        "notes.txt.tmp",
    ] {
        fixture.put_raw(other, b"x");
    }
    let listing = storage.list().unwrap();
    let expected = [
        "backup/",
        "notes.txt",
        "notes.txt.tmp",
        "quarantine/notes.txt",
        "segments/1.jsonl",
        "segments/notes.txt",
        "segments/old/",
    ];
    assert_eq!(listing.unknown, expected);
    assert_eq!(listing.unknown_count, 7);
    assert_eq!(listing.files, [(SEGMENT, 4)]);
}

fn unknown_names_are_bounded(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\n");
    for n in 0..=UNKNOWN_NAMES_MAX {
        fixture.put_raw(&format!("a{n:05}"), b"");
    }
    let newer = "segments/00000000000000000000.jsonl.zst";
    fixture.put_raw(newer, b"");
    let listing = storage.list().unwrap();
    assert_eq!(listing.unknown_count, UNKNOWN_NAMES_MAX as u64 + 2);
    assert_eq!(listing.unknown.len(), UNKNOWN_NAMES_MAX + 1);
    assert_eq!(
        listing.unknown[UNKNOWN_NAMES_MAX - 1],
        format!("a{:05}", UNKNOWN_NAMES_MAX - 1)
    );
    assert_eq!(listing.unknown[UNKNOWN_NAMES_MAX], newer);
}

fn errors_name_the_file(fixture: &dyn Fixture) {
    let storage = with_segment(fixture, b"one\n");
    let mut segment = storage.reopen(&SEGMENT, 4).unwrap();
    storage.publish(&FileName::Identity, b"x").unwrap();
    let of_the_segment = [
        expect_kind(segment.append(5, b"x"), ErrorKind::InvalidData),
        expect_kind(storage.create(&SEGMENT), ErrorKind::AlreadyExists),
        expect_kind(storage.reopen(&SEGMENT, 5), ErrorKind::InvalidData),
        expect_kind(storage.quarantine(7, 5), ErrorKind::InvalidData),
        expect_kind(storage.settle(7, 0, 5), ErrorKind::InvalidData),
        expect_kind(storage.trim_filler(7, 0), ErrorKind::InvalidData),
        expect_kind(storage.publish(&SEGMENT, b""), ErrorKind::InvalidInput),
        expect_kind(
            storage.open(&SEGMENT).unwrap().read_all(3),
            ErrorKind::FileTooLarge,
        ),
    ];
    for error in of_the_segment {
        let path = FileError::of(&error)
            .unwrap_or_else(|| panic!("no path: {error}"))
            .path();
        assert!(path.ends_with("segments/00000000000000000007.jsonl"), "{error}");
        assert!(error.to_string().contains(path), "{error}");
    }
    let error = expect_kind(
        storage.publish(&FileName::Identity, b"y"),
        ErrorKind::AlreadyExists,
    );
    assert!(error.to_string().contains("ledger.json"), "{error}");
}
