//! What the integration tests share.

mod shared;

pub use shared::{read_file, read_folder, shared_data};
