//! A clock that stands still until a test moves it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledgerstone_engine::clock::Clock;
use ledgerstone_formats::time::Timestamp;

/// Wall clock and monotonic clock in a test's hands; clones of the `Arc` are the same clock.
#[derive(Debug)]
pub struct HandClock {
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    wall_micros: i64,
    monotonic: Duration,
}

impl HandClock {
    /// A clock that shows this time, in the canonical form.
    ///
    /// # Panics
    /// When the text is no timestamp.
    pub fn at(text: &str) -> Arc<Self> {
        let at: Timestamp = text.parse().unwrap_or_else(|_| panic!("no timestamp: {text}"));
        Arc::new(Self {
            state: Mutex::new(State {
                wall_micros: at.as_micros(),
                monotonic: Duration::from_secs(100),
            }),
        })
    }

    /// Lets time pass, on both clocks.
    pub fn pass(&self, span: Duration) {
        let mut state = self.state();
        state.monotonic += span;
        state.wall_micros += micros(span);
    }

    /// Turns the wall clock ahead, as an operator or a time server does; no time passes.
    pub fn turn_ahead(&self, span: Duration) {
        self.state().wall_micros += micros(span);
    }

    /// Turns the wall clock back; no time passes.
    pub fn turn_back(&self, span: Duration) {
        self.state().wall_micros -= micros(span);
    }

    /// Turns the wall clock to this time.
    pub fn turn_to(&self, wall_micros: i64) {
        self.state().wall_micros = wall_micros;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for HandClock {
    fn wall_micros(&self) -> i64 {
        self.state().wall_micros
    }

    fn monotonic(&self) -> Duration {
        self.state().monotonic
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).expect("tests pass spans of years at most")
}
