//! What has happened in how many runs: a rule that was never put to the test has not held.

use std::fmt;
use std::ops::AddAssign;

use ledgerstone_engine::Recovered;

/// Counts of what happened.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Seeds.
    pub seeds: u64,
    /// Steps.
    pub steps: u64,
    /// Records acknowledged.
    pub stored: u64,
    /// Records that were stored before, under their key.
    pub replayed: u64,
    /// Batches whose key, precondition or unique value was against it.
    pub conflicts: u64,
    /// Batches of which nothing was to be stored, for another reason.
    pub refused: u64,
    /// Batches whose fate only the next opening told.
    pub unknown: u64,
    /// Processes killed.
    pub kills: u64,
    /// Times that the power went.
    pub power_losses: u64,
    /// Openings for writing.
    pub openings: u64,
    /// Openings that something outside kept from writing.
    pub refused_openings: u64,
    /// Torn tails set aside.
    pub torn: u64,
    /// Openings that found whole groups past the head.
    pub adopted: u64,
    /// Copies that were damaged.
    pub damaged: u64,
    /// Of these, how many did not open for writing.
    pub damage_refused: u64,
    /// Verdicts of the verifier on the ledger itself.
    pub verdicts: u64,
}

impl Tally {
    pub(super) fn opened(&mut self, recovered: &Recovered) {
        self.openings += 1;
        self.torn += u64::from(recovered.torn.is_some());
        self.adopted += u64::from(recovered.adopted.is_some());
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.stored += other.stored;
        self.replayed += other.replayed;
        self.conflicts += other.conflicts;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.kills += other.kills;
        self.power_losses += other.power_losses;
        self.openings += other.openings;
        self.refused_openings += other.refused_openings;
        self.torn += other.torn;
        self.adopted += other.adopted;
        self.damaged += other.damaged;
        self.damage_refused += other.damage_refused;
        self.verdicts += other.verdicts;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} seeds, {} steps: {} records acknowledged, {} replayed, {} batches in conflict, {} refused, {} of \
             unknown fate; {} kills, {} power losses; {} openings for writing, {} of them with a torn tail, {} with \
             groups past the head, {} refused first; {} copies damaged, {} of them refused; {} verdicts",
            self.seeds,
            self.steps,
            self.stored,
            self.replayed,
            self.conflicts,
            self.refused,
            self.unknown,
            self.kills,
            self.power_losses,
            self.openings,
            self.torn,
            self.adopted,
            self.refused_openings,
            self.damaged,
            self.damage_refused,
            self.verdicts,
        )
    }
}
