//! The workloads that Ledgerstone is measured with, what it is measured against, and how figures are shown.

pub mod base;
pub mod blocks;
pub mod entries;
pub mod error;
pub mod loops;
pub mod machine;
pub mod neighbours;
pub mod null;
pub mod ours;
pub mod p1;
pub mod p2;
pub mod p3;
pub mod p5;
pub mod p6;
pub mod p7;
pub mod reference;
pub mod rounds;
pub mod sqlite;
pub mod stats;
pub mod stopwatch;
pub mod table;

mod files;
