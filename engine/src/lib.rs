//! placeholder

pub mod keystore;
pub mod storage;
