//! `family`: what the records of a kind can be found by.

use std::path::Path;

use ledgerstone_formats::records::family::Family;
use ledgerstone_formats::records::index::DeclaredIndex;
use serde::Serialize;

use super::matches::snapshot;
use crate::args::{self, FamilyAdd, Verb};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{Outcome, Problem};
use crate::opening;
use crate::output::Output;

#[derive(Serialize)]
struct Shown<'a> {
    kind: &'a str,
    indexes: &'a [DeclaredIndex],
}

/// Runs the command.
pub(crate) fn run(args: &args::Family, config_file: Option<&Path>, output: &mut Output) -> Outcome<Exit> {
    match &args.verb {
        Verb::Add(args) => add(args, &Config::resolve(&args.settings, config_file)?, output),
        Verb::List(args) => {
            show(&declared(&args.dir)?, output)?;
            Ok(Exit::Done)
        }
    }
}

/// Declaring is done by opening: who writes to a ledger then knows of all that is declared from the first record on.
fn add(args: &FamilyAdd, config: &Config, output: &mut Output) -> Outcome<Exit> {
    let family = args
        .indexes()
        .and_then(|indexes| Family::new(args.kind.clone(), indexes).map_err(|error| error.to_string()))
        .map_err(Problem::usage)?;
    let mut config = config.clone();
    config.options.families = vec![family];
    let stop = super::watch_signals()?;
    let before = declared(&args.dir)?;
    let ledger = opening::open(&args.dir, &config, &stop, output)?;
    let failed = |error| opening::in_directory(&args.dir, &error);
    let after = ledger.snapshot().families().map_err(failed)?;
    ledger.close().map_err(failed)?;
    let own: Vec<Family> = after
        .into_iter()
        .filter(|family| *family.kind() == args.kind)
        .collect();
    if own.iter().all(|family| before.contains(family)) {
        output.note(format_args!("{} had all of it: nothing was recorded", args.kind));
    }
    show(&own, output)?;
    Ok(Exit::Done)
}

fn declared(dir: &Path) -> Outcome<Vec<Family>> {
    let families = snapshot(dir)?.families();
    Ok(families.map_err(|error| opening::in_directory(dir, &error))?)
}

fn show(families: &[Family], output: &mut Output) -> Outcome<()> {
    for family in families {
        let kind = family.kind().as_str();
        if output.json {
            output.object(&Shown {
                kind,
                indexes: family.indexes(),
            })?;
            continue;
        }
        for index in family.indexes() {
            let parts: Vec<String> = index.parts().iter().map(ToString::to_string).collect();
            let unique = if index.is_unique() { " unique" } else { "" };
            output.text(format_args!(
                "{kind} {}={}{unique}",
                index.name(),
                parts.join(",")
            ))?;
        }
    }
    Ok(())
}
