//! The index of a ledger that is about to be opened: of sealed segments from their files, of the others while their
//! lines are read.

use ledgerstone_formats::records::family::Family;

use crate::error::Error;
use crate::index::Index;
use crate::index::catalog::Catalog;
use crate::index::families::{Families, put_in};
use crate::index::keys::{HashKey, Recipe};
use crate::index::load::{Loaded, load_sealed};
use crate::index::open::OpenIndex;
use crate::recover::Found;
use crate::recover::plan::LoadedIndex;
use crate::segment::list::Segments;
use crate::storage::Storage;

/// An index that is being put together.
#[derive(Debug)]
pub(super) struct Indexes {
    /// Secret of the hashes.
    pub(super) key: HashKey,
    /// The index of sealed segments, and the sidecars that were not there.
    sealed: Loaded,
    families: Families,
    /// The index of the segments that have no seal, made with what the sealed ones declare.
    pub(super) open: OpenIndex,
}

impl Indexes {
    pub(super) fn new(key: HashKey) -> Self {
        Self {
            key,
            sealed: Loaded::default(),
            families: Families::default(),
            open: OpenIndex::new(Recipe::plain(key)),
        }
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            key: self.key,
            declared: self.families.declared(),
        }
    }

    /// Takes in sealed segments, before the others are read.
    pub(super) fn load_sealed(
        &mut self,
        storage: &dyn Storage,
        catalog: &Catalog,
        sealed: &[Found],
        segments: &Segments,
    ) -> Result<(), Error> {
        let spans: Vec<_> = sealed.iter().filter_map(|found| found.span.clone()).collect();
        self.sealed = load_sealed(storage, catalog, &spans, &self.key)?;
        let index = Index::new(Recipe::plain(self.key), self.sealed.parts.clone());
        self.families.read(storage, segments, &index, 0)?;
        self.open = OpenIndex::new(self.recipe());
        Ok(())
    }

    /// The whole index with what is wanted in it, and the families that no record declares yet.
    pub(super) fn finish(
        &mut self,
        storage: &dyn Storage,
        catalog: &Catalog,
        segments: &Segments,
        wanted: &[Family],
    ) -> Result<(LoadedIndex, Vec<Family>), Error> {
        let recipe = self.recipe();
        let open = std::mem::replace(&mut self.open, OpenIndex::new(recipe.clone()));
        let sealed = std::mem::take(&mut self.sealed);
        let (open, active, active_first) = open.finish();
        let mut parts = sealed.parts;
        parts.extend(open);
        let mut index = Index::new(recipe, parts);
        self.families.read(storage, segments, &index, sealed.end)?;
        let owed = self.families.want(storage, segments, &index, wanted)?;
        let others = put_in(storage, segments, &mut index, self.families.declared())?;
        let loaded = LoadedIndex {
            // What was made again since is written by whoever writes what is bad.
            rebuilt: sealed
                .rebuilt
                .into_iter()
                .filter(|(first, _)| !index.is_damaged(*first))
                .collect(),
            index,
            active: others.unwrap_or(active),
            active_first,
            unused: catalog.unused.clone(),
        };
        Ok((loaded, owed))
    }
}
