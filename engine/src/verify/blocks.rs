//! Blocks of lines, each line hashed on one of several threads, handed back in order.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use ledgerstone_formats::record::{Record, RecordError};

use crate::verify::sums::{Sum, Summer};

/// Lines of a segment, each by itself checked.
#[derive(Debug)]
pub(crate) struct Block {
    /// Offset of the first byte in the segment.
    pub(crate) offset: u64,
    /// Whole lines, LF at the end of each.
    pub(crate) bytes: Vec<u8>,
    /// Lines that are wrong by themselves: index in the block, and how.
    pub(crate) bad: Vec<(usize, RecordError)>,
    /// Of the postings of its lines before `sum_end`, where the index is checked too.
    pub(crate) sum: Sum,
    /// First sequence number that does not count.
    pub(crate) sum_end: u64,
}

type Job = (Block, Sender<Block>);

/// Threads that check lines; where none can be started, the caller's own.
pub(crate) struct Pool {
    jobs: Sender<Job>,
    threads: usize,
    summer: Option<Summer>,
    waiting: VecDeque<Waiting>,
}

enum Waiting {
    Checked(Block),
    UnderWay(Receiver<Block>),
}

impl Pool {
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        threads: usize,
        summer: Option<Summer>,
    ) -> Self {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let started = (0..threads).map_while(|_| {
            let (queue, summer) = (Arc::clone(&queue), summer.clone());
            std::thread::Builder::new()
                .spawn_scoped(scope, move || run(&queue, summer.as_ref()))
                .ok()
        });
        let threads = started.count();
        Self {
            jobs,
            threads,
            summer,
            waiting: VecDeque::new(),
        }
    }

    /// Hands in a block. True when enough are under way and one should be taken first.
    pub(crate) fn hand_in(&mut self, offset: u64, bytes: Vec<u8>, sum_end: u64) -> bool {
        let block = Block {
            offset,
            bytes,
            bad: Vec::new(),
            sum: Sum::default(),
            sum_end,
        };
        if self.threads == 0 {
            self.waiting
                .push_back(Waiting::Checked(check(block, self.summer.as_ref())));
            return true;
        }
        let (answer, receiver) = channel();
        self.jobs
            .send((block, answer))
            .expect("the threads end only when this sender is dropped");
        self.waiting.push_back(Waiting::UnderWay(receiver));
        self.waiting.len() >= 2 * self.threads
    }

    /// The oldest block handed in.
    pub(crate) fn take(&mut self) -> Option<Block> {
        Some(match self.waiting.pop_front()? {
            Waiting::Checked(block) => block,
            Waiting::UnderWay(receiver) => receiver
                .recv()
                .expect("a thread answers each block that it takes"),
        })
    }
}

fn run(queue: &Mutex<Receiver<Job>>, summer: Option<&Summer>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((block, answer)) = job else { return };
        // Nobody waits for it any more when the check was given up.
        answer.send(check(block, summer)).ok();
    }
}

fn check(mut block: Block, summer: Option<&Summer>) -> Block {
    let (mut offset, mut hashes) = (block.offset, Vec::new());
    for (index, line) in block.bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        match Record::parse(text).and_then(|record| record.check_hashes().map(|()| record)) {
            Ok(record) => {
                if let Some(summer) = summer
                    && record.header.seq < block.sum_end
                {
                    summer.add_record(&record, offset, &mut hashes, &mut block.sum);
                }
            }
            Err(error) => block.bad.push((index, error)),
        }
        offset += line.len() as u64;
    }
    block
}
