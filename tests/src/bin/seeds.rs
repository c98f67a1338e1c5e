//! Plays seeds on the simulator, on as many threads as are asked for.
//!
//! `cargo run --release -p ledgerstone-tests --bin seeds -- --from 0 --count 1000000 --jobs 2`
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that says what it found"
)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ledgerstone_tests::seeds::{Tally, run};

const USAGE: &str = "seeds [--from SEED] [--count SEEDS] [--jobs THREADS]";
/// Seeds after which it says how far it is.
const TOLD_EVERY: u64 = 10_000;
/// Failures after which it stops.
const FAILURES_MAX: u64 = 10;

struct Asked {
    from: u64,
    count: u64,
    jobs: usize,
}

fn main() -> ExitCode {
    let Some(asked) = asked(std::env::args().skip(1)) else {
        eprintln!("usage: {USAGE}");
        return ExitCode::from(2);
    };
    // A panic of the engine is a finding like any other: it is told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let (next, failures, tally) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..asked.jobs {
            scope.spawn(|| {
                let mut own = Tally::default();
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= asked.count || failures.load(Ordering::Relaxed) >= FAILURES_MAX {
                        break;
                    }
                    match run(asked.from + nth) {
                        Ok(of_seed) => own += of_seed,
                        Err(failure) => {
                            failures.fetch_add(1, Ordering::Relaxed);
                            println!("{failure}\n");
                        }
                    }
                    if nth > 0 && nth % TOLD_EVERY == 0 {
                        println!("{nth} seeds begun");
                    }
                }
                *tally.lock().unwrap_or_else(PoisonError::into_inner) += own;
            });
        }
    });
    let failures = failures.into_inner();
    println!(
        "from {}: {}",
        asked.from,
        tally.into_inner().unwrap_or_else(PoisonError::into_inner)
    );
    println!("{failures} failed");
    if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn asked(mut arguments: impl Iterator<Item = String>) -> Option<Asked> {
    let mut asked = Asked {
        from: 0,
        count: 10_000,
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
    };
    while let Some(name) = arguments.next() {
        let value: u64 = arguments.next()?.parse().ok()?;
        match name.as_str() {
            "--from" => asked.from = value,
            "--count" => asked.count = value,
            "--jobs" => asked.jobs = usize::try_from(value).ok()?.max(1),
            _ => return None,
        }
    }
    Some(asked)
}
