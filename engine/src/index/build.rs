//! Sidecars made from the lines of a segment.

use std::sync::Arc;

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;

use crate::commit::shared::SegmentInfo;
use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::index::keys::HashKey;
use crate::index::memory::PageWriter;
use crate::index::sidecar::{Sidecar, Subject, encode};
use crate::index::{Part, Posting};
use crate::segment::lines::{LineReader, Piece};
use crate::storage::{Mapped, Storage};

/// The file of a segment's index.
pub(crate) fn sidecar_of(
    storage: &dyn Storage,
    segment: &SegmentInfo,
    key: &HashKey,
) -> Result<Vec<u8>, Error> {
    let mut postings = Vec::new();
    let (end, last_hash) = each_posting(storage, segment, key, |posting| postings.push(posting))?;
    postings.sort_unstable();
    let subject = Subject {
        first: segment.first,
        end,
        last_hash,
        key: *key,
    };
    Ok(encode(&subject, &postings))
}

/// The index of a segment made again, for lookups of this process alone.
pub(crate) fn part_of(storage: &dyn Storage, segment: &SegmentInfo, key: &HashKey) -> Result<Part, Error> {
    let bytes = Mapped::from(sidecar_of(storage, segment, key)?);
    let sidecar = Sidecar::open(bytes).expect("what was just encoded can be read");
    Ok(Part::File(Arc::new(sidecar)))
}

/// The index of a segment that is still written to, and the sequence number past its last record.
pub(crate) fn pages_of(
    storage: &dyn Storage,
    segment: &SegmentInfo,
    key: &HashKey,
) -> Result<(PageWriter, u64), Error> {
    let mut pages = PageWriter::default();
    let (end, _) = each_posting(storage, segment, key, |posting| {
        pages.insert(posting);
    })?;
    Ok((pages, end))
}

/// Reads the whole groups of a segment. Headers are believed with their hash; bodies are not hashed. Gives the sequence
/// number past the last record, and its hash.
fn each_posting(
    storage: &dyn Storage,
    segment: &SegmentInfo,
    key: &HashKey,
    mut each: impl FnMut(Posting),
) -> Result<(u64, Hash), Error> {
    let file = FileName::Segment(segment.first);
    let unreadable = |error| Error::io("a segment cannot be read", error).in_file(file.clone());
    let mut reader = LineReader::open(storage, segment.first, 0, segment.bytes).map_err(unreadable)?;
    let (mut seq, mut last_hash, mut hashes) = (segment.first, Hash::ZERO, Vec::new());
    while let Some(piece) = reader.next_piece().map_err(unreadable)? {
        let (offset, record) = match piece {
            Piece::Line { offset, bytes } => (offset, believed(bytes, seq)),
            Piece::Rest { offset, .. } => (offset, Err("no line ends here".to_owned())),
        };
        let record = record.map_err(|cause| {
            let damage = Finding::new(Code::Altered, cause)
                .in_file(file.clone())
                .at_seq(seq);
            Error::corrupt(vec![damage.at_line(seq - segment.first + 1, offset)])
        })?;
        hashes.clear();
        key.of_header(&record.header, &mut hashes);
        let offset = u32::try_from(offset).expect("a segment is shorter than 2^32 bytes");
        for hash in &hashes {
            each(Posting {
                hash: *hash,
                seq,
                offset,
            });
        }
        last_hash = record.hash;
        seq += 1;
    }
    Ok((seq, last_hash))
}

fn believed(line: &[u8], seq: u64) -> Result<Record<'_>, String> {
    let record = Record::parse(line).map_err(|error| error.to_string())?;
    record.check_header_hash().map_err(|error| error.to_string())?;
    if record.header.seq == seq {
        Ok(record)
    } else {
        Err(format!("expected seq {seq}, found {}", record.header.seq))
    }
}
