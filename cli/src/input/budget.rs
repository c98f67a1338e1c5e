//! How much input may be in memory at once, between reading it and having its receipt.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A number of bytes that many blocks share. Clones share the same bytes.
#[derive(Clone)]
pub(crate) struct Budget(Arc<Inner>);

struct Inner {
    used: Mutex<usize>,
    freed: Condvar,
    bytes_max: usize,
}

impl Budget {
    /// So many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Inner {
            used: Mutex::new(0),
            freed: Condvar::new(),
            bytes_max,
        }))
    }

    /// Waits until the bytes are free. More than there are in all are had when nobody else has any.
    pub(crate) fn take(&self, bytes: usize) -> Permit {
        let used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |used: &mut usize| *used > 0 && used.saturating_add(bytes) > self.0.bytes_max;
        let mut used = self
            .0
            .freed
            .wait_while(used, full)
            .unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_add(bytes);
        Permit {
            budget: self.clone(),
            bytes,
        }
    }
}

/// Bytes of a budget, given back when dropped.
pub(crate) struct Permit {
    budget: Budget,
    bytes: usize,
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.bytes)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut used = self.budget.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used -= self.bytes;
        drop(used);
        self.budget.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_taker_waits_for_room_and_a_large_one_for_all_of_it() {
        let budget = Budget::new(10);
        let (first, second) = (budget.take(6), budget.take(4));
        let (sender, receiver) = mpsc::channel();
        let shared = budget.clone();
        let taker = std::thread::spawn(move || {
            let _large = shared.take(1_000);
            sender.send(()).unwrap();
        });
        drop(first);
        assert!(receiver.recv_timeout(Duration::from_millis(20)).is_err());
        drop(second);
        receiver.recv_timeout(Duration::from_secs(10)).unwrap();
        taker.join().unwrap();
    }
}
