//! What is done for the index beside the commit path: files that were bad are written again, and small ones are
//! brought together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledgerstone_formats::names::FileName;

use crate::commit::shared::SegmentInfo;
use crate::index::about::{About, SealedSpan};
use crate::index::build::sidecar_of;
use crate::index::levels::due;
use crate::index::merge::MergeError;
use crate::index::repair::remake;
use crate::index::runs::BadPart;
use crate::index::sidecar::Subject;
use crate::index::store::{store, write_merged};
use crate::index::{Index, Part};
use crate::ledger::read_span;
use crate::segment::list::Segments;
use crate::storage::{Mapped, Storage};

/// Keeps the files of an index in order. One thread at a time does it.
#[derive(Debug)]
pub(crate) struct Upkeep {
    storage: Arc<dyn Storage>,
    index: Arc<Index>,
    stop: AtomicBool,
    /// A file could not be written: it is tried again after the next segment.
    given_up: AtomicBool,
}

impl Upkeep {
    pub(crate) fn new(storage: &Arc<dyn Storage>, index: &Arc<Index>) -> Self {
        Self {
            storage: Arc::clone(storage),
            index: Arc::clone(index),
            stop: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
        }
    }

    /// Whether there is anything to do.
    pub(crate) fn is_due(&self) -> bool {
        let is_wanted = || self.index.has_damage() || due(&self.index.parts()).is_some();
        !self.given_up.load(Ordering::Relaxed) && is_wanted()
    }

    /// Ends a run before its time: what it was at is begun again by the next open.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// What could not be written may be tried again.
    pub(crate) fn try_again(&self) {
        self.given_up.store(false, Ordering::Relaxed);
    }

    /// Writes again what was made again, and nothing else.
    pub(crate) fn mend(&self) {
        while let Some(first) = self.index.take_damage() {
            if self.write_again(first).is_none() {
                self.index.count_failure();
            }
        }
    }

    /// Does what is due.
    pub(crate) fn run(&self) {
        // What is made again and bad again would be made again for ever.
        let mut made = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let parts = self.index.parts();
            let done = if let Some(first) = self.index.take_damage() {
                self.write_again(first)
            } else if let Some(run) = due(&parts) {
                self.merge(&parts[run], &mut made)
            } else {
                return;
            };
            if done.is_none() && !self.stop.load(Ordering::Relaxed) {
                self.index.count_failure();
                self.given_up.store(true, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Writes the sidecar of a segment again from its lines.
    fn write_again(&self, first: u64) -> Option<()> {
        let storage = self.storage.as_ref();
        let span = read_span(storage, first).ok()?;
        let bytes = sidecar_of(storage, &segment(&span), span.end, self.index.recipe()).ok()?;
        store(storage, &self.index, first, &Mapped::from(bytes));
        Some(())
    }

    /// Makes one file of several, and removes those of them that were merged before: the sidecars of single segments
    /// stay, for whoever finds the merged one bad.
    fn merge(&self, parts: &[Part], made: &mut Vec<BadPart>) -> Option<()> {
        let storage = self.storage.as_ref();
        let mut spans = Vec::new();
        let (mut level, mut superseded) = (0, Vec::new());
        for part in parts {
            let Part::File(sidecar) = part else { return None };
            let subject = sidecar.subject();
            level = subject.level;
            if level == 0 {
                spans.push(read_span(storage, subject.first).ok()?);
            } else {
                let Ok(about) = sidecar.about() else {
                    return self.make_again(BadPart::of(sidecar), made);
                };
                spans.extend(about.segments);
                superseded.push(FileName::Merged {
                    first: subject.first,
                    end: subject.end,
                });
            }
        }
        let (first, last) = (spans.first()?, spans.last()?);
        let subject = Subject {
            first: first.first,
            end: last.end,
            last_hash: last.last_hash,
            key: *self.index.key(),
            level: level + 1,
            declared: self.index.declared_in(&(first.first..last.end)),
        };
        let name = FileName::Merged {
            first: subject.first,
            end: subject.end,
        };
        let about = About {
            segments: spans,
            open: None,
        };
        let stop = || self.stop.load(Ordering::Relaxed);
        match write_merged(storage, &name, &subject, &about, parts, stop) {
            Ok(sidecar) => {
                tracing::debug!(%name, "merged index files");
                self.index.put(Part::File(sidecar));
                superseded
                    .iter()
                    .try_for_each(|name| storage.remove_derived(name))
                    .ok()
            }
            Err(MergeError::Bad(bad)) => self.make_again(bad, made),
            Err(MergeError::Io(_)) => None,
        }
    }

    /// A part that was to be merged is bad.
    fn make_again(&self, bad: BadPart, made: &mut Vec<BadPart>) -> Option<()> {
        if made.contains(&bad) {
            return None;
        }
        made.push(bad);
        let storage = self.storage.as_ref();
        let Part::File(sidecar) = self
            .index
            .parts()
            .iter()
            .find(|part| part.first() == bad.first)?
            .clone()
        else {
            return None;
        };
        // Of a merged one whose catalogue is bad too, the names of its segments are not known here.
        let spans: Vec<SealedSpan> = if bad.level == 0 {
            vec![read_span(storage, bad.first).ok()?]
        } else {
            sidecar.about().ok()?.segments
        };
        let segments: Vec<SegmentInfo> = spans.iter().map(segment).collect();
        remake(storage, &self.index, &Segments::from(segments), bad).ok()
    }
}

fn segment(span: &SealedSpan) -> SegmentInfo {
    SegmentInfo {
        first: span.first,
        bytes: span.bytes,
        sealed: true,
    }
}
