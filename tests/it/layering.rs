//! Who may use whom, and where each touch of the outer world has its one place.

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use ledgerstone_tests::sources::{Source, root, sources};

/// Each crate with the siblings that it may depend on. Tests and benches may use any; nothing uses them.
const SIBLINGS: [(&str, &[&str]); 7] = [
    ("ledgerstone-formats", &[]),
    ("ledgerstone-engine", &["ledgerstone-formats"]),
    ("ledgerstone-cli", &["ledgerstone-formats", "ledgerstone-engine"]),
    (
        "ledgerstone-tests",
        &["ledgerstone-formats", "ledgerstone-engine"],
    ),
    (
        "ledgerstone-benches",
        &["ledgerstone-formats", "ledgerstone-engine"],
    ),
    // It has the engine's sources in it, over other locks.
    ("ledgerstone-races", &["ledgerstone-formats"]),
    ("ledgerstone-fuzz", &["ledgerstone-formats", "ledgerstone-tests"]),
];

/// Packages that a crate never compiles into what it ships, with the reason.
const NEVER: [(&str, &[&str], &str); 3] = [
    (
        "ledgerstone-formats",
        &[
            "tokio",
            "rustix",
            "libc",
            "memmap2",
            "getrandom",
            "tempfile",
            "clap",
            "ledgerstone-tests",
        ],
        "the formats take bytes and give bytes: no files, clocks, threads or randomness",
    ),
    (
        "ledgerstone-engine",
        &["tokio", "clap", "indicatif", "arrow", "parquet", "object_store"],
        "the engine serves async and plain callers alike, and prints nothing",
    ),
    (
        "ledgerstone-cli",
        &["tokio", "arrow", "parquet", "object_store"],
        "the command line calls the crates below it",
    ),
];

/// A text that shows a touch of the outer world, the folders where it is looked for, the files that may hold it, and
/// what to do elsewhere.
struct Touch {
    text: &'static str,
    folders: &'static [&'static str],
    places: &'static [&'static str],
    instead: &'static str,
}

const FORMATS: &[&str] = &["formats/src/"];
const LIBRARIES: &[&str] = &["formats/src/", "engine/src/"];
const SHIPPED: &[&str] = &["formats/src/", "engine/src/", "cli/src/"];

const FILE_PLACES: &[&str] = &[
    "engine/src/storage/disk.rs",
    "engine/src/storage/doorway.rs",
    "engine/src/keystore.rs",
    "cli/src/files.rs",
];
/// The simulated disk has a module `fs` of its own.
const FS_PLACES: &[&str] = &[
    "engine/src/storage/disk.rs",
    "engine/src/storage/doorway.rs",
    "engine/src/keystore.rs",
    "cli/src/files.rs",
    "engine/src/storage/sim/mod.rs",
];
const ENTROPY_PLACES: &[&str] = &["engine/src/entropy.rs"];
const CLOCK_PLACES: &[&str] = &["engine/src/clock.rs"];

const TOUCHES: [Touch; 17] = [
    touch(
        "std::fs",
        SHIPPED,
        FILE_PLACES,
        "files are the storage's, the key store's and the command line's own",
    ),
    touch(
        "fs::",
        SHIPPED,
        FS_PLACES,
        "files are the storage's, the key store's and the command line's own",
    ),
    touch(
        "File::",
        SHIPPED,
        FILE_PLACES,
        "files are the storage's, the key store's and the command line's own",
    ),
    touch(
        "OpenOptions",
        SHIPPED,
        FILE_PLACES,
        "files are the storage's, the key store's and the command line's own",
    ),
    touch(
        "SystemTime",
        SHIPPED,
        CLOCK_PLACES,
        "time comes from engine::clock",
    ),
    touch("Instant", SHIPPED, CLOCK_PLACES, "time comes from engine::clock"),
    touch("::now(", SHIPPED, CLOCK_PLACES, "time comes from engine::clock"),
    touch(
        "getrandom",
        SHIPPED,
        ENTROPY_PLACES,
        "salts, keys and minted ids are made in one module",
    ),
    touch(
        "unsafe",
        SHIPPED,
        &["engine/src/storage/mapped.rs"],
        "only a mapping needs it",
    ),
    touch("tokio", SHIPPED, &[], "a ticket is a future for any runtime"),
    touch(
        "println!",
        LIBRARIES,
        &[],
        "libraries return what they have to say",
    ),
    touch(
        "eprintln!",
        LIBRARIES,
        &[],
        "libraries return what they have to say",
    ),
    touch("thread", FORMATS, &[], "the formats take bytes and give bytes"),
    touch("std::env", LIBRARIES, &[], "settings are options"),
    touch(
        ".jsonl",
        LIBRARIES,
        &["formats/src/names.rs"],
        "file names are built and parsed in formats::names",
    ),
    touch(
        ".seal.json",
        LIBRARIES,
        &["formats/src/names.rs"],
        "file names are built and parsed in formats::names",
    ),
    touch(
        "ledger.json\"",
        LIBRARIES,
        &["formats/src/names.rs"],
        "file names are built and parsed in formats::names",
    ),
];

const fn touch(
    text: &'static str,
    folders: &'static [&'static str],
    places: &'static [&'static str],
    instead: &'static str,
) -> Touch {
    Touch {
        text,
        folders,
        places,
        instead,
    }
}

impl Touch {
    fn is_watched(&self, path: &str) -> bool {
        self.folders.iter().any(|folder| path.starts_with(folder))
    }

    /// Lines of the file that hold the text as a word of its own.
    fn lines_in(&self, source: &Source) -> Vec<usize> {
        let is_name = |char: char| char.is_alphanumeric() || char == '_';
        let begins_with_name = self.text.starts_with(is_name);
        let held = source.shipped_lines().filter(|(_, line)| {
            line.match_indices(self.text).any(|(at, _)| {
                let after = line[at + self.text.len()..].chars().next();
                let before = line[..at].chars().next_back();
                let whole = !(begins_with_name && before.is_some_and(is_name));
                // `unsafe_code` is the name of a lint, `threads` a word.
                whole && !(self.text.ends_with(is_name) && after.is_some_and(is_name))
            })
        });
        held.map(|(number, _)| number).collect()
    }

    fn problems(&self, source: &Source) -> Vec<String> {
        if !self.is_watched(&source.path) || self.places.contains(&source.path.as_str()) {
            return Vec::new();
        }
        let lines = self.lines_in(source);
        lines
            .iter()
            .map(|line| format!("{}:{line}: `{}`: {}", source.path, self.text, self.instead))
            .collect()
    }
}

#[test]
fn the_outer_world_is_touched_in_its_places_only() {
    let files = sources(&["rs"]);
    let found: Vec<String> = TOUCHES
        .iter()
        .flat_map(|touch| files.iter().flat_map(|file| touch.problems(file)))
        .collect();
    assert!(found.is_empty(), "{} places:\n{}", found.len(), found.join("\n"));
}

/// An exception that nothing uses any more would let the next one in unseen.
#[test]
fn every_place_still_needs_its_exception() {
    let files = sources(&["rs"]);
    for place in [FILE_PLACES, FS_PLACES, ENTROPY_PLACES, CLOCK_PLACES]
        .into_iter()
        .flatten()
    {
        let file = files.iter().find(|file| file.path == *place);
        let file = file.unwrap_or_else(|| panic!("{place} is gone: take it out of the list"));
        let used = TOUCHES
            .iter()
            .any(|touch| touch.places.contains(place) && !touch.lines_in(file).is_empty());
        assert!(
            used,
            "{place} needs no exception any more: take it out of the list"
        );
    }
}

#[test]
fn every_touch_is_seen() {
    for touch in &TOUCHES {
        let is_word = touch.text.ends_with(char::is_alphanumeric);
        let after = if is_word { " " } else { "x" };
        let line = format!("//! About.\n    let x = {}{after}\");\n", touch.text);
        for folder in touch.folders {
            let source = Source::new(&format!("{folder}other.rs"), &line);
            assert_eq!(touch.problems(&source).len(), 1, "{} in {folder}", touch.text);
        }
        for place in touch.places {
            assert_eq!(
                touch.problems(&Source::new(place, &line)).len(),
                0,
                "{} in {place}",
                touch.text
            );
        }
        let in_test = format!("//! About {}.\n#[cfg(test)]\n{line}", touch.text);
        let source = Source::new(&format!("{}other.rs", touch.folders[0]), &in_test);
        assert_eq!(
            touch.problems(&source).len(),
            0,
            "{} in a test or a comment",
            touch.text
        );
    }
}

fn packages(manifest: &str) -> Vec<Package> {
    let manifest = root().join(manifest);
    let metadata = MetadataCommand::new().manifest_path(&manifest).no_deps().exec();
    metadata
        .unwrap_or_else(|error| panic!("{}: {error}", manifest.display()))
        .packages
}

fn all_packages() -> Vec<Package> {
    let mut all = packages("Cargo.toml");
    all.extend(packages("fuzz/Cargo.toml"));
    all
}

#[test]
fn crates_depend_in_one_direction() {
    let mut wrong = Vec::new();
    for package in all_packages() {
        let row = SIBLINGS.iter().find(|(name, _)| *name == package.name.as_str());
        let Some((_, siblings)) = row else {
            wrong.push(format!(
                "{}: say in ARCHITECTURE.md and here what it may use",
                package.name
            ));
            continue;
        };
        // A development dependency on a sibling above would turn the direction round for its tests.
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.path.is_some())
        {
            if !siblings.contains(&dependency.name.as_str()) {
                wrong.push(format!(
                    "{} depends on {}: {siblings:?} it may",
                    package.name, dependency.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        all_packages().len(),
        SIBLINGS.len(),
        "a crate is gone: take it out of the table"
    );
}

#[test]
fn crates_leave_out_what_they_must_not_compile() {
    for package in all_packages() {
        for (_, never, reason) in NEVER.iter().filter(|(name, ..)| *name == package.name.as_str()) {
            let shipped = package
                .dependencies
                .iter()
                .filter(|d| d.kind != DependencyKind::Development);
            for dependency in shipped {
                let name = dependency.name.as_str();
                assert!(
                    !never.contains(&name),
                    "{} depends on {name}: {reason}",
                    package.name
                );
            }
        }
    }
}
