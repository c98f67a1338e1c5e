//! What it means that reading a segment stopped: a cut, an altered line, or a tail that no head covers.

use ledgerstone_formats::limits::LINE_BYTES_MAX;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::whole_line_within;

use crate::finding::{Code, Finding};
use crate::limits::QUARANTINE_BYTES_MAX;
use crate::recover::{Found, Tail, classify};
use crate::segment::audit::Audit;
use crate::verify::segments::{End, Walk};

impl Walk<'_> {
    /// Says what it means that reading stopped: a cut, an altered line, or a tail that no head covers.
    pub(super) fn judge_stop(&mut self, index: usize, found: &Found, len: u64, end: End) {
        let End::Stopped { offset, line, cause } = end else {
            return;
        };
        if matches!(cause, Some((Code::Unreadable, _))) {
            return;
        }
        let seq = self
            .audit
            .as_ref()
            .map_or(found.first + line.saturating_sub(1), Audit::next_seq);
        let file = FileName::Segment(found.first);
        let is_last = index + 1 == self.inventory.segments.len();
        let covered = found.has_seal_file || !is_last || self.whole_size() < self.heads.watermark();
        let tail = if covered { None } else { self.tail(found, len) };
        let damage = match tail.map(|tail| self.report_tail(found, tail, line)) {
            Some(None) => return,
            Some(Some(damage)) => Some(damage),
            None => None,
        };
        // Past every head, what a later version wrote is its own to judge, whether it follows or not.
        let newer = damage.clone().filter(|(code, _)| *code == Code::Newer);
        let finding = match newer.or(cause) {
            Some((code, cause)) => Finding::new(code, cause),
            None if self.has_all_records(index, found, seq) => Finding::new(
                Code::Altered,
                format!(
                    "bytes stand after the last record of the segment, seq {}",
                    seq.saturating_sub(1)
                ),
            ),
            None if covered && self.is_cut(found, offset, len) => Finding::new(
                Code::Truncated,
                format!("the file ends before the record with seq {seq} is whole"),
            ),
            None => {
                let other = || {
                    (
                        Code::Altered,
                        "something else stands where the line ends".to_owned(),
                    )
                };
                let (code, cause) = damage.unwrap_or_else(other);
                Finding::new(code, cause)
            }
        };
        self.damaged = true;
        self.report
            .extend([finding.in_file(file).at_seq(seq).at_line(line, offset)]);
        self.audit = None;
    }

    /// Records of whole groups, as far as the chain is known.
    fn whole_size(&self) -> u64 {
        self.audit.as_ref().map_or(0, |audit| audit.tree().size())
    }

    /// Whether all records were read that the seal, or the name of the next segment, says to be here.
    fn has_all_records(&self, index: usize, found: &Found, seq: u64) -> bool {
        let next = self.inventory.segments.get(index + 1).map(|next| next.first);
        let end = found.seal.as_ref().map(|found| found.seal.tree_size).or(next);
        end.is_some_and(|end| seq >= end)
    }

    /// Bytes at the end without an LF are what a cut leaves, unless a whole line and more are among them.
    fn is_cut(&self, found: &Found, offset: u64, len: u64) -> bool {
        let length = usize::try_from(len - offset)
            .unwrap_or(usize::MAX)
            .min(LINE_BYTES_MAX + 1);
        let mut bytes = vec![0; length];
        let read = self
            .storage
            .open(&FileName::Segment(found.first))
            .and_then(|file| file.read_at(offset, &mut bytes))
            .unwrap_or(0);
        whole_line_within(&bytes[..read]).is_none_or(|line| line >= read)
    }

    fn tail(&self, found: &Found, len: u64) -> Option<Tail> {
        let audit = self.audit.as_ref()?;
        let whole = audit.whole_bytes();
        if len - whole > QUARANTINE_BYTES_MAX {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(len - whole).ok()?];
        let read = self
            .storage
            .open(&FileName::Segment(found.first))
            .ok()?
            .read_at(whole, &mut bytes)
            .ok()?;
        Some(classify(whole, &bytes[..read], audit.chain(), whole == 0))
    }

    /// Reports a tail that explains why reading stopped at `line`; gives code and cause where it does not.
    fn report_tail(&mut self, found: &Found, tail: Tail, line: u64) -> Option<(Code, String)> {
        let audit = self.audit.as_mut()?;
        // The place is where the group begins: that is what the next open sets aside.
        let group_line = line - (audit.next_seq() - audit.chain().next_seq());
        audit.back_to_whole_groups();
        let (seq, offset) = (audit.next_seq(), audit.whole_bytes());
        match tail {
            Tail::Filler => None,
            // Whoever holds the lock may be in the middle of a group.
            Tail::Torn if self.report.held.is_some() => {
                self.report
                    .notes
                    .push("an unfinished group is at the end: the ledger is being written".to_owned());
                None
            }
            Tail::Torn => {
                let cause = "a group that an interrupted append left unfinished; the next open sets it aside";
                let finding = Finding::new(Code::Unfinished, cause).in_file(FileName::Segment(found.first));
                self.report
                    .extend([finding.at_seq(seq).at_line(group_line, offset)]);
                None
            }
            Tail::Damage(cause) => Some((Code::Altered, cause)),
            Tail::Newer(version) => {
                let cause = format!("written by a newer format, version {version}: not judged");
                Some((Code::Newer, cause))
            }
        }
    }
}
