//! `checkpoint`: a head over everything, now.

use serde::Serialize;

use crate::args::Checkpoint;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::opening;
use crate::output::Output;

/// Runs the command. The bytes printed are those of the file, so that they can be kept elsewhere.
pub(crate) fn run(args: &Checkpoint, config: &Config, output: &mut Output) -> Outcome<Exit> {
    #[derive(Serialize)]
    struct Signed<'a> {
        head: &'a str,
    }
    let failed = |error| opening::in_directory(&args.dir, &error);
    let stop = super::watch_signals()?;
    let ledger = opening::reach(&args.dir, config, &stop, output)?;
    let head = ledger.checkpoint().map_err(failed)?;
    ledger.close().map_err(failed)?;
    let text = String::from_utf8_lossy(&head);
    if output.json {
        output.object(&Signed { head: &text })?;
    } else {
        output.line(head.strip_suffix(b"\n").unwrap_or(&head))?;
    }
    Ok(Exit::Done)
}
