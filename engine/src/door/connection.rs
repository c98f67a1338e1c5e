//! One that came in: requests are read and submitted in order, and answered in that order.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_formats::draft::Draft;

use super::answer::{Answer, Welcome};
use super::request::{self, Request, Submit};
use super::wire::{GREETING, read_frame};
use crate::batch::{Batch, Stream};
use crate::commit::intake::Intake;
use crate::commit::ticket::Ticket;
use crate::draft::{Drafter, reserved};
use crate::error::{Error, ErrorKind};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError, thread};

/// For so long a client may be silent before it has said what it wants, and in the middle of a frame. Between frames it
/// may be silent for ever.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Requests that were read and are not answered.
const UNANSWERED_MAX: usize = 64;
/// Bytes of their batches: past it, no more is read. One batch may be longer.
const UNANSWERED_BYTES_MAX: usize = 8 << 20;
/// Streams of one connection.
const STREAMS_MAX: u32 = 1_000;

pub(crate) struct Connection {
    stream: Arc<UnixStream>,
    intake: Arc<Intake>,
    drafter: Drafter,
    /// By number, from 1.
    streams: Vec<Stream>,
    due: Arc<Due>,
}

impl Connection {
    pub(crate) fn new(stream: Arc<UnixStream>, intake: Arc<Intake>) -> Self {
        let drafter = intake.drafter();
        Self {
            stream,
            intake,
            drafter,
            streams: Vec::new(),
            due: Arc::default(),
        }
    }

    /// Serves until the client has no more to ask, goes, or says what is no request. Nothing is ever half done: a frame
    /// that does not come whole is as if it had not come.
    pub(crate) fn serve(&mut self) {
        if self.greet().is_err() {
            return;
        }
        let (due, stream) = (Arc::clone(&self.due), Arc::clone(&self.stream));
        let answering = thread::Builder::new()
            .name("ledger-answers".to_owned())
            .spawn(move || due.answer_all(&stream));
        let Ok(answering) = answering else { return };
        let _end = EndOfRequests(Arc::clone(&self.due));
        while self.due.wait_for_room() {
            let Ok(Some(frame)) = self.next_frame() else { break };
            let Ok(request) = request::decode(&frame) else {
                let message = "what was asked at the door is no request; nothing of it was done";
                self.due
                    .add(Owed::Now(refused(Error::new(ErrorKind::Invalid, message))));
                break;
            };
            let owed = self.answer(request);
            self.due.add(owed);
        }
        self.due.end();
        // A panic there was printed, and the connection ends.
        answering.join().ok();
    }

    fn greet(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(SILENCE_MAX))?;
        let mut greeting = GREETING;
        (&*self.stream).read_exact(&mut greeting)?;
        if greeting != GREETING {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let welcome = Answer::Welcome(Welcome {
            ledger: self.intake.genesis.ledger.clone(),
            body_bytes_max: self.intake.body_bytes_max as u64,
        });
        (&*self.stream).write_all(&welcome.encode().unwrap_or_default())
    }

    /// The next frame; none where the client ends between frames.
    fn next_frame(&self) -> io::Result<Option<Vec<u8>>> {
        let mut length = [0; 4];
        self.stream.set_read_timeout(None)?;
        if (&*self.stream).read(&mut length[..1])? == 0 {
            return Ok(None);
        }
        self.stream.set_read_timeout(Some(SILENCE_MAX))?;
        (&*self.stream).read_exact(&mut length[1..])?;
        read_frame(&mut &*self.stream, length).map(Some)
    }

    fn answer(&mut self, request: Request<'_>) -> Owed {
        match request {
            Request::Submit(submit) => {
                let (ticket, bytes) = match self.submit(submit) {
                    Ok(submitted) => submitted,
                    Err(error) => return Owed::Now(refused(error)),
                };
                Owed::Later(ticket, bytes)
            }
            Request::Seal => Owed::Now(
                self.intake
                    .seal()
                    .map_or_else(refused, |seal| Answer::Sealed(seal.map(Box::new))),
            ),
            Request::Checkpoint => Owed::Now(self.intake.checkpoint().map_or_else(refused, Answer::Head)),
            Request::Stats => {
                let stats = self.intake.stats();
                Owed::Now(Answer::Stats(stats.to_prometheus(&self.intake.genesis.origin)))
            }
        }
    }

    fn submit(&mut self, submit: Submit<'_>) -> Result<(Ticket, usize), Error> {
        let stream = self.stream_of(submit.stream)?;
        let submitted = self.batch(submit, stream.as_ref()).and_then(|batch| {
            let bytes = batch.bytes();
            self.wait_and_submit(&batch).map(|ticket| (ticket, bytes))
        });
        if let (Err(_), Some(stream)) = (&submitted, stream) {
            stream.break_off();
        }
        submitted
    }

    fn batch(&mut self, submit: Submit<'_>, stream: Option<&Stream>) -> Result<Batch, Error> {
        let mut batch = Batch::new();
        for (entry, body) in submit.records {
            if entry.kind.is_system() {
                return Err(reserved(&entry.kind));
            }
            let draft: Draft = self.drafter.draft_entry(entry, body)?;
            batch.push(draft)?;
        }
        for precondition in submit.preconditions {
            batch.require(precondition);
        }
        Ok(match stream {
            Some(stream) => batch.in_stream(stream),
            None => batch,
        })
    }

    /// A full queue is waited for: meanwhile nothing more is read, and the client waits too.
    fn wait_and_submit(&self, batch: &Batch) -> Result<Ticket, Error> {
        loop {
            match self.intake.submit(batch.clone()) {
                Err(error) if error.kind() == ErrorKind::Busy => self.intake.ready().wait(),
                submitted => return submitted,
            }
        }
    }

    fn stream_of(&mut self, number: u32) -> Result<Option<Stream>, Error> {
        let Some(index) = number.checked_sub(1) else {
            return Ok(None);
        };
        if number > STREAMS_MAX {
            let message = format!("a connection has at most {STREAMS_MAX} streams");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        while self.streams.len() < number as usize {
            self.streams.push(Stream::new());
        }
        Ok(self.streams.get(index as usize).cloned())
    }
}

fn refused(error: Error) -> Answer {
    Answer::Refused(error)
}

/// An answer that is owed.
enum Owed {
    Now(Answer),
    /// When the ticket says so; of a batch of so many bytes.
    Later(Ticket, usize),
}

/// The answers that are owed, in the order of their requests.
#[derive(Default)]
struct Due {
    state: Mutex<DueState>,
    changed: Condvar,
}

#[derive(Default)]
struct DueState {
    owed: VecDeque<Owed>,
    /// Also what is being answered.
    requests: usize,
    bytes: usize,
    /// There are no more requests.
    ended: bool,
    /// Nobody answers any more.
    gone: bool,
}

impl Due {
    /// Waits until another request may be read; false when there is no use in it.
    fn wait_for_room(&self) -> bool {
        let mut state = self.state();
        while !state.gone && (state.requests >= UNANSWERED_MAX || state.bytes >= UNANSWERED_BYTES_MAX) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.gone
    }

    fn add(&self, owed: Owed) {
        let mut state = self.state();
        state.requests += 1;
        state.bytes += owed.bytes();
        state.owed.push_back(owed);
        drop(state);
        self.changed.notify_all();
    }

    fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    /// Answers until there are no more requests, or nobody listens.
    fn answer_all(&self, stream: &UnixStream) {
        let _gone = NobodyAnswers(self, stream);
        while let Some(owed) = self.next() {
            let bytes = owed.bytes();
            let answer = match owed {
                Owed::Now(answer) => answer,
                Owed::Later(ticket, _) => ticket.wait().map_or_else(refused, Answer::Stored),
            };
            // No batch has so many receipts that they do not fit, and no seal is so long.
            let Some(frame) = answer.encode() else { return };
            if (&*stream).write_all(&frame).is_err() {
                return;
            }
            self.settle(bytes);
        }
    }

    fn next(&self) -> Option<Owed> {
        let mut state = self.state();
        loop {
            if let Some(owed) = state.owed.pop_front() {
                return Some(owed);
            }
            if state.ended {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn settle(&self, bytes: usize) {
        let mut state = self.state();
        state.requests -= 1;
        state.bytes -= bytes;
        drop(state);
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, DueState> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owed {
    fn bytes(&self) -> usize {
        match self {
            Self::Now(_) => 0,
            Self::Later(_, bytes) => *bytes,
        }
    }
}

/// Lets the answering thread end where the reading one panics.
struct EndOfRequests(Arc<Due>);

impl Drop for EndOfRequests {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Lets the reading thread end when there is nobody to answer.
struct NobodyAnswers<'a>(&'a Due, &'a UnixStream);

impl Drop for NobodyAnswers<'_> {
    fn drop(&mut self) {
        self.0.state().gone = true;
        self.0.changed.notify_all();
        // It may have ended already.
        let _ended = self.1.shutdown(Shutdown::Both);
    }
}
