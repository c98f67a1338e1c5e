//! The stats of a ledger in Prometheus' text format (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write as _;
use std::time::Duration;

use crate::error::ErrorKind;
use crate::stats::{Refused, Stats, Times};

impl Stats {
    /// The text that Prometheus scrapes, with `ledger` as the label of every figure.
    pub fn to_prometheus(&self, ledger: &str) -> String {
        let mut text = Text::new(ledger);
        text.one("size_records", "gauge", "Records in the ledger", self.size);
        text.one(
            "head_size_records",
            "gauge",
            "Records under the newest head",
            self.head_size,
        );
        text.seconds(
            "head_age_seconds",
            "Time since the newest head was published",
            self.head_age,
        );
        text.seconds(
            "unheaded_seconds",
            "How long the oldest record past the head has waited for one",
            Some(self.unheaded.unwrap_or_default()),
        );
        text.one("segments", "gauge", "Segments", self.segments);
        text.one("sealed_segments", "gauge", "Sealed segments", self.sealed);
        text.one(
            "queue_records",
            "gauge",
            "Records that wait for the writer",
            self.queue_records,
        );
        text.one(
            "queue_bytes",
            "gauge",
            "Bytes that wait for the writer",
            self.queue_bytes,
        );
        text.one("groups_total", "counter", "Commit groups written", self.groups);
        text.one(
            "group_records",
            "gauge",
            "Records of the newest group",
            self.group_records,
        );
        text.one("records_total", "counter", "Records written", self.records);
        text.one("bytes_total", "counter", "Bytes written", self.bytes);
        text.filler(self);
        text.times("append_seconds", "Time to write a group", &self.append);
        text.times("sync_seconds", "Time to sync a group", &self.sync);
        text.refused(&self.refused);
        text.one(
            "failed",
            "gauge",
            "1 when nothing is taken any more",
            u64::from(self.failed.is_some_and(|kind| kind != ErrorKind::Closed)),
        );
        text.one(
            "index_parts",
            "gauge",
            "Parts of the index that a lookup asks",
            self.index_parts,
        );
        text.one(
            "index_failures_total",
            "counter",
            "Index files that could not be written",
            self.index_failures,
        );
        text.text
    }
}

struct Text {
    text: String,
    ledger: String,
}

impl Text {
    fn new(ledger: &str) -> Self {
        let escaped = ledger
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        Self {
            text: String::new(),
            ledger: escaped,
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let written = write!(
            self.text,
            "# HELP ledgerstone_{name} {help}.\n# TYPE ledgerstone_{name} {kind}\n"
        );
        written.expect("writing to a string does not fail");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let ledger = &self.ledger;
        writeln!(
            self.text,
            "ledgerstone_{name}{{ledger=\"{ledger}\"{labels}}} {value}"
        )
        .expect("writing to a string does not fail");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        self.line(name, "", value);
    }

    fn seconds(&mut self, name: &str, help: &str, value: Option<Duration>) {
        self.head(name, "gauge", help);
        if let Some(value) = value {
            self.line(name, "", value.as_secs_f64());
        }
    }

    fn filler(&mut self, stats: &Stats) {
        let help = "Bytes of filler laid behind groups";
        self.one("filler_bytes_total", "counter", help, stats.filler_bytes);
        let help = "Groups behind which the disk did not take all of the filler";
        self.one("filler_short_total", "counter", help, stats.filler_short);
    }

    fn refused(&mut self, refused: &Refused) {
        self.head("refused_records_total", "counter", "Records refused, by cause");
        for (cause, count) in [
            ("busy", refused.busy),
            ("conflict", refused.conflict),
            ("invalid", refused.invalid),
            ("unavailable", refused.unavailable),
            ("other", refused.other),
        ] {
            self.line("refused_records_total", &format!(",cause=\"{cause}\""), count);
        }
    }

    fn times(&mut self, name: &str, help: &str, times: &Times) {
        self.head(name, "summary", help);
        for (quantile, time) in [("0.5", times.p50), ("0.95", times.p95), ("0.99", times.p99)] {
            self.line(name, &format!(",quantile=\"{quantile}\""), time.as_secs_f64());
        }
        self.line(&format!("{name}_sum"), "", times.sum.as_secs_f64());
        self.line(&format!("{name}_count"), "", times.count);
    }
}
