//! Index files against the lines they were made from. What the lines of a segment give is summed while they are read
//! anyway, so nothing is read twice.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;
use ledgerstone_formats::records::family::Family;
use ledgerstone_formats::records::system;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::index::about::SealedSpan;
use crate::index::declared::Declared;
use crate::index::keys::Recipe;
use crate::index::load::key_of;
use crate::index::merge::Cursor;
use crate::index::sidecar::{OPEN, Sidecar};
use crate::recover::{Found, Inventory, SealFound};
use crate::segment::lines::{LineReader, Piece};
use crate::storage::Storage;
use crate::verify::sums::{Sum, Summer};

/// What is known of the index while segments are checked one after the other.
#[derive(Debug)]
pub(super) struct IndexCheck {
    /// None when there is no index file.
    summer: Option<Summer>,
    files: BTreeSet<FileName>,
    /// Of sealed segments whose lines are whole, by their first record.
    segments: BTreeMap<u64, (SealedSpan, Sum)>,
    /// What was saved of the segment that is read, which has no seal.
    open: Option<(FileName, Result<Arc<Sidecar>, String>)>,
}

impl IndexCheck {
    /// Looks for index files.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub(super) fn begin(storage: &dyn Storage, inventory: &Inventory) -> Result<Self, Error> {
        let files = inventory.indexes.clone();
        let summer = if files.is_empty() {
            None
        } else {
            let segments = inventory.segments.iter().map(|found| found.first);
            let key = key_of(storage, &inventory.catalog, segments)?;
            let secret = Entropy::new().salt();
            let secret =
                secret.map_err(|error| Error::io("the operating system gives no random bytes", error))?;
            let declared = declarations(storage, inventory, &files);
            Some(Summer::new(Recipe { key, declared }, secret))
        };
        Ok(Self {
            summer,
            files,
            segments: BTreeMap::new(),
            open: None,
        })
    }

    /// What sums the postings of lines.
    pub(super) fn summer(&self) -> Option<Summer> {
        self.summer.clone()
    }

    /// Compares the sidecar of a sealed segment whose lines are whole. One that is not there is none: it is made again.
    pub(super) fn check_segment(
        &mut self,
        storage: &dyn Storage,
        span: &SealedSpan,
        sum: Sum,
    ) -> Option<Finding> {
        let summer = self.summer.as_ref()?;
        self.segments.insert(span.first, (span.clone(), sum));
        let name = FileName::Index(span.first);
        if !self.files.contains(&name) {
            return None;
        }
        let judged = match open(storage, &name)? {
            // Saved before the segment was sealed, by a process that was killed between the seal and the sidecar:
            // nobody asks it, and the next open makes it again.
            Ok(sidecar) if sidecar.subject().level == OPEN => return None,
            Ok(sidecar) => {
                let subject = sidecar.subject();
                let own = (subject.first, subject.end, subject.last_hash, subject.level)
                    == (span.first, span.end, span.last_hash, 0);
                if own {
                    compare(&sidecar, summer, sum)
                } else {
                    Err("it is not about the segment".to_owned())
                }
            }
            Err(cause) => Err(cause),
        };
        judged
            .err()
            .map(|cause| Finding::new(Code::Index, cause).in_file(name))
    }

    /// Before a segment without a seal is read: the record up to which an index of it was saved.
    pub(super) fn begin_open(&mut self, storage: &dyn Storage, first: u64) -> u64 {
        let name = FileName::Index(first);
        let is_there = self.summer.is_some() && self.files.contains(&name);
        let saved = is_there.then(|| open(storage, &name)).flatten();
        let end = match &saved {
            Some(Ok(sidecar)) => sidecar.subject().end,
            _ => u64::MAX,
        };
        self.open = saved.map(|saved| (name, saved));
        end
    }

    /// Compares it with the sum of the lines so far and the hash of the last of them; none when there are fewer lines.
    pub(super) fn check_open(&mut self, first: u64, sum: Sum, last_hash: Option<Hash>) -> Option<Finding> {
        let (summer, (name, saved)) = (self.summer.as_ref()?, self.open.take()?);
        let judged = match (saved, last_hash) {
            (Err(cause), _) => Err(cause),
            // The head tells which lines are missing.
            (Ok(_), None) => Ok(()),
            (Ok(sidecar), Some(last_hash)) => {
                let subject = sidecar.subject();
                if (subject.first, subject.last_hash) == (first, last_hash) {
                    compare(&sidecar, summer, sum)
                } else {
                    Err("it is not about the segment".to_owned())
                }
            }
        };
        judged
            .err()
            .map(|cause| Finding::new(Code::Index, cause).in_file(name))
    }

    /// Compares the merged indexes, once all segments were read. Where lines are damaged nothing can be told.
    pub(super) fn check_merged(&self, storage: &dyn Storage) -> Vec<Finding> {
        let Some(summer) = &self.summer else {
            return Vec::new();
        };
        let merged = self.files.iter().filter_map(|name| match name {
            FileName::Merged { first, end } => Some((name, *first, *end)),
            _ => None,
        });
        let judged = merged.filter_map(|(name, first, end)| {
            let cause = self.judge_merged(storage, summer, name, first..end)?;
            Some(Finding::new(Code::Index, cause).in_file(name.clone()))
        });
        judged.collect()
    }

    /// Files that were made for other declarations than those of the records that were read.
    pub(super) fn notes(&self, storage: &dyn Storage, declared: &Declared) -> Vec<String> {
        let Some(summer) = &self.summer else {
            return Vec::new();
        };
        let recipe = Recipe {
            key: summer.recipe().key,
            declared: declared.clone(),
        };
        let is_other = |name: &&FileName| {
            let Some(Ok(sidecar)) = open(storage, name) else {
                return false;
            };
            // What is bad about it has been reported.
            let digest = recipe.digest_of(&sidecar);
            digest.is_ok_and(|digest| digest != sidecar.subject().declared)
        };
        let others = self.files.iter().filter(is_other);
        others
            .map(|name| {
                format!("{name} was made for other declared indexes: it is made again when it is needed")
            })
            .collect()
    }

    /// What is wrong with a merged index.
    fn judge_merged(
        &self,
        storage: &dyn Storage,
        summer: &Summer,
        name: &FileName,
        records: std::ops::Range<u64>,
    ) -> Option<String> {
        let sidecar = match open(storage, name)? {
            Ok(sidecar) => sidecar,
            Err(cause) => return Some(cause),
        };
        let (mut spans, mut sum, mut next) = (Vec::new(), Sum::default(), records.start);
        while next < records.end {
            // Lines that are damaged, and have been reported.
            let (span, own) = self.segments.get(&next)?;
            spans.push(span);
            sum += *own;
            next = span.end;
        }
        let subject = sidecar.subject();
        let last_hash = spans.last().map(|span| span.last_hash);
        let own = next == records.end
            && (subject.first, subject.end, Some(subject.last_hash))
                == (records.start, records.end, last_hash);
        match sidecar.about() {
            Err(bad) => return Some(bad.to_string()),
            Ok(about) if !own || !about.segments.iter().eq(spans) => {
                return Some("it does not say what the seals of its segments say".to_owned());
            }
            Ok(_) => {}
        }
        compare(&sidecar, summer, sum).err()
    }
}

/// What the records declare, read ahead of the check where a file says that it was made for declarations.
fn declarations(storage: &dyn Storage, inventory: &Inventory, files: &BTreeSet<FileName>) -> Declared {
    let is_made_for_any = |name: &FileName| {
        let opened = open(storage, name);
        opened.is_some_and(|opened| opened.is_ok_and(|file| file.subject().declared != Hash::ZERO))
    };
    let mut declared = Declared::default();
    if !files.iter().any(is_made_for_any) {
        return declared;
    }
    for found in &inventory.segments {
        let is_sealed_without = |seal: &SealFound| !seal.seal.kinds.contains_key(system::FAMILY);
        if found.seal.as_ref().is_some_and(is_sealed_without) {
            continue;
        }
        // What cannot be read is reported when it is checked.
        read_families(storage, found, &mut declared).ok();
    }
    declared
}

fn read_families(storage: &dyn Storage, found: &Found, declared: &mut Declared) -> io::Result<()> {
    let kind = memchr::memmem::Finder::new(system::FAMILY);
    let mut lines = LineReader::open(storage, found.first, 0, found.len.unwrap_or(0))?;
    while let Some(Piece::Line { bytes, .. }) = lines.next_piece()? {
        if kind.find(bytes).is_some()
            && let Ok(record) = Record::parse(bytes)
            && record.header.kind == system::FAMILY
        {
            declared.extend(Family::parse(&record.header.id, record.body()));
        }
    }
    Ok(())
}

/// None for a file that is gone since it was listed.
fn open(storage: &dyn Storage, name: &FileName) -> Option<Result<Arc<Sidecar>, String>> {
    match storage.map(name) {
        Ok(bytes) => Some(match Sidecar::open(bytes) {
            Ok(sidecar) => Ok(Arc::new(sidecar)),
            Err(bad) => Err(format!("it is no index that can be used: {bad}")),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(format!("it cannot be used: {error}"))),
    }
}

/// Whether a file that lookups would ask has the postings with this sum, each block whole and in its place.
fn compare(sidecar: &Arc<Sidecar>, summer: &Summer, expected: Sum) -> Result<(), String> {
    let recipe = summer.recipe();
    // Nobody asks a file with another secret than the first: the next open for writing makes it again.
    if sidecar.subject().key != recipe.key {
        return Ok(());
    }
    sidecar.check_fences().map_err(|bad| bad.to_string())?;
    let (mut cursor, mut sum) = (Cursor::new(sidecar), Sum::default());
    loop {
        match cursor.next() {
            Ok(Some(posting)) => sum += summer.posting(&posting),
            Ok(None) => break,
            Err(_) => return Err("a block of it is bad, or its postings are out of order".to_owned()),
        }
    }
    // One made for other declarations is of no use to anybody, and told in a note.
    let is_bound = recipe.digest_of(sidecar) == Ok(sidecar.subject().declared);
    if sum == expected || !is_bound {
        Ok(())
    } else {
        Err("it is not the index of the lines".to_owned())
    }
}
