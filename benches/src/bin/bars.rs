//! Runs the bars side by side with their peers and limits, and prints the table of figures.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ledgerstone_benches::error::Error;
use ledgerstone_benches::machine::{Machine, is_in_memory};
use ledgerstone_benches::neighbours::CpuTime;
use ledgerstone_benches::rounds::Setting;
use ledgerstone_benches::table::{self, Row};
use ledgerstone_benches::{base, p1, p2, p3, p5, p6, p7};

const USAGE: &str = "\
usage: bars [--quick] [--rounds N] [--dir DIR] [--seed N] [--records N] [NAME…]

names:  base   SQLite and the bare loops by themselves: is the machine in order?
        P1     64, 16 and 1 writers, one record at a time each
        P2     one writer, one record at a time
        P3     a file of JSON lines into a sealed ledger
        P5     lookups among a million records
        P6     opening after a close, and after a kill
        P7     growth: what an append and a lookup cost later
without a name: all of them

  --quick     fewer entries: to see that it works, not to quote
  --rounds N  how often each contender runs (default 5; quick 3)
  --dir DIR   where files are made, on a real disk (default: the target directory)
  --seed N    of the entries (default 1)
  --records N how far P7 grows a ledger (default 1,000,000)";

fn main() -> ExitCode {
    match Arguments::parse(env::args().skip(1)) {
        Err(reason) => {
            say_error(&format!("bars: {reason}\n{USAGE}"));
            ExitCode::from(2)
        }
        Ok(arguments) => match run(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say_error(&format!("bars: {error}"));
                ExitCode::FAILURE
            }
        },
    }
}

/// Something that can be asked for by name.
struct Bar {
    name: &'static str,
    measure: fn(&Setting) -> Result<Vec<Row>, Error>,
}

const BARS: [Bar; 7] = [
    Bar {
        name: "base",
        measure: base::run,
    },
    Bar {
        name: "P1",
        measure: p1::run,
    },
    Bar {
        name: "P2",
        measure: p2::run,
    },
    Bar {
        name: "P3",
        measure: p3::run,
    },
    Bar {
        name: "P5",
        measure: p5::run,
    },
    Bar {
        name: "P6",
        measure: p6::run,
    },
    Bar {
        name: "P7",
        measure: p7::run,
    },
];

struct Arguments {
    quick: bool,
    rounds: Option<usize>,
    dir: Option<PathBuf>,
    seed: u64,
    records: Option<u64>,
    names: Vec<String>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self {
            quick: false,
            rounds: None,
            dir: None,
            seed: 1,
            records: None,
            names: Vec::new(),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--quick" => arguments.quick = true,
                "--rounds" => arguments.rounds = Some(number(&word, &value()?)?),
                "--dir" => arguments.dir = Some(value()?.into()),
                "--seed" => arguments.seed = number(&word, &value()?)?,
                "--records" => arguments.records = Some(number(&word, &value()?)?),
                name if BARS.iter().any(|bar| bar.name == name) => arguments.names.push(word),
                _ => return Err(format!("unknown argument {word}")),
            }
        }
        if arguments.rounds == Some(0) {
            return Err("--rounds is at least 1".to_owned());
        }
        Ok(arguments)
    }
}

fn number<T: std::str::FromStr>(flag: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{flag} needs a number, not {text}"))
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let base_dir = arguments.dir.clone().map_or_else(target_dir, Ok)?;
    if is_in_memory(&base_dir)? {
        let reason = format!(
            "{} is in memory; choose a directory on a disk with --dir",
            base_dir.display()
        );
        return Err(io::Error::new(io::ErrorKind::Unsupported, reason).into());
    }
    let machine = Machine::describe(&base_dir)?;
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 3 } else { 5 });
    say(&format!(
        "{machine}- Rounds: {rounds}; medians; seed {}",
        arguments.seed
    ));
    let work = tempfile::Builder::new().prefix("bars-").tempdir_in(&base_dir)?;
    let before = CpuTime::now()?;
    let mut rows = Vec::new();
    for Bar { name, measure } in BARS {
        if !arguments.names.is_empty() && !arguments.names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let dir = tempfile::tempdir_in(work.path())?;
        let setting = Setting {
            dir: dir.path().to_owned(),
            quick: arguments.quick,
            rounds,
            seed: arguments.seed,
            records: arguments.records,
        };
        say_error(&format!("measuring {name}"));
        rows.extend(measure(&setting)?);
        dir.close()?;
    }
    work.close()?;
    let others = 100.0 * CpuTime::now()?.used_by_others_since(before);
    say(&format!(
        "- Other programs used {others:.0} % of the processor meanwhile\n"
    ));
    say(&table::markdown(&rows));
    Ok(())
}

/// `target/`, from the place of this program, `target/release/bars`: on the disk that holds the sources.
fn target_dir() -> io::Result<PathBuf> {
    let program = env::current_exe()?;
    let target = program.parent().and_then(Path::parent);
    target
        .map(Path::to_owned)
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

#[expect(clippy::print_stdout, reason = "the table is this program's output")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "errors and progress")]
fn say_error(text: &str) {
    eprintln!("{text}");
}
