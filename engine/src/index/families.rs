//! The families of a ledger that is opened: found in its records, and put into its index.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ledgerstone_formats::records::family::{Family, FamilyError};
use ledgerstone_formats::records::system;

use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::index::build::pages_of;
use crate::index::declared::Declared;
use crate::index::keys::Key;
use crate::index::memory::PageWriter;
use crate::index::records::{Hit, each_record};
use crate::index::repair::remake;
use crate::index::runs::BadPart;
use crate::index::{Index, Part};
use crate::segment::list::Segments;
use crate::storage::Storage;

/// The families that records declare, by their kind, each with the number of its newest record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Families(BTreeMap<Box<str>, (u64, Family)>);

impl Families {
    /// Takes in what the records from `from` on declare.
    ///
    /// # Errors
    /// `Corrupt` where a declaration was altered: what it declares cannot be told.
    pub(crate) fn read(
        &mut self,
        storage: &dyn Storage,
        segments: &Segments,
        index: &Index,
        from: u64,
    ) -> Result<(), Error> {
        let mut altered = None;
        let key = Key::Kind(system::FAMILY);
        each_record(storage, segments, index, &key, from, |hit| match hit {
            Hit::Record(record) => {
                let header = &record.header;
                // One that declares nothing is a matter of bookkeeping.
                if let Some(family) = Family::parse(&header.id, record.body()) {
                    self.0.insert(header.id.as_ref().into(), (header.seq, family));
                }
                ControlFlow::Continue(())
            }
            Hit::Altered { seq } => {
                altered = Some(seq);
                ControlFlow::Break(())
            }
        })?;
        let Some(seq) = altered else { return Ok(()) };
        let cause = "a record that declares a family was altered: what it declares cannot be told";
        Err(Error::corrupt(vec![
            Finding::new(Code::Altered, cause).at_seq(seq),
        ]))
    }

    /// All that is declared.
    pub(crate) fn declared(&self) -> Declared {
        Declared::new(self.0.values().map(|(_, family)| family.clone()))
    }

    /// Adds what is wanted, and gives the families that no record declares yet, as they then are.
    ///
    /// # Errors
    /// `Conflict` naming the record that is in the way.
    pub(crate) fn want(
        &mut self,
        storage: &dyn Storage,
        segments: &Segments,
        index: &Index,
        wanted: &[Family],
    ) -> Result<Vec<Family>, Error> {
        let mut owed: BTreeMap<&str, Family> = BTreeMap::new();
        for family in wanted {
            let kind = family.kind().as_str();
            let before = self.0.get(kind);
            let grown = match before {
                None => family.clone(),
                Some((seq, own)) => own.with(family).map_err(|error| conflict(family, &error, *seq))?,
            };
            if before.is_some_and(|(_, own)| *own == grown) {
                continue;
            }
            let own = before.map(|(_, own)| own);
            expect_no_record(storage, segments, index, own, &grown)?;
            // It has no number yet; nothing but another wish could ask for it.
            let seq = before.map_or(0, |(seq, _)| *seq);
            self.0.insert(kind.into(), (seq, grown.clone()));
            owed.insert(kind, grown);
        }
        Ok(owed.into_values().collect())
    }
}

fn conflict(family: &Family, error: &FamilyError, seq: u64) -> Error {
    let message = format!(
        "{}, declared by the record with seq {seq}: {error}",
        family.kind()
    );
    Error::new(ErrorKind::Conflict, message).at_seq(seq)
}

/// Records that are there already were not held against each other: a unique index comes before them.
fn expect_no_record(
    storage: &dyn Storage,
    segments: &Segments,
    index: &Index,
    before: Option<&Family>,
    after: &Family,
) -> Result<(), Error> {
    let was_there = |name: &str| before.is_some_and(|family| family.index(name).is_some());
    let new = after
        .indexes()
        .iter()
        .find(|index| index.is_unique() && !was_there(index.name().as_str()));
    let Some(new) = new else { return Ok(()) };
    let (key, mut first) = (Key::Kind(after.kind().as_str()), None);
    each_record(storage, segments, index, &key, 0, |hit| {
        first = Some(match hit {
            Hit::Record(record) => record.header.seq,
            Hit::Altered { seq } => seq,
        });
        ControlFlow::Break(())
    })?;
    let Some(first) = first else { return Ok(()) };
    let message = format!(
        "the index {} of {} is unique, so it has to be declared before the kind's first record, which has seq {first}",
        new.name(),
        after.kind(),
    );
    Err(Error::new(ErrorKind::Conflict, message).at_seq(first))
}

/// Makes an index one of all that is declared: parts that were made with something else are made again, in memory. What
/// is in memory was made with what the index declares so far. Gives the pages of the last segment where they are others
/// now.
pub(crate) fn put_in(
    storage: &dyn Storage,
    segments: &Segments,
    index: &mut Index,
    declared: Declared,
) -> Result<Option<PageWriter>, Error> {
    let before = index.recipe().declared.clone();
    index.declare(declared);
    let (index, mut last) = (&*index, None);
    for part in index.parts().iter() {
        match part {
            Part::File(sidecar) => {
                last = None;
                if !index.is_bound(sidecar) {
                    remake(storage, index, segments, BadPart::of(sidecar))?;
                }
            }
            Part::Memory { first, pages } => {
                let has_kind = |kind: &str| part.has(index.key().hash(&Key::Kind(kind)));
                let is_bound = before.digest(has_kind) == index.recipe().declared.digest(has_kind);
                let Some(start) = pages.first().filter(|_| !is_bound) else {
                    last = None;
                    continue;
                };
                let segment = segments.holding(start.seq).expect("each part is of a segment");
                let start = (start.seq, u64::from(start.offset));
                let (writer, _) = pages_of(storage, &segment, start, index.recipe())?;
                let (first, pages) = (*first, writer.pages().clone());
                index.put(Part::Memory { first, pages });
                last = Some(writer);
            }
        }
    }
    Ok(last)
}
