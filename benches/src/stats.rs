//! Rates, percentiles, and medians over rounds.

use std::time::Duration;

/// What a run of single operations came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// Operations a second, over the whole run.
    pub rate: f64,
    /// Half of the operations took at most this long.
    pub p50: Duration,
    /// 99 of 100 operations took at most this long.
    pub p99: Duration,
}

impl Run {
    /// From the time of each operation and of the whole.
    ///
    /// # Panics
    /// If there were no operations.
    pub fn new(mut each: Vec<Duration>, whole: Duration) -> Self {
        each.sort_unstable();
        Self {
            rate: each.len() as f64 / whole.as_secs_f64(),
            p50: percentile(&each, 50),
            p99: percentile(&each, 99),
        }
    }
}

/// Operations a second.
pub fn rate(count: u64, whole: Duration) -> f64 {
    count as f64 / whole.as_secs_f64()
}

/// The smallest of the sorted values that at least `percent` of a hundred do not exceed (nearest rank).
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted[rank.max(1) - 1]
}

/// The value in the middle; of an even number, the mean of the two there.
///
/// # Panics
/// If there are no values.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let each: Vec<Duration> = (1..=200).rev().map(Duration::from_micros).collect();
        let run = Run::new(each, Duration::from_secs(2));
        assert_eq!(
            (run.p50, run.p99),
            (Duration::from_micros(100), Duration::from_micros(198))
        );
        assert_eq!(run.rate, 100.0);
        let one = Run::new(vec![Duration::from_micros(3)], Duration::from_micros(3));
        assert_eq!(
            (one.p50, one.p99),
            (Duration::from_micros(3), Duration::from_micros(3))
        );
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
