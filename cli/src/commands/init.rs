//! `init`: a new ledger.

use std::ffi::OsString;
use std::sync::Arc;

use ledgerstone_engine::{Ledger, LedgerIdentity};
use serde::Serialize;

use crate::args::Init;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{Outcome, Problem};
use crate::opening;
use crate::output::Output;

#[derive(Serialize)]
struct Made<'a> {
    ledger: &'a str,
    origin: &'a str,
    vkey: Option<&'a str>,
    key: Option<String>,
    head: String,
}

/// Runs the command. `typed` is what was typed after the program's name.
pub(crate) fn run(args: &Init, config: &Config, typed: &[OsString], output: &mut Output) -> Outcome<Exit> {
    // One that stands in the environment or a settings file is for the other ledgers.
    let is_key = |word: &OsString| word.as_encoded_bytes().starts_with(b"--signing-key");
    if args.unsigned && typed.iter().any(is_key) {
        return Err(Problem::usage("either --signing-key or --unsigned").into());
    }
    let signed = !args.unsigned;
    let keys = Arc::new(opening::keys(&args.dir, signed, config.signing_key.as_deref())?);
    let identity = LedgerIdentity {
        name: args.origin.clone(),
        signed,
    };
    let ledger = Ledger::create(
        opening::storage(&args.dir),
        keys.clone(),
        &identity,
        config.options.clone(),
    )
    .map_err(|error| opening::in_directory(&args.dir, &error))?;
    let genesis = ledger.genesis().clone();
    ledger
        .close()
        .map_err(|error| opening::in_directory(&args.dir, &error))?;
    let made = Made {
        ledger: &genesis.ledger,
        origin: &genesis.origin,
        vkey: genesis.vkey.as_deref(),
        key: keys.key_path().map(|path| path.display().to_string()),
        head: keys.head_path().display().to_string(),
    };
    if output.json {
        output.object(&made)?;
        return Ok(Exit::Done);
    }
    output.note(format_args!(
        "made the ledger {} in {}",
        made.origin,
        args.dir.display()
    ));
    match (made.vkey, &made.key) {
        (Some(vkey), Some(key)) => {
            output.note(format_args!("signing key: {key}"));
            output.note(format_args!(
                "Keep that file safe: without it nothing can be added, and whoever has it can sign another history."
            ));
            output.note(format_args!(
                "Keep a copy of the verifier key somewhere else; whoever checks the ledger needs it:"
            ));
            output.text(format_args!("{vkey}"))?;
        }
        _ => output.note(format_args!(
            "Its heads are not signed: whoever can write to the directory and to {} can rewrite the ledger.",
            made.head
        )),
    }
    Ok(Exit::Done)
}
