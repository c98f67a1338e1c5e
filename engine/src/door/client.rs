//! The side of the door that knocks.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use ledgerstone_formats::segment::Seal;

use super::answer::{Answer, Welcome};
use super::request::{encode_batch, encode_checkpoint, encode_seal, encode_stats};
use super::wire::{GREETING, Malformed, read_frame};
use crate::batch::{Batch, Stream};
use crate::clock::SystemClock;
use crate::commit::intake::check;
use crate::commit::ticket::{Reply, Ticket};
use crate::draft::Drafter;
use crate::error::{Error, ErrorKind};
use crate::holder::{Holder, this_host};
use crate::recover::read_identity;
use crate::storage::Storage as _;
use crate::storage::disk::Disk;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// For so long a holder may be silent before it has said who it is.
const GREETING_WAIT: Duration = Duration::from_secs(5);

/// A ledger that another process of this machine holds, through that process.
///
/// It takes what a [`Ledger`](crate::Ledger) takes, from any number of threads. Dropping it waits until everything that
/// was sent is answered.
#[derive(Debug)]
pub struct Door {
    line: Arc<Line>,
    welcome: Welcome,
    holder: u32,
    streams: AtomicU32,
    listening: Option<JoinHandle<()>>,
}

impl Door {
    /// Connects to the process that holds the ledger in this directory.
    ///
    /// # Errors
    /// `Held` with the holder's line where it lets nobody in: it has no door, is on another machine, does not answer,
    /// or has as many connections as it takes. `Missing` when nobody holds the ledger: open it. `Unavailable` when
    /// `LOCK` or the directory cannot be read.
    pub fn connect(disk: &Disk) -> Result<Self, Error> {
        let asked = disk
            .holder()
            .map_err(|error| Error::io("the holder cannot be told", error))?;
        let Some(text) = asked else {
            return Err(Error::new(ErrorKind::Missing, "nobody holds the ledger"));
        };
        let held = |why: String| {
            let message = format!("another process holds the ledger: {text}; {why}");
            Error::new(ErrorKind::Held, message)
        };
        let Ok(holder) = serde_json::from_str::<Holder>(&text) else {
            return Err(held("LOCK does not say how to reach it".to_owned()));
        };
        let host = this_host();
        if holder.host != host {
            return Err(held(format!(
                "it runs on {}, this is {host}: run the command there",
                holder.host
            )));
        }
        if holder.door.as_deref() != Some(ledgerstone_formats::names::DOOR) {
            return Err(held("it takes nothing from others".to_owned()));
        }
        let (stream, welcome) = disk
            .reach_door()
            .map_err(Error::from_door)
            .and_then(|stream| greet(&stream).map(|welcome| (stream, welcome)))
            .map_err(|error| held(format!("its door is closed: {error}")))?;
        let genesis = read_identity(disk)?;
        if welcome.ledger != genesis.ledger {
            return Err(held(format!("its door leads to the ledger {}", welcome.ledger)));
        }
        let line = Arc::new(Line::new(stream));
        let listener = Arc::clone(&line);
        let listening = thread::Builder::new()
            .name("ledger-door".to_owned())
            .spawn(move || listener.listen())
            .map_err(|error| Error::io("no thread can be started", error))?;
        Ok(Self {
            line,
            welcome,
            holder: holder.pid,
            streams: AtomicU32::new(0),
            listening: Some(listening),
        })
    }

    /// Process id of the holder.
    pub fn holder(&self) -> u32 {
        self.holder
    }

    /// Longest body that the holder takes, in bytes.
    pub fn body_bytes_max(&self) -> usize {
        usize::try_from(self.welcome.body_bytes_max).unwrap_or(usize::MAX)
    }

    /// Makes drafts: one for each producing thread. What it accepts the holder checks again.
    pub fn drafter(&self) -> Drafter {
        Drafter::new(Arc::new(SystemClock::new()), self.body_bytes_max())
    }

    /// A stream of this connection: see [`Batch::in_stream`].
    pub fn stream(&self) -> Stream {
        Stream::numbered(self.streams.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
    }

    /// Sends a batch: all of it is stored or nothing. Blocks while the holder has enough to do. The ticket is answered
    /// as the holder's own would be; with `Unknown` where the holder ended before it had answered.
    ///
    /// # Errors
    /// `Closed` when the holder takes no more, and nothing of this batch was sent whole; `Invalid` for a batch that is
    /// empty, too long to be sent or holds a record of the system; `Unavailable` behind a refused batch of its stream.
    pub fn submit(&self, batch: Batch) -> Result<Ticket, Error> {
        check(&batch)?;
        if batch.is_cut_off() {
            return Err(Error::cut_off());
        }
        let frame = encode_batch(&batch).ok_or_else(too_long)?;
        let (records, stream) = (batch.len(), batch.stream().cloned());
        // Its bytes are in the frame, and sending may take long.
        drop(batch);
        let (ticket, reply) = Ticket::pair();
        let waiting = Waiting::Batch(reply, stream.clone(), records);
        self.line.send(&frame, waiting).map_err(|error| {
            // The holder has answered all that it got by now: whether this one may be sent elsewhere depends on it.
            if stream.is_some_and(|stream| stream.is_broken()) {
                Error::cut_off()
            } else {
                error
            }
        })?;
        Ok(ticket)
    }

    /// Ends the segment and waits until it is sealed; `None` when no record is in it.
    ///
    /// # Errors
    /// The holder's; `Closed` when it takes no more; `Unknown` when it ended before it had answered.
    pub fn seal(&self) -> Result<Option<Seal>, Error> {
        match self.ask(encode_seal())? {
            Answer::Sealed(seal) => Ok(seal.map(|seal| *seal)),
            Answer::Refused(error) => Err(error),
            _ => Err(ended()),
        }
    }

    /// A head over everything acknowledged until now: the bytes of `checkpoint`, or of `head`.
    ///
    /// # Errors
    /// As [`Door::seal`].
    pub fn checkpoint(&self) -> Result<Vec<u8>, Error> {
        match self.ask(encode_checkpoint())? {
            Answer::Head(head) => Ok(head),
            Answer::Refused(error) => Err(error),
            _ => Err(ended()),
        }
    }

    /// What the holder has done since it opened the ledger, and where that stands, in Prometheus' text format: see
    /// [`Stats::to_prometheus`](crate::Stats::to_prometheus).
    ///
    /// # Errors
    /// As [`Door::seal`].
    pub fn prometheus(&self) -> Result<String, Error> {
        match self.ask(encode_stats())? {
            Answer::Stats(text) => Ok(text),
            Answer::Refused(error) => Err(error),
            _ => Err(ended()),
        }
    }

    fn ask(&self, frame: Option<Vec<u8>>) -> Result<Answer, Error> {
        let (sender, receiver): (_, Receiver<Answer>) = sync_channel(1);
        self.line
            .send(&frame.ok_or_else(too_long)?, Waiting::Other(sender))?;
        receiver.recv().map_err(|_| ended())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // The holder reads to the end, answers, and ends the connection. One that is gone has ended it already.
        let _gone = self.line.stream.shutdown(Shutdown::Write);
        self.listening.take().map(JoinHandle::join);
    }
}

/// Says who is there, and hears who answers.
fn greet(stream: &UnixStream) -> Result<Welcome, Error> {
    let frame = heard(stream).map_err(Error::from_door)?;
    match Answer::decode(&frame) {
        Ok(Answer::Welcome(welcome)) => Ok(welcome),
        Ok(Answer::Refused(error)) => Err(error),
        _ => Err(Error::new(ErrorKind::Held, Malformed.to_string())),
    }
}

/// The frame after the greetings.
fn heard(mut stream: &UnixStream) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(GREETING_WAIT))?;
    let mut greeting = GREETING;
    stream.read_exact(&mut greeting)?;
    if greeting != GREETING {
        let text = format!("it speaks `{}`", greeting.trim_ascii_end().escape_ascii());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    // Whoever is sent away finds nobody to greet, and the reason to read.
    let greeted = stream.write_all(&GREETING);
    let mut length = [0; 4];
    let frame = stream
        .read_exact(&mut length)
        .and_then(|()| read_frame(&mut stream, length));
    let frame = frame.map_err(|error| greeted.err().unwrap_or(error))?;
    stream.set_read_timeout(None)?;
    Ok(frame)
}

impl Error {
    fn from_door(error: io::Error) -> Self {
        Self::io("it does not answer", error)
    }
}

fn ended() -> Error {
    let message = "the process that held the ledger ended without an answer; whether this is done shows when the \
                   ledger is opened again";
    Error::new(ErrorKind::Unknown, message)
}

fn too_long() -> Error {
    let message = "the batch and its preconditions are more than can be sent at once";
    Error::new(ErrorKind::Invalid, message)
}

/// A connection, with those who wait for answers.
#[derive(Debug)]
struct Line {
    stream: UnixStream,
    /// Held while a frame is sent: answers come in the order of the frames.
    sending: Mutex<()>,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// The frame of the last one that waits is not sent whole.
    is_sending: bool,
    /// There are no more answers.
    ended: bool,
}

/// Who waits for an answer.
#[derive(Debug)]
enum Waiting {
    /// A ticket, for a batch of so many records.
    Batch(Reply, Option<Stream>, usize),
    Other(SyncSender<Answer>),
}

impl Line {
    fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            sending: Mutex::new(()),
            state: Mutex::default(),
            ended: Condvar::new(),
        }
    }

    /// Sends a frame. After an error it was not sent whole, and everything sent before it is answered.
    fn send(&self, frame: &[u8], waiting: Waiting) -> Result<(), Error> {
        let _turn = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        if !state.ended {
            // Before it is sent: its answer may be quicker than this thread.
            state.waiting.push_back(waiting);
            state.is_sending = true;
            drop(state);
            let sent = (&self.stream).write_all(frame);
            state = self.state();
            state.is_sending = false;
            if sent.is_ok() {
                // A holder that is gone may have left room for it all the same.
                if state.ended {
                    state.waiting.drain(..).for_each(Waiting::give_up);
                }
                return Ok(());
            }
            state.waiting.pop_back();
            // The holder answers what it has, and ends the connection too.
            let _ended = self.stream.shutdown(Shutdown::Write);
        }
        while !state.ended {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let message = "the process that held the ledger takes no more; nothing of this was sent";
        Err(Error::new(ErrorKind::Closed, message))
    }

    /// Hands out answers until there are no more.
    fn listen(&self) {
        while self.pass_on_next().is_some() {}
        let mut state = self.state();
        state.ended = true;
        // What is being sent is judged by its sender. All else, before anybody can see that it has ended and goes on
        // elsewhere.
        let sent = state.waiting.len().saturating_sub(usize::from(state.is_sending));
        state.waiting.drain(..sent).for_each(Waiting::give_up);
        drop(state);
        self.ended.notify_all();
        // Nothing that is sent now would be answered.
        let _ended = self.stream.shutdown(Shutdown::Both);
    }

    /// None at the end, and after what is no answer to anything that was asked.
    fn pass_on_next(&self) -> Option<()> {
        let mut length = [0; 4];
        (&self.stream).read_exact(&mut length).ok()?;
        let frame = read_frame(&mut &self.stream, length).ok()?;
        let waiting = self.state().waiting.pop_front()?;
        match Answer::decode(&frame) {
            Ok(answer) => waiting.pass_on(answer),
            Err(_) => {
                waiting.give_up();
                None
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn pass_on(self, answer: Answer) -> Option<()> {
        match (self, answer) {
            (Self::Batch(reply, _, records), Answer::Stored(receipts)) if receipts.len() == records => {
                reply.pass_on(Ok(receipts));
            }
            (Self::Batch(reply, stream, _), Answer::Refused(error)) => {
                // Before the answer: whoever has it must not get a later batch through.
                stream.as_ref().map(Stream::break_off);
                reply.pass_on(Err(error));
            }
            (Self::Other(sender), answer) => {
                // Whoever asked has not gone: he blocks until there is an answer.
                sender.send(answer).ok()?;
            }
            (waiting, _) => {
                waiting.give_up();
                return None;
            }
        }
        Some(())
    }

    /// There is no answer. Without a sender, whoever asked for something else hears it.
    fn give_up(self) {
        if let Self::Batch(reply, stream, _) = self {
            stream.as_ref().map(Stream::break_off);
            reply.pass_on(Err(ended()));
        }
    }
}
