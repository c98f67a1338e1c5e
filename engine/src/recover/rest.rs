//! A ledger that was closed and not touched since: its open segment need not be read before it is opened.
//!
//! What was saved at the close is held against the head, the file's length and its last line. The lines themselves are
//! read back before the first group is written, or a head signed.

use ledgerstone_formats::chain::ChainHead;
use ledgerstone_formats::tree::Frontier;

use crate::index::saved::Saved;
use crate::recover::heads::{Heads, Source};
use crate::segment::audit::Audit;

/// The state after the saved records, where a newest head stands both in the directory and beside the key, and is
/// theirs.
pub(super) fn resting(saved: &Saved, len: u64, heads: &Heads) -> Option<Audit> {
    let subject = saved.sidecar.subject();
    let tree = Frontier::from_parts(subject.end, saved.open.frontier.clone())?;
    let is_newest = |source| heads.size_from(&source) == Some(subject.end);
    let rests = saved.open.bytes == len
        && heads.watermark() == subject.end
        && is_newest(Source::Directory)
        && is_newest(Source::Beside)
        && heads.check_root(&tree).is_ok();
    let chain = ChainHead::resume(subject.end, subject.last_hash, Some(saved.open.last_at));
    let times = (saved.open.first_at, saved.open.last_at);
    rests.then(|| Audit::resting(subject.first, chain, tree, len, times))
}
