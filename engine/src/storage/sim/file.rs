//! One file of the simulated disk: what its readers see, what the medium holds, and what is on the way.

use std::collections::BTreeMap;

use ledgerstone_formats::limits::SECTOR_BYTES;

use super::survival::Choices;

const SECTOR: usize = 512;
const _: () = assert!(SECTOR as u64 == SECTOR_BYTES);

/// A file's bytes, live and durable, by 512-byte sectors.
///
/// `durable` and `live` differ in length only while `lens` is not empty: a length stays on its way until a sync
/// succeeds. They may differ in a sector that is not dirty: a sync failed, and the page cache no longer knows.
#[derive(Debug, Clone, Default)]
pub(super) struct SimFile {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Lengths that the file had since the last good sync, the present one last.
    lens: Vec<u64>,
    /// Sectors written since the last sync, each with what it held after earlier writes since then.
    dirty: BTreeMap<usize, Vec<Box<[u8]>>>,
    read_only: bool,
    read_only_durable: bool,
}

impl SimFile {
    pub(super) fn new(read_only: bool) -> Self {
        Self {
            read_only,
            read_only_durable: read_only,
            ..Self::default()
        }
    }

    /// A file that has been there for long.
    pub(super) fn settled(bytes: Vec<u8>, read_only: bool) -> Self {
        Self {
            durable: bytes.clone(),
            live: bytes,
            ..Self::new(read_only)
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.live
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub(super) fn forbid_writing(&mut self) {
        self.read_only = true;
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.touch(offset, end);
        if end > self.live.len() {
            self.live.resize(end, 0);
            self.lens.push(end as u64);
        }
        self.live[offset..end].copy_from_slice(bytes);
    }

    pub(super) fn truncate(&mut self, len: usize) {
        if len == self.live.len() {
            return;
        }
        if len < self.live.len() {
            // The rest of the sector at the cut is zeroed in the cache; pages after it are dropped, never written.
            self.touch(len, len.next_multiple_of(SECTOR).min(self.live.len()));
            drop(self.dirty.split_off(&len.div_ceil(SECTOR)));
        }
        self.live.resize(len, 0);
        self.lens.push(len as u64);
    }

    /// A sync that does what it says.
    pub(super) fn sync(&mut self) {
        self.read_only_durable = self.read_only;
        // What was cut off in between does not come back when the file grows again.
        let cut = self.lens.iter().copied().min().unwrap_or(u64::MAX);
        self.durable.truncate(usize::try_from(cut).unwrap_or(usize::MAX));
        self.durable.resize(self.live.len(), 0);
        self.lens.clear();
        for sector in std::mem::take(&mut self.dirty).into_keys() {
            let range = sector_range(sector, self.live.len());
            self.durable[range.clone()].copy_from_slice(&self.live[range]);
        }
    }

    /// A sync that fails after its first `landed` sectors. All are clean now; those that did not land are on no medium,
    /// and a later sync does not bring them there. The length, which the journal keeps, is still on its way.
    pub(super) fn sync_fails(&mut self, landed: u64) {
        for (sector, nth) in std::mem::take(&mut self.dirty).into_keys().zip(0..) {
            if nth >= landed {
                continue;
            }
            let range = sector_range(sector, self.live.len());
            if self.durable.len() < range.end {
                self.durable.resize(range.end, 0);
            }
            self.durable[range.clone()].copy_from_slice(&self.live[range]);
        }
    }

    /// Reads clean pages from the medium again, as the page cache may at any time.
    pub(super) fn drop_clean_pages(&mut self) {
        for sector in 0..self.live.len().div_ceil(SECTOR) {
            if !self.dirty.contains_key(&sector) {
                let range = sector_range(sector, self.live.len());
                let on_medium = self.durable.get(range.start..).unwrap_or_default();
                let there = on_medium.len().min(range.len());
                self.live[range.start..range.start + there].copy_from_slice(&on_medium[..there]);
                self.live[range.start + there..range.end].fill(0);
            }
        }
    }

    /// Changes a bit on the medium, and where readers see it.
    pub(super) fn flip(&mut self, offset: usize, mask: u8) {
        for bytes in [&mut self.live, &mut self.durable] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= mask;
            }
        }
    }

    /// What is left of the file after the power went: each dirty sector in one of the states it had, and one of its
    /// lengths, in any combination.
    pub(super) fn after_power_loss(&self, choices: &mut Choices) -> Self {
        let mut bytes = self.durable.clone();
        let len = match self.lens.len() {
            0 => None,
            lens => choices.pick(1 + lens).checked_sub(1).map(|nth| self.lens[nth]),
        };
        for (sector, earlier) in &self.dirty {
            let newest = &self.live[sector_range(*sector, self.live.len())];
            let contents = match choices.pick(2 + earlier.len()).checked_sub(1) {
                None => continue,
                Some(nth) => earlier.get(nth).map_or(newest, |contents| contents),
            };
            lay_sector(&mut bytes, *sector, contents);
        }
        // A length that did not get there: the file still grows to the end of its last sector that did.
        if let Some(len) = len {
            bytes.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
        }
        let changed = self.read_only != self.read_only_durable;
        let read_only = if changed && choices.pick(2) == 1 {
            self.read_only
        } else {
            self.read_only_durable
        };
        Self::settled(bytes, read_only)
    }

    /// Marks the sectors of `from..to` dirty, keeping what they hold now if they were.
    fn touch(&mut self, from: usize, to: usize) {
        for sector in from / SECTOR..to.div_ceil(SECTOR) {
            let earlier = sector_range(sector, self.live.len());
            match self.dirty.get_mut(&sector) {
                Some(versions) => versions.push(self.live[earlier].into()),
                None => drop(self.dirty.insert(sector, Vec::new())),
            }
        }
    }
}

/// Where a sector stands in a file of `len` bytes.
fn sector_range(sector: usize, len: usize) -> std::ops::Range<usize> {
    (sector * SECTOR).min(len)..((sector + 1) * SECTOR).min(len)
}

/// Writes a whole sector of the medium, whose bytes past `contents` are zero; the file grows by `contents` only.
fn lay_sector(bytes: &mut Vec<u8>, sector: usize, contents: &[u8]) {
    let end = sector * SECTOR + contents.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    let range = sector_range(sector, bytes.len());
    bytes[range.clone()].fill(0);
    bytes[range.start..end].copy_from_slice(contents);
}
