//! When the records of sealed segments were committed, by their seals: a search by time passes over the others.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use ledgerstone_formats::time::Timestamp;

use crate::commit::shared::SegmentInfo;
use crate::ledger::read_span;
use crate::storage::Storage;

/// What is asked for: from a time on, and before another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

impl Span {
    /// Whether a time is in it.
    pub(crate) fn holds(&self, at: Timestamp) -> bool {
        !self.is_before(at) && !self.is_after(at)
    }

    /// Whether a time is too early for it.
    pub(crate) fn is_before(&self, at: Timestamp) -> bool {
        self.since.is_some_and(|since| at < since)
    }

    /// Whether a time is too late for it.
    pub(crate) fn is_after(&self, at: Timestamp) -> bool {
        self.until.is_some_and(|until| at >= until)
    }

    fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

/// The seals' times, each read once.
#[derive(Debug)]
pub(crate) struct Times {
    storage: Arc<dyn Storage>,
    known: Mutex<HashMap<u64, (RangeInclusive<Timestamp>, u64)>>,
}

impl Times {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            known: Mutex::default(),
        }
    }

    /// First sequence number past a segment in which no record is of this span; none where one may be. The clock may
    /// have been turned back, so each segment is asked by itself.
    pub(crate) fn end_of_other(&self, segment: &SegmentInfo, span: &Span) -> Option<u64> {
        if !segment.sealed || span.is_all() {
            return None;
        }
        let (times, end) = self.of(segment.first)?;
        (span.is_before(*times.end()) || span.is_after(*times.start())).then_some(end)
    }

    /// First sequence number past a sealed segment.
    pub(crate) fn end(&self, segment: &SegmentInfo) -> Option<u64> {
        let sealed = segment.sealed.then(|| self.of(segment.first)).flatten();
        sealed.map(|(_, end)| end)
    }

    /// None where the seal cannot be read: the lines are there.
    fn of(&self, first: u64) -> Option<(RangeInclusive<Timestamp>, u64)> {
        // No code that can panic leaves the map half changed.
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(&first) {
            return Some(found.clone());
        }
        let sealed = read_span(self.storage.as_ref(), first).ok()?;
        let found = (sealed.at_min..=sealed.at_max, sealed.end);
        known().insert(first, found.clone());
        Some(found)
    }
}
