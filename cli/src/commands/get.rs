//! `get`: one record by its number.

use ledgerstone_formats::record::Record;

use crate::args::Get;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::opening;
use crate::output::Output;

/// Runs the command.
pub(crate) fn run(args: &Get, output: &mut Output) -> Outcome<Exit> {
    let damaged = |error| opening::in_directory(&args.dir, &error);
    let snapshot = opening::reader(&args.dir)?.snapshot().map_err(damaged)?;
    let Some(line) = snapshot.get(args.seq, &args.scoped.scope()).map_err(damaged)? else {
        output.note(format_args!(
            "no record {} here; the ledger has {}",
            args.seq,
            snapshot.size()
        ));
        return Ok(Exit::NothingFound);
    };
    match Record::parse(&line) {
        Ok(record) if args.scoped.body => output.line(record.body())?,
        // The line was parsed and checked when it was read.
        _ => output.line(&line)?,
    }
    Ok(Exit::Done)
}
