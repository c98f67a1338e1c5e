//! What one seed does to a ledger: the machine it runs on and the operations in a row.

use std::time::Duration;

use ledgerstone_engine::storage::sim::Fault;

const DAY: u64 = 24 * 60 * 60;
/// Operations of one seed.
const STEPS: std::ops::Range<u64> = 8..28;
const STEPS_OF_BYTES_MAX: usize = 40;

/// A seed, spelt out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides what no step says.
    pub seed: u64,
    /// Whether heads are signed.
    pub signed: bool,
    /// A segment of so many bytes is ended.
    pub segment_bytes: u64,
    /// Producers are refused when less room is left.
    pub reserve_bytes: u64,
    /// Most filler that is laid behind a group.
    pub filler_bytes: u64,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens. Each holds all that it needs, so that those around it can be left out.
#[derive(Debug, Clone)]
pub enum Step {
    /// Batches are submitted, and committed as one group.
    Append(Vec<Vec<usize>>),
    /// Time passes, and the writer notices.
    Pass(Duration),
    /// The segment is ended by hand.
    Seal,
    /// The ledger is closed.
    Close,
    /// Another process wants to write too.
    SecondWriter,
    /// The process is killed; what is clean in the page cache may be lost before the next one reads.
    Kill {
        /// Whether it is.
        pages_lost: bool,
    },
    /// The power goes, now.
    PowerLoss {
        /// What survives of what was on its way.
        seed: u64,
    },
    /// The power will go before this operation from now on.
    PowerOff {
        /// Of which disk.
        place: Place,
        /// Which operation.
        after: u64,
    },
    /// An operation will go wrong.
    Fault {
        /// Of which disk.
        place: Place,
        /// Which operation from now on.
        after: u64,
        /// How.
        fault: Fault,
    },
    /// What is clean leaves the page cache before this operation from now on.
    PagesLost {
        /// Which operation.
        after: u64,
    },
    /// The disk has so many bytes left.
    Room(u64),
    /// Bytes of a file cannot be read.
    Unreadable {
        /// Chooses the file and the place.
        seed: u64,
    },
    /// The wall clock jumps by so many seconds.
    ClockJump(i64),
    /// The next opening has an operator's word for the clock.
    ClockWord,
    /// A copy of all files is damaged and opened.
    Damage {
        /// Chooses the file and the place.
        seed: u64,
        /// What is done to it.
        harm: Harm,
    },
    /// All that is wrong outside the ledger is mended; the process starts again.
    Mend,
}

/// One of the two disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The ledger's.
    Ledger,
    /// The key's.
    Keys,
}

/// What an operator or a bad disk does to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// One bit is another.
    Flip,
    /// The file is shorter.
    Cut,
    /// A sector reads as zeros.
    Zero,
    /// The file is gone.
    Remove,
}

impl Plan {
    /// What this seed does.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let plan = Self::without_steps(seed, &mut random);
        let count = STEPS.start + random.below(STEPS.end - STEPS.start);
        let mut steps: Vec<Step> = Vec::new();
        for _ in 0..count {
            // What was planned to go wrong is to strike a group, or the opening before it, more often than not.
            let armed = matches!(steps.last(), Some(Step::PowerOff { .. } | Step::Fault { .. }));
            steps.push(if armed && random.below(3) > 0 {
                append(&mut random)
            } else {
                step(&mut random)
            });
        }
        Self { steps, ..plan }
    }

    /// What these bytes do: each choice takes the next of them.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut random = Random(Source::Bytes(Vec::from(bytes).into_iter()));
        let plan = Self::without_steps(0, &mut random);
        let mut steps = Vec::new();
        while !random.is_spent() && steps.len() < STEPS_OF_BYTES_MAX {
            steps.push(step(&mut random));
        }
        Self { steps, ..plan }
    }

    fn without_steps(seed: u64, random: &mut Random) -> Self {
        let signed = random.below(4) == 0;
        let segment_bytes = random.one_of(&[700, 2_000, 6_000, 1 << 20]);
        // One choice of both: whoever chooses by bytes chooses with one.
        let (reserve_bytes, filler_bytes) = random.one_of(&[
            (0, 1 << 20),
            (4_096, 1 << 20),
            (0, 1 << 16),
            (4_096, 1 << 16),
            (0, 1 << 15),
            (4_096, 1 << 20),
            (0, 0),
            (4_096, 0),
        ]);
        Self {
            seed,
            signed,
            segment_bytes,
            reserve_bytes,
            filler_bytes,
            steps: Vec::new(),
        }
    }
}

fn step(random: &mut Random) -> Step {
    match random.below(100) {
        0..24 => append(random),
        24..38 => Step::Pass(Duration::from_millis(
            random.one_of(&[1, 300, 501, 1_000, 30_000, 61_000]),
        )),
        38..42 => Step::Seal,
        42..46 => Step::Close,
        46..47 => Step::SecondWriter,
        47..50 => Step::Kill {
            pages_lost: random.below(3) == 0,
        },
        50..54 => Step::PowerLoss {
            seed: random.number(),
        },
        54..67 => Step::PowerOff {
            place: place(random),
            after: soon(random),
        },
        67..80 => Step::Fault {
            place: place(random),
            after: soon(random),
            fault: fault(random),
        },
        80..83 => Step::PagesLost { after: soon(random) },
        83..86 => Step::Room(random.below(6_000)),
        86..88 => Step::Unreadable {
            seed: random.number(),
        },
        88..91 => {
            let ahead = random.one_of(&[1, 700, 3_500, 4_000, DAY, 40 * DAY, 399 * DAY, 500 * DAY]);
            let ahead = i64::try_from(ahead).expect("500 days are few seconds");
            Step::ClockJump(if random.below(2) == 0 { ahead } else { -ahead })
        }
        91..92 => Step::ClockWord,
        92..98 => Step::Damage {
            seed: random.number(),
            harm: random.one_of(&[
                Harm::Flip,
                Harm::Flip,
                Harm::Flip,
                Harm::Cut,
                Harm::Zero,
                Harm::Remove,
            ]),
        },
        _ => Step::Mend,
    }
}

fn append(random: &mut Random) -> Step {
    Step::Append((0..=random.below(3)).map(|_| batch(random)).collect())
}

/// Which operation from now on: often one of the first, which write and sync a group.
fn soon(random: &mut Random) -> u64 {
    let bound = random.one_of(&[3, 3, 6, 14]);
    random.below(bound)
}

fn place(random: &mut Random) -> Place {
    random.one_of(&[Place::Ledger, Place::Ledger, Place::Ledger, Place::Keys])
}

fn fault(random: &mut Random) -> Fault {
    match random.below(5) {
        0 => Fault::Fails,
        1 => Fault::Full,
        2 => Fault::LandsButFails,
        3 => Fault::Short(random.below(6)),
        _ => Fault::Short(random.below(3_000)),
    }
}

/// Bytes of each body: groups of one to five records, seldom of many.
fn batch(random: &mut Random) -> Vec<usize> {
    let records = match random.below(30) {
        0 => 30,
        _ => 1 + random.below(5),
    };
    (0..records)
        .map(|_| {
            let most = random.one_of(&[20_u64, 20, 400, 2_500]);
            usize::try_from(random.below(most)).expect("a few thousand")
        })
        .collect()
}

/// The splitmix64 generator, or bytes that somebody else has chosen.
#[derive(Debug, Clone)]
pub struct Random(Source);

#[derive(Debug, Clone)]
enum Source {
    Seed(u64),
    Bytes(std::vec::IntoIter<u8>),
}

impl Random {
    /// A generator whose numbers this seed decides.
    pub fn new(seed: u64) -> Self {
        Self(Source::Seed(seed))
    }

    /// Any number; of bytes, what eight of them say.
    pub fn number(&mut self) -> u64 {
        match &mut self.0 {
            Source::Seed(seed) => {
                *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = *seed;
                mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
                mixed ^ mixed >> 31
            }
            Source::Bytes(bytes) => take(bytes, 8),
        }
    }

    /// A number below `bound`, which is small against 2^64; 0 below 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let number = match &mut self.0 {
            Source::Seed(_) => self.number(),
            // No more than the choice needs, so that a byte more or less changes little.
            Source::Bytes(bytes) => take(bytes, if bound <= 1 << 8 { 1 } else { 2 }),
        };
        number % bound.max(1)
    }

    fn is_spent(&self) -> bool {
        matches!(&self.0, Source::Bytes(bytes) if bytes.len() == 0)
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        let nth = self.below(of.len() as u64);
        of[usize::try_from(nth).expect("below a length")]
    }
}

/// The next bytes as a number; zeros where there are no more.
fn take(bytes: &mut std::vec::IntoIter<u8>, count: usize) -> u64 {
    bytes
        .take(count)
        .fold(0, |number, byte| number << 8 | u64::from(byte))
}
