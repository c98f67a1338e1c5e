//! The body of the fuzz target over a whole ledger on the simulator; those over the parsers are in
//! `formats/src/fuzzing.rs`.

use crate::seeds::plan::Plan;
use crate::seeds::play;

/// Plays any bytes as operations, faults, crashes after so many calls of the disk, and openings; accepted when records
/// were acknowledged and a crash came.
///
/// # Panics
/// When a rule does not hold: something acknowledged is lost, something is there that nobody submitted, a correct
/// crash does not open, damage does.
pub fn ledger(input: &[u8]) -> bool {
    let plan = Plan::of_bytes(input);
    let tally = play(&plan).unwrap_or_else(|broken| panic!("{broken}\n{plan}"));
    tally.stored > 0 && tally.kills + tally.power_losses > 0
}
