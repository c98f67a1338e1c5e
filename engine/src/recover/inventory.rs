//! What a directory holds, before a line is read: names, lengths, seals and how they fit together.

use std::collections::BTreeSet;

use ledgerstone_formats::checkpoint::{Head, VerifierKey};
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::names::{FileName, QuarantineName};
use ledgerstone_formats::records::system::Genesis;
use ledgerstone_formats::segment::{SEAL_BYTES_MAX, Seal};

use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::index::about::SealedSpan;
use crate::index::catalog::Catalog;
use crate::recover::heads::{is_no_text, open_head};
use crate::segment::ending::without_filler;
use crate::storage::Storage;

/// A segment by its name, with what is there of it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// First sequence number.
    pub(crate) first: u64,
    /// Length of the segment's file; none when it is missing.
    pub(crate) len: Option<u64>,
    /// What its seal says, by the seal itself or by the catalogue.
    pub(crate) span: Option<SealedSpan>,
    /// Its seal, where it was read and is good.
    pub(crate) seal: Option<SealFound>,
    /// Whether there is a seal's file, good or not.
    pub(crate) has_seal_file: bool,
}

/// A seal that is consistent in itself and carries a genuine head.
#[derive(Debug, Clone)]
pub(crate) struct SealFound {
    pub(crate) seal: Seal,
    pub(crate) head: Head,
    /// SHA-256 of the seal's file.
    pub(crate) digest: Hash,
}

/// Which seals are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seals {
    /// Every one.
    All,
    /// Those that the catalogue does not have, and the last.
    Uncatalogued,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Inventory {
    /// Merged indexes.
    pub(crate) catalog: Catalog,
    /// Index files, merged or not.
    pub(crate) indexes: BTreeSet<FileName>,
    /// Segments whose permissions let somebody write to them.
    pub(crate) unprotected: BTreeSet<u64>,
    /// In order of their names.
    pub(crate) segments: Vec<Found>,
    pub(crate) quarantine: Vec<QuarantineName>,
    pub(crate) unknown: Vec<String>,
    /// What is wrong with seals, and segments that are not there.
    pub(crate) findings: Vec<Finding>,
}

impl Inventory {
    /// Reads the directory and the seals.
    pub(crate) fn read(
        storage: &dyn Storage,
        genesis: &Genesis,
        key: Option<&VerifierKey>,
        which: Seals,
    ) -> Result<Self, Error> {
        let listing = storage
            .list()
            .map_err(|error| Error::io("the directory cannot be listed", error))?;
        let mut inventory = Self {
            catalog: Catalog::read(storage, &listing),
            unprotected: listing.unprotected,
            unknown: listing.unknown,
            ..Self::default()
        };
        let seals = inventory.take_names(listing.files);
        let last = seals.iter().max().copied();
        for first in seals {
            let place = inventory
                .segments
                .binary_search_by_key(&first, |found| found.first);
            let index = place.unwrap_or_else(|index| {
                let missing = Found {
                    first,
                    len: None,
                    span: None,
                    seal: None,
                    has_seal_file: true,
                };
                inventory.segments.insert(index, missing);
                index
            });
            let found = &mut inventory.segments[index];
            found.has_seal_file = true;
            if which == Seals::Uncatalogued && last != Some(first) {
                found.span = inventory.catalog.span(first).cloned();
            }
            if found.span.is_some() {
                continue;
            }
            match read_seal(storage, first, genesis, key) {
                Ok((seal, span)) => (found.seal, found.span) = (Some(seal), Some(span)),
                Err(finding) => inventory.findings.push(finding),
            }
        }
        inventory.measure_again(storage)?;
        inventory.report_newer_names();
        inventory.check_run();
        let is_doubtful = !inventory.findings.is_empty() || !inventory.unlinked_seals().is_empty();
        if which == Seals::Uncatalogued && is_doubtful {
            // Nothing is held against a ledger for what a derived file says.
            return Self::read(storage, genesis, key, Seals::All);
        }
        Ok(inventory)
    }

    /// Takes in what is there under the ledger's names; gives the segments that have a seal.
    fn take_names(&mut self, files: Vec<(FileName, u64)>) -> Vec<u64> {
        let mut seals = Vec::new();
        for (name, len) in files {
            match name {
                FileName::Segment(first) => self.segments.push(Found {
                    first,
                    len: Some(len),
                    span: None,
                    seal: None,
                    has_seal_file: false,
                }),
                FileName::Seal(first) => seals.push(first),
                FileName::Quarantine(name) => self.quarantine.push(name),
                FileName::Checkpoint | FileName::Head | FileName::Identity | FileName::Lock => {}
                FileName::Index(_) | FileName::Merged { .. } => {
                    self.indexes.insert(name);
                }
            }
        }
        // A directory or a pipe under a seal's name.
        seals.extend(self.unknown.iter().filter_map(|path| {
            match FileName::parse(path.strip_suffix('/').unwrap_or(path)) {
                Some(FileName::Seal(first)) => Some(first),
                _ => None,
            }
        }));
        seals
    }

    /// Segments that are sealed, as far as the run of seals from the start goes.
    pub(crate) fn sealed(&self) -> &[Found] {
        let count = self
            .segments
            .iter()
            .take_while(|found| found.has_seal_file)
            .count();
        &self.segments[..count]
    }

    /// Segments after the run of seals.
    pub(crate) fn unsealed(&self) -> &[Found] {
        &self.segments[self.sealed().len()..]
    }

    /// Seals that name another seal before them than the one there is: the segments of the one before and of the seal.
    /// Which of the two was altered is for the lines to tell.
    pub(crate) fn unlinked_seals(&self) -> Vec<(Option<u64>, u64, Finding)> {
        let mut before = Some((None, Hash::ZERO));
        let mut unlinked = Vec::new();
        for found in &self.segments {
            if let (Some((first, expected)), Some(SealFound { seal, .. })) = (before, &found.seal)
                && seal.prev_seal != expected
            {
                let cause = "the seal does not follow the seal before";
                let finding = Finding::new(Code::Evidence, cause).in_file(FileName::Seal(found.first));
                unlinked.push((first, found.first, finding.hashes(expected, seal.prev_seal)));
            }
            before = found.span.as_ref().map(|span| (Some(found.first), span.seal));
        }
        unlinked
    }

    /// Lengths of all segments but the last are final once a later one is there; when the directory was listed the
    /// writer may still have been at one of them.
    fn measure_again(&mut self, storage: &dyn Storage) -> Result<(), Error> {
        let last = self.segments.len().saturating_sub(1);
        for (index, found) in self.segments.iter_mut().enumerate() {
            // The catalogue fits the length that was listed.
            let is_catalogued = found.span.is_some() && found.seal.is_none();
            if found.len.is_some() && !is_catalogued && (index < last || found.has_seal_file) {
                let name = FileName::Segment(found.first);
                // One that cannot be opened keeps the length it was listed with: whoever reads it says why.
                found.len = storage.open(&name).and_then(|file| file.len()).ok().or(found.len);
            }
        }
        Ok(())
    }

    /// Takes the last segment for as long as its lines are, and what stands between them: whoever writes to it may go
    /// on over its filler while it is read, so that what is behind them now is not looked at again.
    pub(crate) fn leave_out_filler(&mut self, storage: &dyn Storage) {
        if let Some(last) = self.segments.last_mut().filter(|last| !last.has_seal_file)
            && let Some(len) = last.len
        {
            let file = storage.open(&FileName::Segment(last.first));
            // One that cannot be read keeps its length: whoever reads it says why.
            last.len = file
                .and_then(|file| without_filler(file.as_ref(), len))
                .ok()
                .or(Some(len));
        }
    }

    fn report_newer_names(&mut self) {
        let newer = self
            .unknown
            .iter()
            .filter(|path| FileName::is_newer_segment(path));
        let findings: Vec<_> = newer
            .map(|path| {
                Finding::new(
                    Code::Newer,
                    format!("{path} is of a form that this version does not know"),
                )
            })
            .collect();
        self.findings.extend(findings);
    }

    fn check_run(&mut self) {
        let mut findings = Vec::new();
        let mut next = Some(0);
        let last_seal = self.segments.iter().rposition(|found| found.has_seal_file);
        let count = self.segments.len();
        for (index, found) in self.segments.iter().enumerate() {
            let file = FileName::Segment(found.first);
            if let Some(expected) = next.filter(|expected| *expected != found.first) {
                let cause =
                    format!("no file holds the records from seq {expected} on: the next one is {file}");
                findings.push(
                    Finding::new(Code::Missing, cause)
                        .in_file(FileName::Segment(expected))
                        .at_seq(expected),
                );
            } else if found.len.is_none() {
                let cause = "the segment is gone, its seal is here";
                findings.push(
                    Finding::new(Code::Missing, cause)
                        .in_file(file)
                        .at_seq(found.first),
                );
            }
            let seal_needed = last_seal.is_some_and(|last| index < last) || index + 2 < count;
            if !found.has_seal_file && seal_needed {
                let cause = "the seal is missing: later segments are there";
                findings.push(Finding::new(Code::Evidence, cause).in_file(FileName::Seal(found.first)));
            }
            next = found.span.as_ref().map(|span| span.end);
        }
        if count == 0 {
            findings.push(
                Finding::new(Code::Missing, "no segment is here")
                    .in_file(FileName::Segment(0))
                    .at_seq(0),
            );
        }
        // What stands in a form that a later version made is not missing: that form's name has been reported.
        findings.retain(|finding| {
            let newer = matches!(finding.file, Some(FileName::Segment(first)) if self.has_newer_form(first));
            !(newer && finding.code == Code::Missing)
        });
        self.findings.extend(findings);
    }

    /// Whether the segment that begins at this sequence number is here in a form that this version does not know.
    pub(crate) fn has_newer_form(&self, first: u64) -> bool {
        let form = format!("{}.", FileName::Segment(first));
        let mut newer = self
            .unknown
            .iter()
            .filter(|path| FileName::is_newer_segment(path));
        newer.any(|path| path.starts_with(&form))
    }
}

fn read_seal(
    storage: &dyn Storage,
    first: u64,
    genesis: &Genesis,
    key: Option<&VerifierKey>,
) -> Result<(SealFound, SealedSpan), Finding> {
    let name = FileName::Seal(first);
    let bad = |code, cause: String| Finding::new(code, cause).in_file(name.clone());
    let file = storage
        .open(&name)
        .and_then(|file| file.read_all(SEAL_BYTES_MAX))
        .map_err(|error| {
            let code = if is_no_text(&error) {
                Code::Evidence
            } else {
                Code::Unreadable
            };
            bad(code, error.to_string())
        })?;
    let seal = Seal::parse(&file).map_err(|error| bad(Code::Evidence, error.to_string()))?;
    let head = open_head(seal.head.as_bytes(), genesis, key)
        .map_err(|cause| bad(Code::Evidence, format!("the seal's head: {cause}")))?;
    if seal.ledger != genesis.ledger || seal.first != first {
        return Err(bad(
            Code::Evidence,
            "the seal belongs to another segment".to_owned(),
        ));
    }
    if head.size != seal.tree_size || head.root != seal.root {
        return Err(bad(
            Code::Evidence,
            "the seal contradicts the head in it".to_owned(),
        ));
    }
    let span = SealedSpan::of(&seal, &file);
    let digest = span.seal;
    Ok((SealFound { seal, head, digest }, span))
}
