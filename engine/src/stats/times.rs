//! How long something took: counted in buckets of which each is an eighth wider than the one before at the most.

use std::time::Duration;

use crate::stats::Times;

/// Buckets of each doubling.
const STEPS: u64 = 8;
/// 32 doublings of a microsecond: the last bucket begins beyond an hour.
const BUCKETS: usize = 8 * 32;

/// Counts durations.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    count: u64,
    sum: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
            count: 0,
            sum: Duration::ZERO,
        }
    }
}

impl Histogram {
    pub(crate) fn add(&mut self, time: Duration) {
        self.counts[bucket(time)] += 1;
        self.count += 1;
        self.sum += time;
    }

    pub(crate) fn times(&self) -> Times {
        Times {
            count: self.count,
            sum: self.sum,
            p50: self.percentile(50),
            p95: self.percentile(95),
            p99: self.percentile(99),
        }
    }

    /// The end of the bucket in which the duration stands that so many of a hundred do not exceed.
    fn percentile(&self, percent: u64) -> Duration {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (bucket, count) in (0..).zip(self.counts.iter()) {
            seen += count;
            if seen >= rank && seen > 0 {
                return Duration::from_micros(end_of(bucket));
            }
        }
        Duration::ZERO
    }
}

fn bucket(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let index = if micros < STEPS {
        micros
    } else {
        let doubling = u64::from(micros.ilog2());
        let step = (micros >> (doubling - 3)) & (STEPS - 1);
        (doubling - 2) * STEPS + step
    };
    usize::try_from(index).map_or(BUCKETS - 1, |index| index.min(BUCKETS - 1))
}

/// The first microsecond past a bucket.
fn end_of(bucket: u64) -> u64 {
    if bucket < STEPS {
        return bucket + 1;
    }
    let (doubling, step) = (bucket / STEPS + 2, bucket % STEPS);
    (STEPS + step + 1) << (doubling - 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_counted_within_an_eighth_above_it() {
        for micros in (0..5_000).chain([1 << 20, (1 << 20) + 12_345, 3_600_000_000]) {
            let mut histogram = Histogram::default();
            histogram.add(Duration::from_micros(micros));
            let found = u64::try_from(histogram.times().p50.as_micros()).unwrap();
            assert!(found > micros, "{micros}: {found}");
            assert!(found <= micros + micros / 8 + 1, "{micros}: {found}");
        }
        let mut histogram = Histogram::default();
        histogram.add(Duration::MAX);
        assert_eq!(histogram.times().count, 1);
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut histogram = Histogram::default();
        for micros in 1..=100 {
            histogram.add(Duration::from_micros(micros));
        }
        let times = histogram.times();
        assert_eq!((times.count, times.sum), (100, Duration::from_micros(5_050)));
        for (found, expected) in [(times.p50, 50), (times.p95, 95), (times.p99, 99)] {
            let found = u64::try_from(found.as_micros()).unwrap();
            assert!(
                (expected..=expected + expected / 8 + 1).contains(&found),
                "{found} {expected}"
            );
        }
        assert_eq!(Histogram::default().times(), Times::default());
    }
}
