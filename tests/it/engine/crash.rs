//! Power cuts and kills at every operation of a small workload, and again in the recovery from them: what was
//! acknowledged is there, nothing else is, and the ledger goes on.

use std::collections::BTreeMap;

use ledgerstone_engine::storage::sim::{Call, Operation};
use ledgerstone_engine::{ErrorKind, Reader};

use super::*;

/// Changes on their way of which all combinations are tried.
const CHANGES_MAX: u32 = 4;
/// Crashes tried by seed where there are more.
const SEEDS: u64 = 4;
/// Of the states that a first crash leaves, every so manieth is crashed again.
const AGAIN_EVERY: usize = 3;

/// How much filler is laid: none, or as much as can be.
const FILLERS: [u64; 2] = [0, 1 << 20];

fn machine(filler: u64) -> Machine {
    Machine::signed().with(|options| {
        options.segment_bytes = 3_000;
        options.filler_bytes_max = filler;
    })
}

/// Groups of one to five records, heads, ends of segments by size and by hand, a close and an opening.
fn work(machine: &Machine, told: &mut Told) -> Result<(), Error> {
    let long = format!("{{\"long\":\"{}\"}}", "x".repeat(700));
    let mut running = machine.create()?;
    told.created = true;
    told.append(&mut running, &["{}"])?;
    running.pass(machine, Duration::from_secs(1));
    told.append(&mut running, &["{\t}", r#"{"n":2}"#])?;
    told.append(&mut running, &[&long, "{}", r#"{"n":3}"#])?;
    // The segment is full: this group begins the next.
    told.append(&mut running, &[r#"{"n":4}"#])?;
    told.append(&mut running, &["{}", "{}", &long, "{}", "{}"])?;
    running.pass(machine, Duration::from_millis(400));
    running.writer.seal()?;
    told.append(&mut running, &["{}", "{}"])?;
    running.close();
    let (mut running, recovered) = machine.open()?;
    match recovered.read_only {
        Some(error) => return Err(error),
        None => told.append(&mut running, &["{}"])?,
    }
    running.writer.seal()?;
    // A sidecar that cannot be written stops nobody: this shows that the power is gone.
    told.append(&mut running, &["{}"])
}

/// The workload up to a power cut, or to its end.
fn cut_at(filler: u64, number: u64) -> (Machine, Told) {
    let (machine, mut told) = (machine(filler), Told::default());
    machine.disk.power_off_at(number);
    work(&machine, &mut told).unwrap_err();
    (machine, told)
}

fn operations(filler: u64) -> u64 {
    let machine = machine(filler);
    work(&machine, &mut Told::default()).unwrap();
    machine.disk.operations()
}

/// Before each operation of the workload, without filler and with it.
fn moments() -> impl Iterator<Item = (u64, u64)> {
    FILLERS
        .into_iter()
        .flat_map(|filler| (0..operations(filler)).map(move |number| (filler, number)))
}

/// Opens for writing, as any correct crash must allow; a creation that was never reported done is done again.
#[track_caller]
fn open_again(machine: &Machine, told: &Told, of: &dyn Fn() -> String) -> Running {
    match machine.open() {
        Err(error) if error.kind() == ErrorKind::Missing && !told.created => {
            machine.create().unwrap_or_else(|e| panic!("{e}: {}", of()))
        }
        Err(error) => panic!("{error}: {}", of()),
        Ok((running, recovered)) => {
            assert!(recovered.read_only.is_none(), "{recovered:?}: {}", of());
            running
        }
    }
}

#[track_caller]
fn assert_recovers(machine: &Machine, told: &Told, of: &dyn Fn() -> String) {
    let mut running = open_again(machine, told, of);
    let snapshot = running.ledger.snapshot();
    told.check(&snapshot, of);
    assert_eq!(
        machine.head_size(),
        Some(snapshot.size()),
        "no head over all: {}",
        of()
    );
    let mut told = told.clone();
    told.append(&mut running, &["{}"])
        .unwrap_or_else(|e| panic!("{e}: {}", of()));
    assert_told_once(machine, &running.ledger.snapshot(), of);
    running.close();
    let after = machine.crash(Survival::LoseAll);
    let report = after.verify();
    assert_eq!(report.findings, [], "{}", of());
    let reader = Reader::open(Arc::new(after.disk.clone())).unwrap();
    told.check(&reader.snapshot().unwrap(), of);
}

/// At every moment: no head over what was not acknowledged, and at most one ended segment without its seal.
#[track_caller]
fn assert_in_order(machine: &Machine, told: &Told) {
    let acknowledged = 1 + told.acknowledged.len() as u64;
    for head in [machine.head_size(), machine.head_size_beside()] {
        assert!(
            head <= Some(acknowledged),
            "a head over {head:?}, {acknowledged} are acknowledged"
        );
    }
    let (mut segments, mut seals) = (0, 0);
    for (name, _) in machine.kill().disk.list().unwrap().files {
        match name {
            FileName::Segment(_) => segments += 1,
            FileName::Seal(_) => seals += 1,
            _ => {}
        }
    }
    assert!(segments <= seals + 2, "{segments} segments, {seals} seals");
}

/// What was set aside is named by one record each.
#[track_caller]
fn assert_told_once(machine: &Machine, snapshot: &Snapshot, of: &dyn Fn() -> String) {
    let mut named = BTreeMap::new();
    let mut scan = snapshot.scan(Selection {
        kind: Some(Kind::new("sys_recovery").unwrap()),
        ..Selection::all(Scope::Operator)
    });
    while let Some(line) = scan.next_line().unwrap() {
        *named.entry(line.record().header.id.to_string()).or_insert(0) += 1;
    }
    for (name, _) in machine.disk.list().unwrap().files {
        if let FileName::Quarantine(name) = name {
            assert_eq!(named.get(&name.to_string()), Some(&1), "{name}: {}", of());
        }
    }
}

#[test]
fn the_workload_without_a_crash() {
    for filler in FILLERS {
        let (machine, mut told) = (machine(filler), Told::default());
        work(&machine, &mut told).unwrap();
        assert_eq!(told.acknowledged.len(), 16);
        let report = machine.verify();
        // The last group is past the head: nobody has closed the ledger.
        assert_eq!(
            (report.code(), report.sealed),
            (Some(ledgerstone_engine::Code::Unfinished), 3)
        );
        let cuts = |operation: &Operation| matches!(operation.call, Call::Truncate { .. });
        let cut = machine.disk.log().iter().any(cuts);
        assert_eq!(cut, filler > 0, "{}", log_of(&machine));
    }
}

#[test]
fn power_cut_anywhere() {
    let _judged = python::Batch::shared();
    let mut tried = 0;
    for (filler, number) in moments() {
        let (machine, told) = cut_at(filler, number);
        assert_in_order(&machine, &told);
        for survival in machine.survivals(CHANGES_MAX, SEEDS) {
            let of = || format!("cut before {number}, {survival:?}:{}", log_of(&machine));
            assert_recovers(&machine.crash(survival), &told, &of);
            tried += 1;
        }
    }
    println!("{} operations, {tried} crashes", moments().count());
}

/// Between the disk's operations the key store has its own.
#[test]
fn power_cut_anywhere_in_the_key_store() {
    let _judged = python::Batch::shared();
    let rehearsal = machine(0);
    work(&rehearsal, &mut Told::default()).unwrap();
    let keys_operations = rehearsal.keys.own.operations();
    for (filler, number) in FILLERS
        .into_iter()
        .flat_map(|filler| (0..keys_operations).map(move |number| (filler, number)))
    {
        let (machine, mut told) = (machine(filler), Told::default());
        machine.keys.own.power_off_at(number);
        work(&machine, &mut told).unwrap_err();
        for survival in machine.survivals(CHANGES_MAX, SEEDS) {
            let of = || {
                format!(
                    "cut before {number} of the key store, {survival:?}:{}",
                    log_of(&machine)
                )
            };
            assert_recovers(&machine.crash(survival), &told, &of);
        }
    }
}

#[test]
fn killed_anywhere() {
    let _judged = python::Batch::shared();
    for (filler, number) in moments() {
        let (machine, told) = cut_at(filler, number);
        let of = || format!("killed before {number}:{}", log_of(&machine));
        assert_recovers(&machine.kill(), &told, &of);
    }
}

/// The states that a kill or a power cut leaves to a recovery that has something to do.
fn to_recover() -> Vec<(String, Machine, Told)> {
    let clean = {
        let machine = machine(0);
        drop(machine.create().unwrap());
        let machine = machine.kill();
        drop(machine.open_clean());
        machine.disk.operations()
    };
    let mut states = Vec::new();
    for (filler, number) in moments() {
        let (machine, told) = cut_at(filler, number);
        let crashes = [
            ("killed", machine.kill()),
            ("power cut", machine.crash(Survival::Seeded(number))),
        ];
        for (how, state) in crashes {
            let rehearsal = state.kill();
            if told.created && rehearsal.open().is_ok() && rehearsal.disk.operations() > clean {
                states.push((format!("{how} before {number}"), state, told.clone()));
            }
        }
    }
    states
}

#[test]
fn power_cut_anywhere_in_the_recovery_from_a_crash() {
    let _judged = python::Batch::shared();
    let mut tried = 0;
    for (first, state, told) in to_recover().into_iter().step_by(AGAIN_EVERY) {
        let rehearsal = state.kill();
        drop(rehearsal.open().unwrap());
        for number in 0..rehearsal.disk.operations() {
            let machine = state.kill();
            machine.disk.power_off_at(number);
            drop(machine.open());
            let of = || format!("{first}, then power cut before {number}:{}", log_of(&machine));
            for survival in [
                Survival::LoseAll,
                Survival::Seeded(number),
                Survival::Seeded(!number),
            ] {
                assert_recovers(&machine.crash(survival), &told, &of);
                tried += 1;
            }
        }
    }
    println!("{tried} second crashes");
}

/// A tail of several sectors of other bytes than the record that will stand in their place.
fn torn() -> (Machine, Told) {
    let (machine, mut told) = (Machine::signed(), Told::default());
    let mut running = machine.create().unwrap();
    told.created = true;
    told.append(&mut running, &["{}"]).unwrap();
    running.pass(&machine, Duration::from_secs(1));
    let long = format!("{{\"long\":\"{}\"}}", "x".repeat(2_000));
    machine.disk.power_off_at(machine.disk.operations() + 1);
    told.append(&mut running, &[&long]).unwrap_err();
    // The last of its sectors never got there.
    let changes = machine.disk.unsynced();
    let mut machine = machine.crash(Survival::Mask((1 << changes) - 1 - (1 << (changes - 1))));
    machine.options.segment_bytes = 1_000;
    (machine, told)
}

/// A recovery killed between any two of its operations, then the power cut in the recovery after it.
#[test]
fn power_cut_anywhere_in_the_recovery_from_a_killed_recovery() {
    let _judged = python::Batch::shared();
    let (state, told) = torn();
    let rehearsal = state.kill();
    assert!(rehearsal.open().unwrap().1.torn.is_some());
    let mut tried = 0;
    for first in 0..rehearsal.disk.operations() {
        let killed = state.kill();
        killed.disk.power_off_at(first);
        drop(killed.open());
        let killed = killed.kill();
        let rehearsal = killed.kill();
        drop(rehearsal.open().unwrap());
        for second in (first % 2..rehearsal.disk.operations()).step_by(2) {
            let machine = killed.kill();
            machine.disk.power_off_at(second);
            drop(machine.open());
            let of = || {
                format!(
                    "killed before {first}, power cut before {second}:{}",
                    log_of(&machine)
                )
            };
            for survival in machine.survivals(CHANGES_MAX, SEEDS) {
                assert_recovers(&machine.crash(survival), &told, &of);
                tried += 1;
            }
        }
    }
    println!("{tried} third opens");
}
