//! What is decided about a batch before it is stored: were its records stored before, and do its preconditions hold.
//!
//! Judged by the writer, in the order of the ledger, against durable records only: a batch that depends on one of the
//! group being built waits until that group is durable.

use std::collections::HashSet;

use ledgerstone_formats::draft::{Draft, Entry};
use ledgerstone_formats::ids::{EntityId, IdempotencyKey, Tenant};
use ledgerstone_formats::record::{Payload, Record};

use crate::batch::{Batch, Precondition, Target};
use crate::commit::queue::Submission;
use crate::commit::ticket::{Placement, Stored};
use crate::commit::unique::{Against, judge_free, judge_unique};
use crate::error::{Error, ErrorKind};
use crate::index::declared::Declared;
use crate::index::keys::{HashKey, Key};
use crate::read::lookup::{By, Lookup, Order};
use crate::read::snapshot::{Scope, Snapshot};

/// A batch that may be stored.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) submission: Submission,
    /// For each record, where it was stored before; empty when none was.
    pub(crate) replayed: Vec<Option<Placement>>,
}

impl Judged {
    /// The records that are to be stored, with the hashes that they are found by.
    pub(crate) fn new_records(&self) -> impl Iterator<Item = (&Draft, &[u64])> {
        let batch = &self.submission.batch;
        let is_new = |at: usize| self.replayed.get(at).is_none_or(Option::is_none);
        let records = batch.drafts().iter().zip(batch.key_hashes()).enumerate();
        records
            .filter(move |(at, _)| is_new(*at))
            .map(|(_, record)| record)
    }
}

/// What is to be done with a batch.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It goes into the group, but for the records that were stored before.
    Store(Vec<Option<Placement>>),
    /// Something that it depends on is in the group being built.
    Wait,
}

/// The keys of the group being built, made when they are first asked for.
#[derive(Debug, Default)]
pub(crate) struct Pending(Option<HashSet<u64>>);

impl Pending {
    /// Whether a record of the group has this hash.
    pub(crate) fn touches(&mut self, group: &[Judged], hash: u64) -> bool {
        self.of(group).contains(&hash)
    }

    fn of(&mut self, group: &[Judged]) -> &HashSet<u64> {
        self.0.get_or_insert_with(|| {
            let records = group.iter().flat_map(Judged::new_records);
            records.flat_map(|(_, hashes)| hashes).copied().collect()
        })
    }

    /// A batch was added to the group.
    pub(crate) fn add(&mut self, judged: &Judged) {
        if let Some(hashes) = &mut self.0 {
            let records = judged.new_records();
            hashes.extend(records.flat_map(|(_, hashes)| hashes));
        }
    }
}

/// Whether a batch has to be judged at all: those without keys, preconditions and unique values do not.
pub(crate) fn is_judged(batch: &Batch, declared: &Declared) -> bool {
    let is_judged = |entry: &Entry| entry.key.is_some() || declared.has_unique(entry.kind.as_str());
    !batch.preconditions().is_empty() || batch.drafts().iter().map(Draft::entry).any(is_judged)
}

/// Judges a batch.
///
/// # Errors
/// `Conflict` naming the record that is in the way, `Invalid` for a key or a unique value that stands in it twice,
/// those of reading.
pub(crate) fn judge(batch: &Batch, against: &Against<'_>, pending: &mut Pending) -> Result<Verdict, Error> {
    let (group, durable) = (against.group, against.durable);
    let key = &against.recipe.key;
    let mut own = HashSet::new();
    for (at, draft) in batch.drafts().iter().enumerate() {
        let Some(idempotency) = &draft.entry().key else {
            continue;
        };
        let tenant = draft.entry().tenant.as_ref();
        if !own.insert((tenant, idempotency)) {
            let message = format!("the idempotency key {idempotency} stands twice in the batch");
            return Err(Error::new(ErrorKind::Invalid, message).at_record(at));
        }
        if pending.touches(group, hash_of_key(key, tenant, idempotency)) {
            return Ok(Verdict::Wait);
        }
    }
    let replayed = batch
        .drafts()
        .iter()
        .enumerate()
        .map(|(at, draft)| replay(draft, durable).map_err(|error| error.at_record(at)))
        .collect::<Result<Vec<_>, Error>>()?;
    let all = !replayed.is_empty() && replayed.iter().all(Option::is_some);
    // What is stored already was judged when it was.
    if !all {
        for precondition in batch.preconditions() {
            if waits(precondition, batch, against, pending)? {
                return Ok(Verdict::Wait);
            }
        }
        if judge_unique(batch, &replayed, against, pending)? {
            return Ok(Verdict::Wait);
        }
    }
    Ok(Verdict::Store(replayed))
}

fn hash_of_key(key: &HashKey, tenant: Option<&Tenant>, idempotency: &IdempotencyKey) -> u64 {
    key.hash(&Key::Idempotency {
        tenant: tenant.map(Tenant::as_str),
        key: idempotency.as_str(),
    })
}

/// Where a draft with a key was stored before.
fn replay(draft: &Draft, durable: &Snapshot) -> Result<Option<Placement>, Error> {
    let entry = draft.entry();
    let Some(key) = &entry.key else { return Ok(None) };
    let scope = Scope::of(entry.tenant.as_ref());
    let mut matches = durable.find(Lookup::new(scope, By::Key(key.clone())))?;
    let Some(line) = matches.next_line()? else {
        return Ok(None);
    };
    let record = line.record();
    let header = &record.header;
    if let Some(difference) = difference(draft, &record) {
        let message = format!(
            "the idempotency key {key} was used for the record with seq {}, whose {difference} is another",
            header.seq
        );
        return Err(Error::new(ErrorKind::Conflict, message).at_seq(header.seq));
    }
    Ok(Some(Placement {
        seq: header.seq,
        tseq: header.tenant.as_ref().map(|(_, tseq)| *tseq),
        rev: header.rev,
        hash: record.hash,
        offset: u32::try_from(line.offset).expect("a segment is shorter than 2^32 bytes"),
        stored: Some(Stored {
            at: header.at,
            id: EntityId::new(&header.id).expect("a stored id is one"),
        }),
    }))
}

/// In what a draft differs from the record that has its key.
fn difference(draft: &Draft, record: &Record<'_>) -> Option<&'static str> {
    let (entry, header) = (draft.entry(), &record.header);
    let Payload::Whole { salt, .. } = record.payload else {
        return Some("body, which was erased,");
    };
    if entry.kind.as_str() != header.kind {
        Some("kind")
    } else if entry.corr.as_ref().map(|corr| corr.as_str()) != header.corr.as_deref() {
        Some("correlation id")
    } else if !entry.minted && entry.id.as_str() != header.id {
        Some("id")
    } else if draft.digest_with(salt) != header.digest {
        Some("body")
    } else {
        None
    }
}

/// Judges a precondition. True when the batch has to wait for the group.
fn waits(
    precondition: &Precondition,
    batch: &Batch,
    against: &Against<'_>,
    pending: &mut Pending,
) -> Result<bool, Error> {
    let waits = match precondition {
        Precondition::Absent(target) | Precondition::Exists(target) | Precondition::Revision(target, _) => {
            pending.touches(against.group, target.hash(&against.recipe.key))
        }
        Precondition::Size(_) => against
            .group
            .iter()
            .any(|judged| judged.new_records().next().is_some()),
        Precondition::Unique { tenant, value } => {
            let scope = Scope::of(tenant.as_ref());
            return judge_free(batch, (value, &scope), against, pending);
        }
    };
    if !waits {
        check(precondition, against.durable)?;
    }
    Ok(waits)
}

impl Target {
    /// Hash of the key of all records about it.
    pub(crate) fn hash(&self, key: &HashKey) -> u64 {
        key.hash(&Key::Entity {
            kind: self.kind.as_str(),
            tenant: self.tenant.as_ref().map(Tenant::as_str),
            id: self.id.as_str(),
        })
    }

    /// Number and revision of the newest record about it.
    pub(crate) fn newest(&self, durable: &Snapshot) -> Result<Option<(u64, Option<u64>)>, Error> {
        let by = By::Entity {
            kind: self.kind.clone(),
            id: self.id.clone(),
        };
        let mut matches = durable.find(Lookup {
            order: Order::NewestFirst,
            ..Lookup::new(Scope::of(self.tenant.as_ref()), by)
        })?;
        let line = matches.next_line()?;
        Ok(line.map(|line| (line.seq, line.record().header.rev)))
    }
}

/// Checks a precondition against what is durable.
fn check(precondition: &Precondition, durable: &Snapshot) -> Result<(), Error> {
    let conflict = |message: String, seq: Option<u64>| {
        let error = Error::new(ErrorKind::Conflict, message);
        Err(match seq {
            Some(seq) => error.at_seq(seq),
            None => error,
        })
    };
    match precondition {
        Precondition::Absent(target) => match target.newest(durable)? {
            None => Ok(()),
            Some((seq, _)) => conflict(
                format!("{target} is there already: the record with seq {seq}"),
                Some(seq),
            ),
        },
        Precondition::Exists(target) => match target.newest(durable)? {
            Some(_) => Ok(()),
            None => conflict(format!("{target} is not there"), None),
        },
        Precondition::Revision(target, expected) => match target.newest(durable)? {
            Some((_, Some(found))) if found == *expected => Ok(()),
            Some((seq, Some(found))) => conflict(
                format!("{target} is at revision {found}, the record with seq {seq}, not at {expected}"),
                Some(seq),
            ),
            Some((seq, None)) => conflict(
                format!("{target} has no revisions: the record with seq {seq}"),
                Some(seq),
            ),
            None => conflict(
                format!("{target} is not there, revision {expected} was expected"),
                None,
            ),
        },
        Precondition::Size(expected) => {
            let found = durable.size();
            if found == *expected {
                return Ok(());
            }
            conflict(
                format!("the ledger has {found} records, {expected} were expected"),
                found.checked_sub(1),
            )
        }
        // Judged with the batch, whose own things do not count.
        Precondition::Unique { .. } => Ok(()),
    }
}
