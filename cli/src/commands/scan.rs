//! `scan`: records in order.

use ledgerstone_engine::{Selection, StoredLine};
use serde::Serialize;

use crate::args::Scan;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::opening;
use crate::output::Output;
use crate::times;

/// Runs the command.
pub(crate) fn run(args: &Scan, output: &mut Output) -> Outcome<Exit> {
    #[derive(Serialize)]
    struct Count {
        count: u64,
    }
    let damaged = |error| opening::in_directory(&args.dir, &error);
    let from = match (args.from, args.after) {
        (Some(from), _) => from,
        (None, Some(after)) => after.saturating_add(1),
        (None, None) => 0,
    };
    let selection = Selection {
        from,
        to: args.to,
        kind: args.kind.clone(),
        scope: args.scoped.scope(),
        since: args.since.as_deref().map(times::parse).transpose()?,
        until: args.until.as_deref().map(times::parse).transpose()?,
    };
    let mut scan = opening::reader(&args.dir)?
        .snapshot()
        .map_err(damaged)?
        .scan(selection);
    let limit = args.limit.unwrap_or(u64::MAX);
    let mut count = 0;
    while count < limit
        && let Some(line) = scan.next_line().map_err(damaged)?
    {
        count += 1;
        if !args.count {
            print(&line, args.scoped.body, output)?;
        }
    }
    if args.count && output.json {
        output.object(&Count { count })?;
    } else if args.count {
        output.text(format_args!("{count}"))?;
    }
    Ok(Exit::Done)
}

/// Prints a stored line as it lies there, or its body as it came in.
pub(super) fn print(line: &StoredLine<'_>, body: bool, output: &mut Output) -> Outcome<()> {
    output.line(if body { line.record().body() } else { line.bytes })
}
