//! Arguments of `family`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use ledgerstone_formats::ids::Kind;
use ledgerstone_formats::records::index::{DeclaredIndex, IndexName, IndexPart};

use super::Settings;

/// Arguments of `family`.
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
#[command(after_help = "Examples:
  ledgerstone family add specs persona_spec --unique slug=/slug --multi tag=/tags
  ledgerstone family list specs")]
pub(crate) struct Family {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do with families.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Declare what records of a kind can be found by
    Add(Box<FamilyAdd>),
    /// Show what is declared
    List(FamilyList),
}

/// Arguments of `family add`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone family add specs persona_spec --unique slug=/slug --multi tag=/tags
  ledgerstone family add audit audit_entry --index resource=/resource/type,/resource/id --index actor=/actor")]
pub(crate) struct FamilyAdd {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
    /// The kind of record
    pub(crate) kind: Kind,
    /// Find records by what stands at one or more JSON pointers: strings, and numbers as their digits. `/-` after an
    /// array stands for each of its elements, `id` and `corr` for what they are
    #[arg(long, value_name = "NAME=PTR[,PTR...]")]
    pub(crate) index: Vec<Declared>,
    /// The same, where no two things may have the same value at a time; before the kind's first record
    #[arg(long, value_name = "NAME=PTR[,PTR...]")]
    pub(crate) unique: Vec<Declared>,
    /// Find records by each element of an array
    #[arg(long, value_name = "NAME=PTR")]
    pub(crate) multi: Vec<Declared>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Arguments of `family list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ledgerstone family list specs
  ledgerstone family list specs --json")]
pub(crate) struct FamilyList {
    /// The ledger's directory
    pub(crate) dir: PathBuf,
}

/// `NAME=PTR[,PTR…]`.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    name: IndexName,
    parts: Vec<String>,
}

impl FromStr for Declared {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, parts) = text.split_once('=').ok_or("expected NAME=PTR[,PTR...]")?;
        // Where a pointer holds a comma, the text after it does not begin as one.
        let mut split: Vec<String> = Vec::new();
        for part in parts.split(',') {
            match split.last_mut() {
                Some(last) if !(part.starts_with('/') || part == "id" || part == "corr") => {
                    last.push(',');
                    last.push_str(part);
                }
                _ => split.push(part.to_owned()),
            }
        }
        Ok(Self {
            name: name
                .parse()
                .map_err(|error: ledgerstone_formats::ids::IdError| error.to_string())?,
            parts: split,
        })
    }
}

impl FamilyAdd {
    /// The indexes that it declares.
    pub(crate) fn indexes(&self) -> Result<Vec<DeclaredIndex>, String> {
        let of = |declared: &Declared, ending: &str, unique: bool| {
            let parts: Result<Vec<IndexPart>, _> = declared
                .parts
                .iter()
                .map(|part| format!("{part}{ending}").parse())
                .collect();
            let index = parts.and_then(|parts| DeclaredIndex::new(declared.name.clone(), parts, unique));
            index.map_err(|error| format!("index {}: {error}", declared.name))
        };
        let plain = self.index.iter().map(|declared| of(declared, "", false));
        let unique = self.unique.iter().map(|declared| of(declared, "", true));
        let multi = self.multi.iter().map(|declared| of(declared, "/-", false));
        plain.chain(unique).chain(multi).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_parted_where_one_begins() {
        let parts = |text: &str| text.parse::<Declared>().unwrap().parts;
        assert_eq!(parts("x=/a"), ["/a"]);
        assert_eq!(parts("x=/a,/b/c,id"), ["/a", "/b/c", "id"]);
        assert_eq!(parts("x=/a,b,/c,corr"), ["/a,b", "/c", "corr"]);
        assert!("x".parse::<Declared>().is_err());
        assert!("X=/a".parse::<Declared>().is_err());
    }
}
