//! Blocks of a sidecar: 1 KiB each, with a checksum that is compared whenever one is read. Larger ones would make the
//! tree flatter, but what a lookup waits for is the memory that the checksums go over.

use crate::index::Posting;

/// Bytes of a block.
pub(crate) const BLOCK_BYTES: usize = 1_024;
/// Bytes of a block that hold something.
pub(crate) const PAYLOAD_BYTES: usize = BLOCK_BYTES - 4;
/// Bytes of a posting.
const ENTRY_BYTES: usize = 16;
/// Postings of a block.
pub(crate) const BLOCK_ENTRIES: usize = PAYLOAD_BYTES / ENTRY_BYTES;

/// A block whose checksum is wrong, or that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadBlock(pub(crate) usize);

/// Appends a block with this payload, which has room in it.
pub(crate) fn put_block(payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(payload);
    out.resize(start + PAYLOAD_BYTES, 0);
    let crc32 = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&crc32.to_le_bytes());
}

/// The payload of a block, compared with its checksum.
pub(crate) fn payload(file: &[u8], block: usize) -> Result<&[u8], BadBlock> {
    let start = block.checked_mul(BLOCK_BYTES).ok_or(BadBlock(block))?;
    let bytes = file.get(start..start + BLOCK_BYTES).ok_or(BadBlock(block))?;
    let (payload, crc32) = bytes.split_at(PAYLOAD_BYTES);
    if crc32fast::hash(payload).to_le_bytes() == crc32 {
        Ok(payload)
    } else {
        Err(BadBlock(block))
    }
}

/// The payload of a block whose checksum was compared a moment ago.
pub(crate) fn payload_again(file: &[u8], block: usize) -> Result<&[u8], BadBlock> {
    let start = block.checked_mul(BLOCK_BYTES).ok_or(BadBlock(block))?;
    file.get(start..start + PAYLOAD_BYTES).ok_or(BadBlock(block))
}

/// Appends blocks of postings; sequence numbers are stored from `first` on.
pub(crate) fn put_postings(postings: &[Posting], first: u64, out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(PAYLOAD_BYTES);
    for block in postings.chunks(BLOCK_ENTRIES) {
        payload.clear();
        for posting in block {
            let seq = u32::try_from(posting.seq - first).expect("a sidecar spans fewer than 2^32 records");
            payload.extend_from_slice(&posting.hash.to_le_bytes());
            payload.extend_from_slice(&seq.to_le_bytes());
            payload.extend_from_slice(&posting.offset.to_le_bytes());
        }
        put_block(&payload, out);
    }
}

/// A posting of a block.
pub(crate) fn posting(payload: &[u8], index: usize, first: u64) -> Posting {
    let entry = &payload[index * ENTRY_BYTES..][..ENTRY_BYTES];
    let (hash, rest) = entry.split_at(8);
    let (seq, offset) = rest.split_at(4);
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes were split off"));
    Posting {
        hash: u64::from_le_bytes(hash.try_into().expect("eight bytes were split off")),
        seq: first + u64::from(word(seq)),
        offset: word(offset),
    }
}
