//! Integration tests over all crates, in one binary: linking is the slow part.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too, and reads and damages files as operators do"
)]

mod attacks;
mod cli_append;
mod cli_bytes;
mod cli_check;
mod cli_corpora;
mod cli_demo;
mod cli_family;
mod cli_find;
mod cli_read;
mod cli_recover;
mod cli_resume;
mod cli_stop;
mod cli_surface;
mod corpora;
mod damage;
mod door;
mod ed25519_vectors;
mod engine;
mod find;
mod independent;
mod json_vectors;
mod layering;
mod ledger;
mod merkle_vectors;
mod model;
mod planted;
mod real;
mod seeds;
mod storage;
mod stress;
mod tidy;
mod vectors;
