//! `find`: the records that share a correlation id, or values in a declared index, oldest first.

use ledgerstone_engine::{By, Indexed, Lookup, Snapshot};
use ledgerstone_formats::records::family::Family;
use ledgerstone_formats::records::index::{DeclaredIndex, IndexName};

use super::matches::{print_part, snapshot};
use crate::args::{ByIndex, Find};
use crate::exit::Exit;
use crate::failure::{Outcome, Problem};
use crate::opening;
use crate::output::Output;

/// Runs the command.
pub(crate) fn run(args: &Find, output: &mut Output) -> Outcome<Exit> {
    let snapshot = snapshot(&args.dir)?;
    let by = match &args.corr {
        Some(corr) => By::Correlation(corr.clone()),
        None => By::Index(indexed(args, &snapshot)?),
    };
    let lookup = Lookup {
        kind: args.kind.clone(),
        ..Lookup::new(args.owned.scope(), by)
    };
    print_part(&args.dir, &snapshot, lookup, &args.part, &args.owned, output)
}

/// The index that is meant: its name is enough where one kind has it.
fn indexed(args: &Find, snapshot: &Snapshot) -> Outcome<Indexed> {
    let families = snapshot.families();
    let families = families.map_err(|error| opening::in_directory(&args.dir, &error))?;
    let name = one_name(&args.by)?;
    let is_meant = |family: &&Family| args.kind.as_ref().is_none_or(|kind| kind == family.kind());
    let having = families.iter().filter(is_meant).filter_map(|family| {
        let index = family.index(name.as_str())?;
        Some((family, index))
    });
    match having.collect::<Vec<_>>().as_slice() {
        [(family, index)] => Ok(Indexed {
            kind: family.kind().clone(),
            index: name.clone(),
            values: values(&args.by, index),
        }),
        [] => {
            let message =
                format!("no kind declares an index {name}: `ledgerstone family list` shows what there is");
            Err(Problem::usage(message).into())
        }
        several => {
            let kinds: Vec<&str> = several.iter().map(|(family, _)| family.kind().as_str()).collect();
            let message = format!(
                "several kinds declare an index {name}: --kind says which of {}",
                kinds.join(", ")
            );
            Err(Problem::usage(message).into())
        }
    }
}

fn one_name(by: &[ByIndex]) -> Outcome<&IndexName> {
    let first = &by.first().expect("clap asks for one").index;
    match by.iter().find(|other| other.index != *first) {
        None => Ok(first),
        Some(other) => {
            let message = format!("one index at a time, not {first} and {}", other.index);
            Err(Problem::usage(message).into())
        }
    }
}

/// A value for each part: each its own option, or all in one with commas between them.
fn values(by: &[ByIndex], index: &DeclaredIndex) -> Vec<String> {
    match by {
        [one] if index.parts().len() > 1 => one.value.split(',').map(str::to_owned).collect(),
        by => by.iter().map(|one| one.value.clone()).collect(),
    }
}
