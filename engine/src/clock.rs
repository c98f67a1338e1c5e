//! The one place where time comes from, and the rules by which it is believed.

use std::fmt;
use std::time::Duration;

use ledgerstone_formats::time::Timestamp;

/// A clock earlier than this is wrong: the program did not exist.
pub const EARLIEST_MICROS: i64 = 1_793_491_200_000_000; // 2026-11-01T00:00:00Z

/// A step larger than this against the monotonic clock is not believed at once.
const STEP_MAX: Duration = Duration::from_secs(10 * 60);
/// For so long a step has to last before it is believed.
const STEP_LASTS: Duration = Duration::from_secs(60);
/// A larger step needs an operator's word.
const JUMP_MAX: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// A clock further behind the last record needs an operator's word.
const BEHIND_MAX: Duration = Duration::from_secs(60 * 60);

/// Where time comes from.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Wall time in microseconds since 1970, whatever it says.
    fn wall_micros(&self) -> i64;
    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The operating system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// Starts counting now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where monotonic time comes from"
    )]
    pub fn new() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where wall time comes from")]
    fn wall_micros(&self) -> i64 {
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => micros(since),
            Err(before) => -micros(before.duration()),
        }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Why the clock is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDoubt {
    /// What it says, as near as a timestamp can.
    pub clock: Timestamp,
    /// Time of the last record.
    pub last: Timestamp,
}

impl fmt::Display for ClockDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the clock says {}, the last record is of {}: too far apart to go on without an operator's word \
             (recover --apply --accept-clock REASON)",
            self.clock, self.last
        )
    }
}

impl std::error::Error for ClockDoubt {}

/// The clock as the ledger believes it.
#[derive(Debug)]
pub(crate) struct BelievedClock {
    /// A wall time that was believed, and the monotonic time at which it was read.
    wall: i64,
    monotonic: Duration,
    /// Since when the wall clock has stood apart, in monotonic time.
    apart_since: Option<Duration>,
}

impl BelievedClock {
    /// Believes the clock as it stands, unless it does not fit the last record.
    pub(crate) fn start(clock: &dyn Clock, last: Option<Timestamp>) -> Result<Self, ClockDoubt> {
        let wall = clock.wall_micros();
        if let Some(last) = last {
            fits(wall, last, JUMP_MAX)?;
        }
        Ok(Self {
            wall,
            monotonic: clock.monotonic(),
            apart_since: None,
        })
    }

    /// The clock taken at an operator's word.
    pub(crate) fn trusted(clock: &dyn Clock) -> Self {
        Self {
            wall: clock.wall_micros(),
            monotonic: clock.monotonic(),
            apart_since: None,
        }
    }

    /// Time for the next group: later than `last`, and by the monotonic clock while the wall clock stands apart.
    pub(crate) fn next(
        &mut self,
        clock: &dyn Clock,
        last: Option<Timestamp>,
    ) -> Result<Timestamp, ClockDoubt> {
        let (wall, now) = (clock.wall_micros(), clock.monotonic());
        let expected = self
            .wall
            .saturating_add(micros(now.saturating_sub(self.monotonic)));
        let believed = if i64::try_from(wall.abs_diff(expected)).unwrap_or(i64::MAX) <= micros(STEP_MAX) {
            self.apart_since = None;
            wall
        } else {
            let since = *self.apart_since.get_or_insert(now);
            if now.saturating_sub(since) < STEP_LASTS {
                expected
            } else {
                // It has lasted: a step, not a hiccup. A small one is taken, a large one needs a word.
                fits(wall, clamp(expected), JUMP_MAX)?;
                self.apart_since = None;
                wall
            }
        };
        if self.apart_since.is_none() {
            (self.wall, self.monotonic) = (believed, now);
        }
        let Some(last) = last else {
            return Ok(clamp(believed));
        };
        fits(believed, last, JUMP_MAX)?;
        Ok(clamp(believed).max(last.successor()))
    }
}

/// Refuses a clock more than an hour behind `last`, or more than `ahead_max` ahead of it.
fn fits(wall: i64, last: Timestamp, ahead_max: Duration) -> Result<(), ClockDoubt> {
    let ahead = i128::from(wall) - i128::from(last.as_micros());
    if ahead > ahead_max.as_micros() as i128 || -ahead > BEHIND_MAX.as_micros() as i128 {
        return Err(ClockDoubt {
            clock: clamp(wall),
            last,
        });
    }
    Ok(())
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

fn clamp(wall: i64) -> Timestamp {
    let inside = wall.clamp(Timestamp::MIN.as_micros(), Timestamp::MAX.as_micros());
    Timestamp::from_micros(inside).expect("clamped into its range")
}
