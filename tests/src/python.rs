//! The independent verifier: another program in another language, written from the format's text alone.

use std::path::Path;
use std::process::Command;

use crate::forge::beside;
use crate::sources::root;

/// What the independent verifier says of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its exit code: 0 or the worst finding's code.
    pub code: i32,
    /// One a line: code, file, line, sequence number, reason.
    pub findings: Vec<String>,
}

/// Runs `tests/independent/verify.py` on a ledger's directory, with the head beside the key where there is one.
///
/// # Panics
/// When there is no Python, or the program ends with a traceback.
pub fn verify(ledger: &Path) -> Verdict {
    let program = root().join("tests/independent/verify.py");
    let mut command = Command::new("python3");
    command.arg(&program).arg(ledger);
    for ending in [".key.head", ".head"] {
        let head = beside(ledger, ending);
        if head.exists() {
            command.arg("--head").arg(head);
        }
    }
    let output = command.output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        !stderr.contains("Traceback"),
        "{} on {}:\n{stderr}",
        program.display(),
        ledger.display()
    );
    let code = output
        .status
        .code()
        .unwrap_or_else(|| panic!("{}: {}", program.display(), output.status));
    Verdict {
        code,
        findings: stdout.lines().map(ToOwned::to_owned).collect(),
    }
}
