//! The workloads that Ledgerstone is measured with, what it is measured against, and how figures are shown.

pub mod base;
pub mod blocks;
pub mod entries;
pub mod error;
pub mod loops;
pub mod machine;
pub mod neighbours;
pub mod ours;
pub mod p2;
pub mod p3;
pub mod reference;
pub mod rounds;
pub mod sqlite;
pub mod stats;
pub mod stopwatch;
pub mod table;

mod files;
