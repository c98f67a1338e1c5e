//! `find`: the records that share a correlation id, oldest first.

use ledgerstone_engine::{By, Lookup};

use super::matches::print_part;
use crate::args::Find;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::Output;

/// Runs the command.
pub(crate) fn run(args: &Find, output: &mut Output) -> Outcome<Exit> {
    let lookup = Lookup::new(args.owned.scope(), By::Correlation(args.corr.clone()));
    print_part(&args.dir, lookup, &args.part, &args.owned, output)
}
