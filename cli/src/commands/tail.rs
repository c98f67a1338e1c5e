//! `tail`: the last records, and those that come.

use std::time::Duration;

use ledgerstone_engine::{Error, Selection, Snapshot};

use super::scan::print;
use crate::args::Tail;
use crate::exit::Exit;
use crate::failure::{Outcome, Problem};
use crate::opening;
use crate::output::Output;

/// How often a followed ledger is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Runs the command.
pub(crate) fn run(args: &Tail, output: &mut Output) -> Outcome<Exit> {
    let damaged = |error| opening::in_directory(&args.dir, &error);
    let reader = opening::reader(&args.dir)?;
    let snapshot = reader.snapshot().map_err(damaged)?;
    let all = Selection {
        kind: args.kind.clone(),
        ..Selection::all(args.scoped.scope())
    };
    let from = snapshot.last(args.lines, &all).map_err(damaged)?;
    let mut next = print_from(&snapshot, from, args, &all, output, damaged)?;
    if !args.follow {
        return Ok(Exit::Done);
    }
    let stop = super::watch_signals()?;
    loop {
        output.flush()?;
        if let Some(signal) = stop.wait(LOOK) {
            return Ok(Exit::Stopped(signal));
        }
        let snapshot = reader.snapshot().map_err(damaged)?;
        if snapshot.size() > next {
            next = print_from(&snapshot, next, args, &all, output, damaged)?;
        }
    }
}

/// Prints the records of a snapshot from `from` on, and says where the next snapshot goes on.
fn print_from(
    snapshot: &Snapshot,
    from: u64,
    args: &Tail,
    all: &Selection,
    output: &mut Output,
    damaged: impl Fn(Error) -> Problem,
) -> Outcome<u64> {
    let mut scan = snapshot.scan(Selection { from, ..all.clone() });
    while let Some(line) = scan.next_line().map_err(&damaged)? {
        print(&line, args.scoped.body, output)?;
    }
    Ok(snapshot.size())
}
