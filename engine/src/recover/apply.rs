//! The plan of an open, carried out. Every step gives the same result when it is cut short and done again.

use std::io;
use std::sync::Arc;

use ledgerstone_formats::checkpoint::Signer;
use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::ids::{EntityId, Kind, Origin};
use ledgerstone_formats::limits::BODY_BYTES_MAX;
use ledgerstone_formats::names::{FileName, QuarantineName};
use ledgerstone_formats::records::system::{self, ClockStep, Genesis, Recovery};
use ledgerstone_formats::time::Timestamp;
use serde::Serialize;

use crate::clock::{BelievedClock, Clock};
use crate::commit::ahead::Ahead;
use crate::commit::notary::{Notary, Seat};
use crate::commit::numbers::Numbers;
use crate::commit::queue::Queue;
use crate::commit::shared::{Notarized, Published, Shared};
use crate::commit::writer::{Active, Writer};
use crate::draft::{Drafter, NewEntry};
use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::index::Index;
use crate::index::store::store;
use crate::keystore::KeyStore;
use crate::options::{ClockWord, Options};
use crate::read::snapshot::Lookups;
use crate::recover::copies::copy_digest;
use crate::recover::heads::Source;
use crate::recover::plan::Plan;
use crate::storage::{Lock, Mapped, Storage};

/// What an open needs besides the plan.
pub(crate) struct Means {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    pub(crate) lock: Arc<dyn Lock>,
}

/// The seat of a ledger whose key is here.
pub(crate) fn seat(genesis: &Genesis, keys: &dyn KeyStore) -> Result<Seat, Error> {
    let origin = Origin::new(&genesis.origin).map_err(|_| {
        let cause = "the origin of the genesis record is none";
        Error::corrupt(vec![
            Finding::new(Code::Evidence, cause).in_file(FileName::Identity),
        ])
    })?;
    let signer = match &genesis.vkey {
        None => None,
        Some(vkey) => Some(load_signer(vkey, keys)?),
    };
    Ok(Seat {
        ledger: genesis.ledger.clone(),
        origin,
        signer,
    })
}

fn load_signer(vkey: &str, keys: &dyn KeyStore) -> Result<Signer, Error> {
    let secret = keys
        .signing_key()
        .map_err(|error| Error::io("the signing key cannot be read", error))?;
    let secret = secret
        .ok_or_else(|| Error::new(ErrorKind::Unavailable, "the ledger is signed and no key is given"))?;
    let signer = Signer::parse(secret.expose().trim_end()).map_err(|error| {
        Error::with_source(ErrorKind::Unavailable, "the signing key cannot be used", error)
    })?;
    if signer.verifier().to_text() != vkey {
        let message = format!("the signing key is not this ledger's, whose verifier key is {vkey}");
        return Err(Error::new(ErrorKind::Unavailable, message));
    }
    Ok(signer)
}

/// Carries the plan out and gives back a writer that is ready for producers. The caller holds the lock.
///
/// # Errors
/// Where anything cannot be done the ledger can still be read; what was done stays done, and is done again next time.
pub(crate) fn apply(means: &Means, mut plan: Plan) -> Result<Writer, Error> {
    let seat = seat(&plan.genesis, means.keys.as_ref())?;
    let last_at = plan.audit.chain().last_at();
    let word = means.options.accept_clock.clone();
    let believed = match BelievedClock::start(means.clock.as_ref(), last_at) {
        Ok(believed) => believed,
        Err(_) if word.is_some() => BelievedClock::trusted(means.clock.as_ref()),
        Err(doubt) => {
            return Err(Error::with_source(
                ErrorKind::Unavailable,
                "the clock is not believed",
                doubt,
            ));
        }
    };
    let clock_step = word.filter(|_| BelievedClock::start(means.clock.as_ref(), last_at).is_err());

    put_in_order(means.storage.as_ref(), &mut plan)?;
    let recoveries = recoveries(means.storage.as_ref(), &plan)?;
    let mut writer = writer(means, seat, &mut plan, believed)?;
    let is_told = recoveries.is_empty() && plan.families.is_empty() && clock_step.is_none();
    if plan.rests && is_told {
        // Read back beside the caller, and before anything is built upon it.
        writer.unchecked = writer.chain.next_seq();
        return Ok(writer);
    }
    // What was settled is judged again, as it reads now, before anything is built upon it.
    writer.read_back()?;
    let mut drafter = Drafter::new(Arc::clone(&means.clock), BODY_BYTES_MAX);
    if let Some(word) = clock_step {
        record_clock_step(&mut writer, &mut drafter, &plan.genesis, last_at, word)?;
    }
    for (id, recovery) in recoveries {
        let draft = system_draft(&mut drafter, system::RECOVERY, &id, &recovery)?;
        writer.commit_system(draft)?;
    }
    for family in &plan.families {
        let draft = draft_of(
            &mut drafter,
            system::FAMILY,
            family.kind().as_str(),
            &family.encode(),
        )?;
        writer.commit_system(draft)?;
    }
    // What was set aside, adopted or declared is told, durable and under a head before a producer is let in.
    writer.turn_notary(true)?;
    Ok(writer)
}

/// Makes the files what the plan has read.
fn put_in_order(storage: &dyn Storage, plan: &mut Plan) -> Result<(), Error> {
    // A file's entry may be in the cache only.
    storage
        .sync_directories()
        .map_err(|error| Error::io("the directories cannot be synced", error))?;
    for (segment, from, to) in &plan.settle {
        storage.settle(*segment, *from, *to).map_err(|error| {
            Error::io("bytes past the newest head cannot be settled", error)
                .in_file(FileName::Segment(*segment))
        })?;
    }
    if let Some(torn) = &plan.torn {
        let name = storage.quarantine(torn.segment, torn.offset).map_err(|error| {
            let doing = format!(
                "the torn tail cannot be set aside, {} bytes are needed; nothing was cut",
                torn.length
            );
            Error::io(&doing, error).in_file(FileName::Segment(torn.segment))
        })?;
        // A copy that an earlier open made before it could cut is named once all the same.
        if !plan.unrecorded.contains(&name) {
            plan.unrecorded.push(name);
        }
    }
    sync_end(storage, plan)?;
    Ok(())
}

/// Cuts the filler behind the open segment. What an earlier process cut may be gone in the cache only: with the next
/// append half on the medium a torn tail would come back among its bytes, with the next segment there filler would
/// stand where none may.
fn sync_end(storage: &dyn Storage, plan: &Plan) -> Result<(), Error> {
    let Some(last) = plan
        .segments
        .last()
        .filter(|last| !last.sealed && plan.torn.is_none())
    else {
        return Ok(());
    };
    storage.trim_filler(last.first, last.bytes).map_err(|error| {
        Error::io("the end of the open segment cannot be synced", error)
            .in_file(FileName::Segment(last.first))
    })
}

/// The `sys_recovery` records that are owed, with their ids.
fn recoveries(storage: &dyn Storage, plan: &Plan) -> Result<Vec<(String, Recovery)>, Error> {
    let mut records = Vec::new();
    for name in &plan.unrecorded {
        records.push((name.to_string(), torn_tail(storage, name)?));
    }
    if let Some(adopted) = &plan.adopted {
        let (first, last, head_size) = (adopted.first, adopted.last, adopted.head_size);
        records.push((
            format!("{first}-{last}"),
            Recovery::Adopted {
                first,
                last,
                head_size,
            },
        ));
    }
    Ok(records)
}

fn torn_tail(storage: &dyn Storage, name: &QuarantineName) -> Result<Recovery, Error> {
    let digest = copy_digest(storage, name).and_then(|digest| {
        let changed = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "it is not the bytes that its name says",
            )
        };
        digest.ok_or_else(changed)
    });
    let sha256 = digest.map_err(|error| {
        Error::io("a quarantine file cannot be read", error).in_file(FileName::Quarantine(name.clone()))
    })?;
    Ok(Recovery::TornTail {
        segment: name.segment,
        offset: name.offset,
        length: name.length,
        sha256,
    })
}

fn writer(means: &Means, seat: Seat, plan: &mut Plan, believed: BelievedClock) -> Result<Writer, Error> {
    let heads = &plan.heads;
    let sealed = plan.segments.iter().filter(|info| info.sealed).count();
    let done = Notarized {
        head_size: heads.size_from(&Source::Directory).unwrap_or(0),
        beside_size: heads.size_from(&Source::Beside).unwrap_or(0),
        head_file: Arc::default(),
        sealed,
        checked: 0,
    };
    let mut ended = plan.segments.clone();
    let active = plan.last_is_active.then(|| ended.pop()).flatten();
    let loaded = plan.loaded.take().expect("a plan without findings has its index");
    let index = Arc::new(loaded.index);
    put_index_in_order(means.storage.as_ref(), &index, &loaded.rebuilt, &loaded.unused);
    let audit = plan.notary_start.clone();
    let (storage, keys) = (Arc::clone(&means.storage), Arc::clone(&means.keys));
    let notary = Notary::new(
        storage,
        keys,
        seat,
        Arc::clone(&index),
        audit,
        plan.prev_seal,
        done.clone(),
    );
    notary.upkeep().mend();
    let active_file = active
        .map(|info| {
            let name = FileName::Segment(info.first);
            let file = means.storage.reopen(&name, info.bytes);
            let file = file.map_err(|error| {
                Error::io("the open segment cannot be opened to append", error).in_file(name)
            })?;
            Ok(Active {
                first: info.first,
                bytes: info.bytes,
                first_at: plan.audit.first_at(),
                file,
            })
        })
        .transpose()?;
    let (ended, chain) = (Arc::new(ended), plan.audit.chain().clone());
    let options = &means.options;
    let queue = Arc::new(Queue::new(options.queue_records_max, options.queue_bytes_max));
    let published = Published {
        chain: chain.clone(),
        ended: Arc::clone(&ended),
        active,
    };
    Ok(Writer {
        shared: Arc::new(Shared::new(queue, Arc::clone(&index), published, done, None)),
        storage: Arc::clone(&means.storage),
        clock: Arc::clone(&means.clock),
        options: options.clone(),
        notary: Some(notary),
        chain,
        numbers: Numbers::new(options.numbers_cached_max),
        held: Vec::new(),
        lookups: Lookups::new(&means.storage, Some(&index), options.open_segments_max),
        believed,
        ended,
        active: active_file,
        ahead: Ahead::new(options),
        pages: loaded.active,
        pages_first: loaded.active_first,
        unchecked: 0,
        buffer: Vec::new(),
        took: Default::default(),
        _lock: Arc::clone(&means.lock),
    })
}

/// Writes the sidecars that were made again, and removes what nobody asks. A failure costs time and space, never an
/// answer.
fn put_index_in_order(storage: &dyn Storage, index: &Index, rebuilt: &[(u64, Mapped)], unused: &[FileName]) {
    for (first, bytes) in rebuilt {
        store(storage, index, *first, bytes);
    }
    for name in unused {
        if storage.remove_derived(name).is_err() {
            index.count_failure();
        }
    }
}

fn record_clock_step(
    writer: &mut Writer,
    drafter: &mut Drafter,
    genesis: &Genesis,
    last_at: Option<Timestamp>,
    word: ClockWord,
) -> Result<(), Error> {
    let wall = writer
        .clock
        .wall_micros()
        .clamp(Timestamp::MIN.as_micros(), Timestamp::MAX.as_micros());
    let new = Timestamp::from_micros(wall).expect("clamped into its range");
    let step = ClockStep {
        old: last_at.unwrap_or(new),
        new,
        reason: word.reason,
        by: word.by,
    };
    let draft = system_draft(drafter, system::CLOCK, &genesis.ledger, &step)?;
    writer.commit_clock_step(draft, new)
}

pub(crate) fn system_draft(
    drafter: &mut Drafter,
    kind: &str,
    id: &str,
    body: &impl Serialize,
) -> Result<Draft, Error> {
    let body = serde_json::to_vec(body).expect("strings and numbers serialize");
    draft_of(drafter, kind, id, &body)
}

fn draft_of(drafter: &mut Drafter, kind: &str, id: &str, body: &[u8]) -> Result<Draft, Error> {
    let kind = Kind::new(kind).expect("a kind of the system is a kind");
    let id = EntityId::new(id).expect("an id of the system is an id");
    drafter.draft_any(
        NewEntry {
            id: Some(id),
            ..NewEntry::new(kind)
        },
        body,
    )
}
