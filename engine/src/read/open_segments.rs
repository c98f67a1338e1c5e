//! Segment files that are kept open between lookups.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use ledgerstone_formats::names::FileName;

use crate::storage::{ReadAt, Storage};

/// Opens segments to read, and keeps those open that were used last. Segments are never replaced while a process has
/// them open.
#[derive(Debug)]
pub(crate) struct OpenSegments {
    storage: Arc<dyn Storage>,
    /// Files kept open at most.
    files_max: usize,
    /// Last used at the back.
    open: Mutex<VecDeque<(u64, Arc<dyn ReadAt>)>>,
}

impl OpenSegments {
    pub(crate) fn new(storage: Arc<dyn Storage>, files_max: usize) -> Self {
        Self {
            storage,
            files_max,
            open: Mutex::default(),
        }
    }

    /// The file of the segment that begins at `first`.
    pub(crate) fn get(&self, first: u64) -> io::Result<Arc<dyn ReadAt>> {
        // No code that can panic leaves the list half changed.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let place = open.iter().rposition(|(own, _)| *own == first);
        let file = match place.and_then(|place| open.remove(place)) {
            Some((_, file)) => file,
            None => Arc::from(self.storage.open(&FileName::Segment(first))?),
        };
        if open.len() >= self.files_max {
            open.pop_front();
        }
        open.push_back((first, Arc::clone(&file)));
        Ok(file)
    }
}
