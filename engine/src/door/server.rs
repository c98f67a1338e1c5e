//! The holder's side of the door: who may come in, and how it ends.
//!
//! One thread lets in, two serve each connection: one reads and submits, one waits for tickets and answers. So many
//! connections as the options allow; whoever comes then is told, and sent away.

use std::fmt;
use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::answer::Answer;
use super::connection::Connection;
use super::wire::GREETING;
use crate::commit::intake::Intake;
use crate::error::{Error, ErrorKind};
use crate::storage::Doorway;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Before the next try, when nobody can be let in for want of files or memory.
const RETRY: Duration = Duration::from_millis(100);
/// For so long a client may leave the bytes of an answer lying.
const UNREAD_MAX: Duration = Duration::from_secs(10);

/// The open door. Dropped, it lets nobody in any more, answers everything that was sent whole, and is gone.
pub(crate) struct Server {
    hall: Arc<Hall>,
    /// The listening socket once more: to shut it wakes the thread that waits at it.
    listening: UnixStream,
    porter: Option<JoinHandle<()>>,
}

/// What the threads of the door share.
struct Hall {
    doorway: Doorway,
    intake: Arc<Intake>,
    connections_max: usize,
    state: Mutex<State>,
    closed: Condvar,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    guests: Vec<Guest>,
}

/// A connection that is served.
struct Guest {
    stream: Arc<UnixStream>,
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    /// Starts to let in.
    pub(crate) fn start(doorway: Doorway, intake: Arc<Intake>, connections_max: usize) -> io::Result<Self> {
        let listening = UnixStream::from(OwnedFd::from(doorway.listener().try_clone()?));
        let hall = Arc::new(Hall {
            doorway,
            intake,
            connections_max,
            state: Mutex::default(),
            closed: Condvar::new(),
        });
        let porters = Arc::clone(&hall);
        let porter = thread::Builder::new()
            .name("ledger-door".to_owned())
            .spawn(move || porters.let_in())?;
        Ok(Self {
            hall,
            listening,
            porter: Some(porter),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.hall.state().is_closed = true;
        self.hall.closed.notify_all();
        // It is a socket that listens: to shut it cannot fail.
        let _cannot_fail = self.listening.shutdown(Shutdown::Both);
        // A panic of these threads was printed; its client is told that the outcome is unknown.
        self.porter.take().map(JoinHandle::join);
        let guests = std::mem::take(&mut self.hall.state().guests);
        for guest in &guests {
            // What was sent until now is still read; whoever sends more is refused. One that has gone is no matter.
            let _gone = guest.stream.shutdown(Shutdown::Read);
        }
        for guest in guests {
            guest.thread.join().ok();
        }
    }
}

impl Hall {
    fn let_in(&self) {
        loop {
            let accepted = self.doorway.listener().accept();
            let mut state = self.state();
            if state.is_closed {
                return;
            }
            let Ok((stream, _)) = accepted else {
                drop(self.closed.wait_timeout(state, RETRY));
                continue;
            };
            take_leave(&mut state.guests);
            let is_full = state.guests.len() >= self.connections_max;
            // Where there is no thread for it, the connection is dropped and its client hears that it has ended.
            if let Ok(guest) = self.receive(stream, is_full) {
                state.guests.extend(guest);
            }
        }
    }

    /// A thread for whoever came; for one too many, the reason why not.
    fn receive(&self, mut stream: UnixStream, is_full: bool) -> io::Result<Option<Guest>> {
        stream.set_write_timeout(Some(UNREAD_MAX))?;
        stream.write_all(&GREETING)?;
        if is_full {
            let message = format!(
                "{} processes are at the door of the one that holds the ledger, as many as it lets in",
                self.connections_max
            );
            let refused = Answer::Refused(Error::new(ErrorKind::Busy, message));
            stream.write_all(&refused.encode().unwrap_or_default())?;
            return Ok(None);
        }
        let (stream, ended) = (Arc::new(stream), Arc::new(AtomicBool::new(false)));
        let mut connection = Connection::new(Arc::clone(&stream), Arc::clone(&self.intake));
        let end = EndOfVisit(Arc::clone(&stream), Arc::clone(&ended));
        let thread = thread::Builder::new()
            .name("ledger-guest".to_owned())
            .spawn(move || {
                let _end = end;
                connection.serve();
            })?;
        Ok(Some(Guest {
            stream,
            ended,
            thread,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic leaves the list half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a connection also where its thread panics: its client must not wait for ever.
struct EndOfVisit(Arc<UnixStream>, Arc<AtomicBool>);

impl Drop for EndOfVisit {
    fn drop(&mut self) {
        // One that the client has ended is what it should be.
        let _ended = self.0.shutdown(Shutdown::Both);
        self.1.store(true, Ordering::Release);
    }
}

/// Forgets connections that have ended.
fn take_leave(guests: &mut Vec<Guest>) {
    let (ended, staying) = std::mem::take(guests)
        .into_iter()
        .partition(|guest| guest.ended.load(Ordering::Acquire));
    *guests = staying;
    let ended: Vec<Guest> = ended;
    for guest in ended {
        guest.thread.join().ok();
    }
}
