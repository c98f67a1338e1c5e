//! Opening a ledger as the command line does: which key, how long to wait, and what is said of what opening did.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_engine::clock::{Clock as _, SystemClock};
use ledgerstone_engine::door::Door;
use ledgerstone_engine::keystore::{FileKeys, KeyStore as _};
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::{Error, ErrorKind, Ledger, Reader, Recovered};
use ledgerstone_formats::checkpoint::Signer;
use ledgerstone_formats::names::{DOOR, FileName, QUARANTINE_DIR};
use ledgerstone_formats::records::system::Genesis;

use crate::access::Access;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{Outcome, Problem};
use crate::output::Output;
use crate::signals::Stop;

/// How often a held ledger is asked for again.
const RETRY: Duration = Duration::from_millis(50);

/// The files of the ledger in this directory, whether there is one or not.
pub(crate) fn storage(dir: &Path) -> Arc<Disk> {
    Arc::new(Disk::new(dir))
}

/// A reader, without the lock.
pub(crate) fn reader(dir: &Path) -> Outcome<Reader> {
    Reader::open(storage(dir)).map_err(|error| in_directory(dir, &error).into())
}

/// The ledger's identity; an error where there is no ledger.
pub(crate) fn identity(dir: &Path) -> Outcome<Genesis> {
    Ok(reader(dir)?.genesis().clone())
}

/// Where the key and the head beside it are. A ledger without a verifier key has only the head.
pub(crate) fn keys(dir: &Path, signed: bool, signing_key: Option<&Path>) -> Outcome<FileKeys> {
    let (keys, path) = match signing_key {
        _ if !signed => (FileKeys::unsigned(dir), dir),
        Some(path) => (FileKeys::at(path), path),
        None => (FileKeys::beside(dir), dir),
    };
    keys.map_err(|error| Problem::file("find the key beside it", path, &error).into())
}

/// Opens a ledger for writing. What recovery did is said on standard error; a ledger that can only be read is an error.
pub(crate) fn open(dir: &Path, config: &Config, stop: &Stop, output: &Output) -> Outcome<Ledger> {
    enter(dir, config, stop, output, |ledger| ledger, Err)
}

/// Opens a ledger for writing, or reaches it through the process that holds it, where that lets others in.
pub(crate) fn reach(dir: &Path, config: &Config, stop: &Stop, output: &Output) -> Outcome<Access> {
    enter(dir, config, stop, output, Access::Own, |_| {
        let door = Door::connect(&Disk::new(dir))?;
        output.detail(format_args!(
            "process {} holds the ledger: going through its {}",
            door.holder(),
            dir.join(DOOR).display()
        ));
        Ok(Access::Door(door))
    })
}

/// Opens a ledger, or tries what is to be done while it is held, as long as the lock is to be waited for.
fn enter<T>(
    dir: &Path,
    config: &Config,
    stop: &Stop,
    output: &Output,
    own: impl FnOnce(Ledger) -> T,
    held: impl Fn(Error) -> Result<T, Error>,
) -> Outcome<T> {
    let vkey = identity(dir)?.vkey;
    let keys = Arc::new(keys(dir, vkey.is_some(), config.signing_key.as_deref())?);
    if let Some(path) = keys.key_path() {
        output.detail(format_args!("signing key: {}", path.display()));
        // One that cannot be read is an error soon.
        if let Ok(Some(mode)) = keys.exposed_mode() {
            output.warn(format_args!(
                "others than its owner can use the signing key: {} has mode {mode:04o}; chmod 600 takes that from them",
                path.display()
            ));
        }
    }
    let options = &config.options;
    output.detail(format_args!(
        "segment_bytes {}, segment_age {}, body_bytes_max {}, disk_free_min {}, filler_bytes_max {}",
        options.segment_bytes,
        options
            .segment_age_max
            .map_or_else(|| "never".to_owned(), |age| format!("{} s", age.as_secs())),
        options.body_bytes_max,
        options.disk_free_min_bytes,
        options.filler_bytes_max
    ));
    let clock = SystemClock::new();
    loop {
        let error = match Ledger::open(storage(dir), keys.clone(), config.options.clone()) {
            Ok((ledger, recovered)) => {
                tell(&recovered, output);
                match recovered.read_only {
                    Some(error) => error,
                    None => return Ok(own(ledger)),
                }
            }
            Err(error) if error.kind() == ErrorKind::Held => match held(error) {
                Ok(entered) => return Ok(entered),
                // It was let go in between.
                Err(error) if error.kind() == ErrorKind::Missing => continue,
                Err(error) => error,
            },
            Err(error) => error,
        };
        if error.kind() != ErrorKind::Held || clock.monotonic() >= config.lock_wait {
            let mut problem = in_directory(dir, &error);
            problem
                .hints
                .extend(next_step(dir, &error, &keys, vkey.as_deref()));
            return Err(problem.into());
        }
        if let Some(signal) = stop.wait(RETRY) {
            let message = "stopped while another process held the ledger; nothing was done";
            return Err(Problem::new(Exit::Stopped(signal), "stopped", message).into());
        }
    }
}

/// An engine's error with the ledger's directory, which the engine does not know by name.
pub(crate) fn in_directory(dir: &Path, error: &Error) -> Problem {
    let mut problem = Problem::from(error);
    problem.file = Some(match &problem.file {
        Some(file) => dir.join(file).display().to_string(),
        None => dir.display().to_string(),
    });
    problem
}

/// What somebody can do who is kept from writing by something outside of the records.
fn next_step(dir: &Path, error: &Error, keys: &FileKeys, vkey: Option<&str>) -> Option<String> {
    if error.kind() != ErrorKind::Unavailable {
        return None;
    }
    if error.file() == Some(&FileName::Lock) {
        let step = "whoever writes must be able to write that file; nothing that is in it is needed, so that one that \
                    cannot be used can be moved away. Reading and verify need no lock";
        return Some(step.to_owned());
    }
    if let Some(file @ FileName::Segment(_)) = error.file()
        && is_forbidden(error)
    {
        let file = dir.join(file.to_string());
        return Some(format!(
            "sealed segments are read-only, and this one has no seal yet: so it is in a copy that was made while the \
             ledger was in use. `chmod u+w {}` lets it go on; reading and verify need no permission to write",
            file.display()
        ));
    }
    let (vkey, path) = (vkey?, keys.key_path()?);
    let found = keys.signing_key().ok().flatten();
    let signer = found.and_then(|secret| Signer::parse(secret.expose().trim_end()).ok());
    let is_the_key = signer.is_some_and(|signer| signer.verifier().to_text() == vkey);
    (!is_the_key).then(|| {
        format!(
            "restore this ledger's key as {} from its backup, or say where it is with --signing-key; reading and \
             verify need no key",
            path.display()
        )
    })
}

fn is_forbidden(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

fn tell(recovered: &Recovered, output: &Output) {
    if let Some(torn) = &recovered.torn {
        output.warn(format_args!(
            "an interrupted append had left {} bytes after the last whole group of {}: they are set aside in {}/ and \
             the ledger says so",
            torn.length,
            FileName::Segment(torn.segment),
            QUARANTINE_DIR
        ));
    }
    if let Some(adopted) = &recovered.adopted {
        output.warn(format_args!(
            "records {} to {} were whole but past the newest head, which covers {}: they are kept and the ledger says so",
            adopted.first, adopted.last, adopted.head_size
        ));
    }
    for name in &recovered.recorded {
        output.warn(format_args!(
            "{QUARANTINE_DIR}/{name} was set aside earlier; the ledger says so only now"
        ));
    }
    for note in &recovered.notes {
        output.warn(format_args!("note: {note}"));
    }
}
