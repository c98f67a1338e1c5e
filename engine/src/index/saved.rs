//! The index of an open segment as it was saved when the ledger was closed: lines are only added to such a segment, so
//! it goes on holding for the first of them.

use std::io;
use std::sync::Arc;

use ledgerstone_formats::limits::LINE_BYTES_MAX;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;

use crate::index::about::OpenSpan;
use crate::index::keys::HashKey;
use crate::index::sidecar::{OPEN, Sidecar};
use crate::storage::{ReadAt, Storage};

/// How much is read at once to find where the last line begins, in bytes.
const STEP_BYTES: usize = 16 << 10;

/// The index of the first records of a segment that has no seal, saved when the ledger was closed.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) sidecar: Arc<Sidecar>,
    pub(crate) open: OpenSpan,
}

impl Saved {
    /// Reads what was saved of a segment, if it is about its first bytes and of this secret.
    pub(crate) fn read(storage: &dyn Storage, first: u64, len: u64, key: &HashKey) -> Option<Self> {
        let sidecar = Sidecar::open(storage.map(&FileName::Index(first)).ok()?).ok()?;
        let open = sidecar.about().ok()?.open?;
        let subject = *sidecar.subject();
        let own = (subject.first, subject.level, subject.key) == (first, OPEN, *key) && open.bytes <= len;
        if !own || subject.end <= first {
            return None;
        }
        let file = storage.open(&FileName::Segment(first)).ok()?;
        let line = last_line(file.as_ref(), open.bytes).ok()??;
        let record = Record::parse(&line).ok()?;
        record.check_hashes().ok()?;
        let last = (record.header.seq + 1, record.hash, record.header.at);
        (last == (subject.end, subject.last_hash, open.last_at)).then(|| Self {
            sidecar: Arc::new(sidecar),
            open,
        })
    }
}

/// The line that ends at `end`, without its LF.
fn last_line(file: &dyn ReadAt, end: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut from = end;
    while from > 0 && line.len() <= LINE_BYTES_MAX {
        let step = STEP_BYTES.min(usize::try_from(from).unwrap_or(STEP_BYTES));
        from -= step as u64;
        let mut piece = vec![0; step];
        if file.read_at(from, &mut piece)? < step {
            return Ok(None);
        }
        piece.append(&mut line);
        line = piece;
        let Some(text) = line.strip_suffix(b"\n") else {
            return Ok(None);
        };
        if let Some(lf) = memchr::memrchr(b'\n', text) {
            return Ok(Some(text[lf + 1..].to_vec()));
        }
    }
    Ok((from == 0)
        .then(|| line.strip_suffix(b"\n").map(<[u8]>::to_vec))
        .flatten())
}
