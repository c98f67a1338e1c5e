//! Counters of the whole ledger, judged once every line was read.

use std::io;

use ledgerstone_formats::limits::SALT_BYTES;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::read::seek;
use crate::segment::lines::{LineReader, Piece};
use crate::verify::counters::BadCounters;
use crate::verify::segments::Walk;

/// What is not checked where there is no room for it.
const COUNTERS: &str = "the counters `tseq`, `rev` and `key`";
const UNIQUES: &str = "the values of unique indexes";

/// A secret for one check.
pub(super) fn new_secret() -> Result<[u8; SALT_BYTES], Error> {
    let secret = Entropy::new().salt();
    secret.map_err(|error| Error::io("the operating system gives no random bytes", error))
}

impl Walk<'_> {
    /// Takes in what a record says of its counters and unique values.
    pub(super) fn observe_counters(&mut self, record: &Record<'_>) {
        if let Some(counters) = &mut self.counters
            && let Err(error) = counters.observe(&record.header)
        {
            self.counters = None;
            self.unchecked(COUNTERS, &error);
        }
        if let Some(uniques) = &mut self.uniques
            && let Err(error) = uniques.observe(record, &self.declared)
        {
            self.uniques = None;
            self.unchecked(UNIQUES, &error);
        }
    }

    /// Reports the counters and unique values that are not what they have to be.
    pub(super) fn judge_counters(&mut self) {
        if let Some(counters) = self.counters.take() {
            self.report_bad(COUNTERS, counters.judge());
        }
        if let Some(uniques) = self.uniques.take() {
            self.report_bad(UNIQUES, uniques.judge());
        }
    }

    fn report_bad(&mut self, what: &str, judged: io::Result<BadCounters>) {
        let bad = match judged {
            Ok(bad) => bad,
            Err(error) => return self.unchecked(what, &error),
        };
        let named = bad.named.len() as u64;
        for (seq, error) in bad.named {
            let finding = self.place(
                Finding::new(Code::Bookkeeping, error.to_string()).at_seq(seq),
                seq,
            );
            self.report.extend([finding]);
        }
        self.report.findings_total += bad.total - named;
    }

    fn unchecked(&mut self, what: &str, error: &io::Error) {
        let cause = format!("{what} were not checked: the temporary file that this takes (TMPDIR) {error}");
        self.report.extend([Finding::new(Code::Unreadable, cause)]);
    }

    /// Names file, line and tenant of a record whose line was whole a moment ago.
    fn place(&self, mut finding: Finding, seq: u64) -> Finding {
        let segments = &self.inventory.segments;
        let place = segments
            .partition_point(|found| found.first <= seq)
            .checked_sub(1);
        let Some(found) = place.map(|place| &segments[place]) else {
            return finding;
        };
        finding = finding.in_file(FileName::Segment(found.first));
        finding.line = Some(seq - found.first + 1);
        finding.tenant = self.tenant_of(found.first, found.len.unwrap_or(0), seq);
        finding
    }

    fn tenant_of(&self, first: u64, len: u64, seq: u64) -> Option<String> {
        let file = self.storage.open(&FileName::Segment(first)).ok()?;
        let (offset, mut at) = seek::near(file.as_ref(), first, len, |line| line.seq <= seq).ok()?;
        let mut reader = LineReader::open(self.storage, first, offset, len).ok()?;
        loop {
            let Piece::Line { bytes, .. } = reader.next_piece().ok()?? else {
                return None;
            };
            if at == seq {
                let record = Record::parse(bytes).ok()?;
                return record.header.tenant.map(|(tenant, _)| tenant.into_owned());
            }
            at += 1;
        }
    }
}
