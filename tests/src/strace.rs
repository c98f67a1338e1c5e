//! The real binary under `strace`: which system calls it makes on whose files, and one of them made to fail or to be
//! the last.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::cli::Call;

/// The calls that change something, or that everything begins with.
const CALLS: &str = "openat,open,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,link,linkat,fchmod,\
                     chmod,ftruncate,truncate,fallocate,write,writev,pwrite64,pwritev,pwritev2,copy_file_range,\
                     sendfile,fsync,fdatasync,sync_file_range,flock";

/// Whether `strace` can be used; where it cannot, the reason is printed.
///
/// # Panics
/// When it cannot and `CI` is set: there, a test that silently does nothing is a failure.
pub fn is_there() -> bool {
    static PROBLEM: OnceLock<Option<String>> = OnceLock::new();
    let problem = PROBLEM.get_or_init(|| {
        let tried = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "true"])
            .output();
        match tried {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Some(error.to_string()),
        }
    });
    if let Some(problem) = problem {
        crate::skip(&format!("strace cannot be used: {problem}"));
    }
    problem.is_none()
}

/// Traces a call, children and threads too, into a file. Paths of open files are shown.
#[must_use]
pub fn record<'a>(call: Call<'a>, trace: &Path) -> Call<'a> {
    let calls = format!("trace={CALLS}");
    let args = ["-f", "--seccomp-bpf", "-qq", "-y", "-s", "0", "-e", &calls, "-o"];
    call.under("strace", args.map(Path::new).into_iter().chain([trace]))
}

/// What is done to a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// It is not done, and this error is returned.
    Fail(&'static str),
    /// It is not done, and the process is killed.
    Kill,
}

/// A kind of call on one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The system call.
    pub call: String,
    /// The file, as the program names it.
    pub path: String,
}

/// A call that is singled out: `strace` counts for each thread by itself.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Which calls are counted.
    pub target: Target,
    /// What is done.
    pub deed: Deed,
    /// To which of them, from 1.
    pub nth: u32,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { call, path } = &self.target;
        write!(f, "{:?} at {call} no. {} of {path}", self.deed, self.nth)
    }
}

impl Fault {
    /// Runs a call with this fault; `trace` tells afterwards whether it was met.
    #[must_use]
    pub fn inject<'a>(&self, call: Call<'a>, trace: &Path) -> Call<'a> {
        let Target { call: name, path } = &self.target;
        let deed = match self.deed {
            Deed::Fail(error) => format!("error={error}"),
            Deed::Kill => "signal=KILL".to_owned(),
        };
        let inject = format!("inject={name}:{deed}:when={}", self.nth);
        let traced = format!("trace={name}");
        let mut args = vec!["-f", "-qq", "-P", path, "-e", &traced, "-e", &inject];
        // Quicker; but a signal that is to come with the call is then lost on some threads.
        if matches!(self.deed, Deed::Fail(_)) {
            args.push("--seccomp-bpf");
        }
        args.push("-o");
        call.under("strace", args.into_iter().map(Path::new).chain([trace]))
    }
}

/// Whether a trace shows that a call was made to fail.
pub fn was_injected(trace: &[u8]) -> bool {
    String::from_utf8_lossy(trace).contains("(INJECTED)")
}

/// One system call of a trace.
#[derive(Debug, Clone)]
pub struct Traced {
    /// The thread.
    pub thread: u32,
    /// Its name.
    pub name: String,
    /// Its arguments as they are shown.
    pub args: String,
    /// What it returned.
    pub result: String,
    /// Line of the trace on which it began, from 0.
    pub began: usize,
    /// Line on which it ended.
    pub ended: usize,
}

impl Traced {
    /// The file that it is about: that of its descriptor, or the first path named.
    pub fn path(&self) -> &str {
        let by_name = !self.args.starts_with(|char: char| char.is_ascii_digit());
        let (open, close) = if by_name { ('"', '"') } else { ('<', '>') };
        let from = self.args.split_once(open).map_or("", |(_, rest)| rest);
        from.split_once(close).map_or("", |(path, _)| path)
    }

    /// The second path of a rename or link.
    pub fn to_path(&self) -> &str {
        self.args.split('"').nth(3).unwrap_or_default()
    }

    /// Whether it did what it was asked for.
    pub fn succeeded(&self) -> bool {
        !self.result.starts_with('-')
    }

    /// It, as faults are aimed at it.
    pub fn target(&self) -> Target {
        Target {
            call: self.name.clone(),
            path: self.path().to_owned(),
        }
    }
}

/// The calls of a trace that [`record`] made, in the order in which they began.
///
/// # Panics
/// On a line that is none of `strace`'s.
pub fn parse(trace: &[u8]) -> Vec<Traced> {
    let trace = String::from_utf8_lossy(trace);
    let mut calls: Vec<Traced> = Vec::new();
    let mut unfinished = BTreeMap::new();
    for (number, line) in trace.lines().enumerate() {
        let (thread, rest) = line.split_once(' ').expect("a thread begins the line");
        let (thread, rest) = (thread.parse().expect("a thread's number"), rest.trim_start());
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, end) = resumed.split_once("resumed>").expect("the rest of a call");
            let index: usize = unfinished.remove(&thread).expect("it had begun");
            let call = &mut calls[index];
            let (args, result) = end.rsplit_once(" = ").expect("it has a result");
            call.args.push_str(args.trim_end());
            (call.result, call.ended) = (result.to_owned(), number);
            continue;
        }
        let (name, rest) = rest.split_once('(').expect("a call");
        let (args, result) = match rest.strip_suffix(" <unfinished ...>") {
            Some(args) => {
                unfinished.insert(thread, calls.len());
                (args, "")
            }
            None => rest.rsplit_once(" = ").expect("it has a result"),
        };
        calls.push(Traced {
            thread,
            name: name.to_owned(),
            args: args.trim_end().to_owned(),
            result: result.to_owned(),
            began: number,
            ended: number,
        });
    }
    calls
}
