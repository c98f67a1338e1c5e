//! Sidecars made from the lines of a segment.

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;

use crate::commit::shared::SegmentInfo;
use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::index::Posting;
use crate::index::about::About;
use crate::index::encode::encode;
use crate::index::keys::{Key, Recipe};
use crate::index::memory::PageWriter;
use crate::index::sidecar::{OPEN, Subject};
use crate::segment::lines::{LineReader, Piece};
use crate::storage::Storage;

/// The file of a segment's index, of its records before `end`.
pub(crate) fn sidecar_of(
    storage: &dyn Storage,
    segment: &SegmentInfo,
    end: u64,
    recipe: &Recipe,
) -> Result<Vec<u8>, Error> {
    let mut postings = Vec::new();
    let start = (segment.first, 0);
    let (end, last_hash) = each_posting(storage, segment, start, end, recipe, |posting| {
        postings.push(posting);
    })?;
    postings.sort_unstable();
    let subject = Subject {
        first: segment.first,
        end,
        last_hash,
        key: recipe.key,
        level: if segment.sealed { 0 } else { OPEN },
        declared: recipe.declared.digest(|kind| {
            let hash = recipe.key.hash(&Key::Kind(kind));
            postings
                .binary_search_by_key(&hash, |posting| posting.hash)
                .is_ok()
        }),
    };
    Ok(encode(&subject, &About::default(), &postings))
}

/// The index of a segment that is still written to, from a record and its offset on, and the sequence number past its
/// last record.
pub(crate) fn pages_of(
    storage: &dyn Storage,
    segment: &SegmentInfo,
    start: (u64, u64),
    recipe: &Recipe,
) -> Result<(PageWriter, u64), Error> {
    let mut pages = PageWriter::default();
    let (end, _) = each_posting(storage, segment, start, u64::MAX, recipe, |posting| {
        pages.insert(posting);
    })?;
    Ok((pages, end))
}

/// Reads the whole groups of a segment from a record and its offset on, before `end`. Headers are believed with their
/// hash; bodies are hashed only where they are indexed. Gives the sequence number past the last record, and its hash.
fn each_posting(
    storage: &dyn Storage,
    segment: &SegmentInfo,
    (first, offset): (u64, u64),
    end: u64,
    recipe: &Recipe,
    mut each: impl FnMut(Posting),
) -> Result<(u64, Hash), Error> {
    let file = FileName::Segment(segment.first);
    let unreadable = |error| Error::io("a segment cannot be read", error).in_file(file.clone());
    let mut reader = LineReader::open(storage, segment.first, offset, segment.bytes).map_err(unreadable)?;
    let (mut seq, mut last_hash, mut hashes) = (first, Hash::ZERO, Vec::new());
    while seq < end
        && let Some(piece) = reader.next_piece().map_err(unreadable)?
    {
        let (offset, record) = match piece {
            Piece::Line { offset, bytes } => (offset, believed(bytes, seq, recipe)),
            Piece::Rest { offset, .. } => (offset, Err("no line ends here".to_owned())),
        };
        let record = record.map_err(|cause| {
            let damage = Finding::new(Code::Altered, cause)
                .in_file(file.clone())
                .at_seq(seq);
            Error::corrupt(vec![damage.at_line(seq - segment.first + 1, offset)])
        })?;
        hashes.clear();
        recipe.of_record(&record, &mut hashes);
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

fn believed<'a>(line: &'a [u8], seq: u64, recipe: &Recipe) -> Result<Record<'a>, String> {
    let record = Record::parse(line).map_err(|error| error.to_string())?;
    let checked = match recipe.declared.family(&record.header.kind) {
        Some(_) => record.check_hashes(),
        None => record.check_header_hash(),
    };
    checked.map_err(|error| error.to_string())?;
    if record.header.seq == seq {
        Ok(record)
    } else {
        Err(format!("expected seq {seq}, found {}", record.header.seq))
    }
}
