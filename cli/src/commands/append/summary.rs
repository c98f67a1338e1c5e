//! What a load says at its end: how much is stored, and the command that goes on.

use std::ffi::OsString;
use std::fmt::Write as _;

use serde::Serialize;

use super::load::End;
use super::record::{Place, Tally};
use super::resume;
use crate::args::Append;
use crate::exit::Exit;
use crate::failure::{Outcome, Problem};
use crate::input::{Packing, Source, packing_of};
use crate::output::{Output, warn_object};
use crate::shell::quote;
use crate::signals::Signal;

/// What is needed to say it.
pub(crate) struct Summary<'a> {
    pub(crate) args: &'a Append,
    pub(crate) sources: &'a [Source],
    pub(crate) typed: &'a [OsString],
}

#[derive(Serialize)]
struct Totals {
    stored: u64,
    replayed: u64,
    first: Option<u64>,
    last: Option<u64>,
    blank: u64,
    rejected: u64,
    dry_run: bool,
    /// Everything through this line is dealt with.
    file: Option<String>,
    line: Option<u64>,
    /// What has to be done before the commands that go on can.
    needs: Option<String>,
    /// The commands that go on.
    #[serde(rename = "continue")]
    go_on: Vec<String>,
}

/// The same input again would meet the same record.
fn in_the_way(problem: &Problem) -> Option<String> {
    let (file, line) = (problem.file.as_ref()?, problem.line?);
    (problem.exit == Exit::Conflict).then(|| format!("mend line {line} of {file}"))
}

impl Summary<'_> {
    /// Says it, and chooses the exit code.
    pub(crate) fn conclude(&self, end: End, mut tally: Tally, output: &mut Output) -> Outcome<Exit> {
        let failed = tally.failure.is_some();
        let stopped_in = end.source().filter(|_| !failed);
        let needs = if failed { None } else { self.needs(&end) };
        let is_hopeless = !failed && matches!(end, End::TooLarge(..));
        let problem = self.problem(end, &mut tally);
        let needs = needs.or_else(|| problem.as_ref().and_then(in_the_way));
        // After a failed sync nobody knows yet which lines are stored.
        let unknown = problem
            .as_ref()
            .is_some_and(|problem| problem.exit == Exit::Unknown);
        let go_on = match problem {
            Some(_) if !unknown && !is_hopeless && !self.args.dry_run => {
                resume::commands(self.args, self.sources, next(&tally, stopped_in), self.typed)
            }
            _ => Vec::new(),
        };
        let needs = needs.filter(|_| !go_on.is_empty());
        if output.json {
            self.print_totals(&tally, needs.clone(), &go_on, output)?;
        }
        let words = self.words(&tally);
        let Some(mut problem) = problem else {
            if !output.json {
                output.note(format_args!("{words}"));
            }
            return Ok(if tally.rejected > 0 {
                Exit::Partly
            } else {
                Exit::Done
            });
        };
        problem.hints.push(words);
        if unknown {
            problem.hints.push(format!(
                "whether the lines after that are stored shows when the ledger is opened again: ledgerstone tail {}",
                quote(self.args.dir.as_os_str())
            ));
        }
        if !go_on.is_empty() {
            problem.hints.push(match needs {
                Some(needs) => format!("{needs}; then go on with:"),
                None => "go on with:".to_owned(),
            });
            problem
                .hints
                .extend(go_on.iter().map(|command| format!("  {command}")));
        }
        Err(problem.into())
    }

    /// What somebody has to do before the load can go on, where the same command would end the same way.
    fn needs(&self, end: &End) -> Option<String> {
        match end {
            End::Bad(source, bad) => Some(format!(
                "mend line {} of {}, or pass over such lines with --rejects FILE",
                bad.number,
                self.input(*source)
            )),
            End::Broken(source, _) => Some(match &self.sources[*source] {
                Source::File(path) if packing_of(path) != Packing::None => {
                    format!("get {} whole", self.input(*source))
                }
                _ => format!("see that {} can be read", self.input(*source)),
            }),
            End::Whole
            | End::Failed(..)
            | End::Refused(_)
            | End::Stopped(_)
            | End::TooLarge(..)
            | End::NotStored => None,
        }
    }

    /// An input's name in a sentence.
    fn input(&self, source: usize) -> String {
        match &self.sources[source] {
            Source::Standard => "the input".to_owned(),
            file => file.to_string(),
        }
    }

    fn problem(&self, end: End, tally: &mut Tally) -> Option<Problem> {
        // What could not be stored is worse than what could not be read.
        if let Some(problem) = tally.failure.take() {
            return Some(self.in_ledger(problem));
        }
        match end {
            End::Whole | End::NotStored => None,
            End::Refused(problem) => Some(self.in_ledger(problem)),
            End::Bad(source, bad) => {
                let mut problem = Problem::new(Exit::Refused, "invalid", bad.reason);
                problem.file = Some(self.sources[source].to_string());
                (problem.line, problem.column) = (Some(bad.number), Some(bad.column));
                Some(problem)
            }
            End::Broken(source, error) => {
                let message = format!("cannot read: {error}");
                let mut problem = Problem::new(Exit::Unavailable, "unavailable", message);
                problem.file = Some(self.sources[source].to_string());
                Some(problem)
            }
            End::Failed(source, mut problem) | End::TooLarge(source, mut problem) => {
                problem
                    .file
                    .get_or_insert_with(|| self.sources[source].to_string());
                Some(problem)
            }
            End::Stopped(signal) => {
                let name = match signal {
                    Signal::Interrupt => "SIGINT",
                    Signal::Terminate => "SIGTERM",
                };
                Some(Problem::new(
                    Exit::Stopped(signal),
                    "stopped",
                    format!("stopped by {name}"),
                ))
            }
        }
    }

    /// A problem that names no file is the ledger's.
    fn in_ledger(&self, mut problem: Problem) -> Problem {
        problem
            .file
            .get_or_insert_with(|| self.args.dir.display().to_string());
        problem
    }

    fn words(&self, tally: &Tally) -> String {
        let mut words = match (tally.range, self.args.dry_run) {
            (_, true) if tally.stored == 1 => "1 line is good; nothing was stored".to_owned(),
            (_, true) => format!("{} lines are good; nothing was stored", tally.stored),
            (None, false) if tally.replayed > 0 => "nothing new to store".to_owned(),
            (None, false) => "nothing is stored".to_owned(),
            (Some((first, last)), false) if first == last => format!("1 record stored, seq {first}"),
            (Some((first, last)), false) => format!("{} records stored, seq {first} to {last}", tally.stored),
        };
        if tally.replayed > 0 {
            // Writing to a string cannot fail.
            let _ = write!(words, "; {} stored before", lines(tally.replayed));
        }
        if let (Some(place), 1..) = (tally.through, tally.stored + tally.replayed) {
            // Writing to a string cannot fail.
            let _ = write!(words, ", through {}", self.name(place));
        }
        if tally.blanks > 0 {
            let _ = write!(
                words,
                "; {} passed over",
                lines(tally.blanks).replace("line", "blank line")
            );
        }
        if let (1.., Some(path)) = (tally.rejected, &self.args.rejects) {
            let _ = write!(
                words,
                "; {} refused, see {}",
                lines(tally.rejected),
                path.display()
            );
        }
        words
    }

    fn print_totals(
        &self,
        tally: &Tally,
        needs: Option<String>,
        go_on: &[String],
        output: &mut Output,
    ) -> Outcome<()> {
        let totals = Totals {
            stored: if self.args.dry_run { 0 } else { tally.stored },
            replayed: tally.replayed,
            first: tally.range.map(|(first, _)| first),
            last: tally.range.map(|(_, last)| last),
            blank: tally.blanks,
            rejected: tally.rejected,
            dry_run: self.args.dry_run,
            file: tally.through.map(|place| self.sources[place.source].to_string()),
            line: tally.through.map(|place| place.line),
            needs,
            go_on: go_on.to_vec(),
        };
        // Where receipts are the data, this is no data.
        if self
            .args
            .receipts
            .as_ref()
            .is_some_and(|path| path.as_os_str() == "-")
        {
            warn_object(&totals);
            return Ok(());
        }
        output.object(&totals)
    }

    fn name(&self, place: Place) -> String {
        format!("{}:{}", self.sources[place.source], place.line)
    }
}

fn lines(count: u64) -> String {
    if count == 1 {
        "1 line".to_owned()
    } else {
        format!("{count} lines")
    }
}

/// The first line that is not dealt with. `stopped_in` is the input that was to blame, when one was.
fn next(tally: &Tally, stopped_in: Option<usize>) -> Place {
    match (tally.through, stopped_in) {
        (Some(through), Some(source)) if source > through.source => Place { source, line: 1 },
        (Some(through), _) => Place {
            source: through.source,
            line: through.line + 1,
        },
        (None, _) => Place { source: 0, line: 1 },
    }
}
