//! Filler: what an unsealed segment may end in, laid down ahead of the writer.
//!
//! Spaces, and LF as the last byte of each 512-byte sector of the file: readers of JSON lines pass it over, and no
//! sector of it can be taken for a record.

use crate::limits::SECTOR_BYTES;

/// The filler byte at a file's `offset`.
pub const fn byte_at(offset: u64) -> u8 {
    if offset % SECTOR_BYTES == SECTOR_BYTES - 1 {
        b'\n'
    } else {
        b' '
    }
}

/// Puts the filler of the file's bytes `from..to` at the end of `bytes`.
pub fn extend(bytes: &mut Vec<u8>, from: u64, to: u64) {
    let sector: Vec<u8> = (0..SECTOR_BYTES).map(byte_at).collect();
    let sectors_from = from.next_multiple_of(SECTOR_BYTES).min(to);
    let sectors_to = to - (to - sectors_from) % SECTOR_BYTES;
    bytes.extend((from..sectors_from).map(byte_at));
    for _ in 0..(sectors_to - sectors_from) / SECTOR_BYTES {
        bytes.extend_from_slice(&sector);
    }
    bytes.extend((sectors_to..to).map(byte_at));
}

/// True if every byte of `bytes`, which stand at `offset` of the file, is the filler of its place.
pub fn is_filler(offset: u64, bytes: &[u8]) -> bool {
    (offset..).zip(bytes).all(|(at, byte)| *byte == byte_at(at))
}

/// How many bytes at the end of `bytes`, which stand at `offset` of the file, are the filler of their places.
pub fn trailing(offset: u64, bytes: &[u8]) -> usize {
    let filler_at = |index: usize| byte_at(offset + index as u64);
    bytes
        .iter()
        .enumerate()
        .rev()
        .take_while(|(index, byte)| **byte == filler_at(*index))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filler_follows_the_sectors_of_the_file() {
        let bytes: Vec<u8> = (700..2_048).map(byte_at).collect();
        let mut extended = b"{}".to_vec();
        extend(&mut extended, 700, 2_048);
        assert_eq!(extended[2..], bytes);
        extend(&mut extended, 2_048, 2_048);
        assert_eq!(extended.len(), 2 + bytes.len());
        assert!(is_filler(700, &bytes));
        assert!(!is_filler(701, &bytes));
        assert_eq!(bytes[1_023 - 700], b'\n');
        assert_eq!(trailing(700, &bytes), bytes.len());
        let mut line = b"{}\n".to_vec();
        line.extend((3..1_024).map(byte_at));
        assert_eq!(trailing(0, &line), 1_021);
    }
}
