//! Where the filler begins that an unsealed segment may end in.

use std::io;

use ledgerstone_formats::filler;
use ledgerstone_formats::limits::SECTOR_BYTES;

use crate::storage::ReadAt;

/// How much is looked at in one piece, in bytes.
const PIECE_BYTES: u64 = 64 << 10;

/// Where the first `len` bytes of a segment end without the filler behind them. An LF that ends a line is the line's,
/// though filler has one there too. Of a sector in which filler follows anything but a line all is left: what wrote it
/// shows in the whole of it.
pub(crate) fn without_filler(file: &dyn ReadAt, len: u64) -> io::Result<u64> {
    let mut end = len;
    while end > 0 {
        let from = end.saturating_sub(PIECE_BYTES);
        let mut bytes = vec![0; usize::try_from(end - from).map_err(io::Error::other)?];
        let read = file.read_at(from, &mut bytes)?;
        bytes.truncate(read);
        let kept = read - filler::trailing(from, &bytes);
        if kept > 0 {
            let end = from + kept as u64;
            return Ok(match (bytes[kept - 1], bytes.get(kept)) {
                (b'\n', _) => end,
                (_, Some(b'\n')) => end + 1,
                _ => end.next_multiple_of(SECTOR_BYTES).min(len),
            });
        }
        end = from;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use ledgerstone_formats::names::FileName;

    use super::*;
    use crate::storage::Storage;
    use crate::storage::mem::Mem;

    fn ends_at(bytes: &[u8]) -> u64 {
        let mem = Mem::new();
        mem.put_raw(&FileName::Segment(0).to_string(), bytes);
        let file = mem.open(&FileName::Segment(0)).unwrap();
        without_filler(file.as_ref(), bytes.len() as u64).unwrap()
    }

    #[test]
    fn filler_ends_where_a_line_does() {
        // Lines that end before, at and after the places where filler has an LF; filler of none to several pieces.
        for len in (1..1_100).chain([PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1]) {
            for filler in [0, 1, 511, 4_096, 2 * PIECE_BYTES] {
                if filler > 4_096 && len % 509 > 3 {
                    continue;
                }
                let mut bytes = vec![b'x'; usize::try_from(len).unwrap()];
                *bytes.last_mut().unwrap() = b'\n';
                filler::extend(&mut bytes, len, len + filler);
                assert_eq!(
                    ends_at(&bytes),
                    len,
                    "{filler} bytes behind a line that ends at {len}"
                );
            }
        }
        let mut torn = b"{\"v\":1".to_vec();
        filler::extend(&mut torn, 6, 4_096);
        assert_eq!(ends_at(&torn), 512, "the sector of a line that was cut short");
        assert_eq!(ends_at(&torn[..100]), 100);
        let mut only = Vec::new();
        filler::extend(&mut only, 0, 3 * PIECE_BYTES);
        assert_eq!(ends_at(&only), 0);
        assert_eq!(ends_at(b""), 0);
    }
}
