//! What is in the ledger's directory.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use ledgerstone_formats::names::{DIRS, DOOR, FileName};

use super::files::{Entry, Files};
use super::{FileError, Listing, UNKNOWN_NAMES_MAX};

/// Lists the ledger's own directories; others are named and not looked into.
pub(super) fn list(files: &dyn Files) -> io::Result<Listing> {
    let mut listing = Collected::default();
    let mut known = Vec::new();
    let top = files.entries(
        Path::new(""),
        &mut |name, entry| match DIRS.iter().find(|dir| **dir == name) {
            Some(directory) if entry == Entry::Directory => known.push(*directory),
            _ => listing.add(name.to_owned(), entry),
        },
    );
    match top {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
        listed => listed.map_err(|e| FileError::wrap("list", files.shown(Path::new("")), e))?,
    }
    for directory in known {
        files
            .entries(Path::new(directory), &mut |name, entry| {
                listing.add(format!("{directory}/{name}"), entry);
            })
            .map_err(|e| FileError::wrap("list", files.shown(Path::new(directory)), e))?;
    }
    Ok(listing.finish())
}

/// A listing in the making, with the first unknown names by order, and so the same ones each time.
#[derive(Default)]
pub(super) struct Collected {
    files: Vec<(FileName, u64)>,
    unprotected: BTreeSet<u64>,
    unknown: BTreeSet<String>,
    newer_segments: Vec<String>,
    unknown_count: u64,
}

impl Collected {
    pub(super) fn add(&mut self, path: String, entry: Entry) {
        match (FileName::parse(&path), entry) {
            (Some(name), Entry::File { len, protected }) => {
                if let FileName::Segment(first) = name
                    && !protected
                {
                    self.unprotected.insert(first);
                }
                self.files.push((name, len));
            }
            (None, Entry::File { .. } | Entry::Other) if FileName::is_temp(&path) => {}
            (None, Entry::Other) if path == DOOR => {}
            (_, Entry::Directory) => self.add_unknown(format!("{path}/")),
            _ => self.add_unknown(path),
        }
    }

    fn add_unknown(&mut self, path: String) {
        self.unknown_count += 1;
        // Whether a ledger may be written depends on these: none is left out.
        if FileName::is_newer_segment(&path) {
            self.newer_segments.push(path);
            return;
        }
        self.unknown.insert(path);
        if self.unknown.len() > UNKNOWN_NAMES_MAX {
            self.unknown.pop_last();
        }
    }

    pub(super) fn finish(mut self) -> Listing {
        self.files.sort();
        self.newer_segments.extend(self.unknown);
        self.newer_segments.sort();
        Listing {
            files: self.files,
            unprotected: self.unprotected,
            unknown: self.newer_segments,
            unknown_count: self.unknown_count,
        }
    }
}
