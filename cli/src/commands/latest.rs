//! `latest`: the newest record about a thing, now or as of some moment.

use ledgerstone_engine::{By, Lookup, Order};
use ledgerstone_formats::time::Timestamp;

use super::matches::{nothing_found, snapshot};
use super::scan::print;
use crate::args::Latest;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::opening;
use crate::output::Output;
use crate::times;

/// Runs the command.
pub(crate) fn run(args: &Latest, output: &mut Output) -> Outcome<Exit> {
    let by = By::Entity {
        kind: args.kind.clone(),
        id: args.id.clone(),
    };
    let lookup = Lookup {
        order: Order::NewestFirst,
        ..Lookup::new(args.owned.scope(), by)
    };
    let lookup = match args.as_of.as_deref() {
        None => lookup,
        Some(text) => as_of(lookup, text)?,
    };
    let damaged = |error| opening::in_directory(&args.dir, &error);
    let mut matches = snapshot(&args.dir)?.find(lookup).map_err(damaged)?;
    match matches.next_line().map_err(damaged)? {
        Some(line) => {
            print(&line, args.owned.body, output)?;
            Ok(Exit::Done)
        }
        None => Ok(nothing_found(&args.owned, output)),
    }
}

/// A number is a sequence number; anything else is a time. What was stored then is seen.
fn as_of(lookup: Lookup, text: &str) -> Outcome<Lookup> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let to = Some(text.parse().unwrap_or(u64::MAX));
        return Ok(Lookup { to, ..lookup });
    }
    let after = times::parse(text)?.as_micros().saturating_add(1);
    // No record is later than the latest time there is.
    let until = Timestamp::from_micros(after);
    Ok(Lookup { until, ..lookup })
}
