//! The door of a held ledger: one process holds it, others bring their records to a unix socket in its directory.
//!
//! The holder opens it with [`crate::Options::door_connections_max`]; `LOCK` says that it is there. Whoever finds the
//! ledger held connects with [`Door::connect`], and gets the same receipts and errors as from a
//! [`Ledger`](crate::Ledger) of its own. A batch that was sent whole is stored or refused as if it came from a thread
//! of the holder, and is answered before the holder lets the ledger go; one that was not sent whole leaves no trace.
//!
//! | file | what it is |
//! |---|---|
//! | `wire` | frames, and the numbers and texts in them |
//! | `request` | what is asked: a batch, a seal, a head |
//! | `answer` | what comes back: receipts, seal, head, error |
//! | `server` | the holder's side: who may come in, and how it ends |
//! | `connection` | one of those who came in |
//! | `client` | the other side |

mod answer;
mod client;
mod connection;
mod request;
pub(crate) mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Door;
