//! A new ledger: the segment with its genesis line, the head of size 1, last the identity file, without which there is
//! no ledger yet.

use std::sync::Arc;

use ledgerstone_formats::chain::{ChainHead, Counters, GroupStamp};
use ledgerstone_formats::checkpoint::{HEAD_BYTES_MAX, Signer, VerifierKey};
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::ids::Origin;
use ledgerstone_formats::limits::LINE_BYTES_MAX;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;
use ledgerstone_formats::records::system::{FORMAT, GENESIS, Genesis, HASH_ALGORITHM};
use ledgerstone_formats::time::Timestamp;

use crate::clock::{Clock, EARLIEST_MICROS};
use crate::commit::notary::Seat;
use crate::draft::Drafter;
use crate::entropy::Entropy;
use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::keystore::KeyStore;
use crate::ledger::LedgerIdentity;
use crate::options::Options;
use crate::recover::apply::{seat, system_draft};
use crate::recover::heads::{head_name, open_head, verifier};
use crate::recover::lost_identity;
use crate::storage::Storage;

/// Refuses a directory that is a ledger already, before anything is touched.
pub(crate) fn check_place(storage: &dyn Storage) -> Result<(), Error> {
    let listing = storage
        .list()
        .map_err(|error| Error::io("the directory cannot be listed", error))?;
    if listing.len_of(&FileName::Identity).is_some() {
        return Err(
            Error::new(ErrorKind::Invalid, "there is a ledger here already").in_file(FileName::Identity)
        );
    }
    Ok(())
}

/// The clock's time, unless the program did not exist then.
pub(crate) fn check_clock(clock: &dyn Clock) -> Result<Timestamp, Error> {
    let wall = clock.wall_micros();
    let says = Timestamp::from_micros(wall.clamp(Timestamp::MIN.as_micros(), Timestamp::MAX.as_micros()))
        .expect("clamped into its range");
    if (EARLIEST_MICROS..=Timestamp::MAX.as_micros()).contains(&wall) {
        return Ok(says);
    }
    let message =
        format!("the clock says {says}: this program did not exist then; set the clock right first");
    Err(Error::new(ErrorKind::Unavailable, message))
}

/// Writes what a ledger begins with. The caller holds the lock.
pub(crate) fn create(
    storage: &dyn Storage,
    keys: &dyn KeyStore,
    clock: &Arc<dyn Clock>,
    identity: &LedgerIdentity,
    options: &Options,
) -> Result<(), Error> {
    // Again, now that nobody else can make one.
    check_place(storage)?;
    let at = check_clock(clock.as_ref())?;
    let wall = at.as_micros();
    let unfinished = unfinished(storage)?;
    // Directories and files that an interrupted creation made may be known to the cache only.
    storage
        .sync_directories()
        .map_err(|error| Error::io("the directories cannot be synced", error))?;
    let settle = |bytes| {
        storage
            .settle(0, 0, bytes)
            .map_err(|error| Error::io("the first segment cannot be settled", error))
    };
    let genesis = match unfinished {
        Unfinished::Genesis(begun) => {
            check_key(&begun.genesis, keys, identity)?;
            check_heads(storage, keys, &begun)?;
            settle(begun.bytes)?;
            begun.genesis
        }
        Unfinished::Nothing { segment_exists } => {
            let origin = choose_origin(keys, identity, wall)?;
            let genesis = new_genesis(&origin, at, keys, identity.signed)?;
            if segment_exists {
                // A cut that only the cache knows would let old bytes come back among the new ones.
                settle(0)?;
            }
            write_genesis(storage, clock, &genesis, at, segment_exists, options)?;
            genesis
        }
    };
    publish(storage, keys, &genesis)
}

/// What an interrupted creation left.
enum Unfinished {
    /// A whole genesis line and nothing after it.
    Genesis(Begun),
    /// Nothing, or bytes that were set aside.
    Nothing { segment_exists: bool },
}

/// A ledger that lacks no more than its heads and its identity file.
struct Begun {
    genesis: Genesis,
    /// Root of the tree over its one record.
    root: Hash,
    /// Bytes of the line.
    bytes: u64,
}

fn unfinished(storage: &dyn Storage) -> Result<Unfinished, Error> {
    let listing = storage
        .list()
        .map_err(|error| Error::io("the directory cannot be listed", error))?;
    let damaged = |cause| Err(damaged(cause));
    let mut segment = None;
    let mut has_head = false;
    for (name, len) in &listing.files {
        match name {
            FileName::Segment(0) => segment = Some(*len),
            FileName::Segment(_) | FileName::Seal(_) => return Err(lost_identity(storage)),
            FileName::Checkpoint | FileName::Head => has_head = true,
            FileName::Identity
            | FileName::Index(_)
            | FileName::Lock
            | FileName::Merged { .. }
            | FileName::Quarantine(_) => {}
        }
    }
    let Some(len) = segment else {
        return if has_head {
            damaged("a head is here without records")
        } else {
            Ok(Unfinished::Nothing {
                segment_exists: false,
            })
        };
    };
    let io = |error| Error::io("the first segment cannot be read", error).in_file(FileName::Segment(0));
    let file = storage.open(&FileName::Segment(0)).map_err(io)?;
    if len > LINE_BYTES_MAX as u64 {
        return Err(lost_identity(storage));
    }
    let bytes = file.read_all(len).map_err(io)?;
    let line_ends = memchr::memchr_iter(b'\n', &bytes).count();
    match bytes
        .strip_suffix(b"\n")
        .filter(|_| line_ends == 1)
        .and_then(genesis_of)
    {
        Some((genesis, root)) => Ok(Unfinished::Genesis(Begun {
            genesis,
            root,
            bytes: len,
        })),
        // One end of a line is what a torn genesis line may have.
        None if line_ends > 1 => Err(lost_identity(storage)),
        None if has_head => damaged("a head is here without a whole genesis line"),
        None => {
            if len > 0 {
                storage.quarantine(0, 0).map_err(|error| {
                    Error::io(
                        "the beginning that was cut short cannot be set aside; nothing was cut",
                        error,
                    )
                })?;
            }
            Ok(Unfinished::Nothing { segment_exists: true })
        }
    }
}

fn damaged(cause: &str) -> Error {
    let finding = Finding::new(Code::Evidence, format!("ledger.json is missing, and {cause}"));
    Error::corrupt(vec![finding.in_file(FileName::Identity)])
}

/// The genesis of a line, and its hash, which is the root of a tree of one leaf.
fn genesis_of(line: &[u8]) -> Option<(Genesis, Hash)> {
    let record = Record::parse(line).ok()?;
    record.check_hashes().ok()?;
    ChainHead::new().check(&record, true).ok()?;
    let genesis = (record.header.kind == GENESIS).then(|| Genesis::parse(record.body()));
    Some((genesis.flatten()?, record.hash))
}

/// Creation leaves heads of size 1 at most: any other says that a ledger was here, and is never written over.
fn check_heads(storage: &dyn Storage, keys: &dyn KeyStore, begun: &Begun) -> Result<(), Error> {
    let key = verifier(&begun.genesis)
        .transpose()
        .map_err(|finding| Error::corrupt(vec![finding]))?;
    let is_first = |file: &[u8]| {
        open_head(file, &begun.genesis, key.as_ref())
            .is_ok_and(|head| (head.size, head.root) == (1, begun.root))
    };
    for name in [FileName::Checkpoint, FileName::Head] {
        let file = storage.open(&name).and_then(|file| file.read_all(HEAD_BYTES_MAX));
        match file {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("the head cannot be read", error).in_file(name)),
            Ok(file) if name == head_name(&begun.genesis) && is_first(&file) => {}
            Ok(_) => {
                return Err(damaged(
                    "a head is here that does not belong to this genesis line",
                ));
            }
        }
    }
    let beside = keys
        .head()
        .map_err(|error| Error::io("the head beside the key cannot be read", error))?;
    if beside.is_some_and(|file| !is_first(&file)) {
        return Err(damaged(
            "the head beside the key does not belong to this genesis line",
        ));
    }
    Ok(())
}

/// The unfinished ledger must be the one that is asked for, made with this key.
fn check_key(genesis: &Genesis, keys: &dyn KeyStore, identity: &LedgerIdentity) -> Result<(), Error> {
    seat(genesis, keys)?;
    let name = genesis
        .origin
        .strip_suffix(&genesis.ledger)
        .and_then(|name| name.strip_suffix('/'));
    if name != Some(identity.name.as_str()) || genesis.vkey.is_some() != identity.signed {
        let message = format!(
            "an unfinished ledger is here under another identity: {}",
            genesis.origin
        );
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(())
}

/// The origin of the key that is there already, or a new one with its key.
fn choose_origin(keys: &dyn KeyStore, identity: &LedgerIdentity, wall: i64) -> Result<Origin, Error> {
    let head = keys
        .head()
        .map_err(|error| Error::io("the head beside the key cannot be read", error))?;
    if head.is_some() {
        let message =
            "a head lies beside the key: another ledger was signed with it, or this one was and is gone";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let existing = match keys.signing_key() {
        Ok(secret) => secret,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Error::io("the signing key cannot be read", error)),
    };
    let not_stored = |error| Error::io("the signing key cannot be stored", error);
    if let Some(secret) = existing.filter(|_| identity.signed) {
        let signer = Signer::parse(secret.expose().trim_end()).map_err(|error| {
            Error::with_source(ErrorKind::Invalid, "the signing key cannot be used", error)
        })?;
        let origin = signer.verifier().origin().clone();
        if origin.as_str().rsplit_once('/').map(|(name, _)| name) != Some(identity.name.as_str()) {
            let message = format!(
                "the key is for {origin}, not for a ledger named {}",
                identity.name
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        // It may be known to the cache only; stored again as it is, it is durable.
        keys.create_key(secret.expose()).map_err(not_stored)?;
        return Ok(origin);
    }
    if identity.name.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "a ledger needs a name"));
    }
    let no_entropy = |error| Error::io("the operating system gives no random bytes", error);
    let mut entropy = Entropy::new();
    let id = entropy.time_ordered_id(wall).map_err(no_entropy)?;
    let origin = Origin::new(&format!("{}/{id}", identity.name)).map_err(|error| {
        Error::with_source(ErrorKind::Invalid, "the name cannot be part of an origin", error)
    })?;
    if identity.signed {
        let text = Signer::key_text(&origin, &entropy.seed().map_err(no_entropy)?);
        // Durable before the segment: a genesis never names a key that is lost.
        keys.create_key(&format!("{text}\n")).map_err(not_stored)?;
    }
    Ok(origin)
}

fn new_genesis(origin: &Origin, at: Timestamp, keys: &dyn KeyStore, signed: bool) -> Result<Genesis, Error> {
    let id = origin
        .as_str()
        .rsplit_once('/')
        .map_or("", |(_, id)| id)
        .to_owned();
    let secret = keys
        .signing_key()
        .map_err(|error| Error::io("the signing key cannot be read", error))?;
    if secret.is_some() != signed {
        let message = "a key is given for an unsigned ledger, or none for a signed one";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let vkey = match secret {
        None => None,
        Some(secret) => {
            let signer = Signer::parse(secret.expose().trim_end()).map_err(|error| {
                Error::with_source(ErrorKind::Invalid, "the signing key cannot be used", error)
            })?;
            Some(signer.verifier().to_text())
        }
    };
    let genesis = Genesis {
        format: FORMAT.to_owned(),
        ledger: id,
        origin: origin.as_str().to_owned(),
        created: at,
        hash: HASH_ALGORITHM.to_owned(),
        vkey,
    };
    if Genesis::parse(&genesis.encode()).is_none()
        || genesis
            .vkey
            .as_deref()
            .is_some_and(|vkey| VerifierKey::parse(vkey).is_err())
    {
        let message = format!("the key's origin {origin} does not end in a ledger id");
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(genesis)
}

fn write_genesis(
    storage: &dyn Storage,
    clock: &Arc<dyn Clock>,
    genesis: &Genesis,
    at: Timestamp,
    segment_exists: bool,
    options: &Options,
) -> Result<(), Error> {
    let mut drafter = Drafter::new(Arc::clone(clock), options.body_bytes_max);
    let draft = system_draft(&mut drafter, GENESIS, &genesis.ledger, genesis)?;
    let mut line = Vec::new();
    ChainHead::new().extend(&draft, &GroupStamp::new(at, 1), 0, Counters::default(), &mut line);
    let name = FileName::Segment(0);
    let file = if segment_exists {
        storage.reopen(&name, 0)
    } else {
        storage.create(&name)
    };
    let mut file = file.map_err(|error| Error::io("the first segment cannot be made", error))?;
    file.append(0, &line)
        .and_then(|()| file.sync())
        .map_err(|error| Error::io("the genesis line cannot be written", error).in_file(name))
}

/// The head of size 1, then the identity file.
fn publish(storage: &dyn Storage, keys: &dyn KeyStore, genesis: &Genesis) -> Result<(), Error> {
    let seat: Seat = seat(genesis, keys)?;
    let io = |error| Error::io("the first segment cannot be read back", error).in_file(FileName::Segment(0));
    let bytes = storage
        .open(&FileName::Segment(0))
        .map_err(io)?
        .read_all(LINE_BYTES_MAX as u64)
        .map_err(io)?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let root: Hash = Record::parse(line)
        .and_then(|record| record.check_hashes().map(|()| record.hash))
        .map_err(|error| {
            Error::with_source(ErrorKind::Unknown, "the genesis line reads back otherwise", error)
        })?;
    let head = seat.head_file(1, root)?;
    let name = seat.head_name();
    storage
        .replace_head(&name, &head)
        .map_err(|error| Error::io("the first head cannot be published", error))?;
    keys.replace_head(&head)
        .map_err(|error| Error::io("the head beside the key cannot be written", error))?;
    storage
        .publish(&FileName::Identity, &genesis.identity_file())
        .map_err(|error| Error::io("the identity cannot be published", error))
}
