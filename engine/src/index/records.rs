//! The records of a key, for who has an index and no snapshot yet.

use std::ops::ControlFlow;

use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;

use crate::error::Error;
use crate::index::keys::Key;
use crate::index::repair::Repairs;
use crate::index::runs::{Order, Postings};
use crate::index::{Index, Posting};
use crate::segment::lines::{LineReader, Piece};
use crate::segment::list::Segments;
use crate::storage::Storage;

/// What the index leads to.
pub(crate) enum Hit<'a> {
    Record(&'a Record<'a>),
    /// The line there is not what it was, or none is there.
    Altered {
        seq: u64,
    },
}

/// Gives `each` the records of a key from `from` on, oldest first, until it breaks off. The index knows no record that
/// is not in `segments`.
pub(crate) fn each_record(
    storage: &dyn Storage,
    segments: &Segments,
    index: &Index,
    key: &Key<'_>,
    mut from: u64,
    mut each: impl FnMut(Hit<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    let hash = index.key().hash(key);
    let ask = |from| Postings::new(index.parts(), hash, from, u64::MAX, Order::OldestFirst);
    let mut postings = ask(from);
    let mut repairs = Repairs::default();
    loop {
        match postings.next() {
            Ok(None) => return Ok(()),
            Ok(Some(posting)) => {
                from = posting.seq + 1;
                if read(storage, segments, &posting, (index, key), &mut each)?.is_break() {
                    return Ok(());
                }
            }
            Err(bad) => {
                repairs.remake(storage, index, segments, bad)?;
                postings = ask(from);
            }
        }
    }
}

fn read(
    storage: &dyn Storage,
    segments: &Segments,
    posting: &Posting,
    (index, key): (&Index, &Key<'_>),
    each: &mut impl FnMut(Hit<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Error> {
    let segment = segments
        .holding(posting.seq)
        .expect("the index begins with the first segment");
    let unreadable =
        |error| Error::io("a segment cannot be read", error).in_file(FileName::Segment(segment.first));
    let offset = u64::from(posting.offset);
    let mut reader = LineReader::open(storage, segment.first, offset, segment.bytes).map_err(unreadable)?;
    let record = match reader.next_piece().map_err(unreadable)? {
        Some(Piece::Line { bytes, .. }) => Record::parse(bytes).ok(),
        Some(Piece::Rest { .. }) | None => None,
    };
    let whole = |record: &Record<'_>| record.header.seq == posting.seq && record.check_hashes().is_ok();
    Ok(match record.filter(whole) {
        Some(record) if key.fits(&record, &index.recipe().declared) => each(Hit::Record(&record)),
        Some(_) => ControlFlow::Continue(()),
        None => each(Hit::Altered { seq: posting.seq }),
    })
}
