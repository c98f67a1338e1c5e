//! How the records of a selection are read: line by line, or where the index says.

use std::collections::VecDeque;
use std::ops::Range;

use crate::index::{Index, Part};
use crate::read::lookup::{By, Lookup};
use crate::read::snapshot::{Scope, Selection, Snapshot};

/// A line that is read by itself costs about as much time, and as many bytes, as so many lines in a row.
const LINES_FOR_ONE: u64 = 4;

/// So few records are read line by line, whatever they are.
const SHORT_RECORDS: u64 = 100;

/// Records in a row, and how they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) records: Range<u64>,
    /// What they are looked up by; none where they are read line by line.
    pub(super) by: Option<By>,
}

impl Snapshot {
    /// How to read a selection. Where the index cannot be had, or would cost more than reading, lines are read one
    /// after the other.
    pub(super) fn stretches(&self, selection: &Selection) -> VecDeque<Stretch> {
        let end = selection
            .to
            .map_or(self.size(), |to| self.size().min(to.saturating_add(1)));
        let records = selection.from..end;
        let is_short = end.saturating_sub(selection.from) <= SHORT_RECORDS;
        let is_all = selection.kind.is_none() && selection.scope == Scope::Operator;
        let index = (!is_short && !is_all)
            .then(|| self.index_over(&records))
            .flatten();
        let indexed = index.and_then(|index| self.indexed(&index, selection, &records));
        indexed.unwrap_or_else(|| VecDeque::from([Stretch { records, by: None }]))
    }

    fn indexed(
        &self,
        index: &Index,
        selection: &Selection,
        records: &Range<u64>,
    ) -> Option<VecDeque<Stretch>> {
        // With a kind and a tenant either would do: the kind's records of all, or the tenant's of all kinds.
        let by_kind = selection.kind.clone().map(By::Kind);
        let by_scope = (selection.scope != Scope::Operator).then_some(By::Scope);
        let rarest = [by_kind, by_scope].into_iter().flatten().filter_map(|by| {
            let hash = Lookup::new(selection.scope.clone(), by.clone())
                .hash(index)
                .ok()?;
            Some((count(index, hash, records), hash, by))
        });
        let (_, hash, by) = rarest.min_by_key(|(count, ..)| *count)?;
        let mut stretches = VecDeque::new();
        for part in index.parts().iter() {
            let end = part.end().unwrap_or(u64::MAX);
            let own = part.first().max(records.start)..end.min(records.end);
            if own.is_empty() {
                continue;
            }
            if is_few(part, hash, &own) {
                put(&mut stretches, own, Some(&by));
                continue;
            }
            // Of the segments of a merged index some may have nearly all.
            for segment in self.segments_over(&own) {
                let few = is_few(part, hash, &segment);
                put(&mut stretches, segment, few.then_some(&by));
            }
        }
        Some(stretches)
    }

    /// The parts of a range that lie in one segment each.
    fn segments_over(&self, records: &Range<u64>) -> Vec<Range<u64>> {
        let place = self.segments.place_of(records.start).unwrap_or(0);
        let firsts = (place + 1..).map_while(|place| Some(self.segments.get(place)?.first));
        let mut ranges = Vec::new();
        let mut start = records.start;
        for first in firsts.take_while(|first| *first < records.end) {
            ranges.push(start..first);
            start = first;
        }
        ranges.push(start..records.end);
        ranges
    }
}

/// How many records of a range have a hash; where the index cannot say, as many as can be.
fn count(index: &Index, hash: u64, records: &Range<u64>) -> u64 {
    let parts = index.parts();
    let over = parts
        .iter()
        .filter(|part| part.first() < records.end && part.end().is_none_or(|end| end > records.start));
    over.map(|part| part.count(hash, records).unwrap_or(u64::MAX))
        .fold(0, u64::saturating_add)
}

/// Whether so few records of a range have a hash that reading them one by one is quicker. A part that cannot say is
/// made again when it is asked for them.
fn is_few(part: &Part, hash: u64, records: &Range<u64>) -> bool {
    let count = part.count(hash, records).unwrap_or(0);
    count.saturating_mul(LINES_FOR_ONE) < records.end - records.start
}

/// Appends a range; neighbours that are read in the same way become one.
fn put(stretches: &mut VecDeque<Stretch>, records: Range<u64>, by: Option<&By>) {
    match stretches.back_mut() {
        Some(last) if last.by.as_ref() == by => last.records.end = records.end,
        _ => stretches.push_back(Stretch {
            records,
            by: by.cloned(),
        }),
    }
}
