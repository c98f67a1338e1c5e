//! `history`: all records about a thing, oldest first.

use ledgerstone_engine::{By, Lookup};

use super::matches::{print_part, snapshot};
use crate::args::History;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::Output;

/// Runs the command.
pub(crate) fn run(args: &History, output: &mut Output) -> Outcome<Exit> {
    let by = By::Entity {
        kind: args.kind.clone(),
        id: args.id.clone(),
    };
    let lookup = Lookup::new(args.owned.scope(), by);
    print_part(
        &args.dir,
        &snapshot(&args.dir)?,
        lookup,
        &args.part,
        &args.owned,
        output,
    )
}
