//! `inspect`: what a stored line, a seal, a head or an identity says, and whether it is right by itself.

mod head;
mod record;
mod seal;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ledgerstone_engine::Code;
use ledgerstone_formats::checkpoint::HEAD_BYTES_MAX;
use ledgerstone_formats::line::{Line, LineTooLong, Splitter};
use ledgerstone_formats::names::{FileName, SEGMENTS_DIR};
use ledgerstone_formats::segment::SEAL_BYTES_MAX;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::args::Inspect;
use crate::exit::Exit;
use crate::failure::{Outcome, Problem};
use crate::input::{self, Source};
use crate::output::Output;

/// Read at once, in bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// What there is to say of one thing.
#[derive(Debug)]
pub(super) struct Explained {
    /// What it is.
    is: &'static str,
    rows: Vec<Row>,
    problems: Vec<Wrong>,
}

/// A member with its meaning.
#[derive(Debug)]
struct Row {
    name: &'static str,
    value: Value,
    meaning: String,
}

/// What is not as it should be.
#[derive(Debug, Serialize)]
struct Wrong {
    code: Code,
    cause: String,
}

impl Explained {
    fn new(is: &'static str) -> Self {
        Self {
            is,
            rows: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn row(&mut self, name: &'static str, value: impl Into<Value>, meaning: impl Into<String>) {
        self.rows.push(Row {
            name,
            value: value.into(),
            meaning: meaning.into(),
        });
    }

    fn wrong(&mut self, code: Code, cause: impl Into<String>) {
        self.problems.push(Wrong {
            code,
            cause: cause.into(),
        });
    }

    fn code(&self) -> Option<Code> {
        Code::worst(self.problems.iter().map(|wrong| wrong.code))
    }
}

/// Runs the command.
pub(crate) fn run(args: &Inspect, output: &mut Output) -> Outcome<Exit> {
    let (source, wanted) = target(&args.target);
    let mut worst = None;
    let mut found = false;
    each_thing(&source, &mut |number, bytes| {
        if wanted.is_some_and(|wanted| wanted != number) {
            return Ok(());
        }
        found = true;
        let explained = explain(bytes, &source);
        worst = Code::worst(worst.into_iter().chain(explained.code()));
        print(&explained, &source, number, output)
    })?;
    if !found {
        let mut problem = Problem::new(Exit::Refused, "missing", "there is no such line");
        problem.file = Some(source.to_string());
        problem.line = wanted;
        return Err(problem.into());
    }
    Ok(Exit::of_verdict(worst))
}

/// `FILE:LINE` where no file has that name itself.
fn target(target: &Path) -> (Source, Option<u64>) {
    if target == Path::new("-") {
        return (Source::Standard, None);
    }
    if !target.exists()
        && let Some((path, line)) = target.to_str().and_then(|text| text.rsplit_once(':'))
        && let Ok(line) = line.parse()
    {
        let source = if path == "-" {
            Source::Standard
        } else {
            Source::File(PathBuf::from(path))
        };
        return (source, Some(line));
    }
    (Source::File(target.to_owned()), None)
}

/// Calls `visit` for each line that is not blank; for a head, which is several lines, once.
fn each_thing(source: &Source, visit: &mut dyn FnMut(u64, &[u8]) -> Outcome<()>) -> Outcome<()> {
    let cannot = |error: std::io::Error| {
        let mut problem = Problem::new(Exit::Unavailable, "unavailable", format!("cannot read: {error}"));
        if error.kind() == std::io::ErrorKind::NotFound {
            problem.exit = Exit::Refused;
        }
        problem.file = Some(source.to_string());
        problem
    };
    let too_long = |error: LineTooLong| Problem::new(Exit::Refused, "invalid", error.to_string());
    let mut reader = input::open(source).map_err(cannot)?.reader;
    let mut splitter = Splitter::new(usize::try_from(SEAL_BYTES_MAX).expect("64 MiB fit into memory"));
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut things = Things {
        is_head: None,
        head: Vec::new(),
        visit,
    };
    if let Some(FileName::Checkpoint | FileName::Head) = file_name(source) {
        things.is_head = Some(true);
    }
    loop {
        let read = reader.read(&mut buffer).map_err(cannot)?;
        if read == 0 {
            break;
        }
        let mut chunk = &buffer[..read];
        while let Some(line) = splitter.next_line(&mut chunk) {
            things.take(&line.map_err(too_long)?)?;
        }
    }
    if let Some(line) = splitter.finish() {
        things.take(&line.map_err(too_long)?)?;
    }
    let Things { head, visit, .. } = things;
    if head.is_empty() { Ok(()) } else { visit(1, &head) }
}

struct Things<'a> {
    /// All lines are one head; the first line decides.
    is_head: Option<bool>,
    /// The head so far.
    head: Vec<u8>,
    visit: &'a mut dyn FnMut(u64, &[u8]) -> Outcome<()>,
}

impl Things<'_> {
    fn take(&mut self, line: &Line<'_>) -> Outcome<()> {
        if self.head.is_empty() && line.bytes.trim_ascii().is_empty() {
            return Ok(());
        }
        let ending: &[u8] = match (line.terminated, line.cr) {
            (false, _) => b"",
            (true, false) => b"\n",
            (true, true) => b"\r\n",
        };
        if !*self.is_head.get_or_insert(!line.bytes.starts_with(b"{")) {
            return (self.visit)(line.number, &[line.bytes, ending].concat());
        }
        // More than any head has shows already that it is none.
        if self.head.len() as u64 <= HEAD_BYTES_MAX {
            self.head.extend_from_slice(line.bytes);
            self.head.extend_from_slice(ending);
        }
        Ok(())
    }
}

fn explain(bytes: &[u8], source: &Source) -> Explained {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    match file_name(source) {
        Some(FileName::Seal(first)) => seal::explain(bytes, source, Some(first)),
        Some(FileName::Identity) => head::explain_identity(bytes),
        Some(FileName::Checkpoint | FileName::Head) => head::explain(bytes, source),
        Some(FileName::Segment(_)) => record::explain(line),
        _ if bytes.starts_with(b"{\"format\":\"ledgerstone-seal/") => seal::explain(bytes, source, None),
        _ if bytes.starts_with(b"{\"format\":\"ledgerstone/") => head::explain_identity(bytes),
        _ if bytes.starts_with(b"{") => record::explain(line),
        _ => head::explain(bytes, source),
    }
}

/// What a ledger calls a file of this name, in whichever folder it lies.
fn file_name(source: &Source) -> Option<FileName> {
    let Source::File(path) = source else { return None };
    let name = path.file_name()?.to_str()?;
    FileName::parse(name).or_else(|| FileName::parse(&format!("{SEGMENTS_DIR}/{name}")))
}

fn print(explained: &Explained, source: &Source, number: u64, output: &mut Output) -> Outcome<()> {
    if output.json {
        return print_object(explained, source, number, output);
    }
    output.text(format_args!("{source}:{number}: {}", explained.is))?;
    for row in &explained.rows {
        let value = match &row.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match row.meaning.as_str() {
            "" => output.text(format_args!("  {:<10} {value}", row.name))?,
            meaning => output.text(format_args!("  {:<10} {value}  ({meaning})", row.name))?,
        }
    }
    for wrong in &explained.problems {
        output.text(format_args!(
            "  WRONG      {} [{} {}]",
            wrong.cause,
            wrong.code.number(),
            wrong.code.meaning()
        ))?;
    }
    if explained.problems.is_empty() {
        output.text(format_args!("  right by itself"))?;
    }
    Ok(())
}

fn print_object(explained: &Explained, source: &Source, number: u64, output: &mut Output) -> Outcome<()> {
    #[derive(Serialize)]
    struct Object<'a> {
        file: String,
        line: u64,
        is: &'static str,
        members: Map<String, Value>,
        problems: &'a [Wrong],
    }
    output.object(&Object {
        file: source.to_string(),
        line: number,
        is: explained.is,
        members: explained
            .rows
            .iter()
            .map(|row| (row.name.to_owned(), row.value.clone()))
            .collect(),
        problems: &explained.problems,
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write the files that are read")]
mod tests {
    use super::*;

    #[test]
    fn a_line_number_is_split_off_only_where_no_file_has_that_name() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("a.jsonl");
        let odd = folder.path().join("a.jsonl:7");
        assert_eq!(target(&odd), (Source::File(plain.clone()), Some(7)));
        assert_eq!(target(&plain), (Source::File(plain), None));
        std::fs::write(&odd, "").unwrap();
        assert_eq!(target(&odd), (Source::File(odd.clone()), None));
        assert_eq!(target(Path::new("-")), (Source::Standard, None));
        assert_eq!(target(Path::new("-:3")), (Source::Standard, Some(3)));
    }
}
