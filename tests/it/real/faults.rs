//! Every system call on the ledger's files failing, and being the last: the code says what happened, nothing that was
//! acknowledged is lost, and the ledger goes on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::{Reader, Scope, Selection};
use ledgerstone_tests::cli::Output;
use ledgerstone_tests::python::Batch;
use ledgerstone_tests::strace::{self, Deed, Fault, Target};
use ledgerstone_tests::{forge, is_long};

use super::*;

const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];
/// Calls before which the files are as they were after the call before them.
const SAME_AT_KILL: [&str; 3] = ["flock", "fsync", "openat"];
/// The independent verifier looks at the ledgers of every so manieth round.
const JUDGED_EVERY: usize = 8;
/// More than any of the workloads makes of one call on one file.
const NTH_MAX: u32 = 40;

/// What a command is to do, and to which ledger.
struct Workload {
    /// Leaves a place with `l`, and receipts of all its entries in `before`.
    prepare: fn(&Place),
    run: Run,
    /// Codes that are allowed to say that it was not done.
    codes: &'static [i32],
}

enum Run {
    /// A command without input.
    Command(&'static [&'static str]),
    /// `append` of these lines, each after the receipt of the one before.
    Pipe(u64),
    /// `append` of these lines as one group.
    Atomic(u64),
}

/// The lines that a workload appends.
fn lines(count: u64) -> Vec<String> {
    (0..count).map(|n| format!("{{\"new\":{n}}}")).collect()
}

fn made(place: &Place) {
    place.run("init l --quiet");
    place
        .call(["append", "l", "-", "--kind", "entry", "--receipts", "before"])
        .stdin("{\"old\":0}\n{\"old\":1}\n")
        .ends_with(0);
}

/// A whole group past every head, and a torn one after it.
pub(super) fn torn(place: &Place) {
    made(place);
    let heads = ["l/checkpoint", "l.key.head"].map(|name| (name, place.read(name)));
    place
        .call(["append", "l", "-", "--kind", "entry", "--receipts", "after"])
        .stdin("{\"old\":2}")
        .ends_with(0);
    let receipts = [place.read("before"), place.read("after")].concat();
    place.write("before", receipts);
    for (name, bytes) in heads {
        fs::remove_file(place.join(name)).unwrap();
        place.write(name, bytes);
    }
    let segment = "l/segments/00000000000000000000.jsonl";
    let whole = place.read(segment);
    place.write(segment, [&whole[..], TORN.as_bytes()].concat());
    place.write("torn", TORN);
}

const TORN: &str = "{\"v\":1,\"seq\":4,\"at\":\"20";

/// An ended segment whose seal was not written.
fn unsealed(place: &Place) {
    made(place);
    let seal = "l/segments/00000000000000000000.seal.json.tmp";
    let fault = Fault {
        target: Target {
            call: "renameat2".to_owned(),
            path: full(place, seal),
        },
        deed: Deed::Kill,
        nth: 1,
    };
    let killed = fault.inject(place.call(["seal", &full(place, "l")]), &place.join("trace"));
    assert_eq!(killed.output().status.code(), None);
    assert!(place.join(seal).exists());
}

/// Runs the workload in a place; `wrap` puts `strace` around it. Receipts go to `now`.
fn run(
    workload: &Workload,
    place: &Place,
    wrap: impl for<'a> FnOnce(Call<'a>) -> Call<'a>,
) -> (Option<i32>, String) {
    let ledger = full(place, "l");
    let append = [
        "append",
        &ledger,
        "-",
        "--kind",
        "entry",
        "--segment-bytes",
        "1500",
    ];
    let output = match &workload.run {
        Run::Command(args) => {
            let args = args.iter().map(|arg| if *arg == "l" { &ledger } else { *arg });
            wrap(place.call(args)).output()
        }
        Run::Atomic(count) => {
            let call = place.call(append.iter().chain(&["--atomic", "--receipts", "now"]));
            wrap(call.stdin(lines(*count).join("\n"))).output()
        }
        Run::Pipe(count) => {
            let call = place.call(append.iter().chain(&["--receipts", "-"]));
            let fed = feed(wrap(call), &lines(*count));
            place.write("now", fed.receipts.concat());
            return (fed.code, fed.stderr);
        }
    };
    (output.status.code(), output.report())
}

/// The calls on the ledger's files and on those beside it, each with how often one thread makes it.
fn targets(workload: &Workload) -> BTreeMap<Target, u32> {
    let place = Place::new();
    (workload.prepare)(&place);
    let (code, report) = run(workload, &place, |call| {
        strace::record(call, &place.join("trace"))
    });
    assert_eq!(code, Some(0), "{report}");
    let folder = place.path().to_str().unwrap();
    let mut counts: BTreeMap<(Target, u32), u32> = BTreeMap::new();
    for call in strace::parse(&place.read("trace")) {
        let target = call.target();
        // The folder itself, the ledger, and what lies beside it by the ledger's name.
        let Some(path) = target
            .path
            .strip_prefix(folder)
            .filter(|path| path.is_empty() || path.starts_with("/l"))
        else {
            continue;
        };
        let target = Target {
            path: path.to_owned(),
            ..target
        };
        *counts.entry((target, call.thread)).or_default() += 1;
    }
    let mut targets = BTreeMap::new();
    for ((target, _), count) in counts {
        let most = targets.entry(target).or_default();
        *most = count.max(*most);
    }
    targets
}

/// One round. False when the fault was not met: the program does not make so many of these calls.
fn round(workload: &Workload, template: &Place, fault: &Fault, judged: Option<&Batch>) -> bool {
    let place = Place::new();
    copy_folder(template.path(), place.path());
    let mut here = fault.clone();
    here.target.path = full(&place, fault.target.path.trim_start_matches('/'));
    let (code, report) = run(workload, &place, |call| here.inject(call, &place.join("trace")));
    let met = match fault.deed {
        Deed::Kill => code.is_none(),
        Deed::Fail(_) => strace::was_injected(&place.read("trace")),
    };
    let of = || format!("{fault}\n{report}");
    match (fault.deed, code) {
        (Deed::Kill, None) | (_, Some(0)) => {}
        (Deed::Fail(_), Some(code)) => assert!(workload.codes.contains(&code), "code {code}: {}", of()),
        _ => panic!("{code:?}: {}", of()),
    }
    if matches!(workload.run, Run::Command(["init", ..])) {
        // A creation that was cut short is finished by the same command; one that was complete is left alone.
        let again = place.call(["init", "l"]).output();
        assert!(
            matches!(again.status.code(), Some(0 | 2)),
            "{}\n{}",
            of(),
            again.report()
        );
    }
    check_kept(workload, &place, code, judged, &of);
    check_goes_on(&place, judged, &of);
    met
}

/// `verify` with all receipts that there are. Its verdict is kept for the independent verifier, who is asked once for
/// all ledgers that are to be judged.
fn verified(place: &Place, judged: Option<&Batch>) -> Output {
    let receipts = receipts_of(place);
    let args = ["verify", "l"]
        .into_iter()
        .chain(receipts.iter().flat_map(|name| ["--receipts", name]));
    let verified = place.call(args).judged_here_alone().output();
    if let (Some(judged), Some(code)) = (judged, verified.status.code()) {
        judged.add(code, |ledger| {
            copy_folder(&place.join("l"), ledger);
            let ending = ".key.head";
            if let Ok(head) = fs::read(forge::beside(&place.join("l"), ending)) {
                fs::write(forge::beside(ledger, ending), head).unwrap();
            }
        });
    }
    verified
}

fn count(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// What stands there before anybody opens the ledger again.
fn check_kept(
    workload: &Workload,
    place: &Place,
    code: Option<i32>,
    judged: Option<&Batch>,
    of: &dyn Fn() -> String,
) {
    let verified = verified(place, judged);
    assert!(
        matches!(verified.status.code(), Some(0 | 20)),
        "{}\n{}",
        of(),
        verified.report()
    );
    let new = match workload.run {
        Run::Pipe(count) | Run::Atomic(count) => lines(count),
        Run::Command(_) => Vec::new(),
    };
    let mut stored = bodies(place);
    stored.retain(|body| body.contains("new"));
    let told = if place.join("now").exists() {
        count(&place.read("now"))
    } else {
        0
    };
    assert!(new.starts_with(&stored), "{stored:?}: {}", of());
    match code {
        Some(0) => assert_eq!((told, stored.len()), (new.len() as u64, new.len()), "{}", of()),
        Some(3) => assert_eq!(
            told,
            stored.len() as u64,
            "3 says that no more is stored: {}",
            of()
        ),
        _ => assert!(told <= stored.len() as u64, "{}", of()),
    }
}

/// The next process adds a record, and then the ledger is whole.
fn check_goes_on(place: &Place, judged: Option<&Batch>, of: &dyn Fn() -> String) {
    let appended = place
        .call(["append", "l", "-", "--kind", "entry", "--receipts", "next"])
        .stdin("{\"last\":1}")
        .output();
    assert_eq!(appended.status.code(), Some(0), "{}\n{}", of(), appended.report());
    let verified = verified(place, judged);
    assert_eq!(verified.status.code(), Some(0), "{}\n{}", of(), verified.report());
    let bodies = place.run("scan l --kind entry --body");
    assert_eq!(bodies.text().lines().last(), Some("{\"last\":1}"), "{}", of());
    if place.join("torn").exists() {
        let kept = fs::read_dir(place.join("l/quarantine")).unwrap();
        let kept: Vec<_> = kept
            .map(|entry| fs::read(entry.unwrap().path()).unwrap())
            .collect();
        assert_eq!(kept, [place.read("torn")], "{}", of());
    }
}

/// The bodies of all entries that a reader finds.
fn bodies(place: &Place) -> Vec<String> {
    let reader = Reader::open(Arc::new(Disk::new(place.join("l")))).unwrap();
    let mut scan = reader.snapshot().unwrap().scan(Selection::all(Scope::Operator));
    let mut bodies = Vec::new();
    while let Some(line) = scan.next_line().unwrap() {
        if line.record().header.kind == "entry" {
            bodies.push(String::from_utf8(line.record().body().to_vec()).unwrap());
        }
    }
    bodies
}

fn receipts_of(place: &Place) -> Vec<&'static str> {
    ["before", "now", "next"]
        .into_iter()
        .filter(|name| place.join(name).exists())
        .collect()
}

/// The faults of a workload. In the long run: each call with each error, and killed, until the program makes no more
/// of them. In the normal one each call with one error or the other, and killed where files differ from those at the
/// kill before.
fn faults(targets: &BTreeMap<Target, u32>) -> VecDeque<Vec<Fault>> {
    let mut faults = VecDeque::new();
    for (number, (target, count)) in targets.iter().enumerate() {
        let fault = |deed, nth| Fault {
            target: target.clone(),
            deed,
            nth,
        };
        if is_long() {
            for deed in [Deed::Kill, Deed::Fail(ERRORS[0]), Deed::Fail(ERRORS[1])] {
                faults.push_back((1..=NTH_MAX).map(|nth| fault(deed, nth)).collect());
            }
            continue;
        }
        for nth in 1..=*count {
            let error = ERRORS[(number + nth as usize) % ERRORS.len()];
            faults.push_back(vec![fault(Deed::Fail(error), nth)]);
            if !SAME_AT_KILL.contains(&target.call.as_str()) {
                faults.push_back(vec![fault(Deed::Kill, nth)]);
            }
        }
    }
    faults
}

/// All rounds of a workload, on as many threads as there are cores.
#[track_caller]
fn all_rounds(workload: &Workload) {
    if !strace::is_there() {
        return;
    }
    let template = Place::new();
    (workload.prepare)(&template);
    let targets = targets(workload);
    let faults = Mutex::new(faults(&targets));
    let (rounds, unmet) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let batch = Batch::keeping(usize::MAX);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(run) = { faults.lock().unwrap().pop_front() } {
                    for fault in run {
                        let number = rounds.fetch_add(1, Ordering::Relaxed);
                        let judged = number.is_multiple_of(JUDGED_EVERY).then_some(&batch);
                        if !round(workload, &template, &fault, judged) {
                            unmet.lock().unwrap().push(fault);
                            break;
                        }
                    }
                }
            });
        }
    });
    let rounds = rounds.into_inner();
    // Which thread makes a call may differ from run to run; of most there is no doubt.
    let unmet: Vec<_> = unmet
        .into_inner()
        .unwrap()
        .into_iter()
        .filter(|fault| fault.nth <= targets[&fault.target])
        .collect();
    assert!(unmet.len() * 20 <= rounds, "{unmet:?}");
}

#[test]
fn a_creation_that_a_call_ends_is_finished_by_the_next() {
    all_rounds(&Workload {
        prepare: |_| {},
        run: Run::Command(&["init", "l"]),
        codes: &[3, 6],
    });
}

#[test]
fn appends_over_ends_of_segments() {
    all_rounds(&Workload {
        prepare: made,
        run: Run::Pipe(7),
        codes: &[3, 6],
    });
}

#[test]
fn one_group_of_many_records() {
    all_rounds(&Workload {
        prepare: made,
        run: Run::Atomic(3),
        codes: &[3, 6],
    });
}

#[test]
fn a_seal() {
    all_rounds(&Workload {
        prepare: made,
        run: Run::Command(&["seal", "l"]),
        codes: &[3, 6],
    });
}

#[test]
fn a_seal_that_a_crash_has_left_out() {
    all_rounds(&Workload {
        prepare: unsealed,
        run: Run::Command(&["recover", "l", "--apply"]),
        codes: &[3, 6],
    });
}

#[test]
fn recovery_from_a_torn_tail() {
    all_rounds(&Workload {
        prepare: torn,
        run: Run::Command(&["recover", "l", "--apply"]),
        codes: &[3, 6],
    });
}
