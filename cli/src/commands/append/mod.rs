//! `append`: JSON lines in, receipts out.
//!
//! One thread reads, some draft, this one submits in input order, one waits for the tickets in order. Every queue
//! between them is bounded, and so are the bytes of input in memory.

mod feed;
mod load;
mod prepare;
mod record;
mod resume;
mod summary;
mod target;

use std::ffi::OsString;
use std::io;
use std::path::{self, Path};

use ledgerstone_formats::json::Checker;
use ledgerstone_formats::limits::BODY_BYTES_MAX;

use self::feed::{Event, Feed};
use self::load::Load;
use self::prepare::{Maker, Rules};
use self::record::{Journals, Recorder};
use self::summary::Summary;
use self::target::{Reach, Target};
use crate::args::Append;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, Problem};
use crate::files;
use crate::input::{self, Limits, Source};
use crate::opening;
use crate::output::{Journal, Output};
use crate::progress::Progress;

/// A block with this many bytes is a batch, however few its lines are.
const BATCH_BYTES: usize = 4 << 20;
/// Processes that may bring records at the same time while this one reads standard input.
const DOOR_CONNECTIONS_MAX: usize = 8;

/// Runs the command. `typed` is what was typed after the program's name.
pub(crate) fn run(args: &Append, config: &Config, typed: &[OsString], output: &mut Output) -> Outcome<Exit> {
    if args.members.source.is_some() && args.files.len() > 1 {
        let message = "--source names one input: its line numbers are the keys";
        return Err(Problem::usage(message).into());
    }
    let (sources, bytes_total) = input::resolve(&args.files)?;
    let stop = super::watch_signals()?;
    let serves = sources.iter().any(|source| matches!(source, Source::Standard));
    let config = &for_a_load(config, serves);
    let reach = || opening::reach(&args.dir, config, &stop, output);
    let mut target = if args.dry_run {
        opening::identity(&args.dir)?;
        None
    } else {
        let again = (!config.lock_wait.is_zero()).then_some(&reach as Reach<'_>);
        Some(Target::new(reach()?, again))
    };
    let journals = journals(args, &sources)?;
    let feed = Feed::new();
    let (wake, wake_too) = (feed.sender.clone(), feed.sender.clone());
    // A full queue needs no waking: whoever empties it looks for signals and failures on his way.
    stop.on_request(move || drop(wake.try_send(Event::Wake)));
    let progress = Progress::new(output, bytes_total);
    let recorder = Recorder::start(journals, progress, move || drop(wake_too.try_send(Event::Wake)))
        .map_err(|error| failed("start a thread", &error))?;
    let line_bytes = config.options.body_bytes_max.min(BODY_BYTES_MAX);
    let line_bytes = target
        .as_ref()
        .map_or(line_bytes, |target| target.body_bytes_max(line_bytes));
    feed.start(
        sources.clone(),
        limits(args, line_bytes),
        rules(args, line_bytes),
        makers(target.as_ref(), line_bytes),
    )
    .map_err(|error| failed("start a thread", &error))?;

    let mut load = Load::new(target.as_mut(), recorder, args);
    let end = load.run(&feed.events, &stop);
    drop(feed);
    let mut tally = load.finish();
    if let Err(problem) = target.map(Target::close).transpose() {
        tally.failure.get_or_insert(problem);
    }
    Summary {
        args,
        sources: &sources,
        typed,
    }
    .conclude(end, tally, output)
}

/// The settings of a load. One from standard input may take long, and lets others in meanwhile.
fn for_a_load(config: &Config, serves: bool) -> Config {
    let mut config = config.clone();
    // What is on its way is bounded here, by the bytes of input in memory: the engine never has to refuse a batch.
    config.options.queue_records_max = usize::MAX / 2;
    config.options.queue_bytes_max = usize::MAX / 2;
    config.options.door_connections_max = if serves { DOOR_CONNECTIONS_MAX } else { 0 };
    config
}

fn journals(args: &Append, sources: &[Source]) -> Outcome<Journals> {
    if let (Some(receipts), Some(rejects)) = (&args.receipts, &args.rejects)
        && is_same_name(receipts, rejects)
    {
        let message = "--receipts and --rejects name the same file: each needs one of its own";
        return Err(Problem::usage(message).into());
    }
    for path in [&args.receipts, &args.rejects].into_iter().flatten() {
        if path.as_os_str() != "-" && files::is_below(path, &args.dir) {
            let message = format!(
                "{} lies in the ledger's own directory: choose another place",
                path.display()
            );
            return Err(Problem::usage(message).into());
        }
    }
    let mut receipts = match args.receipts.as_deref() {
        Some(path) if path.as_os_str() == "-" => {
            Some(Journal::standard_output().map_err(|error| failed("write standard output", &error))?)
        }
        Some(path) => Some(Journal::create(path)?),
        None => None,
    };
    let rejects = match args.rejects.as_deref().map(Journal::create).transpose() {
        Ok(rejects) => rejects,
        Err(failure) => {
            receipts.take().map(Journal::discard).transpose()?;
            return Err(failure);
        }
    };
    Ok(Journals {
        receipts,
        rejects,
        names: sources.iter().map(ToString::to_string).collect(),
    })
}

/// True when both lead to one file, however they are written, short of links.
fn is_same_name(one: &Path, other: &Path) -> bool {
    match (path::absolute(one), path::absolute(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn limits(args: &Append, line_bytes: usize) -> Limits {
    Limits {
        lines: args.batch,
        bytes: BATCH_BYTES,
        line_bytes,
        crlf: args.crlf,
    }
}

fn rules(args: &Append, line_bytes_max: usize) -> Rules {
    Rules {
        members: args.members.clone(),
        passes_over_bad: args.rejects.is_some(),
        line_bytes_max,
    }
}

/// One maker for each core.
fn makers(target: Option<&Target<'_>>, body_bytes_max: usize) -> Vec<Maker> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let maker = || match target {
        Some(target) => Maker::Ledger(target.drafter()),
        None => Maker::Dry {
            checker: Box::new(Checker::new()),
            body_bytes_max,
        },
    };
    std::iter::repeat_with(maker).take(threads).collect()
}

fn failed(doing: &str, error: &io::Error) -> Failure {
    Problem::new(
        Exit::Unavailable,
        "unavailable",
        format!("cannot {doing}: {error}"),
    )
    .into()
}
