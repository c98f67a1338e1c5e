//! Integration tests over all crates, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod ed25519_vectors;
mod json_vectors;
mod merkle_vectors;
