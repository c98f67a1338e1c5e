//! `seal`: ends the open segment.

use ledgerstone_formats::names::FileName;

use crate::args::Seal;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::opening;
use crate::output::Output;

/// Runs the command.
pub(crate) fn run(args: &Seal, config: &Config, output: &mut Output) -> Outcome<Exit> {
    let failed = |error| opening::in_directory(&args.dir, &error);
    let stop = super::watch_signals()?;
    let ledger = opening::reach(&args.dir, config, &stop, output)?;
    let seal = ledger.seal().map_err(failed)?;
    ledger.close().map_err(failed)?;
    match seal {
        Some(seal) if output.json => output.object(&seal)?,
        Some(seal) => output.text(format_args!(
            "{}: {} records, seq {} to {}, {} bytes, sha256 {}",
            FileName::Seal(seal.first),
            seal.count,
            seal.first,
            seal.last,
            seal.bytes,
            seal.sha256
        ))?,
        None => output.note(format_args!("nothing to seal: every record is sealed already")),
    }
    Ok(Exit::Done)
}
