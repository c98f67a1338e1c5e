//! How much filler the writer lays behind a group, in the write of the group itself, so that the groups after it need
//! not grow the file: a sync that only has to write bytes costs less than one that also allocates.

use ledgerstone_formats::limits::FILLER_BYTES_ALIGN;

use crate::options::Options;

/// Filler pays where at least so many groups go over it: each of its bytes is written twice.
const GROUPS_MIN: u64 = 16;
/// Filler takes no more of the room on the disk than one part of so many.
const ROOM_PARTS: u64 = 16;

/// The filler of the open segment.
#[derive(Debug)]
pub(crate) struct Ahead {
    bytes_max: u64,
    segment_bytes: u64,
    /// Bytes of groups written to the segment since it was opened.
    appended: u64,
    /// Length of the file, where it is longer than its groups.
    laid_to: u64,
}

impl Ahead {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            bytes_max: options.filler_bytes_max,
            segment_bytes: options.segment_bytes,
            appended: 0,
            laid_to: 0,
        }
    }

    /// Goes on with another segment.
    pub(crate) fn begin_segment(&mut self) {
        (self.appended, self.laid_to) = (0, 0);
    }

    /// Up to where filler is to be laid behind a group of `len` bytes at `offset`; none where the group fits into what
    /// is laid, or none is to be laid. `room` is what the disk has above its reserve.
    ///
    /// As much as was written before: what one group is appended to, and closed, gets none, and what is written to for
    /// long soon gets all.
    pub(crate) fn fill_to(&self, offset: u64, len: u64, room: u64) -> Option<u64> {
        let end = offset + len;
        if end <= self.laid_to || len.saturating_mul(GROUPS_MIN) > self.bytes_max {
            return None;
        }
        let ahead = self.bytes_max.min(self.appended).min(room / ROOM_PARTS);
        // The group that comes after a full segment begins the next.
        let most = self.segment_bytes.next_multiple_of(FILLER_BYTES_ALIGN);
        let to = (end + ahead).next_multiple_of(FILLER_BYTES_ALIGN).min(most);
        // Room for another such group at least.
        let laid = to.saturating_sub(end);
        (ahead > 0 && laid >= len && laid <= room).then_some(to)
    }

    /// A group of so many bytes was written and synced; filler was laid with it up to `laid_to`, if it was.
    pub(crate) fn written(&mut self, group: u64, laid_to: u64) {
        self.appended += group;
        self.laid_to = self.laid_to.max(laid_to);
    }

    /// What was laid and not written over is cut off.
    pub(crate) fn trimmed(&mut self) {
        self.laid_to = 0;
    }

    /// Whether filler stands behind the first `bytes` of the segment.
    pub(crate) fn is_laid_beyond(&self, bytes: u64) -> bool {
        self.laid_to > bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: u64 = 1 << 40;

    fn ahead(filler_bytes_max: u64, segment_bytes: u64) -> Ahead {
        Ahead::new(&Options {
            filler_bytes_max,
            segment_bytes,
            ..Options::default()
        })
    }

    /// Appends groups of `len` bytes and gives the filler laid behind each.
    fn append(ahead: &mut Ahead, count: u64, len: u64, room: u64) -> Vec<Option<u64>> {
        let groups = (0..count).map(|nth| {
            let to = ahead.fill_to(nth * len, len, room);
            ahead.written(len, to.unwrap_or(0));
            to.map(|to| to - (nth + 1) * len)
        });
        groups.collect()
    }

    #[test]
    fn as_much_is_laid_as_was_written_up_to_the_option() {
        let mut ahead = ahead(1 << 20, 256 << 20);
        let laid: Vec<u64> = append(&mut ahead, 10_000, 700, ROOM)
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(laid[0], 2_696, "to the end of the page");
        assert!(
            laid.is_sorted_by(|one, next| one < next || *next >= 1 << 20),
            "{laid:?}"
        );
        assert!(
            laid.iter().all(|laid| *laid < (1 << 20) + FILLER_BYTES_ALIGN),
            "{laid:?}"
        );
        let full = laid.iter().filter(|laid| **laid >= 1 << 20).count();
        // Of 7 MB, after the first.
        assert_eq!((laid.len(), full), (15, 6), "{laid:?}");
        ahead.begin_segment();
        assert_eq!(
            append(&mut ahead, 2, 700, ROOM),
            [None, Some(2_696)],
            "from the beginning"
        );
    }

    #[test]
    fn what_is_laid_ends_at_a_page() {
        let mut ahead = ahead(1 << 20, 256 << 20);
        let mut offset = 0;
        for len in (1..2_000).map(|n| n * 7 % 1_801 + 1) {
            if let Some(to) = ahead.fill_to(offset, len, ROOM) {
                assert_eq!(to % FILLER_BYTES_ALIGN, 0);
                assert!(to > offset + len);
                ahead.written(len, to);
            } else {
                ahead.written(len, 0);
            }
            offset += len;
        }
    }

    #[test]
    fn none_is_laid_behind_large_groups_nor_where_it_is_turned_off() {
        let large = (1 << 20) / GROUPS_MIN + 1;
        assert!(
            append(&mut ahead(1 << 20, 256 << 20), 50, large, ROOM)
                .iter()
                .all(Option::is_none)
        );
        assert!(
            append(&mut ahead(1 << 20, 256 << 20), 50, large - 1, ROOM)
                .iter()
                .any(Option::is_some)
        );
        assert!(
            append(&mut ahead(0, 256 << 20), 50, 1, ROOM)
                .iter()
                .all(Option::is_none)
        );
    }

    #[test]
    fn none_is_laid_beyond_the_end_of_the_segment_nor_into_the_reserve() {
        let mut small = ahead(1 << 20, 10_000);
        let laid = append(&mut small, 14, 700, ROOM);
        assert!(
            (0..)
                .zip(&laid)
                .all(|(nth, laid)| laid.is_none_or(|laid| (nth + 1) * 700 + laid <= 12_288))
        );
        assert_eq!(
            small.fill_to(14 * 700 + 4_000, 700, ROOM),
            None,
            "the group that ends it"
        );
        for room in [0, 15, 4_095, 30_000, 200_000] {
            let laid: Vec<u64> = append(&mut ahead(1 << 20, 256 << 20), 1_000, 700, room)
                .into_iter()
                .flatten()
                .collect();
            let most = laid.iter().max().copied().unwrap_or(0);
            assert!(
                most <= room && most <= room / ROOM_PARTS + FILLER_BYTES_ALIGN,
                "{room}: {laid:?}"
            );
            assert_eq!(laid.is_empty(), room < 700, "{room}: {laid:?}");
        }
    }

    #[test]
    fn what_was_cut_off_is_not_counted_on() {
        let mut ahead = ahead(1 << 20, 256 << 20);
        append(&mut ahead, 2, 700, ROOM);
        assert!(ahead.is_laid_beyond(1_400) && !ahead.is_laid_beyond(4_096));
        assert_eq!(ahead.fill_to(1_400, 700, ROOM), None);
        ahead.trimmed();
        assert!(!ahead.is_laid_beyond(1_400));
        assert!(ahead.fill_to(1_400, 700, ROOM).is_some());
    }
}
