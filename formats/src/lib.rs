//! What a ledger is, as bytes: lines, headers, the hash chain, the tree, heads, seals, names and limits.
//!
//! Bytes in, bytes out: no files, no clock, no threads. The normative text is `FORMAT.md` beside this crate.

pub mod chain;
pub mod checkpoint;
pub mod draft;
pub mod filler;
#[doc(hidden)]
pub mod fuzzing;
pub mod hash;
pub mod header;
pub mod ids;
pub mod json;
pub mod limits;
pub mod line;
pub mod names;
pub mod pointer;
pub mod record;
pub mod records;
pub mod segment;
pub mod time;
pub mod tree;
