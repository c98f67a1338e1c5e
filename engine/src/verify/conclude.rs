//! What only the end of the walk can tell: records that are missing, past the newest head, or beside every head.

use ledgerstone_formats::names::FileName;

use crate::finding::{Code, Finding};
use crate::recover::heads::Source;
use crate::segment::audit::Audit;
use crate::verify::segments::Walk;

impl Walk<'_> {
    pub(super) fn conclude(&mut self) {
        let Some(audit) = &self.audit else { return };
        let size = audit.tree().size();
        self.report.size = Some(size);
        self.report.root = Some(audit.tree().root());
        if let Some(finding) = self.judge_unsigned_head(audit) {
            self.report.extend([finding]);
            return;
        }
        if let Some(finding) = self.heads.check_end(size, self.inventory) {
            self.report.extend([finding]);
            return;
        }
        let watermark = self.heads.watermark();
        let skipped = self
            .heads
            .known
            .iter()
            .map(|known| known.head.size)
            .find(|size| !self.compared.contains(size));
        if let Some(skipped) = skipped.filter(|_| !self.damaged) {
            let cause = format!("no commit group ends at the {skipped} records that a head covers");
            self.report
                .extend([Finding::new(Code::Rewritten, cause).at_seq(skipped)]);
            return;
        }
        let known = !self.heads.known.is_empty() && !self.damaged && !self.newer;
        if size > watermark && self.report.held.is_none() && known {
            let cause = format!(
                "the records from seq {watermark} to {} are past the newest head and nobody holds the ledger: \
                 the next open keeps them and says so",
                size - 1
            );
            self.report
                .extend([Finding::new(Code::Unfinished, cause).at_seq(watermark)]);
        }
    }

    /// A head without a signature that does not fit: was it edited, or were the records? Where its root is that of all
    /// records, only its size was altered; where another head, at least as large, fits them, it was altered itself.
    fn judge_unsigned_head(&self, audit: &Audit) -> Option<Finding> {
        let own = self
            .heads
            .unsigned_own()
            .filter(|_| !self.own_fits && !self.damaged)?;
        let fits_another = !self.rewritten
            && self.heads.known.iter().any(|known| {
                let size = known.head.size;
                known.source != Source::Directory && size >= own.size && self.compared.contains(&size)
            });
        if fits_another || own.root == audit.tree().root() {
            let cause = format!("it was altered: no {} records have its root", own.size);
            return Some(Finding::new(Code::Evidence, cause).in_file(FileName::Head));
        }
        let is_short = audit.tree().size() < own.size;
        (!is_short && !self.rewritten).then(|| {
            let cause = format!(
                "the first {} records do not give the root of the head in the directory",
                own.size
            );
            Finding::new(Code::Rewritten, cause)
                .in_file(FileName::Segment(audit.segment()))
                .at_seq(audit.segment())
        })
    }
}
