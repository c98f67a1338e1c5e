//! A model of an interrupted append: every state it can leave is torn, and nothing else is.

use ledgerstone_formats::chain::{ChainHead, Counters, GroupStamp};
use ledgerstone_formats::draft::{Draft, Entry, Revisions};
use ledgerstone_formats::filler;
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::ids::{EntityId, Kind};
use ledgerstone_formats::json::Checker;
use ledgerstone_formats::time::Timestamp;

use super::{Tail, classify};

/// All combinations of lost sectors are tried up to so many sectors; of longer groups, as many by seed.
const SECTORS_ALL: usize = 4;
const LAST_AT: i64 = 1_795_000_000_000_000;
const SECTOR: u64 = 512;
/// Where groups begin in the file: the ends of a sector, one that a header crosses, and two in between.
const OFFSETS: [u64; 6] = [0, 1, 200, 511, 512, 3_777];

/// Bodies whose bytes could be taken for something else.
fn bodies() -> Vec<String> {
    vec![
        "{}".to_owned(),
        "{\t\"tab\":\t\"\\u0000 \\n \\\" }\"\t}  ".to_owned(),
        format!("{{\"long\":\"{}\"}}", "x}".repeat(700)),
        format!("{{\"spaces\":1{}}}", " ".repeat(1_100)),
        "{\"caf\u{e9}\":\",\\\"hash\\\":\\\"0\\\",\"}".to_owned(),
        format!("{{\"half\":\"{}\"}}", "y".repeat(400)),
    ]
}

/// The state of the chain before the tail.
fn before() -> ChainHead {
    ChainHead::resume(7, Hash::digest(b"before"), Timestamp::from_micros(LAST_AT))
}

fn draft(body: &str, nth: usize) -> Draft {
    let entry = Entry {
        kind: Kind::new("audit_entry").unwrap(),
        tenant: None,
        id: EntityId::new(&format!("id-{nth}")).unwrap(),
        minted: false,
        corr: None,
        key: None,
        revisions: Revisions::AsKind,
    };
    Draft::new(entry, [7; 16], body.as_bytes(), 1 << 20, &mut Checker::new()).unwrap()
}

/// The lines of a group, and the chain after them.
fn group(chain: &ChainHead, bodies: &[String], at: i64) -> (Vec<u8>, ChainHead) {
    let count = u32::try_from(bodies.len()).unwrap();
    let stamp = GroupStamp::new(Timestamp::from_micros(at).unwrap(), count);
    let (mut chain, mut lines) = (chain.clone(), Vec::new());
    for (nth, index) in (0..bodies.len()).zip(0..) {
        chain.extend(
            &draft(&bodies[nth], nth),
            &stamp,
            index,
            Counters::default(),
            &mut lines,
        );
    }
    (lines, chain)
}

/// Groups of one to five records, as the bodies come.
fn groups() -> Vec<Vec<String>> {
    let bodies = bodies();
    (1..=5)
        .flat_map(|count| (0..bodies.len()).map(move |from| (from, count)))
        .map(|(from, count)| bodies.iter().cycle().skip(from).take(count).cloned().collect())
        .collect()
}

fn judge(offset: u64, tail: &[u8]) -> Tail {
    classify(offset, tail, &before(), false)
}

/// The ranges of `len` bytes at `offset` by the sectors of the file.
fn sectors(offset: u64, len: usize) -> Vec<std::ops::Range<usize>> {
    let mut starts = vec![0];
    starts.extend((1..len).filter(|index| (offset + *index as u64).is_multiple_of(SECTOR)));
    let ends = starts.iter().skip(1).copied().chain([len]).collect::<Vec<_>>();
    starts
        .into_iter()
        .zip(ends)
        .map(|(start, end)| start..end)
        .collect()
}

/// Sets of lost sectors.
fn masks(sectors: usize, seed: &mut u64) -> Vec<u64> {
    let all = 1 << sectors.min(63);
    if sectors <= SECTORS_ALL {
        return (0..all).collect();
    }
    let mut masks: Vec<u64> = (0..sectors).map(|nth| 1 << nth).collect();
    masks.extend((0..1 << SECTORS_ALL).map(|_| random(seed) % all));
    masks
}

/// The splitmix64 generator.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn filler_from(offset: u64, len: usize) -> Vec<u8> {
    (offset..offset + len as u64).map(filler::byte_at).collect()
}

/// Filler from here to the end of its block of 4,096.
fn block_of_filler(offset: u64) -> Vec<u8> {
    let end = offset.next_multiple_of(4_096);
    filler_from(offset, usize::try_from(end - offset).unwrap())
}

/// Puts `put` in place of each sector of the set.
fn lose(offset: u64, whole: &[u8], lost: u64, put: impl Fn(u64, usize) -> Vec<u8>) -> Vec<u8> {
    let mut state = whole.to_vec();
    for (nth, range) in sectors(offset, whole.len()).into_iter().enumerate() {
        if lost >> nth & 1 == 1 {
            state[range.clone()].copy_from_slice(&put(offset + range.start as u64, range.len()));
        }
    }
    state
}

fn nul(_: u64, len: usize) -> Vec<u8> {
    vec![0; len]
}

/// What is set aside or passed over, never damage. A state that begins with the whole group is not asked.
#[track_caller]
fn assert_torn(offset: u64, state: &[u8], whole: &[u8], of: &str) {
    if state.starts_with(whole) {
        return;
    }
    match judge(offset, state) {
        Tail::Torn => {}
        Tail::Filler => assert!(filler::is_filler(offset, state), "{of}"),
        other => panic!(
            "{other:?}: at {offset}, {of}: {:?}",
            String::from_utf8_lossy(state)
        ),
    }
}

#[test]
fn every_loss_of_sectors_is_a_torn_tail() {
    let (mut tried, mut seed) = (0, 1);
    for bodies in groups() {
        for offset in OFFSETS {
            let (whole, _) = group(&before(), &bodies, LAST_AT + 1);
            let count = sectors(offset, whole.len()).len();
            for lost in masks(count, &mut seed) {
                let of = format!("{} records, lost {lost:#b}", bodies.len());
                let zeroed = lose(offset, &whole, lost, nul);
                assert_torn(offset, &zeroed, &whole, &of);
                // The length did not get there either: the file ends with its last sector that did.
                let used = zeroed.len() - zeroed.iter().rev().take_while(|byte| **byte == 0).count();
                assert_torn(offset, &zeroed[..used], &whole, &of);
                // The file was longer before, with filler where nothing was written.
                let mut filled = lose(offset, &whole, lost, filler_from);
                filled.extend(block_of_filler(offset + filled.len() as u64));
                assert_torn(offset, &filled, &whole, &of);
                filled.extend(filler_from(offset + filled.len() as u64, 4_096));
                assert_torn(offset, &filled, &whole, &of);
                // Filler of which some sectors never got there.
                let mut padded = whole.clone();
                padded.extend(block_of_filler(offset + whole.len() as u64));
                let unwritten = if padded.len() > whole.len() {
                    !0 << count
                } else {
                    0
                };
                let filled = lose(offset, &padded, lost | unwritten, filler_from);
                let zeroed = (lost | unwritten) & random(&mut seed);
                assert_torn(offset, &lose(offset, &filled, zeroed, nul), &whole, &of);
                tried += 5;
            }
        }
    }
    assert!(tried > 10_000);
}

#[test]
fn every_short_write_is_a_torn_tail() {
    for bodies in groups().into_iter().step_by(5) {
        for offset in [0, 200] {
            let (whole, _) = group(&before(), &bodies, LAST_AT + 1);
            for cut in (1..whole.len()).step_by(3) {
                assert_torn(offset, &whole[..cut], &whole, &format!("cut at {cut}"));
            }
            // Inside filler a write is short at the end of a sector.
            for range in &sectors(offset, whole.len())[1..] {
                let mut state = whole[..range.start].to_vec();
                state.extend(block_of_filler(offset + range.start as u64));
                assert_torn(offset, &state, &whole, &format!("cut at {}", range.start));
            }
            // The process was killed before, so the rest of the sector is filler too.
            for cut in (1..whole.len()).step_by(7) {
                let mut state = whole[..cut].to_vec();
                state.extend(block_of_filler(offset + cut as u64));
                let space = (offset + cut as u64) % SECTOR != SECTOR - 1;
                if space {
                    assert_torn(offset, &state, &whole, &format!("cut at {cut}, then filler"));
                }
            }
        }
    }
}

#[test]
fn a_line_may_end_with_its_sector() {
    for end in 1..=SECTOR {
        let (whole, _) = group(&before(), &bodies()[..2], LAST_AT + 1);
        // The last LF stands at `end - 1` of its sector.
        let offset = (end + SECTOR * 8 - whole.len() as u64 % SECTOR) % SECTOR;
        assert_eq!((offset + whole.len() as u64) % SECTOR, end % SECTOR);
        for lost in 0..1 << sectors(offset, whole.len()).len() {
            let mut state = lose(offset, &whole, lost, filler_from);
            state.extend(block_of_filler(offset + state.len() as u64));
            assert_torn(offset, &state, &whole, &format!("lost {lost:#b}"));
        }
    }
}

#[test]
fn every_single_bit_flip_of_a_whole_group_is_damage() {
    let mut tried = 0;
    for (bodies, offset) in [(&bodies()[..2], 0), (&bodies()[4..5], 200)] {
        let (whole, _) = group(&before(), bodies, LAST_AT + 1);
        let filler = block_of_filler(offset + whole.len() as u64);
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if bit % 5 == 0 {
                flipped.extend_from_slice(&filler);
            }
            let verdict = judge(offset, &flipped);
            assert!(
                matches!(verdict, Tail::Damage(_)),
                "{verdict:?}: bit {bit} of {:?}",
                String::from_utf8_lossy(&whole)
            );
            tried += 1;
        }
    }
    assert!(tried > 9_000);
}

#[test]
fn an_older_group_that_is_damaged_is_damage_though_a_newer_one_is_whole() {
    let mut seed = 2;
    for records in groups().into_iter().step_by(4) {
        for offset in OFFSETS {
            let (older, chain) = group(&before(), &records, LAST_AT + 1);
            let (newer, _) = group(&chain, &bodies()[..3], LAST_AT + 2);
            let both = [older.as_slice(), &newer].concat();
            for _ in 0..64 {
                let mut flipped = both.clone();
                let at = usize::try_from(random(&mut seed)).unwrap_or(usize::MAX) % older.len();
                flipped[at] ^= 1 << (random(&mut seed) % 8);
                assert!(matches!(judge(offset, &flipped), Tail::Damage(_)), "byte {at}");
            }
            for (nth, range) in sectors(offset, older.len()).iter().enumerate() {
                let state = [lose(offset, &older, 1 << nth, nul), newer.clone()].concat();
                let verdict = judge(offset, &state);
                assert!(matches!(verdict, Tail::Damage(_)), "{verdict:?}: {range:?}");
            }
        }
    }
}

/// The one line of the newer group is all that is left to see, at the start of a stretch.
#[test]
fn a_whole_line_of_a_later_group_after_a_lost_sector_is_damage() {
    let (older, chain) = group(&before(), &bodies()[..1], LAST_AT + 1);
    let (newer, _) = group(&chain, &bodies()[1..2], LAST_AT + 2);
    let offset = SECTOR * 4 - older.len() as u64;
    let state = [vec![0; older.len()], newer].concat();
    assert!(matches!(judge(offset, &state), Tail::Damage(_)));
}

#[test]
fn lines_taken_out_or_put_in_are_damage() {
    let (whole, chain) = group(&before(), &bodies()[..4], LAST_AT + 1);
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let without = |taken: usize| {
        let kept = lines.iter().enumerate().filter(|(nth, _)| *nth != taken);
        kept.flat_map(|(_, line)| line.to_vec()).collect::<Vec<u8>>()
    };
    for taken in 0..3 {
        assert!(
            matches!(judge(0, &without(taken)), Tail::Damage(_)),
            "line {taken}"
        );
    }
    assert_eq!(
        judge(0, &without(3)),
        Tail::Torn,
        "cut at a line's end: it cannot be told apart"
    );
    let swapped = [lines[1], lines[0], lines[2]].concat();
    assert!(matches!(judge(0, &swapped), Tail::Damage(_)));
    let twice = [lines[0], lines[0], lines[1]].concat();
    assert!(matches!(judge(0, &twice), Tail::Damage(_)));
    let (next, _) = group(&chain, &bodies()[..2], LAST_AT + 2);
    let mixed = [lines[0], next.as_slice()].concat();
    assert!(matches!(judge(0, &mixed), Tail::Damage(_)));
}

#[test]
fn a_group_of_another_place_or_time_is_damage() {
    let cut = |lines: Vec<u8>| lines[..lines.len() - 1].to_vec();
    let other = ChainHead::resume(7, Hash::digest(b"other"), Timestamp::from_micros(LAST_AT));
    let torn = |chain: &ChainHead, at| {
        let (whole, _) = group(chain, &bodies()[..2], at);
        classify(0, &cut(whole), &before(), false)
    };
    assert_eq!(torn(&before(), LAST_AT + 1), Tail::Torn);
    assert!(
        matches!(torn(&other, LAST_AT + 1), Tail::Damage(_)),
        "another link"
    );
    assert!(matches!(torn(&before(), LAST_AT), Tail::Damage(_)), "not later");
    let ahead = ChainHead::resume(8, Hash::digest(b"before"), None);
    assert!(
        matches!(torn(&ahead, LAST_AT + 1), Tail::Damage(_)),
        "another number"
    );
    // The first group of a segment may turn time back, with an operator's word.
    let (whole, _) = group(&before(), &bodies()[..2], LAST_AT - 5);
    assert_eq!(classify(0, &cut(whole), &before(), true), Tail::Torn);
}

/// Two appends, of which the later one reached some sectors only: nobody appends twice to one place.
#[test]
fn lines_of_two_groups_at_one_place_are_damage() {
    let bodies = ["{}", &format!("{{\"long\":\"{}\"}}", "x".repeat(3_000)), "{}"].map(str::to_owned);
    let (mut mixed, _) = group(&before(), &bodies, LAST_AT + 1);
    let (later, _) = group(&before(), &bodies, LAST_AT + 2);
    // A sector inside the long line is missing, so nothing links the last line to those before.
    mixed[1_024..1_536].fill(0);
    assert_eq!(judge(0, &mixed), Tail::Torn);
    let last = mixed.len() - 500;
    let line = last + mixed[last..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    mixed[line..].copy_from_slice(&later[line..]);
    assert!(matches!(judge(0, &mixed), Tail::Damage(_)));
}

/// What keeps such a group from being kept, a kind that may not stand there say, is no interruption.
#[test]
fn a_group_that_lacks_nothing_is_no_torn_tail() {
    for count in [1, 3] {
        let (whole, _) = group(&before(), &bodies()[..count], LAST_AT + 1);
        assert!(matches!(judge(0, &whole), Tail::Damage(_)));
    }
}

#[test]
fn what_is_no_line() {
    assert_eq!(judge(5, &[]), Tail::Filler);
    assert_eq!(judge(5, &block_of_filler(5)), Tail::Filler);
    assert_eq!(judge(5, &[0; 2_000]), Tail::Torn, "a length that got there alone");
    assert_eq!(
        judge(5, b"hello"),
        Tail::Torn,
        "no line ends: nothing whole is lost by setting it aside"
    );
    for damage in ["hello\n", "\n", "   \n", "\u{1}", "{}\n{}", "\r\n"] {
        assert!(
            matches!(judge(5, damage.as_bytes()), Tail::Damage(_)),
            "{damage:?}"
        );
    }
    let long = vec![b'x'; 70 << 20];
    assert!(matches!(judge(5, &long), Tail::Damage(_)), "more than a group");
}

/// A line as a later version may write it.
fn newer_line(chain: &ChainHead) -> Vec<u8> {
    let (line, _) = group(chain, &bodies()[..1], LAST_AT + 1);
    let text = String::from_utf8(line).unwrap().replace("{\"v\":1,", "{\"v\":2,");
    let (open, rest) = text.split_once(",\"hash\":\"").unwrap();
    let hash = Hash::leaf(format!("{open}}}").as_bytes());
    format!("{open},\"hash\":\"{hash}{}", &rest[64..]).into_bytes()
}

#[test]
fn a_newer_version_is_told_from_a_flipped_bit() {
    let line = newer_line(&before());
    assert_eq!(judge(9, &line), Tail::Newer(2));
    let two = [line.as_slice(), b"{\"v\":2,\"seq\""].concat();
    assert_eq!(judge(9, &two), Tail::Newer(2));
    for cut in 8..line.len() {
        assert_eq!(judge(9, &line[..cut]), Tail::Newer(2), "cut at {cut}");
    }
    let mut flipped = line.clone();
    flipped[40] ^= 1;
    assert!(matches!(judge(9, &flipped), Tail::Damage(_)));
}
