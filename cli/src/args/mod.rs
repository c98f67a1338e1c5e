//! What can be asked for on the command line. Each help ends with two examples.

mod checking;
mod family;
mod reading;
mod writing;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

pub(crate) use checking::{Checkpoint, Demo, Inspect, Recover, Seal, Stat, Verify};
pub(crate) use family::{Family, FamilyAdd, Verb};
pub(crate) use reading::{ByIndex, Find, Get, History, Latest, Owned, Part, Scan, Tail};
pub(crate) use writing::{Append, Init, Members};

use crate::config::{Age, Size};
use crate::output::Loudness;

/// A write-once, hash-chained ledger for JSON records.
#[derive(Debug, Parser)]
#[command(name = "ledgerstone", version = VERSION, max_term_width = 100, subcommand_required = true)]
#[command(arg_required_else_help = true, disable_help_subcommand = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (format ledgerstone/1)");

const EXAMPLES: &str = "Examples:
  ledgerstone demo
  ledgerstone init audit && ledgerstone append audit events.jsonl --kind audit_entry";

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Common {
    /// Print one JSON object a line, errors too
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Also say which files and settings are used
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Take settings from this TOML file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "LEDGERSTONE_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,
    /// Say on standard error what the engine does: error, warn, info, debug or trace [default: off]
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        env = "LEDGERSTONE_LOG",
        hide_env_values = true,
        default_value = "off",
        hide_default_value = true
    )]
    pub(crate) log: LevelFilter,
}

impl Common {
    /// How much to say.
    pub(crate) fn loudness(&self) -> Loudness {
        match (self.quiet, self.verbose) {
            (true, _) => Loudness::Quiet,
            (false, true) => Loudness::Verbose,
            (false, false) => Loudness::Normal,
        }
    }
}

/// Settings of a process. Each may also stand in the environment and in the file of `--config`.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Settings {
    /// The signing key; DIR.key beside the directory unless named here
    #[arg(
        long,
        value_name = "FILE",
        env = "LEDGERSTONE_SIGNING_KEY",
        hide_env_values = true
    )]
    pub(crate) signing_key: Option<PathBuf>,
    /// Wait so long for another process to let the ledger go [default: 0]
    #[arg(
        long,
        value_name = "SECONDS",
        env = "LEDGERSTONE_LOCK_WAIT",
        hide_env_values = true
    )]
    pub(crate) lock_wait: Option<u64>,
    /// End a segment of at least this size [default: 256MiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "LEDGERSTONE_SEGMENT_BYTES",
        hide_env_values = true
    )]
    pub(crate) segment_bytes: Option<Size>,
    /// End a segment whose first record is older than this, as 30d or 12h [default: never]
    #[arg(
        long,
        value_name = "AGE",
        env = "LEDGERSTONE_SEGMENT_AGE",
        hide_env_values = true
    )]
    pub(crate) segment_age: Option<Age>,
    /// Longest record taken, at most 16MiB [default: 2MiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "LEDGERSTONE_BODY_BYTES_MAX",
        hide_env_values = true
    )]
    pub(crate) body_bytes_max: Option<Size>,
    /// Refuse records when the disk has less room than this [default: 64MiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "LEDGERSTONE_DISK_FREE_MIN",
        hide_env_values = true
    )]
    pub(crate) disk_free_min: Option<Size>,
    /// Make the open segment's file longer ahead of small writes by at most this, such as 1MiB [default: 0, never]
    #[arg(
        long,
        value_name = "SIZE",
        env = "LEDGERSTONE_FILLER_BYTES_MAX",
        hide_env_values = true
    )]
    pub(crate) filler_bytes_max: Option<Size>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new ledger
    Init(Init),
    /// Store records, one JSON object a line
    Append(Append),
    /// Print one record
    Get(Get),
    /// Print the newest record about a thing
    Latest(Latest),
    /// Print all records about a thing
    History(History),
    /// Print the records that share a correlation id, or values in a declared index
    Find(Find),
    /// Declare what records of a kind can be found by, or show it
    Family(Family),
    /// Print records in order
    Scan(Scan),
    /// Print the last records, and those that come
    Tail(Tail),
    /// End the open segment and seal it
    Seal(Seal),
    /// Show size, head, segments, kinds and who holds the ledger
    Stat(Stat),
    /// Check every byte of a ledger
    Verify(Verify),
    /// Show or do what an interrupted or damaged ledger needs
    Recover(Recover),
    /// Explain a stored line, a seal or a head, and check it by itself
    Inspect(Inspect),
    /// Sign a head over all records now and print it
    Checkpoint(Checkpoint),
    /// Try everything on sample records
    Demo(Demo),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_ends_with_two_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command.clone().render_help().to_string();
            let examples = help
                .rsplit_once("Examples:\n")
                .map(|(_, examples)| examples.trim_end().lines().count());
            assert_eq!(examples, Some(2), "{}:\n{help}", command.get_name());
        }
    }
}
