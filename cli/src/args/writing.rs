//! Arguments of the commands that store something.

use std::path::PathBuf;

use clap::Args;
use ledgerstone_formats::ids::{IdError, IdempotencyKey, Kind, Tenant};
use ledgerstone_formats::limits::GROUP_RECORDS_MAX;
use ledgerstone_formats::pointer::Pointer;

use super::Settings;

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone init audit
  ledgerstone init audit --origin ledger.example.org --signing-key /etc/ledgerstone/audit.key")]
pub(crate) struct Init {
    /// The new ledger's directory
    pub(crate) dir: PathBuf,
    /// The name that heads are signed under; the ledger's id is added to it
    #[arg(long, value_name = "NAME", default_value = "ledgerstone.local")]
    pub(crate) origin: String,
    /// Make no key: heads are not signed, and whoever can write the directory can rewrite the ledger
    #[arg(long)]
    pub(crate) unsigned: bool,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Arguments of `append`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone append audit events.jsonl.gz --kind audit_entry --tenant-at /account --id-at /eventID
  ledgerstone append audit events.jsonl --kind audit_entry --source events-2026-11-22")]
pub(crate) struct Append {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
    /// Input, plain, gzip or zstd; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) members: Members,
    /// Most lines of one batch, which is stored whole or not at all
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = batch_lines)]
    pub(crate) batch: usize,
    /// Store the whole input as one batch
    #[arg(long, conflicts_with = "batch")]
    pub(crate) atomic: bool,
    /// Write refused lines to this new file, and store the others
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Write a receipt for each record, once it is on disk, to this new file; `-` is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) receipts: Option<PathBuf>,
    /// Take CR LF as the end of a line
    #[arg(long)]
    pub(crate) crlf: bool,
    /// Check everything, store nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Which members the stored records get.
#[derive(Debug, Clone, Args)]
pub(crate) struct Members {
    /// The kind of record
    #[arg(long, value_name = "KIND", value_parser = producers_kind)]
    pub(crate) kind: Kind,
    /// The tenant that the records belong to
    #[arg(long, value_name = "TENANT", conflicts_with = "tenant_at")]
    pub(crate) tenant: Option<Tenant>,
    /// Where a record names its tenant: a JSON pointer
    #[arg(long, value_name = "POINTER")]
    pub(crate) tenant_at: Option<Pointer>,
    /// Where a record names what it is about; an id is made up without it
    #[arg(long, value_name = "POINTER")]
    pub(crate) id_at: Option<Pointer>,
    /// Where a record has its correlation id
    #[arg(long, value_name = "POINTER")]
    pub(crate) corr_at: Option<Pointer>,
    /// Where a record has its idempotency key: the same record again under it is stored once
    #[arg(long, value_name = "POINTER", conflicts_with = "source")]
    pub(crate) idempotency_at: Option<Pointer>,
    /// Make NAME:LINE the idempotency key of each line, so that a load that was cut short can be run again
    #[arg(long, value_name = "NAME", value_parser = source_name)]
    pub(crate) source: Option<String>,
    /// Refuse a record in which a pointer leads to nothing, null or ""
    #[arg(long)]
    pub(crate) strict: bool,
}

/// A name that leaves room for any line number in a key.
fn source_name(text: &str) -> Result<String, String> {
    match IdempotencyKey::new(&format!("{text}:{}", u64::MAX)) {
        Ok(_) if !text.is_empty() => Ok(text.to_owned()),
        Ok(_) => Err("a name has at least one character".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn producers_kind(text: &str) -> Result<Kind, String> {
    let kind = Kind::new(text).map_err(|error: IdError| error.to_string())?;
    if kind.is_system() {
        Err("sys_... belongs to the system".to_owned())
    } else {
        Ok(kind)
    }
}

fn batch_lines(text: &str) -> Result<usize, String> {
    let lines = text
        .parse()
        .ok()
        .filter(|lines| (1..=GROUP_RECORDS_MAX).contains(lines));
    lines.ok_or_else(|| format!("a batch has 1 to {GROUP_RECORDS_MAX} lines"))
}
