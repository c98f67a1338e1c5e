//! The files of a ledger at one moment, and whether an opening has kept them.

use std::collections::BTreeMap;

use ledgerstone_engine::storage::Storage;
use ledgerstone_formats::filler;
use ledgerstone_formats::names::FileName;

use super::model::Broken;
use crate::machine::Machine;

/// Every file's bytes but those of `LOCK`, as the next process would read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files(BTreeMap<FileName, Vec<u8>>);

impl Files {
    pub(super) fn of(machine: &Machine) -> Self {
        let disk = machine.disk.kill();
        let listing = disk.list().unwrap_or_default();
        let names = listing.files.into_iter().map(|(name, _)| name);
        let files = names.filter(|name| *name != FileName::Lock).filter_map(|name| {
            let bytes = disk.raw(&name.to_string())?;
            Some((name, bytes))
        });
        Self(files.collect())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&FileName, &[u8])> {
        self.0.iter().map(|(name, bytes)| (name, bytes.as_slice()))
    }

    pub(super) fn has(&self, name: &FileName) -> bool {
        self.0.contains_key(name)
    }

    /// Names of files that are there, or have other bytes, in only one of the two.
    pub(super) fn changed_since(&self, before: &Self) -> Vec<FileName> {
        let differs = |name: &&FileName| self.0.get(*name) != before.0.get(*name);
        let mut names: Vec<_> = self.0.keys().chain(before.0.keys()).filter(differs).collect();
        names.sort();
        names.dedup();
        names.into_iter().cloned().collect()
    }

    /// What was there is there: files that are written once unchanged, of a segment what was cut off in a copy.
    pub(super) fn check_kept(&self, after: &Self) -> Result<(), Broken> {
        for (name, bytes) in &self.0 {
            let Some(now) = after.0.get(name) else {
                // A larger one has taken its place.
                if matches!(name, FileName::Merged { .. }) {
                    continue;
                }
                return Err(format!("{name} is gone"));
            };
            let kept = match name {
                // A sidecar that could not be read is made again, under another secret.
                FileName::Checkpoint | FileName::Head | FileName::Index(_) | FileName::Merged { .. } => true,
                FileName::Segment(first) => now.starts_with(bytes) || after.has_cut(*first, bytes, now),
                _ => now == bytes,
            };
            if !kept {
                return Err(format!("{name} has lost or changed bytes"));
            }
        }
        Ok(())
    }

    /// Whether what `now` lacks of a segment's `bytes` was filler, or is in a copy.
    fn has_cut(&self, segment: u64, bytes: &[u8], now: &[u8]) -> bool {
        let same = bytes.iter().zip(now).take_while(|(old, new)| old == new).count();
        let in_copy = self.0.iter().any(|(name, copy)| match name {
            FileName::Quarantine(name) => {
                let at = usize::try_from(name.offset).unwrap_or(usize::MAX);
                name.segment == segment && at <= same && bytes.get(at..) == Some(copy.as_slice())
            }
            _ => false,
        });
        in_copy || filler::is_filler(same as u64, &bytes[same..])
    }
}
