//! The durable records of one moment.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use ledgerstone_formats::header::Header;
use ledgerstone_formats::ids::{Kind, Tenant};
use ledgerstone_formats::records::family::Family;
use ledgerstone_formats::time::Timestamp;

use crate::commit::shared::{Notarized, Published, SegmentInfo};
use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::index::Index;
use crate::index::about::SealedSpan;
use crate::index::catalog::Catalog;
use crate::index::families::{Families, put_in};
use crate::index::keys::Recipe;
use crate::index::load::{key_of, load_sealed};
use crate::ledger::read_span;
use crate::read::open_segments::OpenSegments;
use crate::read::scan::Scan;
use crate::read::times::{Span, Times};
use crate::read::walk::Walk;
use crate::segment::list::Segments;
use crate::storage::Storage;

/// Segment files that a snapshot of a ledger that somebody else writes to keeps open.
const OPEN_SEGMENTS_MAX: usize = 64;

/// What the snapshots of an open ledger share.
#[derive(Debug, Clone)]
pub(crate) struct Lookups {
    /// Set while the ledger is written to.
    index: Arc<OnceLock<Arc<Index>>>,
    files: Arc<OpenSegments>,
    times: Arc<Times>,
}

impl Lookups {
    /// `index` is none for a ledger that is open for reading only.
    pub(crate) fn new(
        storage: &Arc<dyn Storage>,
        index: Option<&Arc<Index>>,
        open_segments_max: usize,
    ) -> Self {
        Self {
            index: Arc::new(index.map_or_else(OnceLock::new, |index| Arc::clone(index).into())),
            files: Arc::new(OpenSegments::new(Arc::clone(storage), open_segments_max)),
            times: Arc::new(Times::new(Arc::clone(storage))),
        }
    }
}

/// Whose records a read may see. Every read has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One tenant's.
    Tenant(Tenant),
    /// Those that have no tenant.
    Untenanted,
    /// All: for the operator of the ledger.
    Operator,
}

impl Scope {
    /// Where a record with this tenant belongs.
    pub fn of(tenant: Option<&Tenant>) -> Self {
        tenant.map_or(Self::Untenanted, |tenant| Self::Tenant(tenant.clone()))
    }

    /// The tenant, where the scope is one's.
    pub(crate) fn owner(&self) -> Option<&Tenant> {
        match self {
            Self::Tenant(tenant) => Some(tenant),
            Self::Untenanted | Self::Operator => None,
        }
    }

    /// Whether a record with this tenant is in the scope.
    pub fn admits(&self, tenant: Option<&str>) -> bool {
        match self {
            Self::Tenant(own) => tenant == Some(own.as_str()),
            Self::Untenanted => tenant.is_none(),
            Self::Operator => true,
        }
    }
}

/// Which records to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// First sequence number.
    pub from: u64,
    /// Last sequence number; to the end when there is none.
    pub to: Option<u64>,
    /// Only this kind.
    pub kind: Option<Kind>,
    /// Only what this scope admits.
    pub scope: Scope,
    /// Only records committed at this time or later.
    pub since: Option<Timestamp>,
    /// Only records committed before this time.
    pub until: Option<Timestamp>,
}

impl Selection {
    /// All records of a scope.
    pub fn all(scope: Scope) -> Self {
        Self {
            from: 0,
            to: None,
            kind: None,
            scope,
            since: None,
            until: None,
        }
    }

    pub(super) fn span(&self) -> Span {
        Span {
            since: self.since,
            until: self.until,
        }
    }

    /// Whether a record is one of it, wherever it stands.
    pub(super) fn admits(&self, header: &Header<'_>) -> bool {
        let tenant = header.tenant.as_ref().map(|(tenant, _)| tenant.as_ref());
        self.scope.admits(tenant)
            && self.kind.as_ref().is_none_or(|kind| kind.as_str() == header.kind)
            && self.span().holds(header.at)
    }
}

/// What was durable, in whole groups, when it was taken. Later records do not appear in it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) segments: Segments,
    size: u64,
    head_size: Option<u64>,
    /// Of the ledger that this process writes to; else made when it is first asked.
    index: Arc<OnceLock<Arc<Index>>>,
    pub(super) files: Arc<OpenSegments>,
    pub(super) times: Arc<Times>,
}

impl Snapshot {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        segments: Vec<SegmentInfo>,
        size: u64,
        head_size: Option<u64>,
    ) -> Self {
        Self {
            files: Arc::new(OpenSegments::new(Arc::clone(&storage), OPEN_SEGMENTS_MAX)),
            times: Arc::new(Times::new(Arc::clone(&storage))),
            storage,
            segments: Segments::from(segments),
            size,
            head_size,
            index: Arc::default(),
        }
    }

    pub(crate) fn of_open_ledger(
        storage: Arc<dyn Storage>,
        published: &Published,
        notarized: &Notarized,
        lookups: &Lookups,
    ) -> Self {
        let (ended, active) = (Arc::clone(&published.ended), published.active);
        Self {
            storage,
            segments: Segments::new(ended, notarized.sealed, active),
            size: published.chain.next_seq(),
            head_size: Some(notarized.head_size),
            index: Arc::clone(&lookups.index),
            files: Arc::clone(&lookups.files),
            times: Arc::clone(&lookups.times),
        }
    }

    /// The index, made from sidecars and lines where this process does not write to the ledger.
    pub(super) fn index(&self) -> Result<Arc<Index>, Error> {
        if let Some(index) = self.index.get() {
            return Ok(Arc::clone(index));
        }
        let storage = self.storage.as_ref();
        let listing = storage
            .list()
            .map_err(|error| Error::io("the directory cannot be listed", error))?;
        let catalog = Catalog::read(storage, &listing);
        let sealed = self.segments.iter().take_while(|segment| segment.sealed);
        // A seal that cannot be read is passed over: the lines are there.
        let spans: Vec<SealedSpan> = sealed
            .map_while(|segment| {
                let known = catalog.span(segment.first).cloned();
                known.or_else(|| read_span(storage, segment.first).ok())
            })
            .collect();
        let key = key_of(
            storage,
            &catalog,
            self.segments.iter().map(|segment| segment.first),
        )?;
        let mut loaded = load_sealed(storage, &catalog, &spans, &key)?;
        let sealed_end = loaded.end;
        let mut families = Families::default();
        let sealed = Index::new(Recipe::plain(key), loaded.parts.clone());
        families.read(storage, &self.segments, &sealed, 0)?;
        let recipe = Recipe {
            key,
            declared: families.declared(),
        };
        for segment in self.segments.iter().skip(spans.len()) {
            loaded.add_open(storage, &segment, &recipe)?;
        }
        self.check_covers_head(loaded.end)?;
        let mut index = Index::new(recipe, loaded.parts);
        families.read(storage, &self.segments, &index, sealed_end)?;
        put_in(storage, &self.segments, &mut index, families.declared())?;
        Ok(Arc::clone(self.index.get_or_init(|| Arc::new(index))))
    }

    /// Whether all records are there that the head covers.
    ///
    /// # Errors
    /// `Corrupt` where it covers more.
    pub fn check_complete(&self) -> Result<(), Error> {
        self.check_covers_head(self.size)
    }

    /// Whether so many records are all that the head covers. It was read before they were counted.
    fn check_covers_head(&self, size: u64) -> Result<(), Error> {
        match self.head_size.filter(|head| *head > size) {
            None => Ok(()),
            Some(head) => {
                let cause = format!("a head covers {head} records, {size} are here");
                let finding = Finding::new(Code::Truncated, cause).at_seq(size);
                Err(Error::corrupt(vec![finding]))
            }
        }
    }

    /// What is declared for the kinds of its records, in the order of their names.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable` when the index has to be made and the lines cannot be read.
    pub fn families(&self) -> Result<Vec<Family>, Error> {
        Ok(self.index()?.recipe().declared.families().cloned().collect())
    }

    /// Records that can be read: the sequence numbers below it.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Records under the newest head; none when the head cannot be read.
    pub fn head_size(&self) -> Option<u64> {
        self.head_size
    }

    /// The segments, in order, with the bytes of their whole groups.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.segments.iter().collect()
    }

    /// The stored line of a record, without its LF; `None` when there is no such record in the scope.
    ///
    /// # Errors
    /// `Corrupt` when the line there is not what it was; `Unavailable` for I/O.
    pub fn get(&self, seq: u64, scope: &Scope) -> Result<Option<Vec<u8>>, Error> {
        let one = Selection {
            from: seq,
            to: Some(seq),
            ..Selection::all(scope.clone())
        };
        Ok(self.scan(one).next_line()?.map(|line| line.bytes.to_vec()))
    }

    /// Reads records in order.
    pub fn scan(&self, selection: Selection) -> Scan {
        Scan::new(self.clone(), selection)
    }

    /// Reads the records of a selection before `end` one after the other.
    pub(super) fn walk(&self, selection: Selection, end: u64) -> Walk {
        let (storage, times) = (Arc::clone(&self.storage), Arc::clone(&self.times));
        Walk::new(storage, self.segments.clone(), times, end, selection)
    }

    /// The index, for reading some records of a range: where it is there, or would be made for a sealed segment at
    /// least. The lines of the others have to be read for it anyway.
    pub(super) fn index_over(&self, records: &Range<u64>) -> Option<Arc<Index>> {
        let first = self.segments.place_of(records.start).unwrap_or(0);
        let is_inside = |place: usize| {
            let end = self.segments.get(place + 1).map_or(self.size, |next| next.first);
            let segment = self.segments.get(place);
            segment.is_some_and(|info| info.sealed && info.first >= records.start && end <= records.end)
        };
        let is_worth = self.index.get().is_some() || is_inside(first) || is_inside(first + 1);
        is_worth.then(|| self.index().ok()).flatten()
    }

    /// Where to begin a scan that is to give the last `count` records of a selection.
    ///
    /// # Errors
    /// As those of a scan.
    pub fn last(&self, count: u64, selection: &Selection) -> Result<u64, Error> {
        let end = selection
            .to
            .map_or(self.size, |to| self.size.min(to.saturating_add(1)));
        let mut span = count.max(1_000);
        loop {
            let from = end.saturating_sub(span).max(selection.from);
            let mut matches = std::collections::VecDeque::new();
            let mut scan = self.scan(Selection {
                from,
                to: Some(end.saturating_sub(1)),
                ..selection.clone()
            });
            while let Some(line) = scan.next_line()? {
                matches.push_back(line.seq);
                if matches.len() as u64 > count {
                    matches.pop_front();
                }
            }
            if matches.len() as u64 == count || from <= selection.from {
                return Ok(matches.front().copied().unwrap_or(end));
            }
            span = span.saturating_mul(8);
        }
    }
}
