//! A ledger opened for reading: no lock, nothing changed, whoever writes to it meanwhile.

use std::sync::Arc;

use ledgerstone_formats::names::FileName;
use ledgerstone_formats::records::system::Genesis;

use crate::commit::shared::SegmentInfo;
use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::read::snapshot::Snapshot;
use crate::read::whole::whole_end;
use crate::recover::heads::{Heads, Source, verifier};
use crate::recover::read_identity;
use crate::storage::{Listing, Storage};

/// Reads a ledger that this process does not hold.
#[derive(Debug)]
pub struct Reader {
    storage: Arc<dyn Storage>,
    genesis: Genesis,
}

impl Reader {
    /// Reads the identity.
    ///
    /// # Errors
    /// `Missing` when there is no ledger, `Corrupt` when its identity is damaged, `Unavailable` for I/O.
    pub fn open(storage: Arc<dyn Storage>) -> Result<Self, Error> {
        let genesis = read_identity(storage.as_ref())?;
        Ok(Self { storage, genesis })
    }

    /// The ledger's identity.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The whole groups that are there now. Some may be past the head: [`Snapshot::head_size`] tells.
    ///
    /// # Errors
    /// `Unavailable` for I/O.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        // The head first: records that are stored meanwhile are then past it, never missing under it.
        let key = verifier(&self.genesis).and_then(Result::ok);
        let heads = Heads::read(self.storage.as_ref(), None, &self.genesis, key.as_ref())?;
        let listing = self
            .storage
            .list()
            .map_err(|error| Error::io("the directory cannot be listed", error))?;
        let (segments, size) = self.segments(&listing)?;
        Ok(Snapshot::new(
            Arc::clone(&self.storage),
            segments,
            size,
            heads.size_from(&Source::Directory),
        ))
    }

    fn segments(&self, listing: &Listing) -> Result<(Vec<SegmentInfo>, u64), Error> {
        let named = listing.files.iter().filter_map(|(name, len)| match name {
            FileName::Segment(first) => Some((*first, *len)),
            _ => None,
        });
        let mut segments: Vec<SegmentInfo> = named
            .map(|(first, bytes)| {
                let sealed = listing.len_of(&FileName::Seal(first)).is_some();
                SegmentInfo { first, bytes, sealed }
            })
            .collect();
        // Only the last segment that is not empty can end in a group that is not whole.
        while let Some(last) = segments.last_mut() {
            if !last.sealed && last.bytes > 0 {
                let name = FileName::Segment(last.first);
                let io = |error| unreadable("the open segment cannot be read", &name, error);
                let file = self.storage.open(&name).map_err(io)?;
                if let Some(end) = whole_end(file.as_ref()).map_err(io)? {
                    last.bytes = end.bytes;
                    return Ok((segments, end.next_seq));
                }
            } else if last.sealed {
                let size = crate::ledger::read_seal(self.storage.as_ref(), last.first)
                    .map(|seal| seal.last + 1)
                    .or_else(|error| self.size_by_lines(last, error))?;
                return Ok((segments, size));
            }
            segments.pop();
        }
        Err(Error::new(ErrorKind::Missing, "no record is here"))
    }

    /// A bad seal keeps nobody from reading the lines.
    fn size_by_lines(&self, info: &SegmentInfo, error: Error) -> Result<u64, Error> {
        let name = FileName::Segment(info.first);
        let io = |error| unreadable("the last segment cannot be read", &name, error);
        let file = self.storage.open(&name).map_err(io)?;
        whole_end(file.as_ref())
            .map_err(io)?
            .map(|end| end.next_seq)
            .ok_or(error)
    }
}

/// Bytes that cannot be the end of a segment are damage, not a failure to read.
fn unreadable(doing: &str, name: &FileName, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::InvalidData {
        return Error::corrupt(vec![
            Finding::new(Code::Altered, error.to_string()).in_file(name.clone()),
        ]);
    }
    Error::io(doing, error).in_file(name.clone())
}
