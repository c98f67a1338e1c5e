//! Quarantine files that no record of the ledger names.

use ledgerstone_formats::names::{FileName, QuarantineName};
use ledgerstone_formats::record::Record;
use ledgerstone_formats::records::system;

use crate::commit::shared::SegmentInfo;
use crate::error::Error;
use crate::index::keys::Key;
use crate::index::repair::remake;
use crate::index::runs::{Order, Postings};
use crate::index::{Index, Posting};
use crate::segment::lines::{LineReader, Piece};
use crate::segment::list::Segments;
use crate::storage::Storage;

/// The files that are to be told of.
pub(crate) fn unrecorded(
    storage: &dyn Storage,
    segments: &Segments,
    index: &Index,
    quarantine: &[QuarantineName],
) -> Result<Vec<QuarantineName>, Error> {
    let mut left = Vec::new();
    for name in quarantine {
        if !is_recorded(storage, segments, index, &name.to_string())? {
            left.push(name.clone());
        }
    }
    Ok(left)
}

fn is_recorded(storage: &dyn Storage, segments: &Segments, index: &Index, id: &str) -> Result<bool, Error> {
    let key = Key::Entity {
        kind: system::RECOVERY,
        tenant: None,
        id,
    };
    let hash = index.key().hash(&key);
    let ask = || Postings::new(index.parts(), hash, 0, u64::MAX, Order::OldestFirst);
    let mut postings = ask();
    loop {
        match postings.next() {
            Ok(None) => return Ok(false),
            Ok(Some(posting)) if fits(storage, segments, &posting, &key)? => return Ok(true),
            Ok(Some(_)) => {}
            Err(bad) => {
                remake(storage, index, segments, bad)?;
                postings = ask();
            }
        }
    }
}

fn fits(storage: &dyn Storage, segments: &Segments, posting: &Posting, key: &Key<'_>) -> Result<bool, Error> {
    let segment = segment_of(segments, posting.seq);
    let unreadable =
        |error| Error::io("a segment cannot be read", error).in_file(FileName::Segment(segment.first));
    let offset = u64::from(posting.offset);
    let mut reader = LineReader::open(storage, segment.first, offset, segment.bytes).map_err(unreadable)?;
    Ok(match reader.next_piece().map_err(unreadable)? {
        Some(Piece::Line { bytes, .. }) => Record::parse(bytes)
            .is_ok_and(|record| record.check_header_hash().is_ok() && key.fits(&record.header)),
        Some(Piece::Rest { .. }) | None => false,
    })
}

/// The segment of a record that the index knows.
fn segment_of(segments: &Segments, seq: u64) -> SegmentInfo {
    segments
        .holding(seq)
        .expect("the index begins with the first segment")
}
