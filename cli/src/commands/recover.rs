//! `recover`: the plan of an open, printed or carried out.

use ledgerstone_engine::{ClockWord, Code, recover};

use crate::args::Recover;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::Output;
use crate::{files, opening};

/// Runs the command.
pub(crate) fn run(args: &Recover, config: &Config, output: &mut Output) -> Outcome<Exit> {
    let mut config = config.clone();
    config.options.accept_torn = args.accept_torn;
    config.options.accept_clock = args.accept_clock.as_ref().map(|reason| ClockWord {
        reason: reason.clone(),
        by: who(),
    });
    if args.plan {
        plan(args, &config, output)
    } else {
        apply(args, &config, output)
    }
}

fn plan(args: &Recover, config: &Config, output: &mut Output) -> Outcome<Exit> {
    let storage = opening::storage(&args.dir);
    // A ledger that has lost ledger.json has a plan too: it says so, and which other files are gone.
    let genesis =
        recover::genesis(storage.as_ref()).map_err(|error| opening::in_directory(&args.dir, &error))?;
    let keys = opening::keys(&args.dir, genesis.vkey.is_some(), config.signing_key.as_deref())?;
    let plan = recover::plan(storage.as_ref(), &keys, &config.options)
        .map_err(|error| opening::in_directory(&args.dir, &error))?;
    if output.json {
        output.object(&plan)?;
    } else {
        for line in plan.to_string().lines() {
            output.text(format_args!("{line}"))?;
        }
        for note in plan.notes() {
            output.note(format_args!("note: {note}"));
        }
    }
    let unfinished = plan.torn().is_some() || plan.adopted().is_some();
    if plan.obstacle().is_some() {
        return Ok(Exit::Unavailable);
    }
    let worst = Code::worst(plan.findings().iter().map(|finding| finding.code));
    Ok(Exit::of_verdict(worst.or(unfinished.then_some(Code::Unfinished))))
}

fn apply(args: &Recover, config: &Config, output: &Output) -> Outcome<Exit> {
    let stop = super::watch_signals()?;
    let ledger = opening::open(&args.dir, config, &stop, output)?;
    let head = ledger
        .close()
        .map_err(|error| opening::in_directory(&args.dir, &error))?;
    output.note(format_args!(
        "the ledger takes records again; it has {}",
        head.next_seq()
    ));
    Ok(Exit::Done)
}

/// User and host, as far as the system says.
fn who() -> String {
    let user = ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    let host = files::read_text("/proc/sys/kernel/hostname".as_ref()).ok();
    let word = |text: Option<String>, unknown: &str| {
        text.map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| unknown.to_owned())
    };
    format!("{}@{}", word(user, "unknown user"), word(host, "unknown host"))
}
