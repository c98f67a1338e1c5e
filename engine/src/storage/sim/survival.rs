//! Which of the changes on their way to the medium are there after the power went.

/// What survives of everything that no sync had made durable.
///
/// A *change* is one sector written, one length of a file, one permission, one entry of a directory. Each of them may
/// be on the medium or not, whatever the others are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Every change got there: the kindest crash, and not the same as none, for what a failed sync lost stays lost.
    KeepAll,
    /// No change got there.
    LoseAll,
    /// Each change is drawn from this seed, and an earlier state of a sector or length can be what got there.
    Seeded(u64),
    /// The change of number n got there if bit n is set (past 63: if bit 63 is).
    /// [`Sim::unsynced`](super::Sim::unsynced) counts them, so that all combinations can be tried.
    Mask(u64),
}

/// The draws of one crash, in the order of the changes.
#[derive(Debug)]
pub(super) struct Choices {
    survival: Survival,
    drawn: u32,
    random: SplitMix,
    /// Of 8 changes, how many get there: in some crashes all, in some none.
    kept_of_8: u64,
}

impl Choices {
    pub(super) fn new(survival: Survival) -> Self {
        let mut random = SplitMix(match survival {
            Survival::Seeded(seed) => seed,
            _ => 0,
        });
        let kept_of_8 = random.below(9);
        Self {
            survival,
            drawn: 0,
            random,
            kept_of_8,
        }
    }

    /// Which of `states` is on the medium: 0 is what was durable before, the last is the newest.
    pub(super) fn pick(&mut self, states: usize) -> usize {
        let (nth, newest) = (self.drawn, states - 1);
        self.drawn += 1;
        match self.survival {
            Survival::KeepAll => newest,
            Survival::LoseAll => 0,
            Survival::Mask(mask) if mask >> nth.min(63) & 1 == 1 => newest,
            Survival::Mask(_) => 0,
            Survival::Seeded(_) if self.random.below(8) < self.kept_of_8 => newest,
            // `below` of a usize is a usize.
            Survival::Seeded(_) => usize::try_from(self.random.below(newest as u64)).unwrap_or(0),
        }
    }

    pub(super) fn drawn(&self) -> u32 {
        self.drawn
    }
}

/// The splitmix64 generator.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    /// Below `bound`, which is small against 2^64, so that the bias does not matter.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }
}
