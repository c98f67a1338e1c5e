//! Values that no two things may have at a time: judged by the writer for every batch of a kind that declares them.

use std::collections::HashSet;

use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::ids::{EntityId, Tenant};
use ledgerstone_formats::records::index::DeclaredIndex;

use crate::batch::{Batch, Target};
use crate::commit::holders::{Entity, Holders, Value};
use crate::commit::judge::{Judged, Pending};
use crate::commit::ticket::Placement;
use crate::error::{Error, ErrorKind};
use crate::index::keys::Recipe;
use crate::read::indexed::Indexed;
use crate::read::lookup::{By, Lookup, Order};
use crate::read::snapshot::{Scope, Snapshot};

/// What a batch is judged against.
pub(crate) struct Against<'a> {
    pub(crate) group: &'a [Judged],
    pub(crate) recipe: &'a Recipe,
    pub(crate) durable: &'a Snapshot,
}

/// Judges the new records of a batch, each after those before it. True when it has to wait for the group.
///
/// # Errors
/// `Conflict` naming the newest record of the thing that has a value; `Invalid` where two records of the batch are
/// about different things with one value; those of reading.
pub(crate) fn judge_unique(
    batch: &Batch,
    replayed: &[Option<Placement>],
    against: &Against<'_>,
    pending: &mut Pending,
) -> Result<bool, Error> {
    let declared = &against.recipe.declared;
    let mut holders = Holders::default();
    for (at, draft) in batch.drafts().iter().enumerate() {
        let is_new = replayed.get(at).is_none_or(Option::is_none);
        if !is_new || !declared.has_unique(draft.entry().kind.as_str()) {
            continue;
        }
        let (mut values, mut hashes) = (Vec::new(), Vec::new());
        if let Some(record) = declared.of_draft(draft) {
            record.each_unique_key(|key| {
                hashes.push(against.recipe.key.hash(key));
                values.extend(Value::of(key));
            });
        }
        if hashes.iter().any(|hash| pending.touches(against.group, *hash)) {
            return Ok(true);
        }
        let own = entity_of(draft);
        for value in &values {
            let is_other = |entity: &Entity| *entity != own && !holders.knows(entity);
            let scope = Scope::of(draft.entry().tenant.as_ref());
            let Some((target, seq)) = holder_of(&value.indexed(), &scope, against, is_other)? else {
                continue;
            };
            // It may have another value once the group is durable.
            if pending.touches(against.group, target.hash(&against.recipe.key)) {
                return Ok(true);
            }
            return Err(taken(&value.indexed(), &target, seq).at_record(at));
        }
        if let Err(value) = holders.take(&own, values) {
            let indexed = value.indexed();
            let message = format!(
                "two records of the batch are about different things with {indexed}, which is unique"
            );
            return Err(Error::new(ErrorKind::Invalid, message).at_record(at));
        }
    }
    Ok(false)
}

/// Judges that no thing but those of the batch has a value. True when it has to wait for the group.
///
/// # Errors
/// As [`judge_unique`]; `Invalid` where there is no such index.
pub(crate) fn judge_free(
    batch: &Batch,
    (indexed, scope): (&Indexed, &Scope),
    against: &Against<'_>,
    pending: &mut Pending,
) -> Result<bool, Error> {
    let key = &against.recipe.key;
    let hash = indexed.with_key(scope.owner().map(Tenant::as_str), |indexed| key.hash(indexed));
    if pending.touches(against.group, hash) {
        return Ok(true);
    }
    let own: HashSet<Entity> = batch.drafts().iter().map(entity_of).collect();
    let holder = holder_of(indexed, scope, against, |entity| !own.contains(entity))?;
    let Some((target, seq)) = holder else {
        return Ok(false);
    };
    if pending.touches(against.group, target.hash(key)) {
        return Ok(true);
    }
    Err(taken(indexed, &target, seq))
}

fn taken(indexed: &Indexed, target: &Target, seq: u64) -> Error {
    let message = format!("{indexed} is what {target} has: the record with seq {seq}");
    Error::new(ErrorKind::Conflict, message).at_seq(seq)
}

fn entity_of(draft: &Draft) -> Entity {
    let entry = draft.entry();
    let tenant = entry.tenant.as_ref().map(|tenant| tenant.as_str().into());
    (entry.kind.as_str().into(), tenant, entry.id.as_str().into())
}

/// A thing of those that count which has the value by its newest record, and that record's number. In a unique index
/// the newest record with the value is the only one to ask: whoever has it now came last.
fn holder_of(
    indexed: &Indexed,
    scope: &Scope,
    against: &Against<'_>,
    counts: impl Fn(&Entity) -> bool,
) -> Result<Option<(Target, u64)>, Error> {
    let family = against.recipe.declared.family(indexed.kind.as_str());
    let index = family.and_then(|family| family.index(indexed.index.as_str()));
    let is_unique = index.is_some_and(DeclaredIndex::is_unique);
    let mut matches = against.durable.find(Lookup {
        order: Order::NewestFirst,
        ..Lookup::new(scope.clone(), By::Index(indexed.clone()))
    })?;
    let mut asked = HashSet::new();
    while let Some(line) = matches.next_line()? {
        let header = &line.record().header;
        let (seq, id) = (header.seq, header.id.as_ref());
        let tenant = scope.owner().map(|tenant| tenant.as_str().into());
        let entity: Entity = (indexed.kind.as_str().into(), tenant, id.into());
        if asked.insert(entity.clone()) && counts(&entity) {
            let target = Target {
                kind: indexed.kind.clone(),
                tenant: scope.owner().cloned(),
                id: EntityId::new(id).expect("a stored id is one"),
            };
            if target
                .newest(against.durable)?
                .is_some_and(|(newest, _)| newest == seq)
            {
                return Ok(Some((target, seq)));
            }
        }
        if is_unique {
            break;
        }
    }
    Ok(None)
}
