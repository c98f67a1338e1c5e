//! What the lookups print.

use std::path::Path;

use ledgerstone_engine::{Lookup, Snapshot};
use serde::Serialize;

use super::scan::print;
use crate::args::{Owned, Part};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::opening;
use crate::output::Output;
use crate::times;

/// The records of this moment.
pub(super) fn snapshot(dir: &Path) -> Outcome<Snapshot> {
    let snapshot = opening::reader(dir)?.snapshot();
    Ok(snapshot.map_err(|error| opening::in_directory(dir, &error))?)
}

/// Prints what a lookup finds, or how many.
pub(super) fn print_part(
    dir: &Path,
    snapshot: &Snapshot,
    lookup: Lookup,
    part: &Part,
    owned: &Owned,
    output: &mut Output,
) -> Outcome<Exit> {
    #[derive(Serialize)]
    struct Count {
        count: u64,
    }
    let lookup = Lookup {
        from: part.after.map_or(0, |after| after.saturating_add(1)),
        since: part.since.as_deref().map(times::parse).transpose()?,
        until: part.until.as_deref().map(times::parse).transpose()?,
        ..lookup
    };
    let damaged = |error| opening::in_directory(dir, &error);
    let mut matches = snapshot.find(lookup).map_err(damaged)?;
    let limit = part.limit.unwrap_or(u64::MAX);
    let mut count = 0;
    while count < limit
        && let Some(line) = matches.next_line().map_err(damaged)?
    {
        count += 1;
        if !part.count {
            print(&line, owned.body, output)?;
        }
    }
    if part.count && output.json {
        output.object(&Count { count })?;
    } else if part.count {
        output.text(format_args!("{count}"))?;
    }
    if count == 0 && limit > 0 {
        return Ok(nothing_found(owned, output));
    }
    Ok(Exit::Done)
}

/// Says among whose records it was looked for: without a tenant that is not all of them.
pub(super) fn nothing_found(owned: &Owned, output: &Output) -> Exit {
    match &owned.tenant {
        Some(tenant) => output.note(format_args!("nothing found among the records of {tenant}")),
        None => output.note(format_args!(
            "nothing found among the records that have no tenant; --tenant names one"
        )),
    }
    Exit::NothingFound
}
