//! P7: what an append and a lookup cost in a ledger that has grown, and what it holds in memory.

use ledgerstone_engine::{Batch, Ledger, NewEntry, Options};
use ledgerstone_formats::ids::{Correlation, EntityId, IdempotencyKey, Kind, Tenant};

use crate::entries::{Entries, Entry, KIND};
use crate::error::Error;
use crate::neighbours::own_cpu_seconds;
use crate::ours;
use crate::p5::by_correlation;
use crate::rounds::Setting;
use crate::stats::median;
use crate::table::{Bar, Row, Unit};

/// Entries of a batch.
const BATCH: u64 = 1_000;
/// Records over which the cost of an append is measured.
const SPAN: u64 = 50_000;
/// Size at which the cost is measured first.
const SMALL: u64 = 100_000;
/// Lookups at each size.
const LOOKUPS: u64 = 20_000;
/// Bytes of a segment of the ledger of a thousand: they hold about a thousand records each.
const SMALL_SEGMENT_BYTES: u64 = 1_200_000;

/// What was measured at a size.
struct Cost {
    /// Processor time of an append over all threads, in microseconds.
    append: f64,
    /// Median of lookups by correlation id, in microseconds.
    lookup: f64,
    /// Memory that is no file's, in MiB.
    memory: f64,
}

/// Measures one ledger at 100,000 records and at its full size, then another with a thousand segments.
///
/// # Errors
/// The ledger's.
pub fn run(setting: &Setting) -> Result<Vec<Row>, Error> {
    let full = setting.count(setting.records.unwrap_or(1_000_000), 200_000);
    let mut rows = growth(setting, full, Options::default(), "")?;
    let many = setting.count(1_000_000, 200_000);
    let options = Options {
        segment_bytes: SMALL_SEGMENT_BYTES,
        ..Options::default()
    };
    rows.extend(growth(setting, many, options, ", segments of 1.2 MB")?);
    Ok(rows)
}

fn growth(setting: &Setting, full: u64, options: Options, what: &str) -> Result<Vec<Row>, Error> {
    let dir = tempfile::tempdir_in(&setting.dir)?;
    let ledger = ours::create_with(dir.path(), options)?;
    let mut grown = Growing {
        seed: setting.seed,
        ledger: &ledger,
        size: 0,
    };
    grown.append(SMALL - SPAN)?;
    let small = grown.measure(setting.rounds)?;
    grown.append(full - SPAN - grown.size)?;
    let large = grown.measure(setting.rounds)?;
    let segments = ledger.stats().segments;
    ledger.close()?;
    let row = |figure: &str, value: fn(&Cost) -> f64, unit, bar| Row {
        figure: format!("P7 {figure} at {full} records in {segments} segments{what}"),
        ours: vec![value(&large)],
        against: format!("at {SMALL}"),
        other: vec![value(&small)],
        unit,
        bar,
    };
    Ok(vec![
        row(
            "append, processor time",
            |cost| cost.append,
            Unit::Micros,
            Bar::AtMost(1.25),
        ),
        row("lookup, p50", |cost| cost.lookup, Unit::Micros, Bar::AtMost(1.25)),
        row("memory", |cost| cost.memory, Unit::Mebibytes, Bar::None),
    ])
}

struct Growing<'a> {
    seed: u64,
    ledger: &'a Ledger,
    size: u64,
}

impl Growing<'_> {
    /// Appends entries with a key each, of which the writer has to know that none was used before.
    fn append(&mut self, count: u64) -> Result<(), Error> {
        let (kind, mut drafter) = (Kind::new(KIND)?, self.ledger.drafter());
        let end = self.size + count;
        let mut before = None;
        while self.size < end {
            let upto = end.min(self.size + BATCH);
            let mut batch = Batch::new();
            for (n, entry) in (self.size..upto).zip(Entries::new(self.seed, self.size..upto)) {
                let mut members = NewEntry::new(kind.clone());
                members.tenant = Some(Tenant::new(&entry.tenant)?);
                members.id = Some(EntityId::new(&entry.id)?);
                members.corr = Some(Correlation::new(&entry.corr)?);
                members.key = Some(IdempotencyKey::new(&format!("load:{n}"))?);
                batch.push(drafter.draft(members, &entry.body)?)?;
            }
            let ticket = self.ledger.submit(batch)?;
            if let Some(before) = before.replace(ticket) {
                ledgerstone_engine::Ticket::wait(before)?;
            }
            self.size = upto;
        }
        before.map(ledgerstone_engine::Ticket::wait).transpose()?;
        Ok(())
    }

    fn measure(&mut self, rounds: usize) -> Result<Cost, Error> {
        let before = own_cpu_seconds()?;
        self.append(SPAN)?;
        let append = (own_cpu_seconds()? - before) / SPAN as f64 * 1e6;
        let wanted: Vec<Entry> = (0..LOOKUPS)
            .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.size)
            .flat_map(|index| Entries::new(self.seed, index..index + 1))
            .collect();
        let mut lookups = Vec::new();
        for _ in 0..=rounds {
            let run = by_correlation(&self.ledger.snapshot(), &wanted)?;
            lookups.push(run.p50.as_secs_f64() * 1e6);
        }
        Ok(Cost {
            append,
            // The first round warms what is kept in memory.
            lookup: median(lookups.into_iter().skip(1)),
            memory: crate::neighbours::own_memory_mebibytes()?,
        })
    }
}
