//! What the peer and the limits reach on the machine of the project's bars (2 shared cores, a virtual disk), so that a
//! peer which is in trouble here is not taken for one that was beaten.

use crate::table::{Bar, Row, Unit};

/// SQLite, entries a second with one writer.
pub const SQLITE_ONE_WRITER: f64 = 2_816.0;
/// SQLite, entries a second with 64 writers and group commit.
pub const SQLITE_WRITERS_64: f64 = 7_200.0;
/// The null engine, lines a second with 64 writers.
pub const NULL_WRITERS_64: f64 = 96_650.0;
/// SQLite, entries a second in transactions of 10,000.
pub const SQLITE_BATCHES: f64 = 42_000.0;
/// Appends of one line a second, each synced.
pub const APPENDS: f64 = 6_000.0;
/// Bytes a second, written and synced in large groups.
pub const GROUP_BYTES: f64 = 700e6;
/// SHA-256 of bodies a second, on one core.
pub const HASHES: f64 = 1_900_000.0;

/// A run in which the peer reaches less than this part of what it should says nothing.
const PART_MIN: f64 = 2.0 / 3.0;

/// A limit here and there; `here` has a value a round.
#[derive(Debug, Clone, Copy)]
pub struct Limit<'a> {
    /// Measured in this run.
    pub here: &'a [f64],
    /// The constant above.
    pub there: f64,
}

/// A row that shows a limit next to what it is there.
pub fn limit_row(figure: &str, limit: Limit<'_>) -> Row {
    row(
        figure,
        limit.here.to_vec(),
        "reference machine",
        vec![limit.there; limit.here.len()],
        Bar::None,
    )
}

/// A row that judges the peer: it should reach what it reaches there, slowed as much as this disk is slower.
pub fn peer_row(figure: &str, peer: Vec<f64>, there: f64, disk: Limit<'_>) -> Row {
    let expected = disk
        .here
        .iter()
        .map(|here| there * (here / disk.there).min(1.0))
        .collect();
    row(
        figure,
        peer,
        "reference, at this disk's speed",
        expected,
        Bar::Sane(PART_MIN),
    )
}

fn row(figure: &str, here: Vec<f64>, against: &str, other: Vec<f64>, bar: Bar) -> Row {
    Row {
        figure: figure.to_owned(),
        ours: here,
        against: against.to_owned(),
        other,
        unit: Unit::PerSecond,
        bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slower_disk_excuses_the_peer_and_a_faster_one_asks_no_more_of_it() {
        let here = [3_000.0, 12_000.0];
        let row = peer_row(
            "peer",
            vec![1_500.0, 1_500.0],
            2_000.0,
            Limit {
                here: &here,
                there: 6_000.0,
            },
        );
        assert_eq!(row.other, [1_000.0, 2_000.0]);
        assert_eq!(row.bar.is_met(row.ratio()), Some(true));
    }
}
