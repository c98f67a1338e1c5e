//! Real records and public test vectors, which lie beside the project and are no part of it.

use std::path::{Path, PathBuf};

/// The folder of this name in `shared/data` beside the project's root. Where it is missing a test has nothing to say:
/// the reason is printed and the answer is `None`.
///
/// # Panics
/// When it is missing and `CI` is set: there, a test that silently does nothing is a failure.
pub fn shared_data(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(folder);
    if path.is_dir() {
        return Some(path);
    }
    skip(&format!("no test data at {}", path.display()));
    None
}

/// Whether the long form of the tests is asked for, by `LEDGERSTONE_LONG_TESTS=1`.
pub fn is_long() -> bool {
    std::env::var_os("LEDGERSTONE_LONG_TESTS").is_some_and(|value| value == "1")
}

/// Says why a test is skipped.
///
/// # Panics
/// When `CI` is set: there, a test that silently does nothing is a failure.
pub fn skip(reason: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "not skipped where CI is set: {reason}"
    );
    #[expect(clippy::print_stderr, reason = "says why the test that asks is skipped")]
    {
        eprintln!("skipped: {reason}");
    }
}

/// The files of a folder with their names, sorted by name.
///
/// # Panics
/// When they cannot be read.
pub fn read_folder(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = folder.read_dir().expect("the folder can be listed");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let entry = entry.expect("the folder can be listed");
            (
                entry.file_name().to_string_lossy().into_owned(),
                read_file(&entry.path()),
            )
        })
        .collect();
    files.sort();
    files
}

/// The bytes of a file.
///
/// # Panics
/// When it cannot be read.
#[expect(
    clippy::disallowed_methods,
    reason = "reads what tests start from, never a ledger"
)]
pub fn read_file(path: &Path) -> Vec<u8> {
    std::fs::read(path)
        .map_err(|error| (path, error))
        .expect("the file can be read")
}
