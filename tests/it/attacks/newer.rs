//! Lines of a later version: what every version keeps is checked, and nothing more is said of them than that.

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::record::NewerRecord;
use ledgerstone_formats::segment::Seal;
use ledgerstone_formats::tree::Frontier;
use ledgerstone_tests::check::ours;
use ledgerstone_tests::forge::zip;

use super::*;

/// Where the segment behind the specimen's own begins.
const NEWER: u64 = 9;

/// A line of a later version with a member that this one does not know, in the place of the next record.
fn zip_newer(seq: u64, prev: &str, member: &str) -> (Vec<u8>, String) {
    let payload = format!(
        r#"{{"salt":"{}","body":{{"n":{seq}}},"more":[1]}}"#,
        "0".repeat(32)
    );
    let digest = Hash::digest(payload.as_bytes());
    let header = format!(r#"{{"v":2,"seq":{seq},{member},"digest":"{digest}","prev":"{prev}"}}"#);
    let hash = Hash::leaf(header.as_bytes()).to_string();
    (zip(header.as_bytes(), payload.as_bytes()), hash)
}

/// A segment of three lines of a later version behind the specimen's own.
fn with_newer() -> Copy {
    let mut copy = closed(true);
    let last = copy.lines(OPEN).pop().unwrap();
    let mut prev = Record::parse(&last).unwrap().hash.to_string();
    let mut lines = Vec::new();
    for seq in 9..12 {
        let (line, hash) = zip_newer(seq, &prev, r#""new":true"#);
        lines.push(line);
        prev = hash;
    }
    copy.set_lines(NEWER, &lines);
    copy
}

#[test]
fn what_a_newer_version_wrote_is_39_and_never_called_altered() {
    let newer = with_newer();
    let judgement = expect(&newer, 39, segment(NEWER, 9));
    assert_eq!(
        judgement.ours.findings.len(),
        1,
        "one place for one fact: {judgement:#?}"
    );
    assert_eq!(judgement.ours.size, Some(12), "its lines are in the tree");
    // The software itself leaves such a ledger as it is.
    let (storage, keys) = newer.in_memory();
    let (ledger, recovered) = Ledger::open(
        Arc::new(storage.clone()),
        Arc::new(keys.clone()),
        Options::default(),
    )
    .unwrap();
    assert!(recovered.read_only.is_some());
    drop(ledger);
    assert_eq!(Copy::of(&storage, &keys), newer);
}

#[test]
fn a_line_of_a_newer_version_that_was_altered_is_31_in_its_place() {
    let newer = with_newer();
    for (index, line) in newer.lines(NEWER).iter().enumerate() {
        let seq = NEWER + index as u64;
        for place in (0..line.len()).step_by(7) {
            let mut altered = newer.clone();
            let mut lines = newer.lines(NEWER);
            lines[index][place] ^= 1;
            altered.set_lines(NEWER, &lines);
            let (storage, keys) = altered.in_memory();
            let report = ours(&storage, &keys);
            let found = report.findings.iter().find(|finding| finding.code.number() == 31);
            let found = found.unwrap_or_else(|| panic!("byte {place} of {seq}: {:?}", report.findings));
            assert_eq!(
                (found.seq, report.code()),
                (Some(seq), Some(found.code)),
                "byte {place}"
            );
        }
        let mut altered = newer.clone();
        let mut lines = newer.lines(NEWER);
        let last = lines[index].len() - 3;
        lines[index][last] ^= 1;
        altered.set_lines(NEWER, &lines);
        expect(&altered, 31, segment(NEWER, seq));
    }
    // One left out of what a head covers: number and link tell.
    let mut gone = newer.clone();
    gone.seal_again();
    let mut lines = newer.lines(NEWER);
    lines.remove(1);
    gone.set_lines(NEWER, &lines);
    expect(&gone, 31, segment(NEWER, 10));
}

#[test]
fn a_head_over_lines_of_a_newer_version_is_compared_with_their_tree() {
    let mut covered = with_newer();
    covered.seal_again();
    expect(&covered, 39, segment(NEWER, 9));
    // The last line is another one, and holds by itself.
    let mut lines = covered.lines(NEWER);
    let text = String::from_utf8(lines[2].clone()).unwrap();
    let (_, prev) = text.split_once(r#""prev":""#).unwrap();
    lines[2] = zip_newer(11, &prev[..64], r#""new":false"#).0;
    covered.set_lines(NEWER, &lines);
    expect(&covered, 32, segment(NEWER, NEWER));
    lines.truncate(2);
    covered.set_lines(NEWER, &lines);
    expect(&covered, 30, segment(NEWER, 11));
}

#[test]
fn a_segment_in_a_form_that_a_newer_version_made_is_39_and_never_called_missing() {
    let copy = closed(true);
    for first in copy.segments() {
        let place = Place::new();
        let ledger = place.join("books");
        copy.write(&ledger);
        let name = FileName::Segment(first).to_string();
        std::fs::rename(ledger.join(&name), ledger.join(name + ".zst")).unwrap();
        let judgement = judge(&ledger);
        assert_eq!(judgement.code(), 39, "{judgement:#?}");
    }
}

/// The specimen with all its segments sealed, the newer one by hand.
fn sealed_newer(change: impl FnOnce(&mut Seal)) -> Copy {
    let mut copy = with_newer();
    copy.put(&FileName::Seal(OPEN), Vec::new());
    copy.seal_again();
    let mut seal = Seal::parse(copy.file(&FileName::Seal(OPEN))).unwrap();
    let mut tree = Frontier::new();
    for line in copy.segments().iter().flat_map(|first| copy.lines(*first)) {
        let newer = NewerRecord::parse_checked(&line).map(|record| record.hash);
        seal.last_hash = newer.unwrap();
        tree.push(seal.last_hash);
    }
    let bytes = copy.file(&FileName::Segment(NEWER)).clone();
    (seal.first, seal.last, seal.count, seal.tree_size) = (NEWER, 11, 3, 12);
    (seal.root, seal.frontier) = (tree.root(), tree.roots().to_vec());
    (seal.bytes, seal.sha256) = (bytes.len() as u64, Hash::digest(&bytes));
    seal.prev_seal = Hash::digest(copy.file(&FileName::Seal(OPEN)));
    seal.head = String::from_utf8(copy.file(&FileName::Checkpoint).clone()).unwrap();
    change(&mut seal);
    copy.put(&FileName::Seal(NEWER), seal.encode());
    copy
}

#[test]
fn a_seal_over_lines_of_a_newer_version_is_compared_in_what_every_version_keeps() {
    expect(&sealed_newer(|_| {}), 39, segment(NEWER, 9));
    let wrong: [fn(&mut Seal); 3] = [
        |seal| seal.bytes += 1,
        |seal| seal.sha256 = seal.root,
        |seal| seal.last_hash = seal.root,
    ];
    for change in wrong {
        expect(&sealed_newer(change), 37, file(FileName::Seal(NEWER)));
    }
}
