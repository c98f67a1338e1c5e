//! What the peer stores of an entry, and how it is chained.

use ledgerstone_formats::time::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// One entry with the columns that the indexes need, taken from its body.
#[derive(Debug, Clone)]
pub struct Row {
    /// When it happened, in microseconds since the epoch.
    pub(super) time_micros: i64,
    /// The other indexed columns, in the order of the table.
    pub(super) columns: [Box<str>; 7],
    /// Names of the fields that it says were changed, each once.
    pub(super) fields: Vec<Box<str>>,
    pub(super) body: Box<[u8]>,
}

impl Row {
    /// Takes the columns out of a body.
    ///
    /// # Errors
    /// When the body is not the JSON of an entry.
    pub fn parse(body: &[u8]) -> serde_json::Result<Self> {
        let parsed: Body<'_> = serde_json::from_slice(body)?;
        let mut fields: Vec<Box<str>> = parsed.changes.iter().map(|change| change.field.into()).collect();
        fields.sort_unstable();
        fields.dedup();
        let columns = [
            parsed.tenant,
            parsed.id,
            parsed.correlation_id,
            parsed.actor.id,
            parsed.action,
            parsed.resource.kind,
            parsed.resource.id,
        ];
        Ok(Self {
            time_micros: parsed.time.as_micros(),
            columns: columns.map(Box::from),
            fields,
            body: body.into(),
        })
    }

    /// The chain: the hash before, then every column with its length in front, so that no two rows give the same bytes.
    pub(super) fn hash(&self, seq: i64, prev: &[u8; 32]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(prev);
        hasher.update(seq.to_be_bytes());
        hasher.update(self.time_micros.to_be_bytes());
        for column in self
            .columns
            .iter()
            .map(|text| text.as_bytes())
            .chain([&*self.body])
        {
            hasher.update(
                u64::try_from(column.len())
                    .expect("a length fits in 64 bits")
                    .to_be_bytes(),
            );
            hasher.update(column);
        }
        hasher.finalize().into()
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    id: &'a str,
    time: Timestamp,
    tenant: &'a str,
    correlation_id: &'a str,
    #[serde(borrow)]
    actor: Actor<'a>,
    action: &'a str,
    #[serde(borrow)]
    resource: Resource<'a>,
    #[serde(borrow)]
    changes: Vec<Change<'a>>,
}

#[derive(Deserialize)]
struct Actor<'a> {
    id: &'a str,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
}

#[derive(Deserialize)]
struct Change<'a> {
    field: &'a str,
}
