//! SIGINT and SIGTERM as a request to stop after what is in flight. A second one ends the process at once.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// A signal that asks to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// Whether someone asked to stop. Clones share the answer.
#[derive(Clone)]
pub(crate) struct Stop(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    signal: Option<Signal>,
    watchers: Vec<Box<dyn FnOnce() + Send>>,
}

impl Stop {
    /// Takes both signals over from their default action.
    pub(crate) fn install() -> io::Result<Self> {
        let stop = Self(Arc::new(Inner {
            state: Mutex::default(),
            changed: Condvar::new(),
        }));
        let (mut reader, writer) = UnixStream::pair()?;
        let first = Arc::new(AtomicUsize::new(0));
        for (signal, number, status) in [(SIGINT, 1, 130), (SIGTERM, 2, 143)] {
            let again = Arc::new(AtomicBool::new(false));
            // Armed only after it was asked: the first signal passes it, the second one ends the process.
            flag::register_conditional_shutdown(signal, status, Arc::clone(&again))?;
            flag::register(signal, again)?;
            flag::register_usize(signal, Arc::clone(&first), number)?;
            low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        let shared = stop.clone();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                let mut byte = [0];
                while matches!(reader.read(&mut byte), Ok(1..)) {
                    let terminate = first.load(Ordering::SeqCst) == 2;
                    shared.request(if terminate {
                        Signal::Terminate
                    } else {
                        Signal::Interrupt
                    });
                }
            })?;
        Ok(stop)
    }

    /// The signal that came, if any.
    pub(crate) fn requested(&self) -> Option<Signal> {
        self.state().signal
    }

    /// Waits until a signal comes, at most `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> Option<Signal> {
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.state(), timeout, |state| state.signal.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.signal
    }

    /// Runs `watcher` when a signal comes, on another thread; at once where one has come.
    pub(crate) fn on_request(&self, watcher: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        if state.signal.is_none() {
            state.watchers.push(Box::new(watcher));
        } else {
            drop(state);
            watcher();
        }
    }

    fn request(&self, signal: Signal) {
        let mut state = self.state();
        state.signal.get_or_insert(signal);
        let watchers = std::mem::take(&mut state.watchers);
        drop(state);
        self.0.changed.notify_all();
        watchers.into_iter().for_each(|watcher| watcher());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
