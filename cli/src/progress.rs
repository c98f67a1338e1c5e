//! A line that moves while much is read: records, MB/s, time left. Only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// How often the line is drawn, at most.
const DRAWS_PER_SECOND: u8 = 8;

/// A progress line, or none.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    records: u64,
}

impl Progress {
    /// A line for so many bytes; without their number there is no time left to tell.
    pub(crate) fn new(output: &Output, bytes_total: Option<u64>) -> Self {
        if !output.shows_progress() {
            return Self {
                bar: None,
                records: 0,
            };
        }
        let template = match bytes_total {
            Some(_) => "{msg}, {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left",
            None => "{msg}, {decimal_bytes}, {decimal_bytes_per_sec}",
        };
        let style = ProgressStyle::with_template(template).expect("the two templates above are well formed");
        let bar =
            ProgressBar::with_draw_target(bytes_total, ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND));
        bar.set_style(style);
        bar.set_message("0 records");
        bar.enable_steady_tick(Duration::from_millis(500));
        Self {
            bar: Some(bar),
            records: 0,
        }
    }

    /// So many more records and bytes are done.
    pub(crate) fn advance(&mut self, records: u64, bytes: u64) {
        self.records += records;
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
            bar.set_message(format!("{} records", self.records));
        }
    }

    /// So many records and bytes are done, all together.
    pub(crate) fn set(&mut self, records: u64, bytes: u64, bytes_total: u64) {
        self.records = records;
        if let Some(bar) = &self.bar {
            bar.set_length(bytes_total);
            bar.set_position(bytes);
            bar.set_message(format!("{records} records"));
        }
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
