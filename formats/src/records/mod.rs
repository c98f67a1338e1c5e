//! Record families that the format itself knows.

pub mod system;
