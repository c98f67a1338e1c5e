//! What is asked at the door.
//!
//! Bodies travel as they were given, and the holder drafts them again: whoever knocks is not believed that a body is
//! JSON, nor what its digest is.

use ledgerstone_formats::draft::{Draft, Entry, Revisions};
use ledgerstone_formats::ids::{Correlation, EntityId, IdempotencyKey, Kind, Tenant};
use ledgerstone_formats::limits::{GROUP_RECORDS_MAX, INDEX_PARTS_MAX};

use super::wire::{Decoder, Encoder, Malformed};
use crate::batch::{Batch, Precondition, Stream, Target};
use crate::read::indexed::Indexed;

const SUBMIT: u8 = 1;
const SEAL: u8 = 2;
const CHECKPOINT: u8 = 3;
const STATS: u8 = 6;

/// Preconditions of one batch.
const PRECONDITIONS_MAX: usize = GROUP_RECORDS_MAX;

const ABSENT: u8 = 0;
const EXISTS: u8 = 1;
const REVISION: u8 = 2;
const SIZE: u8 = 3;
const UNIQUE: u8 = 4;

/// A request, as the holder reads it.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    /// Store a batch.
    Submit(Submit<'a>),
    /// End the segment and seal it.
    Seal,
    /// Publish a head.
    Checkpoint,
    /// Say what was done.
    Stats,
}

/// A batch that is not drafted.
#[derive(Debug)]
pub(crate) struct Submit<'a> {
    /// Its stream among those of the connection; 0 for none.
    pub(crate) stream: u32,
    pub(crate) preconditions: Vec<Precondition>,
    pub(crate) records: Vec<(Entry, &'a [u8])>,
}

/// The frame of a batch; `None` where it is too long.
pub(crate) fn encode_batch(batch: &Batch) -> Option<Vec<u8>> {
    let mut frame = Encoder::new(SUBMIT);
    frame.u32(batch.stream().map_or(0, Stream::number));
    let preconditions = batch.preconditions().len();
    if preconditions > PRECONDITIONS_MAX {
        return None;
    }
    frame.u32(u32::try_from(preconditions).ok()?);
    for precondition in batch.preconditions() {
        encode_precondition(&mut frame, precondition);
    }
    frame.u32(u32::try_from(batch.len()).ok()?);
    for draft in batch.drafts() {
        encode_record(&mut frame, draft);
    }
    frame.finish()
}

pub(crate) fn encode_seal() -> Option<Vec<u8>> {
    Encoder::new(SEAL).finish()
}

pub(crate) fn encode_checkpoint() -> Option<Vec<u8>> {
    Encoder::new(CHECKPOINT).finish()
}

pub(crate) fn encode_stats() -> Option<Vec<u8>> {
    Encoder::new(STATS).finish()
}

/// Reads a frame.
pub(crate) fn decode(frame: &[u8]) -> Result<Request<'_>, Malformed> {
    let (tag, mut members) = Decoder::new(frame)?;
    let request = match tag {
        SUBMIT => Request::Submit(Submit {
            stream: members.u32()?,
            preconditions: members.list(PRECONDITIONS_MAX, decode_precondition)?,
            records: members.list(GROUP_RECORDS_MAX, decode_record)?,
        }),
        SEAL => Request::Seal,
        CHECKPOINT => Request::Checkpoint,
        STATS => Request::Stats,
        _ => return Err(Malformed),
    };
    members.end().map(|()| request)
}

fn encode_record(frame: &mut Encoder, draft: &Draft) {
    let entry = draft.entry();
    frame.text(entry.kind.as_str());
    frame.option(entry.tenant.as_ref(), |frame, tenant| frame.text(tenant.as_str()));
    frame.text(entry.id.as_str());
    frame.u8(u8::from(entry.minted));
    frame.option(entry.corr.as_ref(), |frame, corr| frame.text(corr.as_str()));
    frame.option(entry.key.as_ref(), |frame, key| frame.text(key.as_str()));
    frame.u8(u8::from(entry.revisions == Revisions::Counted));
    frame.bytes(draft.body());
}

fn decode_record<'a>(members: &mut Decoder<'a>) -> Result<(Entry, &'a [u8]), Malformed> {
    let entry = Entry {
        kind: members.value::<Kind>()?,
        tenant: members.option(Decoder::value::<Tenant>)?,
        id: members.value::<EntityId>()?,
        minted: members.bool()?,
        corr: members.option(Decoder::value::<Correlation>)?,
        key: members.option(Decoder::value::<IdempotencyKey>)?,
        revisions: if members.bool()? {
            Revisions::Counted
        } else {
            Revisions::AsKind
        },
    };
    Ok((entry, members.bytes()?))
}

fn encode_precondition(frame: &mut Encoder, precondition: &Precondition) {
    let (tag, target, number) = match precondition {
        Precondition::Absent(target) => (ABSENT, Some(target), None),
        Precondition::Exists(target) => (EXISTS, Some(target), None),
        Precondition::Revision(target, revision) => (REVISION, Some(target), Some(*revision)),
        Precondition::Size(size) => (SIZE, None, Some(*size)),
        Precondition::Unique { tenant, value } => return encode_unique(frame, tenant.as_ref(), value),
    };
    frame.u8(tag);
    if let Some(target) = target {
        frame.text(target.kind.as_str());
        frame.option(target.tenant.as_ref(), |frame, tenant| {
            frame.text(tenant.as_str());
        });
        frame.text(target.id.as_str());
    }
    if let Some(number) = number {
        frame.u64(number);
    }
}

fn encode_unique(frame: &mut Encoder, tenant: Option<&Tenant>, value: &Indexed) {
    frame.u8(UNIQUE);
    frame.option(tenant, |frame, tenant| frame.text(tenant.as_str()));
    frame.text(value.kind.as_str());
    frame.text(value.index.as_str());
    // One of more parts than there can be is none of any index: what is left out changes no answer.
    let values = &value.values[..value.values.len().min(INDEX_PARTS_MAX + 1)];
    frame.u32(u32::try_from(values.len()).expect("a few"));
    values.iter().for_each(|value| frame.text(value));
}

fn decode_precondition(members: &mut Decoder<'_>) -> Result<Precondition, Malformed> {
    Ok(match members.u8()? {
        ABSENT => Precondition::Absent(decode_target(members)?),
        EXISTS => Precondition::Exists(decode_target(members)?),
        REVISION => Precondition::Revision(decode_target(members)?, members.u64()?),
        SIZE => Precondition::Size(members.u64()?),
        UNIQUE => Precondition::Unique {
            tenant: members.option(Decoder::value)?,
            value: Indexed {
                kind: members.value()?,
                index: members.value()?,
                values: members.list(INDEX_PARTS_MAX + 1, |members| members.text().map(str::to_owned))?,
            },
        },
        _ => return Err(Malformed),
    })
}

fn decode_target(members: &mut Decoder<'_>) -> Result<Target, Malformed> {
    Ok(Target {
        kind: members.value()?,
        tenant: members.option(Decoder::value)?,
        id: members.value()?,
    })
}
