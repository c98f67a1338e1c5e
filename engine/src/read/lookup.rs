//! Looking records up by what they share.

use std::sync::Arc;

use ledgerstone_formats::ids::{Correlation, EntityId, IdempotencyKey, Kind};
use ledgerstone_formats::limits::LINE_BYTES_MAX;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;
use ledgerstone_formats::time::Timestamp;

use crate::commit::shared::SegmentInfo;
use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::index::declared::Declared;
use crate::index::keys::Key;
use crate::index::repair::remake;
use crate::index::runs::{BadPart, Postings};
use crate::index::{Index, Posting};
use crate::read::indexed::Indexed;
use crate::read::scan::StoredLine;
use crate::read::snapshot::{Scope, Snapshot};

pub use crate::index::runs::Order;

/// Records of a page when nothing else is asked for.
pub const PAGE_RECORDS_DEFAULT: usize = 50;
/// Records of the largest page.
pub const PAGE_RECORDS_MAX: usize = 200;
/// How much of a segment is read for a line at first, in bytes: few are longer.
const READ_BYTES: usize = 2_048;

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
    fn with_key<T>(&self, with: impl FnOnce(&Key<'_>) -> T) -> Result<T, Error> {
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

    fn admits(&self, key: &Key<'_>, record: &Record<'_>, declared: &Declared) -> bool {
        let header = &record.header;
        let tenant = header.tenant.as_ref().map(|(tenant, _)| tenant.as_ref());
        key.fits(record, declared)
            && self.scope.admits(tenant)
            && self.kind.as_ref().is_none_or(|kind| kind.as_str() == header.kind)
            && self.since.is_none_or(|since| header.at >= since)
            && self.until.is_none_or(|until| header.at < until)
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

/// A running lookup.
#[derive(Debug)]
pub struct Matches {
    snapshot: Snapshot,
    index: Arc<Index>,
    lookup: Lookup,
    hash: u64,
    postings: Postings,
    line: Vec<u8>,
    /// What was made again for having led to no record.
    remade: Option<BadPart>,
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
        let hash = lookup.with_key(|key| index.key().hash(key))?;
        let postings = self.postings(&index, &lookup, hash);
        Ok(Matches {
            snapshot: self.clone(),
            index,
            lookup,
            hash,
            postings,
            line: Vec::new(),
            remade: None,
        })
    }

    fn postings(&self, index: &Index, lookup: &Lookup, hash: u64) -> Postings {
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
            last = Some(line.record.header.seq);
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
        Ok(self.page(lookup, 1)?.lines.pop())
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

impl Matches {
    /// The next record.
    ///
    /// # Errors
    /// `Corrupt` with the place of a line that is not what it was; `Unavailable` for I/O.
    pub fn next_line(&mut self) -> Result<Option<StoredLine<'_>>, Error> {
        let posting = loop {
            let posting = match self.postings.next() {
                Ok(Some(posting)) => posting,
                Ok(None) => return Ok(None),
                Err(bad) => {
                    self.remake(bad)?;
                    continue;
                }
            };
            self.read(&posting)?;
            let declared = &self.index.recipe().declared;
            let admitted = self.checked(&posting).and_then(|record| {
                let lookup = &self.lookup;
                lookup.with_key(|key| lookup.admits(key, &record, declared))
            });
            let admitted = match admitted {
                Ok(admitted) => admitted,
                Err(error) => {
                    self.doubt_index(&posting, error)?;
                    continue;
                }
            };
            self.go_on_after(posting.seq);
            if admitted {
                break posting;
            }
        };
        let segment = self.segment_of(posting.seq)?;
        Ok(Some(StoredLine {
            // Its hashes were compared above.
            record: Record::parse(&self.line).map_err(|error| self.damage(&posting, segment, &error))?,
            bytes: &self.line,
            file: FileName::Segment(segment.first),
            line: posting.seq - segment.first + 1,
            offset: u64::from(posting.offset),
        }))
    }

    /// No record stands where the index says. Is the record at fault, or the index?
    fn doubt_index(&mut self, posting: &Posting, error: Error) -> Result<(), Error> {
        let is_whole = self
            .snapshot
            .get(posting.seq, &Scope::Operator)
            .is_ok_and(|line| line.is_some());
        let doubted = self.index.file_holding(posting.seq);
        match doubted.filter(|part| is_whole && self.remade != Some(*part)) {
            Some(part) => {
                self.remade = Some(part);
                self.remake(part)
            }
            None => Err(error),
        }
    }

    /// What is left of the lookup, should the index have to be asked anew.
    fn go_on_after(&mut self, seq: u64) {
        match self.lookup.order {
            Order::OldestFirst => self.lookup.from = seq + 1,
            Order::NewestFirst => match seq.checked_sub(1) {
                Some(before) => self.lookup.to = Some(before),
                None => self.lookup.from = u64::MAX,
            },
        }
    }

    /// A part with a bad block is missing, not empty: it is made again from the lines.
    fn remake(&mut self, bad: BadPart) -> Result<(), Error> {
        remake(
            self.snapshot.storage.as_ref(),
            &self.index,
            &self.snapshot.segments,
            bad,
        )?;
        self.postings = self.snapshot.postings(&self.index, &self.lookup, self.hash);
        Ok(())
    }

    fn segment_of(&self, seq: u64) -> Result<SegmentInfo, Error> {
        self.snapshot.segments.holding(seq).ok_or_else(|| {
            let finding = Finding::new(Code::Missing, format!("no file holds the record with seq {seq}"));
            Error::corrupt(vec![finding.at_seq(seq)])
        })
    }

    /// Reads the line of a posting, without its LF.
    fn read(&mut self, posting: &Posting) -> Result<(), Error> {
        let segment = self.segment_of(posting.seq)?;
        let unreadable = |error| {
            Error::io("a segment cannot be read", error)
                .in_file(FileName::Segment(segment.first))
                .at_seq(posting.seq)
        };
        let file = self.snapshot.files.get(segment.first).map_err(unreadable)?;
        let offset = u64::from(posting.offset);
        let mut searched = 0;
        self.line.clear();
        while searched <= LINE_BYTES_MAX {
            let want = READ_BYTES.max(searched);
            self.line.resize(searched + want, 0);
            let read = file
                .read_at(offset + searched as u64, &mut self.line[searched..])
                .map_err(unreadable)?;
            self.line.truncate(searched + read);
            if let Some(lf) = memchr::memchr(b'\n', &self.line[searched..]) {
                self.line.truncate(searched + lf);
                break;
            }
            searched += read;
            if read < want {
                break;
            }
        }
        Ok(())
    }

    fn checked(&self, posting: &Posting) -> Result<Record<'_>, Error> {
        let cause = match Record::parse(&self.line) {
            Ok(record) => match record.check_hashes() {
                Ok(()) if record.header.seq == posting.seq => return Ok(record),
                Ok(()) => format!("expected seq {}, found {}", posting.seq, record.header.seq),
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        Err(self.damage(posting, self.segment_of(posting.seq)?, &cause))
    }

    fn damage(&self, posting: &Posting, segment: SegmentInfo, cause: &dyn std::fmt::Display) -> Error {
        let finding = Finding::new(Code::Altered, cause.to_string())
            .in_file(FileName::Segment(segment.first))
            .at_seq(posting.seq);
        let line = posting.seq - segment.first + 1;
        Error::corrupt(vec![finding.at_line(line, u64::from(posting.offset))])
    }
}
