//! The table of figures: ours, the peer's or the limit's, their ratio, and the bar.

use std::fmt::Write as _;

use crate::stats::median;

/// What a figure is counted in, and so how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Entries a second.
    PerSecond,
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
    /// MiB.
    Mebibytes,
}

/// Which side of the bar is good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// Ours is at least this many times the other.
    AtLeast(f64),
    /// Ours is at most this many times the other.
    AtMost(f64),
    /// Shown for comparison only.
    None,
    /// Below this many times the other, the machine was in trouble: the run says nothing.
    Sane(f64),
}

impl Bar {
    /// Whether a ratio passes; `None` where there is no bar.
    pub fn is_met(self, ratio: f64) -> Option<bool> {
        match self {
            Self::AtLeast(bar) | Self::Sane(bar) => Some(ratio >= bar),
            Self::AtMost(bar) => Some(ratio <= bar),
            Self::None => None,
        }
    }
}

/// One line of the table. `ours[i]` and `other[i]` were measured in the same round.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured, with the bar's name.
    pub figure: String,
    /// Ours, a value a round.
    pub ours: Vec<f64>,
    /// What ours is compared with.
    pub against: String,
    /// The other's, a value a round.
    pub other: Vec<f64>,
    /// Of both.
    pub unit: Unit,
    /// What the ratio is held to.
    pub bar: Bar,
}

impl Row {
    /// Ours through the other's, of the medians.
    pub fn ratio(&self) -> f64 {
        median(self.ours.iter().copied()) / median(self.other.iter().copied())
    }

    fn cells(&self) -> [String; 6] {
        let ratios = || {
            self.ours
                .iter()
                .zip(&self.other)
                .map(|(ours, other)| ours / other)
        };
        let (low, high) = (
            ratios().fold(f64::INFINITY, f64::min),
            ratios().fold(0.0, f64::max),
        );
        let verdict = match (self.bar, self.bar.is_met(self.ratio())) {
            (Bar::AtLeast(bar), Some(true)) => format!(">= {bar:.2}: met"),
            (Bar::AtLeast(bar), _) => {
                format!(
                    ">= {bar:.2}: missed by {:.0} %",
                    100.0 * (1.0 - self.ratio() / bar)
                )
            }
            (Bar::AtMost(bar), Some(true)) => format!("<= {bar:.2}: met"),
            (Bar::AtMost(bar), _) => {
                format!(
                    "<= {bar:.2}: missed by {:.0} %",
                    100.0 * (self.ratio() / bar - 1.0)
                )
            }
            (Bar::None, _) => "-".to_owned(),
            (Bar::Sane(bar), Some(true)) => format!(">= {bar:.2}: as expected"),
            (Bar::Sane(bar), _) => format!(">= {bar:.2}: NOT A RUN"),
        };
        [
            self.figure.clone(),
            show(median(self.ours.iter().copied()), self.unit),
            self.against.clone(),
            show(median(self.other.iter().copied()), self.unit),
            format!("{:.2} ({low:.2}-{high:.2})", self.ratio()),
            verdict,
        ]
    }
}

const HEADINGS: [&str; 6] = [
    "figure",
    "ours",
    "peer or limit",
    "its figure",
    "ratio (rounds)",
    "bar",
];

/// The table as Markdown; as text of even columns it reads well on a terminal too.
pub fn markdown(rows: &[Row]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let widths: [usize; 6] = std::array::from_fn(|column| {
        lines
            .iter()
            .map(|cells| cells[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    lines.insert(1, widths.map(|width| "-".repeat(width)));
    let mut text = String::new();
    for cells in lines {
        for (cell, width) in cells.iter().zip(widths) {
            write!(text, "| {cell:width$} ").expect("writing to a string does not fail");
        }
        text.push_str("|\n");
    }
    text
}

fn show(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond => format!("{} /s", thousands(value)),
        Unit::Micros if value < 100.0 => format!("{value:.1} µs"),
        Unit::Micros => format!("{} µs", thousands(value)),
        Unit::Millis => format!("{value:.1} ms"),
        Unit::Mebibytes => format!("{} MiB", thousands(value)),
    }
}

/// Rounded, with a comma before every three digits.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: &[f64], other: &[f64], bar: Bar) -> Row {
        Row {
            figure: "P2 rate".to_owned(),
            ours: ours.to_vec(),
            against: "SQLite".to_owned(),
            other: other.to_vec(),
            unit: Unit::PerSecond,
            bar,
        }
    }

    #[test]
    fn a_row_shows_medians_their_ratio_and_the_bar() {
        let text = markdown(&[row(
            &[9_000.0, 1_234_567.0, 12_000.0],
            &[6_000.0, 6_000.0, 6_000.0],
            Bar::AtLeast(4.0),
        )]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let expected = "| P2 rate | 12,000 /s | SQLite        | 6,000 /s   | 2.00 (1.50-205.76) \
                        | >= 4.00: missed by 50 % |";
        assert_eq!(lines[2], expected);
    }

    #[test]
    fn bars_hold_on_their_side() {
        assert_eq!(Bar::AtLeast(0.9).is_met(0.9), Some(true));
        assert_eq!(Bar::AtLeast(0.9).is_met(0.89), Some(false));
        assert_eq!(Bar::AtMost(1.3).is_met(1.3), Some(true));
        assert_eq!(Bar::AtMost(1.3).is_met(1.31), Some(false));
        assert_eq!(Bar::None.is_met(1.0), None);
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!(thousands(0.4), "0");
        assert_eq!(thousands(999.6), "1,000");
        assert_eq!(thousands(1_234_567.0), "1,234,567");
    }
}
