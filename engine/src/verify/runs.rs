//! Sorting more than memory holds: what is held is sorted and written to a temporary file when it is enough, and the
//! runs there are brought together at the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;

use tempfile::SpooledTempFile;

/// Bytes of an event in the file.
const EVENT_BYTES: usize = 32;
/// Events of a run that are read at once.
const READ_EVENTS: usize = 512;

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

/// Takes events in any order.
#[derive(Debug)]
pub(crate) struct Sorter {
    held: Vec<Event>,
    held_max: usize,
    /// Removed by the operating system when it is closed, however that comes.
    file: SpooledTempFile,
    runs: Vec<Range<u64>>,
}

impl Sorter {
    /// Holds at most so many events in memory.
    pub(crate) fn new(held_max: usize) -> Self {
        Self {
            held: Vec::new(),
            held_max,
            file: SpooledTempFile::new(0),
            runs: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, event: Event) -> io::Result<()> {
        self.held.push(event);
        if self.held.len() >= self.held_max {
            self.write_run()?;
        }
        Ok(())
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        let start = self.runs.last().map_or(0, |run| run.end);
        let mut out = io::BufWriter::new(&mut self.file);
        for event in &self.held {
            out.write_all(&event.counter.to_le_bytes())?;
            out.write_all(&event.seq.to_le_bytes())?;
            out.write_all(&event.value.to_le_bytes())?;
        }
        out.flush()?;
        drop(out);
        self.runs
            .push(start..start + (self.held.len() * EVENT_BYTES) as u64);
        self.held.clear();
        Ok(())
    }

    /// Gives every event in order.
    pub(crate) fn each(mut self, mut each: impl FnMut(Event)) -> io::Result<()> {
        if self.runs.is_empty() {
            self.held.sort_unstable();
            self.held.iter().copied().for_each(each);
            return Ok(());
        }
        self.write_run()?;
        self.held = Vec::new();
        let mut runs: Vec<Run> = self.runs.drain(..).map(Run::new).collect();
        let mut next = BinaryHeap::with_capacity(runs.len());
        for (at, run) in runs.iter_mut().enumerate() {
            next.extend(run.next(&mut self.file)?.map(|event| Reverse((event, at))));
        }
        while let Some(Reverse((event, at))) = next.pop() {
            each(event);
            next.extend(runs[at].next(&mut self.file)?.map(|event| Reverse((event, at))));
        }
        Ok(())
    }
}

/// A sorted part of the file, as far as it was read.
struct Run {
    left: Range<u64>,
    /// Next one last.
    read: Vec<Event>,
}

impl Run {
    fn new(left: Range<u64>) -> Self {
        Self {
            left,
            read: Vec::new(),
        }
    }

    fn next(&mut self, file: &mut SpooledTempFile) -> io::Result<Option<Event>> {
        if self.read.is_empty() && !self.left.is_empty() {
            let left = usize::try_from(self.left.end - self.left.start).unwrap_or(usize::MAX);
            let mut bytes = vec![0; left.min(READ_EVENTS * EVENT_BYTES)];
            file.seek(SeekFrom::Start(self.left.start))?;
            file.read_exact(&mut bytes)?;
            self.left.start += bytes.len() as u64;
            self.read.extend(bytes.chunks_exact(EVENT_BYTES).rev().map(event));
        }
        Ok(self.read.pop())
    }
}

fn event(bytes: &[u8]) -> Event {
    let (counter, rest) = bytes.split_at(16);
    let (seq, value) = rest.split_at(8);
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes were split off"));
    Event {
        counter: u128::from_le_bytes(counter.try_into().expect("sixteen bytes were split off")),
        seq: word(seq),
        value: word(value),
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
        Sorter::new(10).each(|_| panic!("nothing was pushed")).unwrap();
    }
}
