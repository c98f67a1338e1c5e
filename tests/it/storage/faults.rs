//! The simulated disk's own promises: that it fails as its header says.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use expect_test::expect;
use ledgerstone_engine::storage::sim::{Fault, Sim, Survival};
use ledgerstone_engine::storage::{Append, FileError, Storage};
use ledgerstone_formats::names::FileName;

const SEGMENT: &str = "segments/00000000000000000000.jsonl";

fn new_segment() -> (Sim, Box<dyn Append>) {
    let sim = Sim::new();
    sim.create_directories().unwrap();
    let segment = sim.create(&FileName::Segment(0)).unwrap();
    (sim, segment)
}

fn after(sim: &Sim, survival: Survival) -> Vec<u8> {
    sim.crash(survival).raw(SEGMENT).unwrap()
}

/// The distinct contents of the segment over all combinations of what survives.
fn all_after(sim: &Sim) -> BTreeSet<Vec<u8>> {
    (0..1 << sim.unsynced())
        .map(|mask| after(sim, Survival::Mask(mask)))
        .collect()
}

#[test]
fn unsynced_bytes_survive_a_kill_and_not_a_loss_of_power() {
    let (sim, mut segment) = new_segment();
    segment.append(0, b"synced\n").unwrap();
    segment.sync().unwrap();
    segment.append(7, b"not synced\n").unwrap();
    assert_eq!(sim.kill().raw(SEGMENT).unwrap(), b"synced\nnot synced\n");
    assert_eq!(after(&sim, Survival::LoseAll), b"synced\n");
    assert_eq!(after(&sim, Survival::KeepAll), b"synced\nnot synced\n");
    segment.sync().unwrap();
    assert_eq!(after(&sim, Survival::LoseAll), b"synced\nnot synced\n");
}

#[test]
fn sectors_and_length_survive_in_every_combination() {
    let (sim, mut segment) = new_segment();
    let bytes = [[b'a'; 512], [b'b'; 512], [b'c'; 512]].concat();
    segment.append(0, &bytes[..1_500]).unwrap();
    assert_eq!(sim.unsynced(), 4);
    let found = all_after(&sim);
    let mut expected = BTreeSet::new();
    for mask in 0..16_usize {
        let mut contents = vec![0; 1_500];
        let mut len = if mask & 8 == 0 { 0 } else { 1_500 };
        for sector in (0..3).filter(|sector| mask >> sector & 1 == 1) {
            let (start, end) = (sector * 512, (sector * 512 + 512).min(1_500));
            contents[start..end].copy_from_slice(&bytes[start..end]);
            len = len.max(end);
        }
        contents.truncate(len);
        expected.insert(contents);
    }
    assert_eq!(found, expected);
}

#[test]
fn a_sector_written_twice_may_come_back_as_it_was_in_between() {
    let (sim, mut segment) = new_segment();
    segment.append(0, b"one\n").unwrap();
    segment.append(4, b"two\n").unwrap();
    segment.append(8, b"three\n").unwrap();
    let found: BTreeSet<_> = (0..500).map(|seed| after(&sim, Survival::Seeded(seed))).collect();
    for (bytes, why) in [
        (b"".as_slice(), "nothing"),
        (b"one\n", "the first write"),
        (b"one\ntwo\n", "the second"),
        (b"one\ntwo\nthree\n", "all"),
        (
            b"one\ntwo\n\0\0\0\0\0\0",
            "all of the length, and the second write",
        ),
    ] {
        assert!(found.contains(bytes), "{why}: {found:?}");
    }
}

#[test]
fn what_a_failed_sync_lost_stays_lost_until_it_is_written_again() {
    let (sim, mut segment) = new_segment();
    segment.append(0, &[b'a'; 1_024]).unwrap();
    sim.fail_at(sim.operations(), Fault::Short(1));
    assert!(segment.sync().is_err());
    segment.sync().unwrap();
    let expected = [[b'a'; 512], [0; 512]].concat();
    assert_eq!(after(&sim, Survival::KeepAll), expected);
    assert_eq!(sim.raw(SEGMENT).unwrap(), [b'a'; 1_024], "still in the cache");
    sim.drop_clean_pages();
    assert_eq!(sim.raw(SEGMENT).unwrap(), expected, "no longer");
}

#[test]
fn a_sync_can_fail_after_all_of_it_landed() {
    let (sim, mut segment) = new_segment();
    segment.append(0, b"one\n").unwrap();
    sim.fail_at(sim.operations(), Fault::LandsButFails);
    let error = segment.sync().unwrap_err();
    assert_eq!(FileError::of(&error).unwrap().raw_os_error(), Some(5));
    assert_eq!(after(&sim, Survival::LoseAll), b"one\n");
}

#[test]
fn an_entry_that_was_not_synced_can_be_lost_with_all_its_bytes() {
    let sim = Sim::new();
    sim.create_directories().unwrap();
    // The file is made; the power goes before its directory is synced.
    sim.power_off_at(sim.operations() + 1);
    assert!(sim.create(&FileName::Segment(0)).is_err());
    assert_eq!(sim.crash(Survival::LoseAll).raw(SEGMENT), None);
    assert_eq!(sim.crash(Survival::KeepAll).raw(SEGMENT).unwrap(), b"");
    assert_eq!(sim.crash(Survival::Mask(0)).list().unwrap().files, []);
}

#[test]
fn a_rename_is_there_whole_or_not_at_all() {
    let sim = Sim::new();
    sim.replace_head(&FileName::Head, b"old").unwrap();
    let sim = sim.crash(Survival::KeepAll);
    // Made, written, synced, renamed; the power goes before the directory is synced.
    sim.power_off_at(4);
    assert!(sim.replace_head(&FileName::Head, b"new").is_err());
    let names = |survival| {
        let sim = sim.crash(survival);
        (
            sim.raw("head").map(|head| head == b"new"),
            sim.raw("head.tmp").is_some(),
        )
    };
    assert_eq!(names(Survival::LoseAll), (Some(false), false));
    assert_eq!(names(Survival::KeepAll), (Some(true), false));
    assert_eq!(sim.unsynced(), 2, "the new entry and the rename");
    assert_eq!(names(Survival::Mask(0b01)), (Some(false), true));
    assert_eq!(names(Survival::Mask(0b10)), (Some(true), false));
}

#[test]
fn a_cut_that_was_not_synced_can_be_undone() {
    let (sim, mut segment) = new_segment();
    let torn = [b't'; 1_100];
    segment.append(0, b"one\n").unwrap();
    segment.append(4, &torn).unwrap();
    segment.sync().unwrap();
    let whole = sim.raw(SEGMENT).unwrap();
    // The copy is made and the segment cut; the power goes before the segment is synced.
    let before = sim.operations();
    let rehearsal = sim.kill();
    rehearsal.quarantine(0, 4).unwrap();
    sim.power_off_at(before + rehearsal.operations() - 1);
    assert!(sim.quarantine(0, 4).is_err());
    let found = all_after(&sim);
    assert!(found.contains(b"one\n".as_slice()), "cut");
    assert!(found.contains(&whole), "not cut");
    let mut zeroed = whole.clone();
    zeroed[4..512].fill(0);
    assert!(
        found.contains(&zeroed),
        "the page at the cut was written, the length was not"
    );
    assert_eq!(found.len(), 3);
}

#[test]
fn a_write_can_be_short_at_any_byte() {
    for taken in 1..=20_u64 {
        let (sim, mut segment) = new_segment();
        sim.fail_at(sim.operations(), Fault::Short(taken));
        let result = segment.append(0, b"a line of 20 bytes.\n");
        assert_eq!(result.is_ok(), taken == 20);
        assert_eq!(
            sim.raw(SEGMENT).unwrap(),
            b"a line of 20 bytes.\n"[..usize::try_from(taken).unwrap()]
        );
        assert_eq!(sim.operations(), 4 + 2, "no second write: {:?}", sim.log());
    }
}

#[test]
fn a_write_within_a_file_is_short_at_the_end_of_a_sector() {
    for (short, settled) in [(1, 1_024), (424, 1_024), (425, 1_536)] {
        let (sim, mut segment) = new_segment();
        segment.append(0, &[b'a'; 2_000]).unwrap();
        sim.fail_at(sim.operations(), Fault::Fails);
        assert!(segment.sync().is_err());
        // The first write of the settling is short, the next one fails; what was written again gets there.
        sim.fail_at(sim.operations(), Fault::Short(short));
        sim.fail_at(sim.operations() + 1, Fault::Fails);
        assert!(sim.settle(0, 600, 2_000).is_err());
        let after = after(&sim, Survival::KeepAll);
        assert!(after[512..settled].iter().all(|byte| *byte == b'a'), "{short}");
        assert!(after[settled..].iter().all(|byte| *byte == 0), "{short}");
    }
}

#[test]
fn the_page_cache_can_forget_between_two_operations() {
    let (sim, mut segment) = new_segment();
    segment.append(0, b"one\n").unwrap();
    sim.fail_at(sim.operations(), Fault::Fails);
    assert!(segment.sync().is_err());
    sim.drop_clean_pages_at(sim.operations() + 1);
    assert!(sim.sync_directories().is_ok());
    assert_eq!(sim.raw(SEGMENT).unwrap(), [0; 4]);
}

#[test]
fn a_full_disk_takes_what_fits() {
    let (sim, mut segment) = new_segment();
    sim.set_free_bytes(10);
    let error = segment.append(0, b"a line of 20 bytes.\n").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(sim.raw(SEGMENT).unwrap(), b"a line of ");
    assert_eq!(Storage::free_bytes(&sim).unwrap(), 0);
    // What is there can be written again.
    sim.settle(0, 0, 10).unwrap();
    sim.set_free_bytes(10);
    segment.append(10, b"20 bytes.\n").unwrap();
}

#[test]
fn unreadable_bytes_and_flipped_bits_outlast_a_crash() {
    let (sim, mut segment) = new_segment();
    segment.append(0, b"0123456789").unwrap();
    segment.sync().unwrap();
    sim.set_unreadable(SEGMENT, Some(4..6));
    sim.flip_bit(SEGMENT, 8, 1).unwrap();
    let sim = sim.crash(Survival::LoseAll);
    let reader = sim.open(&FileName::Segment(0)).unwrap();
    let mut buffer = [0; 4];
    reader.read_at(0, &mut buffer).unwrap();
    reader.read_at(6, &mut buffer).unwrap();
    assert_eq!(&buffer, b"6799");
    assert!(reader.read_at(2, &mut buffer).is_err());
    assert!(reader.read_at(5, &mut buffer).is_err());
    sim.set_unreadable(SEGMENT, None);
    assert_eq!(reader.read_all(10).unwrap(), b"0123456799");
    assert_eq!(
        sim.flip_bit("none", 0, 1).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn a_lock_ends_with_its_process() {
    let sim = Sim::new();
    let lock = sim.lock("first").unwrap();
    let next = sim.kill();
    let _held = next.lock("second").unwrap();
    drop(lock);
    assert_eq!(next.holder().unwrap().unwrap(), "second");
    assert!(sim.crash(Survival::LoseAll).lock("third").is_ok());
}

#[test]
fn without_power_nothing_works() {
    let (sim, mut segment) = new_segment();
    let reader = sim.open(&FileName::Segment(0)).unwrap();
    sim.power_off_at(sim.operations());
    assert!(segment.append(0, b"x").is_err());
    assert!(segment.sync().is_err());
    assert!(reader.len().is_err());
    assert!(sim.list().is_err());
    assert!(sim.lock("x").is_err());
    assert_eq!(sim.kill().raw(SEGMENT).unwrap(), b"");
}

#[test]
fn the_same_seed_is_the_same_crash() {
    let (sim, mut segment) = new_segment();
    let mut offset = 0;
    for n in 0..40_usize {
        segment.append(offset, &vec![b'x'; 100 * n]).unwrap();
        offset += 100 * n as u64;
    }
    let found: Vec<_> = (0..100).map(|seed| after(&sim, Survival::Seeded(seed))).collect();
    let again: Vec<_> = (0..100).map(|seed| after(&sim, Survival::Seeded(seed))).collect();
    assert!(found == again);
    assert!(
        found.into_iter().collect::<BTreeSet<_>>().len() > 60,
        "other seeds are other crashes"
    );
}

#[test]
fn the_log_says_what_was_done_in_order() {
    let sim = Sim::new();
    sim.create_directories().unwrap();
    sim.fail_at(3, Fault::LandsButFails);
    assert!(sim.create(&FileName::Segment(0)).is_err());
    sim.publish(&FileName::Seal(0), b"seal").unwrap();
    // Who knows how it came there: the same bytes again are synced again.
    sim.publish(&FileName::Seal(0), b"seal").unwrap();
    let log: Vec<String> = sim.log().iter().map(ToString::to_string).collect();
    expect![[r#"
        make directory segments
        make directory quarantine
        sync directory .
        create segments/00000000000000000000.jsonl [LandsButFails]
        create segments/00000000000000000000.seal.json.tmp
        write segments/00000000000000000000.seal.json.tmp at 0, 4 bytes
        sync segments/00000000000000000000.seal.json.tmp
        rename segments/00000000000000000000.seal.json.tmp to segments/00000000000000000000.seal.json
        sync directory segments
        sync segments/00000000000000000000.seal.json
        sync directory segments
    "#]]
    .assert_eq(&format!("{}\n", log.join("\n")));
}
