//! What somebody can do to a ledger's files, what it is called, and where: each attack is judged by this project's
//! verifier and by the independent one.

mod families;
mod newer;

use std::sync::Arc;

use ledgerstone_engine::{ErrorKind, Ledger, Options};
use ledgerstone_formats::header::{GroupPlace, Header};
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::{Payload, Record};
use ledgerstone_tests::check::{Judgement, judge, judge_copy};
use ledgerstone_tests::cli::Place;
use ledgerstone_tests::forge::{Copy, edit};
use ledgerstone_tests::specimen::{Specimen, closed};

/// The specimen's segments: `[0..3)` and `[3..6)` sealed, `[6..9)` open.
const FIRST: u64 = 0;
const SECOND: u64 = 3;
const OPEN: u64 = 6;

/// Where `verify.py`, which stops at the first fault and leaves the rest to `full.py`, has another code: the verdict
/// and its code. It calls every tail past the heads unfinished and judges no counters; a nulled body is an altered line
/// to it, a seal edited at its root is one that the lines differ from, it looks at a seal before the lines,
/// and it goes no further than the first line of a newer version.
const BEYOND_THE_SHORT_ONE: [(u8, i32); 10] = [
    (31, 20),
    (38, 20),
    (38, 0),
    (36, 31),
    (37, 32),
    (31, 37),
    (32, 39),
    (30, 39),
    (31, 39),
    (37, 39),
];

/// Judges a ledger after an attack and expects this code; where a place is given, the worst finding names it.
#[track_caller]
fn expect(attacked: &Copy, code: u8, place: Option<(FileName, Option<u64>)>) -> Judgement {
    let judgement = judge_copy(attacked);
    assert_eq!(judgement.code(), code, "{judgement:#?}");
    let by_the_short_one = (code, judgement.other.short);
    assert!(
        i32::from(code) == by_the_short_one.1 || BEYOND_THE_SHORT_ONE.contains(&by_the_short_one),
        "{judgement:#?}"
    );
    if let Some((file, seq)) = place {
        let worst = judgement.worst().unwrap();
        assert_eq!(
            (worst.file, worst.seq),
            (Some(file.to_string()), seq),
            "{judgement:#?}"
        );
    }
    judgement
}

fn segment(first: u64, seq: u64) -> Option<(FileName, Option<u64>)> {
    Some((FileName::Segment(first), Some(seq)))
}

fn file(name: FileName) -> Option<(FileName, Option<u64>)> {
    Some((name, None))
}

/// Changes the lines of a segment.
fn with_lines(segment: u64, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Copy {
    let mut copy = closed(true);
    let mut lines = copy.lines(segment);
    change(&mut lines);
    copy.set_lines(segment, &lines);
    copy
}

fn forge_body(line: &[u8]) -> Vec<u8> {
    edit(line, |_, body| *body = br#"{"n":99}"#.to_vec())
}

/// The ledger without the last group of its open segment, and with the head that it had then.
fn earlier() -> (Specimen, Copy) {
    let specimen = Specimen::new(true);
    specimen.store(&[&[r#"{"n":1}"#]], true);
    specimen.store(&[&[r#"{"n":2}"#]], false);
    let copy = specimen.copy();
    (specimen, copy)
}

#[test]
fn a_whole_ledger_is_whole() {
    for signed in [true, false] {
        expect(&closed(signed), 0, None);
    }
}

#[test]
fn a_clumsy_edit_is_31_in_its_line() {
    let in_body = with_lines(SECOND, |lines| {
        let at = lines[1].len() - 4;
        lines[1][at] = b'7';
    });
    expect(&in_body, 31, segment(SECOND, 4));
    let in_header = with_lines(OPEN, |lines| {
        let text = String::from_utf8(lines[0].clone()).unwrap();
        lines[0] = text.replacen("audit_entry", "audit_entrz", 1).into_bytes();
    });
    expect(&in_header, 31, segment(OPEN, 6));
}

#[test]
fn an_edit_with_its_own_hash_made_to_fit_is_31_at_the_line_that_does_not_follow() {
    let edited = with_lines(SECOND, |lines| lines[0] = forge_body(&lines[0]));
    expect(&edited, 31, segment(SECOND, 4));
    // After the last line of a sealed segment comes its seal.
    let last = with_lines(SECOND, |lines| lines[2] = forge_body(&lines[2]));
    expect(&last, 32, segment(SECOND, SECOND));
}

#[test]
fn an_edit_with_all_later_lines_made_to_fit_is_32_at_the_first_seal_that_does_not() {
    for (first, index) in [(FIRST, 1), (SECOND, 0), (OPEN, 0)] {
        let mut edited = with_lines(first, |lines| lines[index] = forge_body(&lines[index]));
        edited.relink_from(first + index as u64 + 1);
        expect(&edited, 32, segment(first, first));
    }
    // Without a key the seals and the head can be made to fit as well: the head beside the ledger still tells.
    let mut unsigned = closed(false);
    let mut lines = unsigned.lines(SECOND);
    lines[0] = forge_body(&lines[0]);
    unsigned.set_lines(SECOND, &lines);
    unsigned.relink_from(SECOND + 1);
    unsigned.seal_again();
    expect(&unsigned, 32, None);
    unsigned.head_beside = None;
    expect(&unsigned, 0, None);
}

#[test]
fn deleted_inserted_and_moved_lines_are_31_at_the_first_that_does_not_follow() {
    expect(
        &with_lines(SECOND, |lines| drop(lines.remove(1))),
        31,
        segment(SECOND, 4),
    );
    expect(
        &with_lines(SECOND, |lines| lines.insert(1, lines[0].clone())),
        31,
        segment(SECOND, 4),
    );
    expect(
        &with_lines(SECOND, |lines| lines.swap(1, 2)),
        31,
        segment(SECOND, 4),
    );
    expect(&with_lines(OPEN, |lines| lines.swap(0, 1)), 31, segment(OPEN, 6));
    expect(
        &with_lines(SECOND, |lines| lines.push(lines[2].clone())),
        31,
        segment(SECOND, 6),
    );
    let empty_line = with_lines(SECOND, |lines| lines.insert(1, Vec::new()));
    expect(&empty_line, 31, segment(SECOND, 4));
}

#[test]
fn a_segment_of_another_ledger_is_31_at_its_first_line() {
    let (mut copy, other) = (closed(true), closed(true));
    copy.set_lines(SECOND, &other.lines(SECOND));
    expect(&copy, 31, segment(SECOND, 3));
    let mut copy = closed(true);
    copy.set_lines(OPEN, &other.lines(OPEN));
    expect(&copy, 31, segment(OPEN, 6));
}

#[test]
fn a_tail_cut_off_under_a_head_is_30_at_the_first_record_that_is_missing() {
    expect(&with_lines(OPEN, |lines| lines.truncate(1)), 30, segment(OPEN, 7));
    expect(&with_lines(OPEN, Vec::clear), 30, segment(OPEN, 6));
    expect(
        &with_lines(SECOND, |lines| lines.truncate(2)),
        30,
        segment(SECOND, 5),
    );
    let mut torn = closed(true);
    let bytes = torn.file(&FileName::Segment(OPEN));
    bytes.truncate(bytes.len() - 10);
    expect(&torn, 30, segment(OPEN, 8));
}

#[test]
fn an_older_state_put_back_is_33_while_any_newer_head_is_kept_elsewhere() {
    let (specimen, old) = earlier();
    specimen.store(&[&[r#"{"n":3}"#]], false);
    let mut restored = old.clone();
    restored.head_beside = specimen.copy().head_beside;
    expect(&restored, 33, None);
    // With every head put back too, nothing that is here tells.
    expect(&old, 0, None);
}

#[test]
fn a_history_that_forked_after_a_restore_is_33_while_it_is_shorter_and_32_then() {
    let (specimen, old) = earlier();
    specimen.store(&[&[r#"{"n":3}"#], &[r#"{"n":4}"#]], false);
    let kept = specimen.copy().head_beside;
    let forked = Specimen::reopen(&old);
    forked.store(&[&[r#"{"n":33}"#]], false);
    let mut shorter = forked.copy();
    shorter.head_beside.clone_from(&kept);
    expect(&shorter, 33, None);
    forked.store(&[&[r#"{"n":44}"#], &[r#"{"n":55}"#]], false);
    let mut longer = forked.copy();
    longer.head_beside = kept;
    expect(&longer, 32, None);
}

#[test]
fn a_rewriting_with_the_key_is_32_by_a_head_kept_elsewhere_and_by_nothing_else() {
    let mut rewritten = with_lines(SECOND, |lines| lines[0] = forge_body(&lines[0]));
    rewritten.relink_from(SECOND + 1);
    rewritten.seal_again();
    expect(&rewritten, 32, None);
    rewritten.head_beside = None;
    expect(&rewritten, 0, None);
}

/// A valid group of one that follows the last record, as somebody without the key can write it.
fn follow(copy: &Copy, change: impl FnOnce(&mut Header<'_>)) -> Vec<u8> {
    let last = copy.lines(OPEN).pop().unwrap();
    let record = Record::parse(&last).unwrap();
    edit(&last, |header, body| {
        *body = br#"{"n":9}"#.to_vec();
        header.seq += 1;
        header.group = None;
        header.at = header.at.successor();
        header.prev = record.hash;
        header.id = "by hand".into();
        change(header);
    })
}

/// A ledger with more at the end of its open segment.
fn with_tail(copy: &Copy, tail: &[u8]) -> Copy {
    let mut copy = copy.clone();
    copy.file(&FileName::Segment(OPEN)).extend_from_slice(tail);
    copy
}

fn added(change: impl FnOnce(&mut Header<'_>)) -> Copy {
    let copy = closed(true);
    let line = follow(&copy, change);
    with_tail(&copy, &[&line[..], b"\n"].concat())
}

#[test]
fn records_added_past_the_head_are_20_and_told_when_they_are_taken_in() {
    let added = added(|_| {});
    expect(&added, 20, None);
    let opened = Specimen::reopen(&added);
    opened.store(&[], false);
    let copy = opened.copy();
    let told = copy.lines(OPEN).pop().unwrap();
    let header = Record::parse(&told).unwrap().header;
    assert_eq!((&*header.kind, &*header.id), ("sys_recovery", "9-9"));
    expect(&copy, 0, None);
}

#[test]
fn an_unfinished_last_group_is_20_and_set_aside_when_it_is_opened() {
    let whole = closed(true);
    let line = follow(&whole, |_| {});
    let first_of_two = follow(&whole, |header| {
        header.group = Some(GroupPlace { index: 0, count: 2 });
    });
    for tail in [
        &line[..20],
        &line[..],
        &[&first_of_two[..], b"\n"].concat(),
        &[0; 300],
    ] {
        let torn = with_tail(&whole, tail);
        expect(&torn, 20, segment(OPEN, 9));
        let opened = Specimen::reopen(&torn);
        opened.store(&[&[r#"{"n":9}"#]], false);
        let copy = opened.copy();
        let quarantined: Vec<&[u8]> = copy
            .files()
            .filter(|(name, _)| name.starts_with("quarantine/"))
            .map(|(_, bytes)| bytes)
            .collect();
        assert_eq!(quarantined, [tail], "what was cut off is kept");
        expect(&copy, 0, None);
    }
}

#[test]
fn a_tail_that_no_interrupted_append_leaves_is_31_and_stays_where_it_is() {
    let whole = closed(true);
    let good = follow(&whole, |_| {});
    let skips = follow(&whole, |header| header.seq += 1);
    let unlinked = follow(&whole, |header| header.prev = Record::parse(&good).unwrap().hash);
    for tail in [
        b"hand-made\n".to_vec(),
        [&skips[..], b"\n"].concat(),
        [&unlinked[..], b"\n"].concat(),
        unlinked,
        [&good[..], b"\x0b"].concat(),
    ] {
        let damaged = with_tail(&whole, &tail);
        expect(&damaged, 31, segment(OPEN, 9));
        let (storage, keys) = damaged.in_memory();
        let (ledger, recovered) = Ledger::open(
            Arc::new(storage.clone()),
            Arc::new(keys.clone()),
            Options::default(),
        )
        .unwrap();
        assert_eq!(recovered.read_only.unwrap().kind(), ErrorKind::Corrupt);
        drop(ledger);
        assert_eq!(Copy::of(&storage, &keys), damaged, "damage is never cut off");
    }
}

#[test]
fn a_segment_that_is_gone_is_36() {
    for first in [FIRST, SECOND, OPEN] {
        let mut copy = closed(true);
        copy.remove(&FileName::Segment(first));
        expect(&copy, 36, segment(first, first));
    }
}

#[test]
fn a_body_nulled_without_an_order_is_36() {
    let nulled = with_lines(SECOND, |lines| {
        let record = Record::parse(&lines[1]).unwrap();
        let Payload::Whole { body, .. } = record.payload else {
            panic!("the specimen has no erased line")
        };
        let payload_len = body.len() + r#"{"salt":"","body":}"#.len() + 32;
        let start = lines[1].len() - payload_len + 1;
        let mut payload = br#""salt":null,"body":null"#.to_vec();
        payload.resize(payload_len - 2, b' ');
        payload.push(b'}');
        lines[1].splice(start.., payload);
    });
    expect(&nulled, 36, segment(SECOND, 4));
}

#[test]
fn an_identity_a_seal_or_a_head_that_is_edited_or_gone_is_37() {
    let edits = [
        (FileName::Identity, "specimen.example", "specimen.exemple"),
        (FileName::Seal(FIRST), r#""sys_genesis":1"#, r#""sys_genesis":2"#),
        (FileName::Seal(SECOND), r#""count":3"#, r#""count":4"#),
        (FileName::Checkpoint, "\n9\n", "\n8\n"),
    ];
    for (name, from, to) in edits {
        let mut edited = closed(true);
        let text = String::from_utf8(edited.file(&name).clone()).unwrap();
        assert!(text.contains(from), "{name}: {text}");
        edited.put(&name, text.replace(from, to));
        expect(&edited, 37, file(name.clone()));
        edited.remove(&name);
        // A last segment that is whole and has no seal is what a crash leaves just before sealing.
        let is_last_seal = name == FileName::Seal(SECOND);
        expect(
            &edited,
            if is_last_seal { 0 } else { 37 },
            file(name).filter(|_| !is_last_seal),
        );
    }
    let (mut copy, other) = (closed(true), closed(true));
    copy.put(
        &FileName::Checkpoint,
        other.files().find(|(name, _)| *name == "checkpoint").unwrap().1,
    );
    expect(&copy, 37, file(FileName::Checkpoint));
}

#[test]
fn counters_and_kinds_that_a_writer_would_not_give_are_38() {
    let changes: [fn(&mut Header<'_>); 4] = [
        |header| header.tenant = Some(("ac\"me".into(), 9)),
        |header| header.tenant = Some(("new".into(), 1)),
        |header| header.rev = Some(1),
        |header| header.kind = "sys_nonsense".into(),
    ];
    for change in changes {
        expect(&added(change), 38, segment(OPEN, 9));
    }
    // Under a head, by whoever has the key; nothing but the counter is wrong then.
    let mut sealed = added(|header| header.tenant = Some(("ac\"me".into(), 2)));
    sealed.seal_again();
    expect(&sealed, 38, segment(OPEN, 9));
}

#[test]
fn every_place_that_is_damaged_is_named() {
    let mut copy = closed(true);
    for (first, index) in [(FIRST, 1), (OPEN, 2)] {
        let mut lines = copy.lines(first);
        let at = lines[index].len() - 4;
        lines[index][at] ^= 1;
        copy.set_lines(first, &lines);
    }
    copy.remove(&FileName::Seal(FIRST));
    let judgement = expect(&copy, 31, segment(FIRST, 1));
    let codes: Vec<u8> = judgement
        .ours
        .findings
        .iter()
        .map(|finding| finding.code.number())
        .collect();
    assert_eq!(
        codes.iter().filter(|code| **code == 31).count(),
        2,
        "{judgement:#?}"
    );
    assert!(codes.contains(&37), "{judgement:#?}");
}
