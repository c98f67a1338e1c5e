//! Arguments of the commands that print records.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use ledgerstone_engine::Scope;
use ledgerstone_formats::ids::{Correlation, EntityId, IdError, Kind, Tenant};
use ledgerstone_formats::records::index::IndexName;

/// Arguments of `get`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone get audit 42
  ledgerstone get audit 42 --tenant acme --body")]
pub(crate) struct Get {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
    /// The record's sequence number
    pub(crate) seq: u64,
    #[command(flatten)]
    pub(crate) scoped: Scoped,
}

/// Whose records, and how they are printed.
#[derive(Debug, Args)]
pub(crate) struct Scoped {
    /// Only this tenant's records; all without it
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<Tenant>,
    /// Print the bodies alone, byte for byte as they came in
    #[arg(long)]
    pub(crate) body: bool,
}

impl Scoped {
    /// The scope of a command that walks the file: one tenant's, else the operator's.
    pub(crate) fn scope(&self) -> Scope {
        self.tenant.clone().map_or(Scope::Operator, Scope::Tenant)
    }
}

/// Arguments of `scan`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone scan audit --kind audit_entry --since -2h
  ledgerstone scan audit --tenant acme --after 41999 --limit 1000 --body")]
pub(crate) struct Scan {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
    /// Begin at this sequence number
    #[arg(long, value_name = "SEQ", conflicts_with = "after")]
    pub(crate) from: Option<u64>,
    /// End with this sequence number
    #[arg(long, value_name = "SEQ")]
    pub(crate) to: Option<u64>,
    /// Begin after this sequence number, the last one seen
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<u64>,
    /// Only this kind
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// Only records stored at this time or later: RFC 3339, a date, or -2h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// Only records stored before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) until: Option<String>,
    /// Stop after so many records
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Print how many there are, not the records
    #[arg(long, conflicts_with = "body")]
    pub(crate) count: bool,
    #[command(flatten)]
    pub(crate) scoped: Scoped,
}

/// Arguments of `tail`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone tail audit -n 20
  ledgerstone tail audit --follow --kind audit_entry --body")]
pub(crate) struct Tail {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
    /// How many of the last records
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    pub(crate) lines: u64,
    /// Go on with records as they are stored
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only this kind
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    #[command(flatten)]
    pub(crate) scoped: Scoped,
}

/// Whose records a lookup is about, and how they are printed.
#[derive(Debug, Args)]
pub(crate) struct Owned {
    /// The tenant that the records belong to; those without a tenant unless it is given
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<Tenant>,
    /// Print the bodies alone, byte for byte as they came in
    #[arg(long)]
    pub(crate) body: bool,
}

impl Owned {
    /// The scope of a lookup: one tenant's records, or those of nobody, never all.
    pub(crate) fn scope(&self) -> Scope {
        self.tenant.clone().map_or(Scope::Untenanted, Scope::Tenant)
    }
}

/// Which of the records that a lookup finds.
#[derive(Debug, Args)]
pub(crate) struct Part {
    /// Only records stored at this time or later: RFC 3339, a date, or -2h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// Only records stored before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) until: Option<String>,
    /// Begin after this sequence number, the last one seen
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<u64>,
    /// Stop after so many records
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Print how many there are, not the records
    #[arg(long, conflicts_with = "body")]
    pub(crate) count: bool,
}

/// Arguments of `latest`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone latest specs --kind persona_spec --tenant acme reviewer
  ledgerstone latest specs --kind persona_spec --tenant acme reviewer --as-of 2026-06-30 --body")]
pub(crate) struct Latest {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
    /// The thing that the record is about
    pub(crate) id: EntityId,
    /// The kind of record
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Kind,
    /// As it was at this sequence number or time
    #[arg(long, value_name = "SEQ|TIME", allow_hyphen_values = true)]
    pub(crate) as_of: Option<String>,
    #[command(flatten)]
    pub(crate) owned: Owned,
}

/// Arguments of `history`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone history specs --kind persona_spec --tenant acme reviewer
  ledgerstone history specs --kind persona_spec --tenant acme reviewer --count")]
pub(crate) struct History {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
    /// The thing that the records are about
    pub(crate) id: EntityId,
    /// The kind of record
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Kind,
    #[command(flatten)]
    pub(crate) part: Part,
    #[command(flatten)]
    pub(crate) owned: Owned,
}

/// Arguments of `find`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone find audit --tenant acme --corr req-7
  ledgerstone find specs --by tag=finance --since -2h --body")]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Find {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
    /// The correlation id that the records share
    #[arg(long, value_name = "ID", group = "what")]
    pub(crate) corr: Option<Correlation>,
    /// The value that they share in a declared index; of an index with several parts, a value for each, with commas
    /// between them or in an option each
    #[arg(long, value_name = "INDEX=VALUE", group = "what")]
    pub(crate) by: Vec<ByIndex>,
    /// Only this kind
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    #[command(flatten)]
    pub(crate) part: Part,
    #[command(flatten)]
    pub(crate) owned: Owned,
}

/// `INDEX=VALUE`.
#[derive(Debug, Clone)]
pub(crate) struct ByIndex {
    pub(crate) index: IndexName,
    pub(crate) value: String,
}

impl FromStr for ByIndex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (index, value) = text.split_once('=').ok_or("expected INDEX=VALUE")?;
        Ok(Self {
            index: index.parse().map_err(|error: IdError| error.to_string())?,
            value: value.to_owned(),
        })
    }
}
