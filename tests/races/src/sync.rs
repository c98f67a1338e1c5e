//! The same names as the engine's own module has, with a scheduler behind them.

pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, atomic};
pub(crate) use shuttle::thread;
pub(crate) use std::sync::PoisonError;
