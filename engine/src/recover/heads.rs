//! The heads that a ledger is held against: in the directory, in the last seal, beside the key.

use std::io;

use ledgerstone_formats::checkpoint::{HEAD_BYTES_MAX, Head, VerifierKey};
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::records::system::Genesis;
use ledgerstone_formats::segment::Seal;
use ledgerstone_formats::tree::Frontier;

use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::keystore::KeyStore;
use crate::recover::Inventory;
use crate::storage::Storage;

/// Where a head was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `checkpoint`, or `head` of an unsigned ledger.
    Directory,
    /// The seal of the segment that begins there.
    Seal(u64),
    /// Beside the key.
    Beside,
}

/// A head that is genuine as far as its signature goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownHead {
    pub(crate) head: Head,
    pub(crate) source: Source,
}

/// What is known of the ledger's heads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heads {
    pub(crate) known: Vec<KnownHead>,
    /// The ledger has no key.
    unsigned: bool,
    /// What is wrong with a head's file.
    pub(crate) findings: Vec<Finding>,
    /// Facts that are no findings.
    pub(crate) notes: Vec<String>,
}

/// The verifier key that genesis names.
pub(crate) fn verifier(genesis: &Genesis) -> Option<Result<VerifierKey, Finding>> {
    let text = genesis.vkey.as_ref()?;
    Some(match VerifierKey::parse(text) {
        Ok(key) if key.origin().as_str() == genesis.origin => Ok(key),
        _ => Err(Finding::new(
            Code::Evidence,
            "the verifier key of the genesis record is none of this ledger",
        )
        .in_file(FileName::Identity)),
    })
}

/// The name of the head's file.
pub(crate) fn head_name(genesis: &Genesis) -> FileName {
    if genesis.vkey.is_some() {
        FileName::Checkpoint
    } else {
        FileName::Head
    }
}

/// True where something else stands in a small file's place: a directory, a pipe, or far more bytes than it can have.
pub(crate) fn is_no_text(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory | io::ErrorKind::FileTooLarge
    )
}

/// Opens a head's file as this ledger's.
pub(crate) fn open_head(file: &[u8], genesis: &Genesis, key: Option<&VerifierKey>) -> Result<Head, String> {
    match Head::open(file, key) {
        Ok(head) if head.size == 0 => Err("a head over no records".to_owned()),
        Ok(head) if head.origin.as_str() == genesis.origin => Ok(head),
        Ok(head) => Err(format!("a head of another ledger, {}", head.origin)),
        Err(error) => Err(error.to_string()),
    }
}

impl Heads {
    /// Reads the head in the directory and the one beside the key.
    pub(crate) fn read(
        storage: &dyn Storage,
        keys: Option<&dyn KeyStore>,
        genesis: &Genesis,
        key: Option<&VerifierKey>,
    ) -> Result<Self, Error> {
        let mut heads = Self {
            unsigned: key.is_none(),
            ..Self::default()
        };
        heads.read_directory(storage, genesis, key);
        if let Some(keys) = keys {
            heads.read_beside(keys, genesis, key)?;
        }
        Ok(heads)
    }

    fn read_directory(&mut self, storage: &dyn Storage, genesis: &Genesis, key: Option<&VerifierKey>) {
        let name = head_name(genesis);
        let opened = match storage.open(&name).and_then(|file| file.read_all(HEAD_BYTES_MAX)) {
            Ok(file) => open_head(&file, genesis, key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err("the head is missing".to_owned()),
            Err(error) if is_no_text(&error) => Err(error.to_string()),
            Err(error) => {
                self.findings
                    .push(Finding::new(Code::Unreadable, error.to_string()).in_file(name));
                return;
            }
        };
        match opened {
            Ok(head) => self.known.push(KnownHead {
                head,
                source: Source::Directory,
            }),
            Err(cause) => self
                .findings
                .push(Finding::new(Code::Evidence, cause).in_file(name)),
        }
    }

    fn read_beside(
        &mut self,
        keys: &dyn KeyStore,
        genesis: &Genesis,
        key: Option<&VerifierKey>,
    ) -> Result<(), Error> {
        let opened = match keys.head() {
            Ok(None) => {
                self.notes.push("there is no head beside the key".to_owned());
                return Ok(());
            }
            Ok(Some(file)) => open_head(&file, genesis, key),
            Err(error) if is_no_text(&error) => Err(error.to_string()),
            Err(error) => return Err(Error::io("the head beside the key cannot be read", error)),
        };
        match opened {
            Ok(head) => self.known.push(KnownHead {
                head,
                source: Source::Beside,
            }),
            // The one thing that shows a directory put back to an older state is never written over unseen.
            Err(cause) => {
                let place = keys
                    .head_place()
                    .map_or_else(String::new, |place| format!(" ({place})"));
                let cause = format!("the head beside the key{place} is none of this ledger: {cause}");
                self.findings.push(Finding::new(Code::Evidence, cause));
            }
        }
        Ok(())
    }

    /// Adds the head of a seal.
    pub(crate) fn add_seal(&mut self, seal: &Seal, head: Head) {
        self.known.push(KnownHead {
            head,
            source: Source::Seal(seal.first),
        });
    }

    /// Size of the newest head from this source.
    pub(crate) fn size_from(&self, source: &Source) -> Option<u64> {
        self.known
            .iter()
            .filter(|known| known.source == *source)
            .map(|known| known.head.size)
            .max()
    }

    /// Size of the newest head of all.
    pub(crate) fn watermark(&self) -> u64 {
        self.known.iter().map(|known| known.head.size).max().unwrap_or(0)
    }

    /// Whether a head covers exactly so many records.
    pub(crate) fn has_size(&self, size: u64) -> bool {
        self.known.iter().any(|known| known.head.size == size)
    }

    /// The head in the directory of a ledger without a key: no signature says whether somebody edited it.
    pub(crate) fn unsigned_own(&self) -> Option<&Head> {
        let mut own = self
            .known
            .iter()
            .filter(|known| known.source == Source::Directory);
        own.next().map(|known| &known.head).filter(|_| self.unsigned)
    }

    /// Compares the tree with every head at its size.
    pub(crate) fn check_root(&self, tree: &Frontier) -> Result<(), Finding> {
        self.check_roots(tree, |_| true)
    }

    /// The same, but for the head that [`Heads::unsigned_own`] gives.
    pub(crate) fn check_proven_root(&self, tree: &Frontier) -> Result<(), Finding> {
        self.check_roots(tree, |known| !self.unsigned || known.source != Source::Directory)
    }

    fn check_roots(&self, tree: &Frontier, counts: impl Fn(&KnownHead) -> bool) -> Result<(), Finding> {
        let mut at_size = self
            .known
            .iter()
            .filter(|known| known.head.size == tree.size() && counts(known))
            .peekable();
        if at_size.peek().is_none() {
            return Ok(());
        }
        let root = tree.root();
        match at_size.find(|known| known.head.root != root) {
            None => Ok(()),
            Some(known) => Err(Finding::new(
                Code::Rewritten,
                format!(
                    "the records up to seq {} do not give the root of {}",
                    tree.size() - 1,
                    known.source.text()
                ),
            )
            .hashes(known.head.root, root)),
        }
    }

    /// Heads that say more than `size` records: the worst first.
    pub(crate) fn check_size(&self, size: u64) -> Option<Finding> {
        let inside = self.known.iter().filter(|known| known.source != Source::Beside);
        let inside_max = inside
            .max_by_key(|known| known.head.size)
            .filter(|known| known.head.size > size);
        if let Some(known) = inside_max {
            let cause = format!(
                "{} covers {} records, {size} are here: the first missing one is seq {size}",
                known.source.text(),
                known.head.size
            );
            return Some(Finding::new(Code::Truncated, cause).at_seq(size));
        }
        let beside = self
            .known
            .iter()
            .find(|known| known.source == Source::Beside && known.head.size > size)?;
        let cause = format!(
            "the head beside the key covers {} records, {size} are here: an older state was put back",
            beside.head.size
        );
        Some(Finding::new(Code::RolledBack, cause).at_seq(size))
    }

    /// The same where every segment was read to its end: names the file that ends early, or is not there.
    pub(crate) fn check_end(&self, size: u64, inventory: &Inventory) -> Option<Finding> {
        let finding = self.check_size(size)?;
        // Nothing can be missing from a sealed segment that was read: it is the next one's file that is gone.
        if finding.code == Code::Truncated && inventory.unsealed().is_empty() {
            let code = if inventory.has_newer_form(size) {
                Code::Newer
            } else {
                Code::Missing
            };
            let gone = Finding { code, ..finding };
            return Some(gone.in_file(FileName::Segment(size)));
        }
        let last = inventory.segments.last().map_or(0, |found| found.first);
        Some(finding.in_file(FileName::Segment(last)))
    }
}

impl Source {
    /// In words.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Directory => "the head in the directory".to_owned(),
            Self::Seal(first) => format!("the head in {}", FileName::Seal(*first)),
            Self::Beside => "the head beside the key".to_owned(),
        }
    }
}
