//! Reads back what the writer has made durable, compares it, signs heads over it and seals ended segments.
//!
//! A head therefore never covers bytes that only the writer's memory has seen right, and the writer's thread does
//! nothing for the tree.

use std::sync::Arc;

use ledgerstone_formats::checkpoint::{Head, Signer};
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::ids::Origin;
use ledgerstone_formats::names::FileName;
use sha2::Digest;

use crate::commit::shared::{Notarized, Published, SegmentInfo};
use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};
use crate::index::Index;
use crate::index::about::OpenSpan;
use crate::index::sidecar::{OPEN, Subject};
use crate::index::store::{save_part, seal_part};
use crate::index::upkeep::Upkeep;
use crate::keystore::KeyStore;
use crate::segment::audit::Audit;
use crate::segment::lines::{LineReader, Piece};
use crate::segment::written::{WrittenGroup, WrittenGroups};
use crate::storage::Storage;

/// What the notary signs with, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) ledger: String,
    pub(crate) origin: Origin,
    /// None for a ledger whose heads are not signed.
    pub(crate) signer: Option<Signer>,
}

impl Seat {
    /// The name of the head's file.
    pub(crate) fn head_name(&self) -> FileName {
        if self.signer.is_some() {
            FileName::Checkpoint
        } else {
            FileName::Head
        }
    }

    /// The file of a head at this size and root.
    pub(crate) fn head_file(&self, size: u64, root: Hash) -> Result<Vec<u8>, Error> {
        let head = Head {
            origin: self.origin.clone(),
            size,
            root,
        };
        match &self.signer {
            None => Ok(head.to_text().into_bytes()),
            Some(signer) => signer.sign(&head).map_err(|error| {
                Error::with_source(ErrorKind::Unavailable, "the head could not be signed", error)
            }),
        }
    }
}

/// Owned by one thread, or turned by hand.
#[derive(Debug)]
pub(crate) struct Notary {
    storage: Arc<dyn Storage>,
    keys: Arc<dyn KeyStore>,
    seat: Seat,
    index: Arc<Index>,
    audit: Audit,
    reader: Option<LineReader>,
    /// Groups that the writer told of and that are not read back.
    written: WrittenGroups,
    prev_seal: Hash,
    done: Notarized,
    upkeep: Arc<Upkeep>,
}

impl Notary {
    /// Goes on from what recovery has read: `audit` stands in the first segment without a seal.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        keys: Arc<dyn KeyStore>,
        seat: Seat,
        index: Arc<Index>,
        audit: Audit,
        prev_seal: Hash,
        done: Notarized,
    ) -> Self {
        Self {
            upkeep: Arc::new(Upkeep::new(&storage, &index)),
            storage,
            keys,
            seat,
            index,
            audit,
            reader: None,
            written: WrittenGroups::new(),
            prev_seal,
            done,
        }
    }

    /// What is done for the index meanwhile.
    pub(crate) fn upkeep(&self) -> &Arc<Upkeep> {
        &self.upkeep
    }

    /// How far it is.
    pub(crate) fn done(&self) -> &Notarized {
        &self.done
    }

    /// Takes in what the writer has written. All of it has to be published with what is given to `advance` next.
    pub(crate) fn learn(&mut self, written: WrittenGroups) {
        self.written.extend(written);
    }

    /// Reads everything published, and seals what has ended.
    pub(crate) fn advance(&mut self, published: &Published) -> Result<(), Error> {
        for ended in &published.ended[self.done.sealed..] {
            self.read_back(ended)?;
            self.seal(ended)?;
        }
        if let Some(active) = &published.active {
            self.read_back(active)?;
        }
        // The same for lines that were adopted.
        let (read, told) = (self.audit.chain(), &published.chain);
        if (read.next_seq(), read.last_hash()) != (told.next_seq(), told.last_hash()) {
            let cause = "acknowledged bytes read back otherwise: the last record is another";
            let finding = Finding::new(Code::Altered, cause);
            return Err(Error::corrupt(vec![
                finding.at_seq(read.next_seq().saturating_sub(1)),
            ]));
        }
        self.done.checked = read.next_seq();
        Ok(())
    }

    /// Saves the index of the open segment, with where the ledger stands, for the next open. Nothing depends on it, so
    /// a failure is none. A segment of fewer bytes is quicker read than saved.
    pub(crate) fn save_open(&self, published: &Published, bytes_min: u64) {
        let Some(active) = published.active.filter(|active| active.bytes >= bytes_min.max(1)) else {
            return;
        };
        let (chain, tree) = (self.audit.chain(), self.audit.tree());
        let is_headed = self.done.head_size == tree.size() && tree.size() == chain.next_seq();
        let (Some(first_at), Some(last_at), true) = (self.audit.first_at(), chain.last_at(), is_headed)
        else {
            return;
        };
        let subject = Subject {
            first: active.first,
            end: chain.next_seq(),
            last_hash: chain.last_hash(),
            key: *self.index.key(),
            level: OPEN,
            declared: self.index.declared_in(&(active.first..chain.next_seq())),
        };
        let open = OpenSpan {
            bytes: active.bytes,
            first_at,
            last_at,
            frontier: tree.roots().to_vec(),
        };
        save_part(self.storage.as_ref(), &self.index, &subject, open);
    }

    /// Publishes a head over all that was read back.
    pub(crate) fn sign(&mut self) -> Result<(), Error> {
        let size = self.audit.tree().size();
        if size <= self.done.head_size.min(self.done.beside_size) {
            return Ok(());
        }
        let file = self.seat.head_file(size, self.audit.tree().root())?;
        self.publish_head(size, file)
    }

    /// Stores a head in the directory, then beside the key; neither ever goes back.
    fn publish_head(&mut self, size: u64, file: Vec<u8>) -> Result<(), Error> {
        if size > self.done.head_size {
            self.storage
                .replace_head(&self.seat.head_name(), &file)
                .map_err(|error| unknown("the head could not be published", error))?;
            self.done.head_size = size;
        }
        // A crash here leaves the head beside the key behind the one inside: both are consistent.
        if size > self.done.beside_size {
            self.keys
                .replace_head(&file)
                .map_err(|error| unknown("the head beside the key could not be written", error))?;
            self.done.beside_size = size;
        }
        self.done.head_file = Arc::new(file);
        tracing::debug!(size, "published a head");
        Ok(())
    }

    /// Reads a segment on to the end of what is published. Groups that the writer told of are compared with what it
    /// wrote; what an earlier process wrote is checked line by line.
    fn read_back(&mut self, segment: &SegmentInfo) -> Result<(), Error> {
        let told_from = match self.written.front() {
            Some(group) if group.segment == segment.first => group.start,
            _ => segment.bytes,
        };
        let mut reader = match self.reader.take() {
            Some(open) => open,
            None => self.reader_at_end(segment)?,
        };
        self.check_lines(segment, &mut reader, told_from)?;
        reader.extend_to(segment.bytes);
        while let Some(group) = self.written.pop_front_if(|group| group.segment == segment.first) {
            self.compare(segment, &mut reader, &group)?;
        }
        self.reader = Some(reader);
        Ok(())
    }

    /// A reader for what comes after the bytes that were read back.
    fn reader_at_end(&self, segment: &SegmentInfo) -> Result<LineReader, Error> {
        let from = self.audit.whole_bytes();
        LineReader::open(self.storage.as_ref(), segment.first, from, segment.bytes).map_err(unreadable)
    }

    /// Checks the lines up to offset `to` as a verifier would.
    fn check_lines(&mut self, segment: &SegmentInfo, reader: &mut LineReader, to: u64) -> Result<(), Error> {
        reader.extend_to(to);
        while let Some(piece) = reader.next_piece().map_err(unreadable)? {
            let seq = self.audit.next_seq();
            match piece {
                Piece::Line { offset, bytes } => {
                    self.audit
                        .feed(bytes)
                        .map_err(|error| differs(segment, offset, seq, &error.to_string()))?;
                }
                Piece::Rest { offset, .. } => return Err(differs(segment, offset, seq, "no line ends here")),
            }
        }
        let (at, seq) = (self.audit.whole_bytes(), self.audit.next_seq());
        if at == to {
            return Ok(());
        }
        Err(differs(segment, at, seq, "the file is shorter"))
    }

    /// Reads a group and compares it with what the writer had in memory: the checksum of the bytes stands for them,
    /// so that each record is not hashed by two threads.
    fn compare(
        &mut self,
        segment: &SegmentInfo,
        reader: &mut LineReader,
        group: &WrittenGroup,
    ) -> Result<(), Error> {
        let mut crc32 = crc32fast::Hasher::new();
        let mut sha256 = self.audit.segment_sha256();
        let mut left = group.end - group.start;
        while left > 0 {
            let bytes = reader.next_bytes(left).map_err(unreadable)?;
            if bytes.is_empty() {
                break;
            }
            crc32.update(bytes);
            sha256.update(bytes);
            left -= bytes.len() as u64;
        }
        if left == 0 && crc32.finalize() == group.crc32 {
            self.audit.feed_written(group, sha256);
            return Ok(());
        }
        // Which line it is.
        let mut again = self.reader_at_end(segment)?;
        self.check_lines(segment, &mut again, group.end)?;
        // Other lines, consistent in themselves, are not those that were acknowledged.
        let last = self.audit.next_seq().saturating_sub(1);
        Err(differs(segment, group.start, last, "its records are others"))
    }

    fn seal(&mut self, segment: &SegmentInfo) -> Result<(), Error> {
        let (size, root) = (self.audit.tree().size(), self.audit.tree().root());
        let head = self.seat.head_file(size, root)?;
        // A head at a larger size may have been signed before a crash.
        if size > self.done.head_size {
            self.publish_head(size, head.clone())?;
        }
        let head = String::from_utf8(head).expect("a head is text");
        let Some(seal) = self.audit.seal(&self.seat.ledger, self.prev_seal, head) else {
            return Err(differs(
                segment,
                0,
                segment.first,
                "a segment without records was ended",
            ));
        };
        let file = seal.encode();
        let name = FileName::Seal(segment.first);
        self.storage
            .publish(&name, &file)
            .map_err(|error| unknown("the seal could not be written", error))?;
        self.storage
            .protect(segment.first)
            .map_err(|error| unknown("the sealed segment could not be made read-only", error))?;
        let subject = Subject {
            first: seal.first,
            end: seal.last + 1,
            last_hash: seal.last_hash,
            key: *self.index.key(),
            level: 0,
            declared: self.index.declared_in(&(seal.first..seal.last + 1)),
        };
        seal_part(self.storage.as_ref(), &self.index, &subject, seal.bytes);
        self.upkeep.try_again();
        tracing::info!(first = seal.first, last = seal.last, "sealed a segment");
        self.prev_seal = Hash::digest(&file);
        self.audit.begin_segment();
        self.reader = None;
        self.done.sealed += 1;
        Ok(())
    }
}

fn unreadable(error: std::io::Error) -> Error {
    unknown("a segment could not be read back", error)
}

fn unknown(doing: &str, error: std::io::Error) -> Error {
    Error::with_source(ErrorKind::Unknown, doing, error)
}

/// Bytes that were acknowledged read back otherwise: nothing more is signed or taken.
fn differs(segment: &SegmentInfo, offset: u64, seq: u64, cause: &str) -> Error {
    let mut finding = Finding::new(
        Code::Altered,
        format!("acknowledged bytes read back otherwise: {cause}"),
    )
    .in_file(FileName::Segment(segment.first))
    .at_seq(seq);
    finding.offset = Some(offset);
    Error::corrupt(vec![finding])
}
