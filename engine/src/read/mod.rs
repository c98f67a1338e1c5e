//! Reading. Changes nothing, needs no lock, and never shows a record that is not whole.

pub(crate) mod indexed;
pub(crate) mod lookup;
pub(crate) mod matches;
mod open_segments;
pub(crate) mod reader;
pub(crate) mod scan;
pub(crate) mod seek;
pub(crate) mod snapshot;
mod stretches;
mod times;
mod walk;
mod whole;
