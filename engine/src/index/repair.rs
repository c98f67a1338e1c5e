//! A part of the index of which a block is bad is missing, not empty: it is made again.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::index::build::sidecar_of;
use crate::index::load::fitting;
use crate::index::runs::BadPart;
use crate::index::sidecar::Sidecar;
use crate::index::{Index, Part};
use crate::ledger::read_span;
use crate::segment::list::Segments;
use crate::storage::{Mapped, Storage};

/// What one lookup has made again.
#[derive(Debug, Default)]
pub(crate) struct Repairs(Vec<BadPart>);

impl Repairs {
    /// Whether a part was made again before.
    pub(crate) fn has(&self, part: BadPart) -> bool {
        self.0.contains(&part)
    }

    /// As [`remake`] does, once.
    ///
    /// # Errors
    /// Those of reading the lines; `Unavailable` for what is bad again though it was just made.
    pub(crate) fn remake(
        &mut self,
        storage: &dyn Storage,
        index: &Index,
        segments: &Segments,
        bad: BadPart,
    ) -> Result<(), Error> {
        if self.has(bad) {
            let message = format!(
                "the index of the records {} to {} was made again and is bad again: memory or disk cannot be trusted",
                bad.first,
                bad.end.saturating_sub(1)
            );
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        self.0.push(bad);
        remake(storage, index, segments, bad)
    }
}

/// Makes a part again: a merged one falls back on the sidecars of its segments, a sidecar on its lines. What is made
/// from lines stays in memory until somebody who holds the ledger writes it.
///
/// # Errors
/// Those of reading the lines.
pub(crate) fn remake(
    storage: &dyn Storage,
    index: &Index,
    segments: &Segments,
    bad: BadPart,
) -> Result<(), Error> {
    let from = segments.place_of(bad.first).unwrap_or(0);
    let inside = (from..segments.len()).filter_map(|place| segments.get(place));
    let inside: Vec<_> = inside.take_while(|info| info.first < bad.end).collect();
    let mut made = Vec::with_capacity(inside.len());
    for info in &inside {
        // Of several segments the sidecars are asked; of one it was the sidecar that is bad.
        let sidecar = (inside.len() > 1)
            .then(|| read_span(storage, info.first).ok())
            .flatten()
            .and_then(|span| fitting(storage, &span, index.key()))
            .filter(|sidecar| index.is_bound(sidecar));
        let sidecar = match sidecar {
            Some(sidecar) => sidecar,
            None => {
                if info.sealed {
                    index.note_damage(info.first);
                }
                let bytes = Mapped::from(sidecar_of(storage, info, bad.end, index.recipe())?);
                Sidecar::open(bytes).expect("what was just encoded can be read")
            }
        };
        made.push(Part::File(Arc::new(sidecar)));
    }
    index.replace(bad, made);
    Ok(())
}
