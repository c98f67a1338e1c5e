//! Segments: reading their lines, and accounting for what they hold.

pub(crate) mod audit;
pub(crate) mod ending;
pub(crate) mod lines;
pub(crate) mod list;
pub(crate) mod written;
