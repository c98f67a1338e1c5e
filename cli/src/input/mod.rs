//! Input: files and standard input, packed or not, cut into blocks of lines in bounded memory.

mod blocks;
mod budget;
mod source;

pub(crate) use blocks::{Block, Limits, Raw, read_blocks};
pub(crate) use budget::{Budget, Permit};
pub(crate) use source::{Packing, Source, open, packing_of, resolve};
