//! A file of lines in blocks: read by one thread, parsed by several, handed on in the order of the file.

use std::io::{self, BufRead};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use crate::error::Error;

/// Blocks that may wait between two stages, for each parsing thread: memory is bounded by this, not by the file.
const BLOCKS_WAITING: usize = 1;

/// Reads blocks of `lines` lines, parses them on `threads` threads, each with a parser of its own, and calls `take` on
/// this one, in order.
///
/// # Errors
/// The first error met in the order of the file.
pub fn in_order<T: Send, P: FnMut(Vec<u8>) -> Result<T, Error> + Send>(
    input: impl BufRead + Send,
    lines: usize,
    threads: usize,
    parser: impl Fn() -> P,
    mut take: impl FnMut(T) -> Result<(), Error>,
) -> Result<(), Error> {
    thread::scope(|scope| {
        let mut read_ends = Vec::new();
        let mut parsed_ends = Vec::new();
        for _ in 0..threads {
            let (read, blocks) = mpsc::sync_channel(BLOCKS_WAITING);
            let (parsed, results) = mpsc::sync_channel(BLOCKS_WAITING);
            let parse = parser();
            scope.spawn(move || work(&blocks, parse, &parsed));
            read_ends.push(read);
            parsed_ends.push(results);
        }
        scope.spawn(move || deal(input, lines, &read_ends));
        // Blocks are dealt round, so taking round gives them back in order; the first thread without one is past the
        // end.
        for results in parsed_ends.iter().cycle() {
            let Ok(result) = results.recv() else { return Ok(()) };
            take(result?)?;
        }
        Ok(())
    })
}

/// Deals blocks to the threads in turn until the end, an error, or until nobody wants them.
fn deal(mut input: impl BufRead, lines: usize, threads: &[SyncSender<io::Result<Vec<u8>>>]) {
    for thread in threads.iter().cycle() {
        let block = read_block(&mut input, lines).transpose();
        let Some(block) = block else { return };
        let failed = block.is_err();
        if thread.send(block).is_err() || failed {
            return;
        }
    }
}

fn work<T>(
    blocks: &Receiver<io::Result<Vec<u8>>>,
    mut parse: impl FnMut(Vec<u8>) -> Result<T, Error>,
    results: &SyncSender<Result<T, Error>>,
) {
    for block in blocks {
        let result = block.map_err(Error::from).and_then(&mut parse);
        if results.send(result).is_err() {
            return;
        }
    }
}

/// The next `lines` lines or what is left of them; `None` at the end.
fn read_block(input: &mut impl BufRead, lines: usize) -> io::Result<Option<Vec<u8>>> {
    let mut block = Vec::new();
    for _ in 0..lines {
        if input.read_until(b'\n', &mut block)? == 0 {
            break;
        }
    }
    Ok((!block.is_empty()).then_some(block))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back_whole_and_in_order() {
        let text: String = (0..1_003).map(|number| format!("{number}\n")).collect();
        for threads in [1, 2, 3] {
            let mut back = Vec::new();
            let mut blocks = 0;
            let take = |block: Vec<u8>| {
                back.extend(block);
                blocks += 1;
                Ok(())
            };
            in_order(text.as_bytes(), 10, threads, || Ok, take).unwrap();
            assert_eq!((back, blocks), (text.clone().into_bytes(), 101));
        }
    }

    #[test]
    fn the_first_error_ends_it() {
        let text = "good\n".repeat(50) + "bad\n" + &"good\n".repeat(50);
        let parse = |block: Vec<u8>| {
            if block.starts_with(b"b") {
                Err(Error::Stopped)
            } else {
                Ok(block.len())
            }
        };
        let mut taken = 0;
        let result = in_order(
            text.as_bytes(),
            1,
            2,
            || parse,
            |_| {
                taken += 1;
                Ok(())
            },
        );
        assert!(matches!(result, Err(Error::Stopped)));
        assert_eq!(taken, 50);
    }
}
