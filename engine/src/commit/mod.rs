//! From a producer's batch to an answered ticket: the queue, the writer, and the notary that reads back what was
//! written.

mod admit;
pub(crate) mod ahead;
mod holders;
pub(crate) mod intake;
mod judge;
pub(crate) mod notary;
pub(crate) mod numbers;
pub(crate) mod queue;
mod refuse;
pub(crate) mod shared;
pub(crate) mod threads;
pub(crate) mod ticket;
mod unique;
mod write;
pub(crate) mod writer;
