//! `ledgerstone`: a write-once, hash-chained ledger on the command line.

mod access;
mod args;
mod commands;
mod config;
mod exit;
mod failure;
mod files;
mod input;
mod opening;
mod output;
mod progress;
mod shell;
mod signals;
mod times;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use tracing_subscriber::filter::LevelFilter;

use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::{Failure, Problem};
use crate::output::Output;

fn main() -> ExitCode {
    let typed: Vec<OsString> = std::env::args_os().skip(1).collect();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error, &typed).into(),
    };
    if cli.common.log != LevelFilter::OFF {
        tracing_subscriber::fmt()
            .with_max_level(cli.common.log)
            .with_writer(io::stderr)
            .with_ansi(false)
            .init();
    }
    run(&cli, &typed).into()
}

fn run(cli: &Cli, typed: &[OsString]) -> Exit {
    let json = cli.common.json;
    let ended = Output::new(json, cli.common.loudness())
        .map_err(|error| failure::of_output(&error))
        .and_then(|mut output| {
            let exit = commands::run(&cli.command, cli.common.config.as_deref(), typed, &mut output);
            // What was printed before something failed is data all the same.
            let flushed = output.flush();
            exit.and_then(|exit| flushed.map(|()| exit))
        });
    match ended {
        Ok(exit) => exit,
        Err(Failure::ClosedPipe) => Exit::Done,
        Err(Failure::Problem(problem)) => {
            output::report(&problem, json);
            problem.exit
        }
    }
}

/// Help and version are data; anything else is a mistake in what was typed.
fn misused(error: &clap::Error, typed: &[OsString]) -> Exit {
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !asked_for && typed.iter().any(|word| word == "--json") {
        let text = error.to_string();
        let message = text
            .trim_start_matches("error: ")
            .lines()
            .next()
            .unwrap_or_default();
        output::report(&Problem::usage(message), true);
        return Exit::Refused;
    }
    let printed = error.print().and_then(|()| io::stdout().flush());
    match printed.map_err(|error| failure::of_output(&error)) {
        Err(Failure::Problem(problem)) if asked_for => {
            output::report(&problem, false);
            problem.exit
        }
        _ if asked_for => Exit::Done,
        // Where the mistake cannot be told the code still says that there is one.
        _ => Exit::Refused,
    }
}
