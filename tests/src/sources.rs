//! The repository's own files, for the tests that keep its rules.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold what is built or found, not what is written.
const NOT_SOURCES: [&str; 5] = [".git", "target", "fuzz/target", "fuzz/artifacts", "fuzz/corpus"];

/// The repository's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder of the repository")
}

/// A text file of the repository.
#[derive(Debug, Clone)]
pub struct Source {
    /// From the repository's folder, with `/`.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A source that stands in no file.
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// The lines with their numbers, from 1. A carriage return stays in its line.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let text = self.text.strip_suffix('\n').unwrap_or(&self.text);
        text.split('\n')
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// The lines of a Rust file that a build without tests compiles: no comments, and nothing from the first
    /// `#[cfg(test)]` on, which begins the last item of a file here.
    pub fn shipped_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test_file = self.path.ends_with("/tests.rs") || self.path.contains("/tests/");
        self.lines()
            .take_while(move |(_, line)| !is_test_file && line.trim() != "#[cfg(test)]")
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// Every file with one of these endings (`rs`), or of exactly this name (`.ci/run`), sorted by path.
pub fn sources(endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    walk(root(), &mut found);
    found.sort();
    let wanted = found.into_iter().filter(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        endings
            .iter()
            .any(|ending| extension == Some(ending) || path.ends_with(ending))
    });
    wanted
        .map(|path| Source {
            path: relative(&path),
            text: read(&path),
        })
        .collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn relative(path: &Path) -> String {
    let inside = path.strip_prefix(root()).expect("the walk starts at the root");
    inside
        .to_str()
        .unwrap_or_else(|| panic!("{} is not UTF-8", path.display()))
        .to_owned()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("list {}: {error}", folder.display())) {
        let entry = entry.unwrap();
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !NOT_SOURCES.contains(&relative(&path).as_str()) {
            walk(&path, found);
        } else if kind.is_file() {
            found.push(path);
        }
    }
}
