//! Arguments of the commands that look after a ledger.

use std::num::{NonZeroUsize, ParseIntError};
use std::path::PathBuf;

use clap::Args;

use super::Settings;

/// Most threads that `verify` may start: a slip of the finger must not use up the threads of the machine.
const JOBS_MAX: usize = 256;

/// Arguments of `seal`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone seal audit
  ledgerstone seal audit --lock-wait 30 --json")]
pub(crate) struct Seal {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Arguments of `stat`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone stat audit
  ledgerstone stat audit --prometheus > /var/lib/node_exporter/audit.prom")]
pub(crate) struct Stat {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
    /// Print figures in Prometheus' text format, with those of the process that holds the ledger if it has a door
    #[arg(long)]
    pub(crate) prometheus: bool,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone verify audit
  ledgerstone verify audit --receipts receipts.jsonl --json")]
pub(crate) struct Verify {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
    /// Also check that each receipt of this file names a record that is there; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) receipts: Vec<PathBuf>,
    /// Check so many blocks of a segment at once, from 1 to 256 [default: as many as the machine has cores]
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// The signing key, beside which the last head is kept; DIR.key unless named here
    #[arg(
        long,
        value_name = "FILE",
        env = "LEDGERSTONE_SIGNING_KEY",
        hide_env_values = true
    )]
    pub(crate) signing_key: Option<PathBuf>,
}

/// Arguments of `recover`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone recover audit --plan
  ledgerstone recover audit --apply --accept-clock 'the battery of the clock was replaced'")]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Recover {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
    /// Print what opening for writing would do, and do nothing
    #[arg(long, group = "what")]
    pub(crate) plan: bool,
    /// Do it
    #[arg(long, group = "what")]
    pub(crate) apply: bool,
    /// Take a tail for an interrupted append even where it does not look like one: for file systems that show old
    /// bytes in sectors never written
    #[arg(long)]
    pub(crate) accept_torn: bool,
    /// Believe the clock although it stepped, and record why
    #[arg(long, value_name = "REASON", conflicts_with = "plan", value_parser = reason)]
    pub(crate) accept_clock: Option<String>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone inspect audit/segments/00000000000000000000.jsonl:8
  ledgerstone get audit 7 | ledgerstone inspect -")]
pub(crate) struct Inspect {
    /// A file with stored lines, a seal or a head, with `:LINE` for one line of it; `-` is standard input
    #[arg(value_name = "FILE[:LINE]|-")]
    pub(crate) target: PathBuf,
}

/// Arguments of `checkpoint`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone checkpoint audit
  ledgerstone checkpoint audit > /elsewhere/audit.checkpoint")]
pub(crate) struct Checkpoint {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone demo
  ledgerstone demo ./demo && ledgerstone scan ./demo/ledger --kind policy --body")]
pub(crate) struct Demo {
    /// A new directory to work in; a temporary one without it
    pub(crate) dir: Option<PathBuf>,
}

/// Why somebody gives his word, as it is recorded.
fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.contains(char::is_control) {
        return Err("a reason is a line of text".to_owned());
    }
    Ok(text.to_owned())
}

/// A number of threads. One beyond the bounds means as many, or as few, as there can be.
fn jobs(text: &str) -> Result<NonZeroUsize, ParseIntError> {
    let jobs: usize = text.parse()?;
    Ok(NonZeroUsize::new(jobs.min(JOBS_MAX)).unwrap_or(NonZeroUsize::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_stay_within_what_a_machine_can_start() {
        let taken = |text| jobs(text).map(NonZeroUsize::get);
        assert_eq!(
            ["0", "1", "7", "256", "100000"].map(taken),
            [1, 1, 7, 256, 256].map(Ok)
        );
        assert!(taken("many").is_err());
    }
}
