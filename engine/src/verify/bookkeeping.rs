//! Counters of the whole ledger, judged once every line was read.

use ledgerstone_formats::header::Header;
use ledgerstone_formats::limits::SALT_BYTES;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::read::seek;
use crate::segment::lines::{LineReader, Piece};
use crate::verify::segments::Walk;

/// A secret for one check.
pub(super) fn new_secret() -> Result<[u8; SALT_BYTES], Error> {
    let secret = Entropy::new().salt();
    secret.map_err(|error| Error::io("the operating system gives no random bytes", error))
}

impl Walk<'_> {
    /// Takes in what a record says of its counters.
    pub(super) fn observe_counters(&mut self, header: &Header<'_>) {
        if let Some(counters) = &mut self.counters
            && let Err(error) = counters.observe(header)
        {
            self.counters = None;
            self.counters_unchecked(&error);
        }
    }

    /// Reports the counters that are not what they have to be.
    pub(super) fn judge_counters(&mut self) {
        let Some(counters) = self.counters.take() else {
            return;
        };
        let bad = match counters.judge() {
            Ok(bad) => bad,
            Err(error) => return self.counters_unchecked(&error),
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

    fn counters_unchecked(&mut self, error: &std::io::Error) {
        let cause = format!(
            "the counters `tseq`, `rev` and `key` were not checked: the temporary file that this takes (TMPDIR) {error}"
        );
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
