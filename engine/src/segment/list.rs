//! The segments of a ledger, shared by all who ask for them.

use std::sync::Arc;

use crate::commit::shared::SegmentInfo;

/// Segments in order. Cheap to copy, however many they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segments {
    ended: Arc<Vec<SegmentInfo>>,
    /// So many of them are sealed, whatever they say.
    sealed: usize,
    active: Option<SegmentInfo>,
}

impl Segments {
    pub(crate) fn new(ended: Arc<Vec<SegmentInfo>>, sealed: usize, active: Option<SegmentInfo>) -> Self {
        Self {
            ended,
            sealed,
            active,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ended.len() + usize::from(self.active.is_some())
    }

    pub(crate) fn get(&self, index: usize) -> Option<SegmentInfo> {
        match self.ended.get(index) {
            Some(info) => Some(SegmentInfo {
                sealed: info.sealed || index < self.sealed,
                ..*info
            }),
            None if index == self.ended.len() => self.active,
            None => None,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = SegmentInfo> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Index of the segment that holds a record, if any does; of the last one for records past the end.
    pub(crate) fn place_of(&self, seq: u64) -> Option<usize> {
        let past = match self.active {
            Some(active) if active.first <= seq => self.len(),
            _ => self.ended.partition_point(|info| info.first <= seq),
        };
        past.checked_sub(1)
    }

    /// The segment that holds a record.
    pub(crate) fn holding(&self, seq: u64) -> Option<SegmentInfo> {
        self.get(self.place_of(seq)?)
    }
}

impl From<Vec<SegmentInfo>> for Segments {
    fn from(segments: Vec<SegmentInfo>) -> Self {
        Self::new(Arc::new(segments), 0, None)
    }
}
