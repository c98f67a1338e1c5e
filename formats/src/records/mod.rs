//! Record families that the format itself knows.

pub mod family;
pub mod index;
pub mod system;
