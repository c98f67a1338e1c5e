//! An engine that does nothing: the clients and the queue of a group commit around a thread that copies bytes, writes
//! and syncs them. What a ledger adds to that is its own cost.

use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;

use crate::error::Error;
use crate::files;
use crate::stats::Run;
use crate::stopwatch::Stopwatch;

/// Lines on their way to the file, with who waits for them.
type Waiting<'a> = (&'a [u8], SyncSender<()>);

/// Several writers, one line at a time each, and one thread that writes and syncs what waits.
///
/// # Errors
/// Those of the file.
pub fn many_writers(dir: &Path, lines: &[&[u8]], writers: usize) -> Result<Run, Error> {
    let mut file = files::create(&dir.join("lines"))?;
    let (submit, waiting) = mpsc::channel();
    let whole = Stopwatch::start();
    let each = thread::scope(|scope| {
        let clients: Vec<_> = lines
            .chunks(lines.len().div_ceil(writers))
            .map(|lines| {
                let submit = submit.clone();
                scope.spawn(move || client(lines, &submit))
            })
            .collect();
        drop(submit);
        serve(&mut file, &waiting)?;
        let mut each = Vec::with_capacity(lines.len());
        for client in clients {
            each.extend(client.join().map_err(|_| Error::Stopped)??);
        }
        Ok::<_, Error>(each)
    })?;
    Ok(Run::new(each, whole.elapsed()))
}

fn client<'a>(lines: &[&'a [u8]], submit: &Sender<Waiting<'a>>) -> Result<Vec<std::time::Duration>, Error> {
    let (durable, answered) = mpsc::sync_channel(1);
    let mut each = Vec::with_capacity(lines.len());
    for line in lines {
        let one = Stopwatch::start();
        submit.send((line, durable.clone())).map_err(|_| Error::Stopped)?;
        answered.recv().map_err(|_| Error::Stopped)?;
        each.push(one.elapsed());
    }
    Ok(each)
}

fn serve(file: &mut std::fs::File, waiting: &Receiver<Waiting<'_>>) -> Result<(), Error> {
    let mut buffer = Vec::new();
    while let Ok(first) = waiting.recv() {
        let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
        buffer.clear();
        for (line, _) in &group {
            buffer.extend_from_slice(line);
        }
        file.write_all(&buffer)?;
        file.sync_data()?;
        for (_, durable) in group {
            // A waiter that has gone away does not need to know.
            let _ = durable.send(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_written_once() {
        let dir = tempfile::tempdir().unwrap();
        let lines: Vec<Vec<u8>> = (0..90).map(|n| format!("{n}\n").into_bytes()).collect();
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        many_writers(dir.path(), &lines, 8).unwrap();
        let mut reader = files::open(&dir.path().join("lines")).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
        let mut found: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, (0..90).collect::<Vec<_>>());
    }
}
