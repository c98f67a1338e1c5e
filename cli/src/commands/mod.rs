//! The commands, one a file.

mod append;
mod checkpoint;
mod demo;
mod family;
mod find;
mod get;
mod history;
mod init;
mod inspect;
mod latest;
mod matches;
mod recover;
mod scan;
mod seal;
mod stat;
mod tail;
mod verify;

use std::ffi::OsString;
use std::path::Path;

use crate::args::{Command, Settings};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{Outcome, Problem};
use crate::output::Output;
use crate::signals::Stop;

/// Runs a command. `typed` is what was typed after the program's name.
pub(crate) fn run(
    command: &Command,
    config_file: Option<&Path>,
    typed: &[OsString],
    output: &mut Output,
) -> Outcome<Exit> {
    let config = |settings: &Settings| Config::resolve(settings, config_file);
    match command {
        Command::Init(args) => init::run(args, &config(&args.settings)?, typed, output),
        Command::Append(args) => append::run(args, &config(&args.settings)?, typed, output),
        Command::Get(args) => get::run(args, output),
        Command::Latest(args) => latest::run(args, output),
        Command::History(args) => history::run(args, output),
        Command::Find(args) => find::run(args, output),
        Command::Family(args) => family::run(args, config_file, output),
        Command::Scan(args) => scan::run(args, output),
        Command::Tail(args) => tail::run(args, output),
        Command::Seal(args) => seal::run(args, &config(&args.settings)?, output),
        Command::Stat(args) => stat::run(args, output),
        Command::Verify(args) => {
            let signing_key = args.signing_key.clone();
            verify::run(
                args,
                &config(&Settings {
                    signing_key,
                    ..Settings::default()
                })?,
                output,
            )
        }
        Command::Recover(args) => recover::run(args, &config(&args.settings)?, output),
        Command::Inspect(args) => inspect::run(args, output),
        Command::Checkpoint(args) => checkpoint::run(args, &config(&args.settings)?, output),
        Command::Demo(args) => demo::run(args, output),
    }
}

/// Takes over the signals that ask to stop: a command that writes ends after what is in flight.
fn watch_signals() -> Outcome<Stop> {
    Stop::install().map_err(|error| {
        let message = format!("cannot watch for signals: {error}");
        Problem::new(Exit::Unavailable, "unavailable", message).into()
    })
}
