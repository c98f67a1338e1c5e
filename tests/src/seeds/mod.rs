//! Long runs on the simulator: each seed is a ledger to which random things happen, and after each of them the same
//! few rules hold. A seed that breaks one is told with the shortest run that still does.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

mod clock;
mod damage;
mod entries;
mod files;
pub mod model;
pub mod plan;
mod tally;
mod troubles;
mod world;

pub use tally::Tally;

use plan::Plan;
use world::World;

/// A seed that breaks a rule.
#[derive(Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What it says.
    pub broken: String,
    /// All that it does.
    pub plan: Plan,
    /// The fewest steps that still break a rule, and which.
    pub shrunk: (Plan, String),
}

/// Plays what a seed says.
///
/// # Errors
/// The rule that does not hold, with the shortest run that breaks one.
pub fn run(seed: u64) -> Result<Tally, Box<Failure>> {
    let plan = Plan::of(seed);
    play(&plan).map_err(|broken| {
        let shrunk = shrink(plan.clone(), broken.clone(), |shorter| play(shorter).err());
        Box::new(Failure {
            seed,
            broken,
            plan,
            shrunk,
        })
    })
}

/// Plays a plan.
///
/// # Errors
/// The rule that does not hold, or what the engine said as it panicked.
pub fn play(plan: &Plan) -> Result<Tally, String> {
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(plan);
        for (nth, step) in plan.steps.iter().enumerate() {
            world
                .play(step)
                .map_err(|broken| format!("step {nth}, {step:?}: {broken}"))?;
        }
        world.end().map_err(|broken| format!("at the end: {broken}"))?;
        Ok(Tally {
            seeds: 1,
            steps: plan.steps.len() as u64,
            ..world.tally
        })
    }));
    played.unwrap_or_else(|panic| Err(format!("panicked: {}", message(panic.as_ref()))))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a word")
}

/// Leaves steps out while a rule is still broken: first many at once, at last each.
fn shrink(mut plan: Plan, mut broken: String, breaks: impl Fn(&Plan) -> Option<String>) -> (Plan, String) {
    let mut width = plan.steps.len().div_ceil(2);
    while width > 0 {
        let (mut from, mut shorter) = (0, false);
        while from < plan.steps.len() {
            let to = (from + width).min(plan.steps.len());
            let mut without = plan.clone();
            without.steps.drain(from..to);
            match breaks(&without) {
                None => from = to,
                Some(still) => (plan, broken, shorter) = (without, still, true),
            }
        }
        if !shorter {
            width /= 2;
        }
    }
    (plan, broken)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plan, broken) = &self.shrunk;
        writeln!(f, "seed {}: {}\n{}", self.seed, self.broken, self.plan)?;
        write!(f, "the shortest that still fails: {broken}\n{plan}")
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "  signed {}, segments of {} bytes, {} bytes in reserve, at most {} bytes of filler",
            self.signed, self.segment_bytes, self.reserve_bytes, self.filler_bytes
        )?;
        let mut steps = self.steps.iter().enumerate();
        steps.try_for_each(|(nth, step)| write!(f, "\n  {nth}: {step:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::plan::Step;
    use super::*;

    #[test]
    fn a_run_is_shrunk_to_the_steps_that_matter() {
        let mut plan = Plan::of(1);
        plan.steps = (0..50).map(|_| Step::Mend).collect();
        plan.steps[7] = Step::Seal;
        plan.steps[31] = Step::Close;
        let breaks = |plan: &Plan| {
            let seal = plan.steps.iter().position(|step| matches!(step, Step::Seal))?;
            let close = plan.steps.iter().position(|step| matches!(step, Step::Close))?;
            (seal < close).then(|| format!("{seal} before {close}"))
        };
        let (shortest, broken) = shrink(plan, "7 before 31".to_owned(), breaks);
        assert!(
            matches!(shortest.steps.as_slice(), [Step::Seal, Step::Close]),
            "{shortest}"
        );
        assert_eq!(broken, "0 before 1");
    }
}
