//! Looking records up by what they share.

use ledgerstone_formats::ids::{Correlation, EntityId, IdempotencyKey, Kind};
use ledgerstone_formats::record::Record;
use ledgerstone_formats::time::Timestamp;

use crate::error::{Error, ErrorKind};
use crate::index::Index;
use crate::index::declared::Declared;
use crate::index::keys::Key;
use crate::index::runs::Postings;
use crate::read::indexed::Indexed;
use crate::read::matches::Matches;
use crate::read::snapshot::{Scope, Snapshot};
use crate::read::times::Span;

pub use crate::index::runs::Order;

/// Records of a page when nothing else is asked for.
pub const PAGE_RECORDS_DEFAULT: usize = 50;
/// Records of the largest page.
pub const PAGE_RECORDS_MAX: usize = 200;

/// What the records have in common that are looked up. All but `Kind` are meant within the scope of the lookup, which
/// is one tenant or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// They are about one thing.
    Entity {
        /// Record family.
        kind: Kind,
        /// The thing.
        id: EntityId,
    },
    /// They have this correlation id.
    Correlation(Correlation),
    /// It has this idempotency key.
    Key(IdempotencyKey),
    /// They have these values in a declared index.
    Index(Indexed),
    /// They are of this kind.
    Kind(Kind),
    /// They are in the scope.
    Scope,
}

/// Which records to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// Whose records.
    pub scope: Scope,
    /// What they have in common.
    pub by: By,
    /// Only this kind.
    pub kind: Option<Kind>,
    /// First sequence number.
    pub from: u64,
    /// Last sequence number; to the end when there is none.
    pub to: Option<u64>,
    /// Only records committed at this time or later.
    pub since: Option<Timestamp>,
    /// Only records committed before this time.
    pub until: Option<Timestamp>,
    /// Which way to go.
    pub order: Order,
}

impl Lookup {
    /// All records of a scope that have this in common, oldest first.
    pub fn new(scope: Scope, by: By) -> Self {
        Self {
            scope,
            by,
            kind: None,
            from: 0,
            to: None,
            since: None,
            until: None,
            order: Order::OldestFirst,
        }
    }

    /// Calls `with` with what is looked up.
    pub(super) fn with_key<T>(&self, with: impl FnOnce(&Key<'_>) -> T) -> Result<T, Error> {
        let tenant = match (&self.scope, &self.by) {
            (_, By::Kind(kind)) => return Ok(with(&Key::Kind(kind.as_str()))),
            (Scope::Tenant(tenant), _) => Some(tenant.as_str()),
            (Scope::Untenanted, _) => None,
            (Scope::Operator, _) => {
                let message = "a lookup is within one tenant, or among the records that have none";
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        };
        if let By::Index(indexed) = &self.by {
            return Ok(indexed.with_key(tenant, with));
        }
        Ok(with(&match &self.by {
            By::Entity { kind, id } => Key::Entity {
                kind: kind.as_str(),
                tenant,
                id: id.as_str(),
            },
            By::Correlation(corr) => Key::Correlation {
                tenant,
                corr: corr.as_str(),
            },
            By::Key(key) => Key::Idempotency {
                tenant,
                key: key.as_str(),
            },
            By::Kind(kind) => Key::Kind(kind.as_str()),
            By::Index(_) | By::Scope => Key::Tenant(tenant),
        }))
    }

    /// Hash of what is looked up.
    pub(super) fn hash(&self, index: &Index) -> Result<u64, Error> {
        self.with_key(|key| index.key().hash(key))
    }

    pub(super) fn span(&self) -> Span {
        Span {
            since: self.since,
            until: self.until,
        }
    }

    pub(super) fn admits(&self, key: &Key<'_>, record: &Record<'_>, declared: &Declared) -> bool {
        let header = &record.header;
        let tenant = header.tenant.as_ref().map(|(tenant, _)| tenant.as_ref());
        key.fits(record, declared)
            && self.scope.admits(tenant)
            && self.kind.as_ref().is_none_or(|kind| kind.as_str() == header.kind)
            && self.span().holds(header.at)
    }
}

/// Some records, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Stored lines, without LF.
    pub lines: Vec<Vec<u8>>,
    /// Sequence number of the last of them, when there are more: `from` of the next page is the one after it; `to`,
    /// newest first, the one before.
    pub cursor: Option<u64>,
}

impl Snapshot {
    /// Looks records up, one after the other.
    ///
    /// # Errors
    /// `Invalid` for a scope that a lookup cannot have, or an index that is not declared; `Corrupt` or `Unavailable`
    /// when the index has to be made and the lines cannot be read.
    pub fn find(&self, lookup: Lookup) -> Result<Matches, Error> {
        let index = self.index()?;
        if let By::Index(indexed) = &lookup.by {
            indexed.check(&index.recipe().declared)?;
        }
        let hash = lookup.hash(&index)?;
        Ok(Matches::new(self.clone(), index, lookup, hash))
    }

    pub(super) fn postings(&self, index: &Index, lookup: &Lookup, hash: u64) -> Postings {
        let end = lookup
            .to
            .map_or(self.size(), |to| self.size().min(to.saturating_add(1)));
        Postings::new(index.parts(), hash, lookup.from, end, lookup.order)
    }

    /// At most `limit` records of a lookup; more than [`PAGE_RECORDS_MAX`] are never given.
    ///
    /// # Errors
    /// As [`Snapshot::find`] and [`Matches::next_line`].
    pub fn page(&self, lookup: Lookup, limit: usize) -> Result<Page, Error> {
        let limit = limit.min(PAGE_RECORDS_MAX);
        let mut matches = self.find(lookup)?;
        let (mut lines, mut last) = (Vec::new(), None);
        while let Some(line) = matches.next_line()? {
            if lines.len() == limit {
                return Ok(Page { lines, cursor: last });
            }
            last = Some(line.seq);
            lines.push(line.bytes.to_vec());
        }
        Ok(Page { lines, cursor: None })
    }

    /// The newest record about a thing.
    ///
    /// # Errors
    /// As [`Snapshot::find`] and [`Matches::next_line`].
    pub fn latest(&self, scope: Scope, kind: Kind, id: EntityId) -> Result<Option<Vec<u8>>, Error> {
        let lookup = Lookup {
            order: Order::NewestFirst,
            ..Lookup::new(scope, By::Entity { kind, id })
        };
        let mut matches = self.find(lookup)?;
        Ok(matches.next_line()?.map(|line| line.bytes.to_vec()))
    }

    /// How many records a lookup has.
    ///
    /// # Errors
    /// As [`Snapshot::find`] and [`Matches::next_line`].
    pub fn count(&self, lookup: Lookup) -> Result<u64, Error> {
        let mut matches = self.find(lookup)?;
        let mut count = 0;
        while matches.next_line()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}
