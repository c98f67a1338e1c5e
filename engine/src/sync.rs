//! The locks, atomics and threads of the commit path, from one place: the crate `races` puts others here, under which
//! a schedule can be chosen and repeated.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic};
pub(crate) use std::thread;
