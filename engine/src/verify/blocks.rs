//! Blocks of lines, each line hashed on one of several threads, handed back in order.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use ledgerstone_formats::record::{Record, RecordError};

/// Lines of a segment, each by itself checked.
#[derive(Debug)]
pub(crate) struct Block {
    /// Offset of the first byte in the segment.
    pub(crate) offset: u64,
    /// Whole lines, LF at the end of each.
    pub(crate) bytes: Vec<u8>,
    /// Lines that are wrong by themselves: index in the block, and how.
    pub(crate) bad: Vec<(usize, RecordError)>,
}

/// Threads that check lines.
pub(crate) struct Pool {
    jobs: Sender<(Block, Sender<Block>)>,
    waiting: VecDeque<Receiver<Block>>,
    waiting_max: usize,
}

impl Pool {
    pub(crate) fn start<'scope>(scope: &'scope Scope<'scope, '_>, threads: usize) -> Self {
        type Jobs = Receiver<(Block, Sender<Block>)>;
        let (jobs, queue) = channel::<(Block, Sender<Block>)>();
        let queue: Arc<Mutex<Jobs>> = Arc::new(Mutex::new(queue));
        for _ in 0..threads.max(1) {
            let queue = Arc::clone(&queue);
            scope.spawn(move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((block, answer)) = job else { return };
                    // Nobody waits for it any more when the check was given up.
                    answer.send(check(block)).ok();
                }
            });
        }
        Self {
            jobs,
            waiting: VecDeque::new(),
            waiting_max: 2 * threads.max(1),
        }
    }

    /// Hands in a block. True when enough are under way and one should be taken first.
    pub(crate) fn hand_in(&mut self, offset: u64, bytes: Vec<u8>) -> bool {
        let (answer, receiver) = channel();
        // The threads end only when this sender is dropped.
        self.jobs
            .send((
                Block {
                    offset,
                    bytes,
                    bad: Vec::new(),
                },
                answer,
            ))
            .ok();
        self.waiting.push_back(receiver);
        self.waiting.len() >= self.waiting_max
    }

    /// The oldest block handed in.
    pub(crate) fn take(&mut self) -> Option<Block> {
        self.waiting.pop_front()?.recv().ok()
    }
}

fn check(mut block: Block) -> Block {
    let lines = block.bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
    let bad = lines.filter_map(|(index, line)| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Record::parse(line)
            .and_then(|record| record.check_hashes())
            .err()
            .map(|error| (index, error))
    });
    block.bad = bad.collect();
    block
}
