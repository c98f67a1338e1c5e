//! What the integration tests share: the real binary in a folder of its own, the real input, forged lines, and one
//! strong check of a ledger by this project's verifier and by the independent one.
//!
//! A helper that cannot do its work fails the test with the whole story: these functions panic.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed helper is a failed test, and tests read, write and damage files as operators do"
)]

pub mod check;
pub mod cli;
pub mod clock;
pub mod forge;
pub mod fuzzing;
pub mod hooked;
pub mod machine;
mod normal;
pub mod python;
pub mod seeds;
mod shared;
pub mod sources;
pub mod specimen;
pub mod storage_suite;
pub mod strace;
pub mod tiny;

pub use shared::{is_long, read_file, read_folder, shared_data, skip};
