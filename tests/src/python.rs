//! The independent verifiers: programs in another language, written from the format's text alone.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use tempfile::TempDir;

use crate::forge::beside;
use crate::sources::root;

/// What the independent verifiers say of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The exit code of `full.py`: 0 or the worst finding's code.
    pub code: i32,
    /// Its findings, one a line: code, file, line, sequence number, reason.
    pub findings: Vec<String>,
    /// The exit code of `verify.py`: 0 or the code of the first fault that it can see.
    pub short: i32,
}

/// Runs `tests/independent/full.py` and `verify.py` on a ledger's directory, with the head beside the key where there
/// is one.
///
/// # Panics
/// When there is no Python, a program ends with a traceback, or the two contradict each other.
#[track_caller]
pub fn verify(ledger: &Path) -> Verdict {
    let heads: Vec<_> = [".key.head", ".head"]
        .map(|ending| beside(ledger, ending))
        .into_iter()
        .filter(|head| head.exists())
        .collect();
    let mut short = program("verify.py");
    short.arg(ledger).args(heads);
    let mut full = program("full.py");
    full.arg("--beside").arg(ledger);
    let (short, full) = (start(short), start(full));
    let (short, _) = end(short, ledger);
    let (code, text) = end(full, ledger);
    let verdict = Verdict {
        code,
        findings: text.lines().map(ToOwned::to_owned).collect(),
        short,
    };
    assert!(
        do_not_contradict(code, short),
        "{}: full.py and verify.py contradict each other: {verdict:#?}",
        ledger.display()
    );
    verdict
}

/// Ledgers of each code that a [`Batch`] keeps as a rule: a test of crashes comes to thousands that differ little.
const SAMPLES_MAX: usize = 4;

/// Ledgers and the verdicts that this project came to, for one run of `full.py` over all of them when the last owner is
/// gone: starting Python costs more than checking a small ledger.
#[derive(Debug)]
pub struct Batch {
    place: TempDir,
    samples_max: usize,
    verdicts: Mutex<HashMap<i32, usize>>,
}

impl Default for Batch {
    fn default() -> Self {
        Self::keeping(SAMPLES_MAX)
    }
}

impl Batch {
    /// The batch of this thread while anybody holds it; a test that makes many ledgers holds it from the start.
    pub fn shared() -> Arc<Self> {
        thread_local! {
            static SHARED: RefCell<Weak<Batch>> = const { RefCell::new(Weak::new()) };
        }
        SHARED.with_borrow_mut(|shared| {
            shared.upgrade().unwrap_or_else(|| {
                let batch = Arc::default();
                *shared = Arc::downgrade(&batch);
                batch
            })
        })
    }

    /// Keeps so many ledgers of each code.
    pub fn keeping(samples_max: usize) -> Self {
        Self {
            place: tempfile::tempdir().unwrap(),
            samples_max,
            verdicts: Mutex::default(),
        }
    }

    /// Takes a verdict, and the ledger that `write` makes in a directory, if more of that code are wanted.
    pub fn add(&self, verdict: i32, write: impl FnOnce(&Path)) {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = verdicts.entry(verdict).or_default();
        if *count < self.samples_max {
            write(&self.place.path().join(format!("{verdict}-{count}")));
            *count += 1;
        }
    }

    /// Where `full.py` comes to another verdict: its own, the name of the ledger, which begins with ours, and all that
    /// it says.
    fn differences(&self) -> Option<String> {
        let verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let names = verdicts
            .iter()
            .flat_map(|(verdict, count)| (0..*count).map(move |index| format!("{verdict}-{index}")));
        let ledgers: Vec<_> = names.map(|name| self.place.path().join(name)).collect();
        if ledgers.is_empty() {
            return None;
        }
        let mut full = program("full.py");
        full.arg("--beside").args(&ledgers);
        let (_, text) = end(start(full), self.place.path());
        let judged: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("verdict "))
            .collect();
        assert_eq!(judged.len(), ledgers.len(), "{text}");
        let differ = judged.iter().zip(&ledgers).any(|(line, ledger)| {
            let name = ledger.file_name().unwrap_or_default().to_string_lossy();
            line.split(' ').next() != name.split('-').next()
        });
        differ.then_some(text)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if !std::thread::panicking()
            && let Some(text) = self.differences()
        {
            panic!("the independent verifier comes to other verdicts than those in the names:\n{text}");
        }
    }
}

/// Codes of a ledger in which every record that anybody answers for is there and unchanged.
fn is_clean(code: i32) -> bool {
    matches!(code, 0 | 20)
}

/// The short program sees all but signatures (37), bookkeeping (38) and what kind of tail stands past every head.
fn do_not_contradict(full: i32, short: i32) -> bool {
    match full {
        0 | 20 => is_clean(short),
        31 | 39 => short != 0,
        37 | 38 => true,
        _ => !is_clean(short),
    }
}

/// Python as it is installed, without what a site adds: a launcher in front of it costs several times as much as the
/// checking of a small ledger.
///
/// # Panics
/// When there is no Python.
pub fn interpreter() -> Command {
    static PATH: LazyLock<String> = LazyLock::new(|| {
        let asked = Command::new("python3")
            .args(["-c", "import sys; print(sys.executable)"])
            .output()
            .expect("python3 is installed");
        String::from_utf8(asked.stdout)
            .expect("a path")
            .trim_end()
            .to_owned()
    });
    let mut command = Command::new(&*PATH);
    command.args(["-S", "-B"]);
    command
}

fn program(name: &str) -> Command {
    let mut command = interpreter();
    command
        .arg(root().join("tests/independent").join(name))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn start(mut command: Command) -> Child {
    command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

#[track_caller]
fn end(child: Child, ledger: &Path) -> (i32, String) {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let code = output
        .status
        .code()
        .filter(|_| stderr.is_empty())
        .unwrap_or_else(|| panic!("{}: {}\n{stderr}", ledger.display(), output.status));
    (code, String::from_utf8(output.stdout).unwrap())
}
