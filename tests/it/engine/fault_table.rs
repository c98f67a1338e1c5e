//! The fault table of docs/reliability.md, played: every step that writes, when it did not happen and said so, and when
//! it happened and said that it did not.

use std::path::Path;

use ledgerstone_engine::storage::sim::{Call, Fault, Operation};
use ledgerstone_engine::{ErrorKind, Recovered};
use ledgerstone_tests::sources::root;

use super::faults_answered::Working;
use super::*;

const DOCUMENT: &str = "docs/reliability.md";
const BEGIN: &str = "<!-- fault table: begin -->\n";
const END: &str = "<!-- fault table: end -->\n";
const HEADING: &str = "| what is done | step that fails | landed | caller is told | goes on \
                       | next open, after a kill | next open, after a power loss |\n|---|---|---|---|---|---|---|\n";
const FAULTS: [(Fault, &str); 2] = [(Fault::Fails, "no"), (Fault::LandsButFails, "yes")];

/// Something that writes.
struct Scene {
    name: &'static str,
    /// A machine on which it is about to happen.
    prepare: fn() -> Scenery,
    act: fn(&mut Scenery) -> Result<(), Error>,
}

struct Scenery {
    machine: Machine,
    running: Option<Running>,
    told: Told,
}

const SCENES: [Scene; 7] = [
    Scene {
        name: "creation",
        prepare: || Scenery {
            machine: Machine::signed(),
            running: None,
            told: Told::default(),
        },
        act: |scenery| {
            scenery.running = Some(scenery.machine.create()?);
            scenery.told.created = true;
            Ok(())
        },
    },
    Scene {
        name: "append",
        prepare: || working(|_, _| {}),
        act: append,
    },
    Scene {
        name: "append that begins a segment",
        prepare: || working(|running, _| running.writer.seal().unwrap()),
        act: append,
    },
    Scene {
        name: "head",
        prepare: || working(|running, told| told.append(running, &["{}"]).unwrap()),
        act: |scenery| {
            let running = scenery.running.as_mut().unwrap();
            running.pass(&scenery.machine, Duration::from_secs(1));
            running.submit(&["{}"]).map(drop)
        },
    },
    Scene {
        name: "seal",
        // Behind the second group there is filler.
        prepare: || working(|running, told| told.append(running, &["{}"]).unwrap()),
        act: |scenery| scenery.running.as_mut().unwrap().writer.seal(),
    },
    Scene {
        name: "opening, a group past the head",
        prepare: || closed(&[]),
        act: open,
    },
    Scene {
        name: "opening, a torn tail",
        prepare: || closed(&[(0, Fault::Short(700)), (1, Fault::Fails)]),
        act: open,
    },
];

fn append(scenery: &mut Scenery) -> Result<(), Error> {
    scenery.told.append(scenery.running.as_mut().unwrap(), &["{}"])
}

fn open(scenery: &mut Scenery) -> Result<(), Error> {
    let (running, recovered) = scenery.machine.open()?;
    scenery.running = Some(running);
    recovered.read_only.map_or(Ok(()), Err)
}

/// A ledger at work, with a group under its head.
fn working(then: fn(&mut Running, &mut Told)) -> Scenery {
    let Working {
        machine,
        mut running,
        mut told,
    } = Working::new();
    then(&mut running, &mut told);
    Scenery {
        machine,
        running: Some(running),
        told,
    }
}

/// A ledger whose process was killed after an append that these faults struck.
fn closed(faults: &[(u64, Fault)]) -> Scenery {
    let mut working = Working::new();
    for (nth, fault) in faults {
        working.fail(*nth, *fault);
    }
    let long = format!("{{\"long\":\"{}\"}}", "x".repeat(900));
    let appended = working.told.append(&mut working.running, &[&long]);
    assert_eq!(appended.is_ok(), faults.is_empty());
    Scenery {
        machine: working.machine.kill(),
        running: None,
        told: working.told,
    }
}

/// The operations of a scene: whether on the key's disk, the number there, and what it is.
fn steps(scene: &Scene) -> Vec<(bool, u64, Operation)> {
    let mut scenery = (scene.prepare)();
    let before = [
        scenery.machine.disk.operations(),
        scenery.machine.keys.own.operations(),
    ];
    (scene.act)(&mut scenery).unwrap();
    let of = |disk: &Sim, beside: bool, before: u64| -> Vec<_> {
        (0..)
            .zip(disk.log())
            .filter(|(number, _)| *number >= before)
            .map(|(number, operation)| (beside, number, operation))
            .collect()
    };
    let mut steps = of(&scenery.machine.disk, false, before[0]);
    steps.extend(of(&scenery.machine.keys.own, true, before[1]));
    steps
}

/// Plays one row: what the caller is told, whether the ledger goes on, and what two next openings do.
fn play(scene: &Scene, beside: bool, number: u64, fault: Fault) -> [String; 4] {
    let mut scenery = (scene.prepare)();
    let disk = if beside {
        &scenery.machine.keys.own
    } else {
        &scenery.machine.disk
    };
    disk.fail_at(number, fault);
    let submitted = scenery.told.submitted.clone();
    let result = (scene.act)(&mut scenery);
    let told = match &result {
        Ok(()) => "done".to_owned(),
        Err(error) => format!("`{:?}`", error.kind()),
    };
    // Whose producer was told that nothing of it is stored was as good as never submitted.
    if result.is_err_and(|error| error.kind() != ErrorKind::Unknown) {
        scenery.told.submitted = submitted;
    }
    let submitted = scenery.told.submitted.clone();
    let another = scenery
        .running
        .as_mut()
        .map(|running| scenery.told.append(running, &["{}"]));
    let goes_on = matches!(another, Some(Ok(())));
    if !goes_on {
        scenery.told.submitted = submitted;
    }
    scenery.running = None;
    let machines = [scenery.machine.kill(), scenery.machine.crash(Survival::LoseAll)];
    let [killed, lost] = machines.map(|machine| next_open(&machine, &scenery.told));
    let goes_on = if goes_on { "yes" } else { "no" };
    [told, goes_on.to_owned(), killed, lost]
}

/// What the next opening does; that it ends with a whole ledger, and that what was told holds.
fn next_open(machine: &Machine, told: &Told) -> String {
    let of = || log_of(machine);
    let (running, text) = match machine.open() {
        Err(missing) if missing.kind() == ErrorKind::Missing && !told.created => (
            machine.create().unwrap(),
            "no ledger yet; creation again makes it".to_owned(),
        ),
        opened => {
            let (running, recovered) = opened.unwrap_or_else(|error| panic!("{error}: {}", of()));
            assert!(recovered.read_only.is_none(), "{recovered:?}: {}", of());
            (running, found(&recovered))
        }
    };
    let snapshot = running.ledger.snapshot();
    told.check(&snapshot, &of);
    assert_eq!(machine.head_size(), Some(snapshot.size()), "{}", of());
    assert_eq!(machine.head_size_beside(), Some(snapshot.size()), "{}", of());
    running.close();
    machine.assert_whole();
    text
}

fn found(recovered: &Recovered) -> String {
    let mut found = Vec::new();
    if recovered.torn.is_some() {
        found.push("sets the torn tail aside");
    }
    if !recovered.recorded.is_empty() && recovered.torn.is_none() {
        found.push("records the copy");
    }
    if recovered.adopted.is_some() {
        found.push("keeps the group past the head");
    }
    if found.is_empty() {
        found.push("finds all in order");
    }
    found.join(", ")
}

/// The step without what differs from run to run.
fn shown(beside: bool, operation: &Operation) -> String {
    let path = file(beside, &operation.path);
    match &operation.call {
        Call::Create => format!("create {path}"),
        Call::ForbidWriting => format!("make {path} read-only"),
        Call::MakeDirectory => format!("make the directory {path}"),
        Call::RemoveTemp => format!("remove {path}"),
        Call::Rename { to } => format!("rename to {}", file(beside, to)),
        Call::Sync => format!("sync {path}"),
        Call::SyncDirectory => format!("sync the directory {path}"),
        Call::Truncate { .. } => format!("cut {path}"),
        Call::Write { .. } => format!("write {path}"),
    }
}

fn file(beside: bool, path: &str) -> String {
    let (stem, ending) = path
        .strip_suffix(".tmp")
        .map_or((path, ""), |stem| (stem, ".tmp"));
    let name = match stem {
        "" if beside => "..",
        "" => ".",
        "ledger.json" if beside => "DIR.key",
        "head" if beside => "DIR.key.head",
        stem if stem.starts_with("quarantine/") => "quarantine/COPY",
        stem => stem,
    };
    let name = name.replace("0000000000000000000", "…");
    format!("`{name}{ending}`")
}

fn table() -> String {
    let mut text = HEADING.to_owned();
    for scene in &SCENES {
        for (beside, number, operation) in steps(scene) {
            let [missed, landed] = FAULTS.map(|(fault, _)| play(scene, beside, number, fault));
            let step = shown(beside, &operation);
            let row = |landed: &str, cells: &[String]| {
                format!("| {} | {step} | {landed} | {} |\n", scene.name, cells.join(" | "))
            };
            if missed == landed {
                text += &row("either", &missed);
            } else {
                text += &row(FAULTS[0].1, &missed);
                text += &row(FAULTS[1].1, &landed);
            }
        }
    }
    text
}

/// `UPDATE_EXPECT=1` writes the document's table anew.
#[test]
fn the_fault_table_of_the_document_is_what_happens() {
    let _judged = python::Batch::shared();
    let played = table();
    let path = root().join(DOCUMENT);
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("the table's begin is marked");
    let (stated, after) = rest.split_once(END).expect("the table's end is marked");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        write_table(&path, &[before, BEGIN, &played, END, after].concat());
        return;
    }
    let pairs = stated.lines().zip(played.lines());
    for (stated, played) in pairs {
        assert_eq!(stated, played, "{DOCUMENT} says otherwise than what happens");
    }
    assert_eq!(
        stated.lines().count(),
        played.lines().count(),
        "{DOCUMENT} has not every row"
    );
}

fn write_table(path: &Path, document: &str) {
    fs::write(path, document).unwrap();
}
