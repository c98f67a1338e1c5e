//! Sorting more than memory holds: what is held is sorted and written to a temporary file when it is enough, and the
//! runs there are brought together at the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;

use tempfile::SpooledTempFile;

/// Items of a run that are read at once.
const READ_ITEMS: usize = 512;

/// What can be sorted.
pub(crate) trait Item: Copy + Ord {
    /// Its bytes in the file.
    const BYTES: usize;

    fn put(&self, out: &mut impl io::Write) -> io::Result<()>;

    /// Reads back what `put` has written.
    fn get(bytes: &[u8]) -> Self;
}

/// What a record does to one counter. Sorted by the counter, then by place in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Event {
    /// The counter.
    pub(crate) counter: u128,
    /// The record.
    pub(crate) seq: u64,
    /// What it says of the counter.
    pub(crate) value: u64,
}

impl Item for Event {
    const BYTES: usize = 32;

    fn put(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(&self.counter.to_le_bytes())?;
        out.write_all(&self.seq.to_le_bytes())?;
        out.write_all(&self.value.to_le_bytes())
    }

    fn get(bytes: &[u8]) -> Self {
        let (counter, rest) = bytes.split_at(16);
        let (seq, value) = rest.split_at(8);
        Self {
            counter: long(counter),
            seq: word(seq),
            value: word(value),
        }
    }
}

/// The number that 8 bytes hold.
pub(crate) fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes were split off"))
}

/// The number that 16 bytes hold.
pub(crate) fn long(bytes: &[u8]) -> u128 {
    u128::from_le_bytes(bytes.try_into().expect("sixteen bytes were split off"))
}

/// Takes items in any order.
#[derive(Debug)]
pub(crate) struct Sorter<T> {
    held: Vec<T>,
    held_max: usize,
    /// Removed by the operating system when it is closed, however that comes.
    file: SpooledTempFile,
    runs: Vec<Range<u64>>,
}

impl<T: Item> Sorter<T> {
    /// Holds at most so many items in memory.
    pub(crate) fn new(held_max: usize) -> Self {
        Self {
            held: Vec::new(),
            held_max,
            file: SpooledTempFile::new(0),
            runs: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, item: T) -> io::Result<()> {
        self.held.push(item);
        if self.held.len() >= self.held_max {
            self.write_run()?;
        }
        Ok(())
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        let start = self.runs.last().map_or(0, |run| run.end);
        let mut out = io::BufWriter::new(&mut self.file);
        self.held.iter().try_for_each(|item| item.put(&mut out))?;
        out.flush()?;
        drop(out);
        self.runs.push(start..start + (self.held.len() * T::BYTES) as u64);
        self.held.clear();
        Ok(())
    }

    /// Gives every item in order.
    pub(crate) fn each(self, mut each: impl FnMut(T)) -> io::Result<()> {
        self.try_each(|item| {
            each(item);
            Ok(())
        })
    }

    /// The same, up to the first failure.
    pub(crate) fn try_each(mut self, mut each: impl FnMut(T) -> io::Result<()>) -> io::Result<()> {
        if self.runs.is_empty() {
            self.held.sort_unstable();
            return self.held.iter().copied().try_for_each(each);
        }
        self.write_run()?;
        self.held = Vec::new();
        let mut runs: Vec<Run<T>> = self.runs.drain(..).map(Run::new).collect();
        let mut next = BinaryHeap::with_capacity(runs.len());
        for (at, run) in runs.iter_mut().enumerate() {
            next.extend(run.next(&mut self.file)?.map(|item| Reverse((item, at))));
        }
        while let Some(Reverse((item, at))) = next.pop() {
            each(item)?;
            next.extend(runs[at].next(&mut self.file)?.map(|item| Reverse((item, at))));
        }
        Ok(())
    }
}

/// A sorted part of the file, as far as it was read.
struct Run<T> {
    left: Range<u64>,
    /// Next one last.
    read: Vec<T>,
}

impl<T: Item> Run<T> {
    fn new(left: Range<u64>) -> Self {
        Self {
            left,
            read: Vec::new(),
        }
    }

    fn next(&mut self, file: &mut SpooledTempFile) -> io::Result<Option<T>> {
        if self.read.is_empty() && !self.left.is_empty() {
            let left = usize::try_from(self.left.end - self.left.start).unwrap_or(usize::MAX);
            let mut bytes = vec![0; left.min(READ_ITEMS * T::BYTES)];
            file.seek(SeekFrom::Start(self.left.start))?;
            file.read_exact(&mut bytes)?;
            self.left.start += bytes.len() as u64;
            self.read.extend(bytes.chunks_exact(T::BYTES).rev().map(T::get));
        }
        Ok(self.read.pop())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_in_order_however_few_are_held() {
        let events: Vec<Event> = (0..3_000_u64)
            .map(|n| Event {
                counter: u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 97) << 70,
                seq: n * 7 % 3_000,
                value: n,
            })
            .collect();
        let mut expected = events.clone();
        expected.sort_unstable();
        for held_max in [1_000_000, 3_000, 1_000, 700, 64] {
            let mut sorter = Sorter::new(held_max);
            for event in &events {
                sorter.push(*event).unwrap();
            }
            let mut found = Vec::new();
            sorter.each(|event| found.push(event)).unwrap();
            assert!(found == expected, "{held_max}");
        }
        Sorter::<Event>::new(10)
            .each(|_| panic!("nothing was pushed"))
            .unwrap();
    }
}
