//! Each sequence of the storage, cut at each of its calls, with every combination of what reached the medium; and with
//! each of its calls failing. Nothing is lost, nothing is half there, and the same call again finishes it.

use std::io;

use ledgerstone_engine::storage::Storage;
use ledgerstone_engine::storage::sim::{Call, Fault, Sim, Survival};
use ledgerstone_formats::filler;
use ledgerstone_formats::names::FileName;

const SEGMENT: &str = "segments/00000000000000000007.jsonl";
const SEAL: &str = "segments/00000000000000000007.seal.json";
const KEPT: &[u8] = b"{\"a line\":1}\n";
/// Changes of which all combinations are tried.
const CHANGES_MAX: u32 = 12;

struct Sequence {
    name: &'static str,
    prepare: fn(&Sim),
    run: fn(&Sim) -> io::Result<()>,
    /// Whether this may be found after a crash or an error.
    allowed: fn(&Sim) -> bool,
    /// Whether all is done, given that it is allowed.
    done: fn(&Sim) -> bool,
}

const SEQUENCES: &[Sequence] = &[
    Sequence {
        name: "create directories",
        prepare: |_| {},
        run: |sim| sim.create_directories(),
        allowed: |_| true,
        done: |sim| {
            sim.create(&FileName::Segment(9)).is_ok() && sim.publish(&FileName::Seal(7), b"seal").is_ok()
        },
    },
    Sequence {
        name: "sync directories",
        prepare: |sim| sim.create_directories().unwrap(),
        run: |sim| sim.sync_directories(),
        allowed: |_| true,
        done: |sim| sim.create(&FileName::Segment(9)).is_ok(),
    },
    Sequence {
        name: "create",
        prepare: |sim| sim.create_directories().unwrap(),
        // What the engine does when it opens a ledger whose last segment is there and empty.
        run: |sim| match sim.create(&FileName::Segment(7)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                sim.sync_directories()?;
                sim.reopen(&FileName::Segment(7), 0).map(drop)
            }
            created => created.map(drop),
        },
        allowed: |sim| sim.raw(SEGMENT).is_none_or(|bytes| bytes.is_empty()),
        done: |sim| sim.raw(SEGMENT).is_some(),
    },
    Sequence {
        name: "publish",
        prepare: prepare_segment,
        run: |sim| sim.publish(&FileName::Seal(7), &[b'x'; 700]),
        allowed: |sim| sim.raw(SEAL).is_none_or(|bytes| bytes == [b'x'; 700]),
        done: |sim| sim.raw(SEAL).is_some(),
    },
    Sequence {
        name: "replace head",
        prepare: |sim| {
            prepare_segment(sim);
            sim.replace_head(&FileName::Checkpoint, &[b'o'; 600]).unwrap();
        },
        run: |sim| sim.replace_head(&FileName::Checkpoint, &[b'n'; 700]),
        allowed: |sim| {
            let head = sim.raw("checkpoint").expect("there is always a head");
            head == [b'o'; 600] || head == [b'n'; 700]
        },
        done: |sim| sim.raw("checkpoint").unwrap() == [b'n'; 700],
    },
    Sequence {
        name: "replace head over a leftover",
        prepare: |sim| {
            sim.replace_head(&FileName::Checkpoint, b"old").unwrap();
            sim.put_raw("checkpoint.tmp", &[b'z'; 900]);
        },
        run: |sim| sim.replace_head(&FileName::Checkpoint, b"new"),
        allowed: |sim| {
            let head = sim.raw("checkpoint").expect("there is always a head");
            head == b"old" || head == b"new"
        },
        done: |sim| sim.raw("checkpoint").unwrap() == b"new",
    },
    Sequence {
        name: "quarantine",
        prepare: |sim| {
            prepare_segment(sim);
            let mut segment = sim.reopen(&FileName::Segment(7), KEPT.len() as u64).unwrap();
            segment.append(KEPT.len() as u64, &torn()).unwrap();
            segment.sync().unwrap();
        },
        run: |sim| sim.quarantine(7, KEPT.len() as u64).map(drop),
        allowed: nothing_torn_is_lost,
        done: |sim| sim.raw(SEGMENT).unwrap() == KEPT && has_copy(sim),
    },
    Sequence {
        name: "trim filler",
        prepare: |sim| {
            prepare_segment(sim);
            let filler: Vec<u8> = (KEPT.len() as u64..4_096).map(filler::byte_at).collect();
            let mut segment = sim.reopen(&FileName::Segment(7), KEPT.len() as u64).unwrap();
            segment.append(KEPT.len() as u64, &filler).unwrap();
            segment.sync().unwrap();
        },
        run: |sim| {
            // The sector at the cut may come back zeroed, without the shorter length: recovery's to judge.
            match sim.trim_filler(7, KEPT.len() as u64) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    sim.quarantine(7, KEPT.len() as u64).map(drop)
                }
                trimmed => trimmed,
            }
        },
        allowed: |sim| sim.raw(SEGMENT).unwrap().starts_with(KEPT),
        done: |sim| sim.raw(SEGMENT).unwrap() == KEPT,
    },
    Sequence {
        name: "protect",
        prepare: prepare_segment,
        run: |sim| sim.protect(7),
        allowed: |sim| sim.raw(SEGMENT).unwrap() == KEPT,
        done: |sim| sim.reopen(&FileName::Segment(7), KEPT.len() as u64).is_err(),
    },
];

fn prepare_segment(sim: &Sim) {
    sim.create_directories().unwrap();
    let mut segment = sim.create(&FileName::Segment(7)).unwrap();
    segment.append(0, KEPT).unwrap();
    segment.sync().unwrap();
}

/// Bytes of three sectors.
fn torn() -> Vec<u8> {
    (0..1_200_u32).map(|n| b'a' + n.to_le_bytes()[0] % 26).collect()
}

fn has_copy(sim: &Sim) -> bool {
    sim.list().unwrap().files.iter().any(|(name, _)| {
        matches!(name, FileName::Quarantine(_)) && sim.raw(&name.to_string()).unwrap() == torn()
    })
}

/// The tail is where it was or in its copy, and all copies are of bytes that stood there.
fn nothing_torn_is_lost(sim: &Sim) -> bool {
    let (segment, whole) = (sim.raw(SEGMENT).unwrap(), [KEPT, &torn()].concat());
    segment.starts_with(KEPT) && (segment == whole || has_copy(sim))
}

/// A disk at rest, with no operation counted yet.
fn prepared(sequence: &Sequence) -> Sim {
    let sim = Sim::new();
    (sequence.prepare)(&sim);
    sim.crash(Survival::KeepAll)
}

fn survivals(sim: &Sim) -> Vec<Survival> {
    let changes = sim.unsynced();
    if changes <= CHANGES_MAX {
        return (0..1 << changes).map(Survival::Mask).collect();
    }
    let mut survivals = vec![Survival::KeepAll, Survival::LoseAll];
    survivals.extend((0..1 << CHANGES_MAX).map(Survival::Seeded));
    survivals
}

fn told(sequence: &Sequence, sim: &Sim, of: &str) -> String {
    let log: Vec<String> = sim.log().iter().map(ToString::to_string).collect();
    format!("{}, {of}:\n  {}", sequence.name, log.join("\n  "))
}

/// Done, and so whatever the power does now.
fn assert_done(sequence: &Sequence, sim: &Sim, of: &str) {
    for after in survivals(sim)
        .into_iter()
        .map(|survival| sim.crash(survival))
        .chain([sim.kill()])
    {
        assert!(
            (sequence.allowed)(&after),
            "half done: {}",
            told(sequence, sim, of)
        );
        assert!(
            (sequence.done)(&after),
            "not durable: {}",
            told(sequence, sim, of)
        );
    }
}

#[test]
fn a_sequence_cut_anywhere_can_be_done_again() {
    for sequence in SEQUENCES {
        let whole = prepared(sequence);
        (sequence.run)(&whole).unwrap();
        assert_done(sequence, &whole, "not cut");
        let mut tried = 0;
        for cut in 0..whole.operations() {
            let sim = prepared(sequence);
            sim.power_off_at(cut);
            assert!(
                (sequence.run)(&sim).is_err(),
                "{}",
                told(sequence, &sim, "cut and not noticed")
            );
            for survival in survivals(&sim) {
                let of = format!("cut before {cut}, {survival:?}");
                let after = sim.crash(survival);
                assert!((sequence.allowed)(&after), "{}", told(sequence, &sim, &of));
                (sequence.run)(&after).unwrap_or_else(|e| panic!("{e}: {}", told(sequence, &sim, &of)));
                assert_done(sequence, &after, &of);
                tried += 1;
            }
            let after = sim.kill();
            assert!((sequence.allowed)(&after), "{}", told(sequence, &sim, "killed"));
            (sequence.run)(&after).unwrap();
            assert_done(sequence, &after, "killed");
        }
        println!("{}: {} calls, {tried} crashes", sequence.name, whole.operations());
        assert!(tried >= whole.operations());
    }
}

#[test]
fn a_sequence_that_fails_anywhere_says_so_and_can_be_done_again() {
    let faults = [
        Fault::Fails,
        Fault::Full,
        Fault::LandsButFails,
        Fault::Short(0),
        Fault::Short(1),
        Fault::Short(513),
    ];
    for sequence in SEQUENCES {
        let whole = prepared(sequence);
        (sequence.run)(&whole).unwrap();
        for (number, fault) in (0..whole.operations()).flat_map(|n| faults.map(|fault| (n, fault))) {
            let sim = prepared(sequence);
            sim.fail_at(number, fault);
            let of = format!("{fault:?} at {number}");
            let is_short_write = matches!(fault, Fault::Short(1 | 513))
                && matches!(
                    whole.log()[usize::try_from(number).unwrap()].call,
                    Call::Write { .. }
                );
            let result = (sequence.run)(&sim);
            assert_eq!(result.is_ok(), is_short_write, "{}", told(sequence, &sim, &of));
            for survival in survivals(&sim) {
                let after = sim.crash(survival);
                assert!(
                    (sequence.allowed)(&after),
                    "{survival:?} of {}",
                    told(sequence, &sim, &of)
                );
            }
            (sequence.run)(&sim).unwrap_or_else(|e| panic!("{e}: {}", told(sequence, &sim, &of)));
            assert_done(sequence, &sim, &of);
        }
    }
}

/// A segment of 1,500 bytes whose sync failed: they are in the page cache of this boot, clean, and nowhere else.
fn unsettled() -> (Sim, Vec<u8>) {
    let sim = Sim::new();
    sim.create_directories().unwrap();
    let bytes: Vec<u8> = (0..1_500_u32).map(|n| n.to_le_bytes()[0] | 1).collect();
    let mut segment = sim.create(&FileName::Segment(7)).unwrap();
    segment.append(0, &bytes).unwrap();
    sim.fail_at(sim.operations(), Fault::Fails);
    assert!(segment.sync().is_err());
    (sim.kill(), bytes)
}

#[test]
fn settling_puts_on_the_medium_what_a_plain_sync_does_not() {
    let (sim, bytes) = unsettled();
    assert_eq!(sim.raw(SEGMENT).unwrap(), bytes, "readers see them");
    sim.reopen(&FileName::Segment(7), 1_500).unwrap().sync().unwrap();
    assert_eq!(
        sim.crash(Survival::KeepAll).raw(SEGMENT).unwrap(),
        [0; 1_500],
        "the sync did nothing"
    );

    let (sim, bytes) = unsettled();
    sim.settle(7, 0, 1_500).unwrap();
    assert_eq!(sim.crash(Survival::LoseAll).raw(SEGMENT).unwrap(), bytes);

    // A part of it: the sectors that it touches, and no more.
    let (sim, bytes) = unsettled();
    sim.settle(7, 600, 700).unwrap();
    let after = sim.crash(Survival::KeepAll).raw(SEGMENT).unwrap();
    assert_eq!(after[512..1_024], bytes[512..1_024]);
    assert!(after[..512].iter().chain(&after[1_024..]).all(|byte| *byte == 0));
}

#[test]
fn settling_that_fails_anywhere_says_so_and_can_be_done_again() {
    for (number, fault) in (0..2).flat_map(|n| {
        [
            Fault::Fails,
            Fault::Full,
            Fault::LandsButFails,
            Fault::Short(0),
            Fault::Short(1),
        ]
        .map(|f| (n, f))
    }) {
        let (sim, bytes) = unsettled();
        sim.fail_at(number, fault);
        let is_short_write = (number, fault) == (0, Fault::Short(1));
        assert_eq!(
            sim.settle(7, 0, 1_500).is_ok(),
            is_short_write,
            "{fault:?} at {number}"
        );
        assert_eq!(sim.raw(SEGMENT).unwrap(), bytes);
        sim.settle(7, 0, 1_500).unwrap();
        assert_eq!(
            sim.crash(Survival::LoseAll).raw(SEGMENT).unwrap(),
            bytes,
            "{fault:?} at {number}"
        );
    }
}

#[test]
fn a_full_disk_cuts_nothing_and_leaves_nothing_behind() {
    let sim = Sim::new();
    prepare_segment(&sim);
    let mut segment = sim.reopen(&FileName::Segment(7), KEPT.len() as u64).unwrap();
    segment.append(KEPT.len() as u64, &torn()).unwrap();
    segment.sync().unwrap();
    sim.set_free_bytes(1_199);
    let error = sim.quarantine(7, KEPT.len() as u64).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
    assert_eq!(sim.raw(SEGMENT).unwrap(), [KEPT, &torn()].concat());
    assert_eq!(Storage::free_bytes(&sim).unwrap(), 1_199, "the half copy is gone");
    sim.set_free_bytes(1_200);
    sim.quarantine(7, KEPT.len() as u64).unwrap();
    assert!(has_copy(&sim));
}

#[test]
fn entries_that_a_killed_process_left_in_the_cache_can_be_made_durable() {
    for (name, path) in [(FileName::Checkpoint, "checkpoint"), (FileName::Seal(7), SEAL)] {
        let act = |sim: &Sim| match name {
            FileName::Checkpoint => sim.replace_head(&name, b"head"),
            _ => sim.publish(&name, b"seal"),
        };
        let sim = Sim::new();
        prepare_segment(&sim);
        let rehearsal = sim.kill();
        act(&rehearsal).unwrap();
        // All but the last call, which is the sync of the directory.
        sim.power_off_at(sim.operations() + rehearsal.operations() - 1);
        act(&sim).unwrap_err();
        let sim = sim.kill();
        assert!(
            sim.raw(path).is_some() && sim.crash(Survival::LoseAll).raw(path).is_none(),
            "{path}"
        );
        sim.sync_directories().unwrap();
        assert!(sim.crash(Survival::LoseAll).raw(path).is_some(), "{path}");
    }
}
