//! The real binary, run in a folder of its own.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use ledgerstone_engine::storage::Storage as _;
use ledgerstone_engine::storage::disk::Disk;
use serde_json::Value;
use tempfile::TempDir;

use crate::normal::normal;
use crate::python;
use crate::sources::root;

/// The verdict on an index that is not that of its records.
const INDEX_DIFFERS: i32 = 35;

/// Variables that would change what a command does.
const CLEARED: [&str; 2] = ["NO_COLOR", "CLICOLOR_FORCE"];

/// Room below which a file system in memory is left alone: a ledger takes no records where the disk is nearly full.
const MEMORY_BYTES_MIN: u64 = 1 << 30;

/// The binary, built once for this process and as fresh as its sources.
///
/// Only a package's own tests have Cargo build its binaries, so this asks Cargo, which does nothing when all is built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        // TARGET/PROFILE/deps/TEST
        let profile = test
            .ancestors()
            .nth(2)
            .expect("Cargo puts a test two folders deep");
        let target = profile
            .parent()
            .expect("Cargo puts a profile's folder in the target folder");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build
            .current_dir(root())
            .args(["build", "--quiet", "--package", "ledgerstone-cli", "--target-dir"]);
        build.arg(target);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().unwrap();
        assert!(status.success(), "{build:?}: {status}");
        profile.join("ledgerstone")
    })
}

/// A temporary folder in which one test runs commands.
#[derive(Debug)]
pub struct Place(TempDir);

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    /// An empty one. In memory where there is a file system with room: a test syncs often, and has nothing to lose.
    pub fn new() -> Self {
        let memory = Disk::new("/dev/shm");
        let has_room = memory.free_bytes().is_ok_and(|bytes| bytes >= MEMORY_BYTES_MIN);
        Self(if has_room {
            tempfile::tempdir_in(memory.directory()).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        })
    }

    /// An empty one on a real disk.
    pub fn on_disk() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Makes or replaces a file.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, bytes).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
        path
    }

    /// A file's bytes.
    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
    }

    /// `ledgerstone ARGS`, to be run in this folder.
    pub fn call<I>(&self, args: I) -> Call<'_>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut command = Command::new(binary());
        command.current_dir(self.path()).args(args);
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("LEDGERSTONE_") || CLEARED.contains(&&*name_text) {
                command.env_remove(&name);
            }
        }
        Call {
            place: self,
            command,
            stdin: Vec::new(),
            judged: true,
        }
    }

    /// Runs `ledgerstone` with these arguments, separated by spaces, and expects it to end with 0.
    pub fn run(&self, args: &str) -> Output {
        self.call(args.split_whitespace()).ends_with(0)
    }

    /// Every file below the folder with its length and mode, sorted.
    pub fn listing(&self) -> String {
        let mut text = String::new();
        list(self.path(), self.path(), &mut text);
        text
    }
}

#[cfg(unix)]
fn list(root: &Path, folder: &Path, text: &mut String) {
    use std::os::unix::fs::PermissionsExt as _;

    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let meta = fs::symlink_metadata(&path).unwrap();
        let shown = path
            .strip_prefix(root)
            .expect("entries are below the root")
            .display();
        if meta.is_dir() {
            list(root, &path, text);
        } else {
            writeln!(
                text,
                "{:04o} {:>10} {shown}",
                meta.permissions().mode() & 0o7777,
                meta.len()
            )
            .unwrap();
        }
    }
}

/// A command that is about to run.
#[derive(Debug)]
pub struct Call<'a> {
    place: &'a Place,
    command: Command,
    stdin: Vec<u8>,
    /// Whether the independent verifier is asked about a ledger that the command verifies.
    judged: bool,
}

impl Call<'_> {
    /// What it reads from standard input; nothing without this.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets another program run it: `PROGRAM ARGS… ledgerstone …`.
    #[must_use]
    pub fn under<I>(mut self, program: &str, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut outer = Command::new(program);
        outer.args(args).arg(self.command.get_program());
        outer.args(self.command.get_args());
        outer.current_dir(self.place.path());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        self.command = outer;
        self
    }

    /// Does not ask the independent verifier: where a test has so many ledgers that it asks for all of them at once.
    #[must_use]
    pub fn judged_here_alone(mut self) -> Self {
        self.judged = false;
        self
    }

    /// Starts it, with pipes that the test holds.
    pub fn spawn(mut self) -> Child {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.command
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.command))
    }

    /// Runs it to its end, whatever that is.
    ///
    /// # Panics
    /// When it verified a ledger and the independent verifier comes to another verdict.
    #[track_caller]
    pub fn output(mut self) -> Output {
        let verified = self.verified();
        let stdin = std::mem::take(&mut self.stdin);
        let (place, shown) = (self.place, shown(&self.command));
        let mut child = self.spawn();
        let mut input = child.stdin.take().expect("it is piped");
        let mut errors = child.stderr.take().expect("it is piped");
        let mut output = child.stdout.take().expect("it is piped");
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        std::thread::scope(|scope| {
            // A command may end without reading all of its input.
            scope.spawn(move || drop(input.write_all(&stdin)));
            scope.spawn(|| errors.read_to_end(&mut stderr).unwrap());
            output.read_to_end(&mut stdout).unwrap();
        });
        let status = child.wait().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        let story = Story {
            shown,
            folder: place.path().to_owned(),
            listing: place.listing(),
        };
        let output = Output {
            status,
            stdout,
            stderr,
            story,
        };
        if let Some((ledger, has_receipts)) = verified {
            output.compare_with_python(&ledger, has_receipts);
        }
        output
    }

    /// The directory that the command verifies, if it does, and whether receipts are compared too.
    fn verified(&self) -> Option<(PathBuf, bool)> {
        let args: Vec<_> = self.command.get_args().collect();
        let is_verify = self.judged && args.first().is_some_and(|command| *command == "verify");
        let ledger = self.place.join(args.get(1).filter(|_| is_verify)?);
        ledger
            .is_dir()
            .then(|| (ledger, args.contains(&OsStr::new("--receipts"))))
    }

    /// Runs it and expects this exit code.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Output {
        let output = self.output();
        assert!(
            output.status.code() == Some(code),
            "expected code {code}\n{}",
            output.report()
        );
        output
    }
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = command
        .get_args()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    format!("{} {}", command.get_program().display(), words.join(" "))
}

#[derive(Debug)]
struct Story {
    shown: String,
    folder: PathBuf,
    listing: String,
}

/// What a command left.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its data.
    pub stdout: Vec<u8>,
    /// All else that it said.
    pub stderr: String,
    story: Story,
}

impl Output {
    /// Standard output as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}", self.report()))
    }

    /// Standard output as JSON, one value a line.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        self.parse_lines(self.text())
    }

    /// The one value that standard output is.
    #[track_caller]
    pub fn one_json(&self) -> Value {
        let mut values = self.json();
        assert!(values.len() == 1, "expected one line of JSON\n{}", self.report());
        values.remove(0)
    }

    /// The error of a command with `--json`: the last line of standard error.
    #[track_caller]
    pub fn error_json(&self) -> Value {
        let last = self.stderr.lines().last().unwrap_or_default();
        let value = self.parse_lines(last).pop();
        value.unwrap_or_else(|| panic!("nothing on standard error\n{}", self.report()))
    }

    /// Compares a verdict with the independent verifier's, which knows of no receipts.
    #[track_caller]
    fn compare_with_python(&self, ledger: &Path, has_receipts: bool) {
        let Some(code @ (0 | 10..=39)) = self.status.code() else {
            return;
        };
        let other = python::verify(ledger);
        let by_receipts = has_receipts && other.code == 0;
        // Indexes are derived: they are no part of what the format's text says.
        let by_index = code == INDEX_DIFFERS && other.code == 0;
        assert!(
            code == other.code || by_receipts || by_index,
            "the independent verifier does not agree: {other:#?}\n{}",
            self.report()
        );
    }

    /// Both streams with what differs from run to run replaced.
    pub fn normal(&self) -> String {
        let (stdout, stderr) = (
            normal(self.text(), &self.story.folder),
            normal(&self.stderr, &self.story.folder),
        );
        format!(
            "{stdout}{}{stderr}",
            if stderr.is_empty() { "" } else { "--- stderr\n" }
        )
    }

    /// Everything that there is to say when a test fails.
    pub fn report(&self) -> String {
        let Story {
            shown,
            folder,
            listing,
        } = &self.story;
        format!(
            "$ {shown}\nin {}: {}\n--- files\n{listing}--- stdout\n{}\n--- stderr\n{}",
            folder.display(),
            self.status,
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        )
    }

    #[track_caller]
    fn parse_lines(&self, text: &str) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{}", self.report()))
        };
        text.lines().map(parse).collect()
    }
}
