//! Filler behind the groups of an open segment: what a crash leaves of a group that goes over it, who passes it over,
//! who cuts it, and what it must not take.

use std::sync::Mutex;

use ledgerstone_engine::storage::sim::{Call, Fault, Operation};
use ledgerstone_engine::{Code, ErrorKind, Reader};
use ledgerstone_formats::filler;
use ledgerstone_tests::hooked::{Before, Hooked};

use super::*;

const LAID: u64 = 4_096;
/// Changes of which all combinations are tried.
const CHANGES_MAX: u32 = 10;
/// Crashes tried by seed where there are more.
const SEEDS: u64 = 500;

/// A ledger with groups under its head, and filler behind them.
struct Filled {
    machine: Machine,
    running: Running,
    told: Told,
    /// Where the filler began that is there.
    first: u64,
}

impl Filled {
    fn new() -> Self {
        Self::on(Machine::signed())
    }

    fn on(machine: Machine) -> Self {
        let mut told = Told::default();
        let mut running = machine.create().unwrap();
        told.created = true;
        told.append(&mut running, &["{}"]).unwrap();
        told.append(&mut running, &["{}"]).unwrap();
        running.pass(&machine, Duration::from_secs(1));
        let filled = Self {
            first: bytes_of(&running),
            machine,
            running,
            told,
        };
        assert_eq!(filled.len(), LAID);
        filled
    }

    fn len(&self) -> u64 {
        self.machine.disk.raw(SEGMENT).unwrap().len() as u64
    }

    /// Bytes of the groups in the open segment.
    fn bytes(&self) -> u64 {
        bytes_of(&self.running)
    }

    /// Appends a group that leaves so many bytes of filler.
    fn leave(&mut self, bytes: u64) {
        let before = self.bytes();
        self.told.append(&mut self.running, &["{}"]).unwrap();
        let line = self.bytes() - before;
        let left = LAID - self.bytes() - (line - 2) - bytes;
        let body = body(usize::try_from(left).unwrap());
        self.told.append(&mut self.running, &[&body]).unwrap();
        self.running.pass(&self.machine, Duration::from_secs(1));
        assert_eq!((self.len(), self.bytes()), (LAID, LAID - bytes));
    }
}

fn bytes_of(running: &Running) -> u64 {
    running.ledger.snapshot().segments().last().unwrap().bytes
}

#[test]
fn filler_stands_behind_the_groups_of_the_open_segment_and_nobody_takes_it_for_records() {
    let mut filled = Filled::new();
    filled.told.append(&mut filled.running, &["{}", "{}"]).unwrap();
    let segment = filled.machine.disk.raw(SEGMENT).unwrap();
    let bytes = filled.bytes();
    let (_, rest) = segment.split_at(usize::try_from(bytes).unwrap());
    assert!(!rest.is_empty() && filler::is_filler(bytes, rest));
    filled.running.pass(&filled.machine, Duration::from_secs(1));

    let report = filled.machine.verify();
    assert_eq!((report.findings, report.size), (Vec::new(), Some(5)));
    let reader = Reader::open(Arc::new(filled.machine.disk.clone())).unwrap();
    let snapshot = reader.snapshot().unwrap();
    assert_eq!((snapshot.size(), snapshot.segments()[0].bytes), (5, bytes));
    filled.told.check(&snapshot, &|| log_of(&filled.machine));
    assert!(snapshot.get(4, &Scope::Operator).unwrap().is_some());
}

#[test]
fn one_group_alone_gets_no_filler_and_neither_does_who_wants_none() {
    let machine = Machine::signed();
    let mut running = machine.create().unwrap();
    running.append(&["{}"]).unwrap();
    assert!(machine.disk.raw(SEGMENT).unwrap().ends_with(b"}\n"));
    running.close();
    let mut running = machine.open_clean();
    running.append(&["{}"]).unwrap();
    assert!(machine.disk.raw(SEGMENT).unwrap().ends_with(b"}\n"));

    let machine = Machine::signed().with(|options| options.filler_bytes_max = 0);
    let mut running = machine.create().unwrap();
    for _ in 0..20 {
        running.append(&["{}"]).unwrap();
        assert!(machine.disk.raw(SEGMENT).unwrap().ends_with(b"}\n"));
    }
    let cuts = |operation: &Operation| matches!(operation.call, Call::Truncate { .. });
    running.writer.seal().unwrap();
    assert!(!machine.disk.log().iter().any(cuts), "{}", log_of(&machine));
}

/// Cut and synced first: the seal, and the file of the next segment, come after.
#[test]
fn the_end_of_a_segment_and_closing_cut_the_filler_and_sync_the_cut() {
    let mut filled = Filled::new();
    let bytes = filled.bytes();
    let before = usize::try_from(filled.machine.disk.operations()).unwrap();
    filled.running.writer.seal().unwrap();
    let log = filled.machine.disk.log();
    let first: Vec<_> = log[before..before + 2]
        .iter()
        .map(|operation| (&*operation.path, &operation.call))
        .collect();
    let expected = [(SEGMENT, &Call::Truncate { len: bytes }), (SEGMENT, &Call::Sync)];
    assert_eq!(first, expected, "{}", log_of(&filled.machine));
    assert_eq!(filled.len(), bytes);

    for _ in 0..2 {
        filled.told.append(&mut filled.running, &["{}"]).unwrap();
    }
    let bytes = filled.bytes();
    let name = "segments/00000000000000000003.jsonl";
    assert_eq!(filled.machine.disk.raw(name).unwrap().len() as u64, LAID);
    filled.running.close();
    assert_eq!(filled.machine.disk.raw(name).unwrap().len() as u64, bytes);
    assert_eq!(
        filled
            .machine
            .crash(Survival::LoseAll)
            .disk
            .raw(name)
            .unwrap()
            .len() as u64,
        bytes
    );
    filled.machine.assert_whole();
    filled.machine.open_clean();
}

#[test]
fn the_next_open_cuts_what_a_killed_process_left_and_says_nothing() {
    let filled = Filled::new();
    let bytes = filled.bytes();
    let machine = filled.machine.kill();
    machine.assert_whole();
    drop(machine.open_clean());
    let segment = machine.crash(Survival::LoseAll).disk.raw(SEGMENT).unwrap();
    assert_eq!(segment.len() as u64, bytes);
}

/// Something that writes to a segment with filler.
type Deed = (&'static str, fn(Running, &mut Told));

const DEEDS: [Deed; 4] = [
    ("groups within the filler", |mut running, told| {
        if told.append(&mut running, &["{}", "{\t}"]).is_ok() {
            told.append(&mut running, &["{}"]).ok();
        }
    }),
    (
        "a group over its end, with filler behind it again",
        |mut running, told| {
            told.append(&mut running, &[&body(700)]).ok();
        },
    ),
    (
        "the end of the segment, and a group in the next",
        |mut running, told| {
            if running.writer.seal().is_ok() {
                told.append(&mut running, &["{}"]).ok();
            }
        },
    ),
    ("closing", |running, _| running.close()),
];

/// Of so many bytes.
fn body(bytes: usize) -> String {
    format!("{{\"text\":\"{}\"}}", "x".repeat(bytes - 11))
}

/// Every part of it that can have reached the medium, at each moment; then again what a kill leaves.
#[test]
fn power_cut_anywhere_over_filler() {
    let mut tried = 0;
    for (name, deed) in DEEDS {
        let run = |power_off_at: Option<u64>| {
            let mut filled = Filled::on(Machine::judged_here_alone(true));
            filled.leave(600);
            let Filled {
                machine,
                running,
                mut told,
                ..
            } = filled;
            let before = machine.disk.operations();
            if let Some(number) = power_off_at {
                machine.disk.power_off_at(before + number);
            }
            deed(running, &mut told);
            (machine.disk.operations() - before, machine, told)
        };
        let (operations, ..) = run(None);
        for number in 0..operations {
            let (_, machine, told) = run(Some(number));
            let survivals = machine.survivals(CHANGES_MAX, SEEDS);
            for survival in survivals {
                let of = || format!("{name}, cut before {number}, {survival:?}:{}", log_of(&machine));
                assert_goes_on(&machine.crash(survival), &told, &of);
                tried += 1;
            }
            let of = || format!("{name}, killed before {number}:{}", log_of(&machine));
            assert_goes_on(&machine.kill(), &told, &of);
        }
    }
    println!("{tried} crashes");
    assert!(tried > 1_000);
}

/// What was acknowledged is there, nothing is damaged, and what is appended then stays.
#[track_caller]
fn assert_goes_on(machine: &Machine, told: &Told, of: &dyn Fn() -> String) {
    let (mut running, recovered) = machine.open().unwrap_or_else(|e| panic!("{e}: {}", of()));
    assert!(recovered.read_only.is_none(), "{recovered:?}: {}", of());
    told.check(&running.ledger.snapshot(), of);
    let mut told = told.clone();
    for _ in 0..2 {
        told.append(&mut running, &["{}"])
            .unwrap_or_else(|e| panic!("{e}: {}", of()));
    }
    let after = machine.crash(Survival::LoseAll);
    let reader = Reader::open(Arc::new(after.disk.clone())).unwrap();
    told.check(&reader.snapshot().unwrap(), of);
    running.close();
    let report = machine.crash(Survival::LoseAll).verify();
    assert_eq!(report.findings, [], "{}", of());
}

/// A file that ended inside a sector of filler would not be told from damage after the next crash.
#[test]
fn a_write_that_takes_the_group_and_not_all_of_the_filler_is_done() {
    let mut filled = Filled::new();
    filled.leave(600);
    let before = filled.bytes();
    let rehearsal = {
        let mut again = Filled::new();
        again.leave(600);
        again.told.append(&mut again.running, &[&body(700)]).unwrap();
        again.bytes() - before
    };
    for taken in [rehearsal, rehearsal + 1, rehearsal + 700] {
        let mut filled = Filled::new();
        filled.leave(600);
        let disk = &filled.machine.disk;
        disk.fail_at(disk.operations(), Fault::Short(taken));
        filled.told.append(&mut filled.running, &[&body(700)]).unwrap();
        assert_eq!(filled.len(), before + rehearsal);
        let stats = filled.running.ledger.stats();
        assert_eq!(stats.filler_short, 1);
        assert_eq!(stats.filler_bytes, LAID - filled.first);
        for _ in 0..3 {
            filled.told.append(&mut filled.running, &["{}"]).unwrap();
        }
        let snapshot = filled.running.ledger.snapshot();
        filled.told.check(&snapshot, &|| log_of(&filled.machine));
        filled.running.close();
        filled.machine.assert_whole();
    }
    // A byte less, and it is not stored.
    let disk = &filled.machine.disk;
    disk.fail_at(disk.operations(), Fault::Short(rehearsal - 1));
    let error = filled
        .told
        .append(&mut filled.running, &[&body(700)])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    let machine = filled.machine.kill();
    let (running, recovered) = machine.open().unwrap();
    assert!(recovered.torn.is_some(), "{recovered:?}");
    filled
        .told
        .check(&running.ledger.snapshot(), &|| log_of(&machine));
}

#[test]
fn filler_takes_a_small_part_of_the_room_and_nothing_of_the_reserve() {
    for room in [600, 1_000, 3_000, 8_000, 100_000] {
        let machine = Machine::signed();
        let mut running = machine.create().unwrap();
        let reserve = machine.options.disk_free_min_bytes;
        let mut most = 0;
        for _ in 0..100 {
            machine.disk.set_free_bytes(reserve + room);
            running.append(&["{}"]).unwrap();
            assert!(Storage::free_bytes(&machine.disk).unwrap() >= reserve, "{room}");
            let len = machine.disk.raw(SEGMENT).unwrap().len() as u64;
            most = most.max(len - bytes_of(&running));
        }
        assert!(most <= room / 16 + LAID, "{room}: {most}");
        assert_eq!(most == 0, room == 600, "{room}: {most}");
        running.close();
        machine.assert_whole();
    }
}

/// Another process that does not ask for the lock.
#[test]
fn a_file_with_filler_that_somebody_else_has_changed_is_not_written_to() {
    let intrusions: [fn(&Sim, u64); 3] = [
        |disk, _| {
            let mut file = disk.reopen(&FileName::Segment(0), LAID).unwrap();
            file.append(LAID, b"{\"not\":\"ours\"}\n").unwrap();
        },
        |disk, bytes| disk.trim_filler(0, bytes).unwrap(),
        |disk, bytes| {
            disk.quarantine(0, bytes - 10).unwrap();
        },
    ];
    for intrude in intrusions {
        let mut filled = Filled::new();
        intrude(&filled.machine.disk, filled.bytes());
        let found = filled.machine.disk.raw(SEGMENT).unwrap();
        let error = filled.told.append(&mut filled.running, &["{}"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
        assert_eq!(filled.machine.disk.raw(SEGMENT).unwrap(), found);
    }
    // Of the same length: it is not cut as if it were filler.
    let mut filled = Filled::new();
    filled.machine.disk.flip_bit(SEGMENT, 3_000, 1).unwrap();
    let found = filled.machine.disk.raw(SEGMENT).unwrap();
    let error = filled.running.writer.seal().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
    assert_eq!(filled.machine.disk.raw(SEGMENT).unwrap(), found);
    let machine = filled.machine.kill();
    let torn = machine.open().unwrap().1.torn.unwrap();
    assert_eq!(
        (torn.offset, torn.length),
        (filled.bytes(), LAID - filled.bytes())
    );
}

/// The writer goes on over the filler between any two looks that somebody takes at the file.
#[test]
fn who_verifies_while_groups_go_over_the_filler_finds_nothing() {
    for nth in 0..6 {
        let filled = Filled::new();
        let (disk, told) = (filled.machine.disk.clone(), filled.told.clone());
        let drafts = [filled.running.batch(&["{}", "{}"]), filled.running.batch(&["{}"])];
        let opened = Mutex::new(0);
        let running = Mutex::new((filled.running, drafts.to_vec()));
        let hooked = Hooked::new(Arc::new(disk), move |before| {
            let mut opened = opened.lock().unwrap();
            *opened += u32::from(before == Before::Open);
            if before == Before::Open && *opened > nth {
                let (running, batches) = &mut *running.lock().unwrap();
                for batch in batches.drain(..) {
                    let ticket = running.ledger.submit(batch).unwrap();
                    running.writer.step();
                    ticket.wait().unwrap();
                }
            }
        });
        let keys = filled.machine.keys.clone();
        let report = verify(&hooked, Some(&keys), &VerifyOptions { jobs: 0 }, &mut |_| {}).unwrap();
        assert_eq!(report.findings, [], "after {nth}: {:?}", report.notes);
        let size = Reader::open(Arc::new(hooked)).unwrap().snapshot().unwrap().size();
        assert_eq!(size, 1 + told.acknowledged.len() as u64 + 3);
    }
}

/// The directory is listed file by file: a segment that ends meanwhile is listed with its filler, the next one too.
#[test]
fn a_segment_that_was_listed_with_filler_and_then_ended_is_read_up_to_its_end() {
    let mut filled = Filled::new();
    filled.running.writer.seal().unwrap();
    filled.told.append(&mut filled.running, &["{}"]).unwrap();
    for unsealed in [false, true] {
        let machine = filled.machine.kill();
        if unsealed {
            machine.disk.remove_raw("segments/00000000000000000000.seal.json");
        }
        let hooked = Hooked::listed(Arc::new(machine.disk.clone()), |mut listing| {
            for (name, len) in &mut listing.files {
                if *name == FileName::Segment(0) {
                    *len = LAID;
                }
            }
            listing
        });
        let keys = machine.keys.clone();
        let report = verify(&hooked, Some(&keys), &VerifyOptions { jobs: 0 }, &mut |_| {}).unwrap();
        // The last record is past the head.
        assert_eq!(report.code(), Some(Code::Unfinished), "{:?}", report.findings);
        let snapshot = Reader::open(Arc::new(hooked)).unwrap().snapshot().unwrap();
        filled.told.check(&snapshot, &|| log_of(&machine));
        assert!(snapshot.get(2, &Scope::Operator).unwrap().is_some());
    }
}
