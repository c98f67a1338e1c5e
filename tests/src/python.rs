//! The independent verifiers: programs in another language, written from the format's text alone.

use std::path::Path;
use std::process::{Child, Command, Stdio};

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

fn program(name: &str) -> Command {
    let mut command = Command::new("python3");
    command
        .arg("-B")
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
