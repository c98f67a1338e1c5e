//! A ledger's files in a test's hands: to be edited as somebody would who knows the format, and put back.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use ledgerstone_engine::keystore::{KeyStore, MemKeys};
use ledgerstone_engine::storage::Storage;
use ledgerstone_engine::storage::mem::Mem;
use ledgerstone_formats::checkpoint::{Head, Signer};
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::header::Header;
use ledgerstone_formats::ids::Origin;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::{NewerRecord, Payload, Record};
use ledgerstone_formats::records::system::Genesis;
use ledgerstone_formats::segment::{SEAL_FORMAT, Seal};
use ledgerstone_formats::tree::Frontier;

/// Everything that makes a ledger: the files of its directory, and what lies beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    files: BTreeMap<String, Vec<u8>>,
    /// The signing key; none of an unsigned ledger.
    pub key: Option<String>,
    /// The head beside the key.
    pub head_beside: Option<Vec<u8>>,
}

impl Copy {
    /// Reads a ledger from its directory and from beside it. `LOCK` is left out.
    pub fn read(ledger: &Path) -> Self {
        let mut files = BTreeMap::new();
        read_below(ledger, ledger, &mut files);
        files.remove(&FileName::Lock.to_string());
        let key = fs::read_to_string(beside(ledger, ".key")).ok();
        let head = fs::read(beside(ledger, ".key.head"))
            .or_else(|_| fs::read(beside(ledger, ".head")))
            .ok();
        Self {
            files,
            key,
            head_beside: head,
        }
    }

    /// Reads a ledger from where it is kept.
    pub fn of(storage: &dyn Storage, keys: &dyn KeyStore) -> Self {
        let mut files = BTreeMap::new();
        for (name, _) in storage.list().unwrap().files {
            let bytes = storage.open(&name).unwrap().read_all(u64::MAX).unwrap();
            files.insert(name.to_string(), bytes);
        }
        files.remove(&FileName::Lock.to_string());
        let key = keys
            .signing_key()
            .unwrap()
            .map(|secret| secret.expose().to_owned());
        Self {
            files,
            key,
            head_beside: keys.head().unwrap(),
        }
    }

    /// Writes it as a ledger on disk.
    pub fn write(&self, ledger: &Path) {
        for (name, bytes) in &self.files {
            let path = ledger.join(name);
            fs::create_dir_all(path.parent().expect("files are below the ledger")).unwrap();
            fs::write(&path, bytes).unwrap();
        }
        if let Some(key) = &self.key {
            fs::write(beside(ledger, ".key"), key).unwrap();
        }
        if let Some(head) = &self.head_beside {
            let ending = if self.key.is_some() { ".key.head" } else { ".head" };
            fs::write(beside(ledger, ending), head).unwrap();
        }
    }

    /// The same in memory.
    pub fn in_memory(&self) -> (Mem, MemKeys) {
        let storage = Mem::new();
        storage.create_directories().unwrap();
        for (name, bytes) in &self.files {
            storage.put_raw(name, bytes);
        }
        let keys = if self.key.is_some() {
            MemKeys::new()
        } else {
            MemKeys::unsigned()
        };
        if let Some(key) = &self.key {
            keys.create_key(key).unwrap();
        }
        keys.set_head(self.head_beside.clone());
        (storage, keys)
    }

    /// Names and bytes of the files in the directory.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// True if there is such a file.
    pub fn has(&self, name: &FileName) -> bool {
        self.files.contains_key(&name.to_string())
    }

    /// First sequence numbers of the segments.
    pub fn segments(&self) -> Vec<u64> {
        let names = self.files.keys().filter_map(|name| FileName::parse(name));
        names
            .filter_map(|name| {
                if let FileName::Segment(first) = name {
                    Some(first)
                } else {
                    None
                }
            })
            .collect()
    }

    /// A file to be changed.
    #[track_caller]
    pub fn file(&mut self, name: &FileName) -> &mut Vec<u8> {
        self.files
            .get_mut(&name.to_string())
            .unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// Puts a file there, whatever was.
    pub fn put(&mut self, name: &FileName, bytes: impl Into<Vec<u8>>) {
        self.files.insert(name.to_string(), bytes.into());
    }

    /// Takes a file away and gives its bytes.
    #[track_caller]
    pub fn remove(&mut self, name: &FileName) -> Vec<u8> {
        self.files
            .remove(&name.to_string())
            .unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// The lines of a segment, without their line ends.
    #[track_caller]
    pub fn lines(&self, segment: u64) -> Vec<Vec<u8>> {
        let name = FileName::Segment(segment).to_string();
        let bytes = self
            .files
            .get(&name)
            .unwrap_or_else(|| panic!("there is no {name}"));
        bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| line.trim_ascii_end().to_vec())
            .collect()
    }

    /// Makes these the lines of a segment. The index of others goes: who forges lines takes away what tells of it.
    pub fn set_lines(&mut self, segment: u64, lines: &[Vec<u8>]) {
        let bytes: Vec<u8> = lines
            .iter()
            .flat_map(|line| [line.as_slice(), b"\n"].concat())
            .collect();
        let name = FileName::Segment(segment);
        if self.files.get(&name.to_string()) != Some(&bytes) {
            self.files.remove(&FileName::Index(segment).to_string());
            self.put(&name, bytes);
        }
    }

    /// Makes every line from `seq` on follow the one before it, by recomputing `prev` and `hash`: what somebody can do
    /// who knows the format and has no key.
    pub fn relink_from(&mut self, seq: u64) {
        let mut prev = Hash::ZERO;
        for segment in self.segments() {
            let mut lines = self.lines(segment);
            for line in &mut lines {
                let record = Record::parse(line).expect("relinked lines have the right form");
                if record.header.seq >= seq {
                    let next = edit(line, |header, _| header.prev = prev);
                    *line = next;
                }
                prev = Record::parse(line)
                    .expect("an edited line has the right form")
                    .hash;
            }
            self.set_lines(segment, &lines);
        }
    }
}

impl Copy {
    /// Makes every seal and the head in the directory anew from the lines, as far as they are sealed now: what somebody
    /// can do who has the key, or anybody where there is none. The head beside the key stays.
    pub fn seal_again(&mut self) {
        let signer = self
            .key
            .as_deref()
            .map(|key| Signer::parse(key.trim_end()).unwrap());
        let name = if signer.is_some() {
            FileName::Checkpoint
        } else {
            FileName::Head
        };
        let (mut tree, mut prev_seal) = (Frontier::new(), Hash::ZERO);
        let first_line = self.lines(0).remove(0);
        let body = Record::parse(&first_line).unwrap().body();
        let origin = Origin::new(&Genesis::parse(body).expect("the first line is a genesis").origin).unwrap();
        for segment in self.segments() {
            let lines = self.lines(segment);
            lines.iter().for_each(|line| tree.push(hash_of(line)));
            let head = Head {
                origin: origin.clone(),
                size: tree.size(),
                root: tree.root(),
            };
            let file = signer
                .as_ref()
                .map_or_else(|| head.to_text().into_bytes(), |key| key.sign(&head).unwrap());
            if self.has(&FileName::Seal(segment)) {
                let bytes = self.file(&FileName::Segment(segment)).clone();
                let records: Vec<Record<'_>> =
                    lines.iter().map(|line| Record::parse(line).unwrap()).collect();
                let seal = seal(
                    &records,
                    &bytes,
                    &tree,
                    prev_seal,
                    String::from_utf8(file.clone()).unwrap(),
                );
                prev_seal = Hash::digest(&seal.encode());
                self.put(&FileName::Seal(segment), seal.encode());
            }
            self.put(&name, file);
        }
    }
}

/// The stored hash of a line of this version or a later one.
fn hash_of(line: &[u8]) -> Hash {
    Record::parse(line).map_or_else(
        |_| NewerRecord::parse_checked(line).unwrap().hash,
        |record| record.hash,
    )
}

fn seal(records: &[Record<'_>], bytes: &[u8], tree: &Frontier, prev_seal: Hash, head: String) -> Seal {
    let (first, last) = (&records[0].header, &records[records.len() - 1]);
    let mut kinds = BTreeMap::new();
    for record in records {
        *kinds.entry(record.header.kind.to_string()).or_default() += 1;
    }
    let ledger = head.lines().next().and_then(|origin| origin.rsplit('/').next());
    Seal {
        format: SEAL_FORMAT.to_owned(),
        ledger: ledger.expect("an origin ends in the ledger's id").to_owned(),
        first: first.seq,
        last: last.header.seq,
        count: records.len() as u64,
        at_min: first.at,
        at_max: last.header.at,
        kinds,
        bytes: bytes.len() as u64,
        sha256: Hash::digest(bytes),
        last_hash: last.hash,
        tree_size: tree.size(),
        root: tree.root(),
        frontier: tree.roots().to_vec(),
        prev_seal,
        head,
    }
}

/// `DIR` with an ending: where the key and its head lie.
pub fn beside(ledger: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(ledger);
    name.push(ending);
    name.into()
}

fn read_below(ledger: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("list {}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_below(ledger, &path, files);
        } else {
            let name = path.strip_prefix(ledger).expect("files are below the ledger");
            files.insert(name.display().to_string(), fs::read(&path).unwrap());
        }
    }
}

/// A stored line, without its line end, with its header and body changed, and its digest and hash made to fit.
pub fn edit(line: &[u8], change: impl FnOnce(&mut Header<'_>, &mut Vec<u8>)) -> Vec<u8> {
    let record = Record::parse(line).expect("only a line of the right form is edited");
    let Payload::Whole { salt, body } = record.payload else {
        panic!("an erased line has no body to edit")
    };
    let (mut header, mut body) = (record.header.clone(), body.to_vec());
    change(&mut header, &mut body);
    let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
    let payload = [format!("{{\"salt\":\"{salt}\",\"body\":").as_bytes(), &body, b"}"].concat();
    header.digest = Hash::digest(&payload);
    zip(&header.encode(), &payload)
}

/// The line of a header and a payload, without its line end.
pub fn zip(header: &[u8], payload: &[u8]) -> Vec<u8> {
    let hash = Hash::leaf(header);
    let open = header.strip_suffix(b"}").expect("a header ends in a brace");
    let rest = payload.strip_prefix(b"{").expect("a payload begins with a brace");
    [open, format!(",\"hash\":\"{hash}\",").as_bytes(), rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::root;

    fn example() -> Copy {
        Copy::read(&root().join("formats/vectors/v1/ledger"))
    }

    #[test]
    fn a_copy_is_read_back_as_it_was_written() {
        let place = tempfile::tempdir().unwrap();
        let ledger = place.path().join("books");
        assert!(example().key.is_some() && example().head_beside.is_some());
        example().write(&ledger);
        assert_eq!(Copy::read(&ledger), example());
    }

    #[test]
    fn sealing_again_what_was_not_changed_changes_nothing() {
        let mut copy = crate::specimen::closed(true);
        let before = copy.clone();
        copy.seal_again();
        assert_eq!(copy, before);
    }

    #[test]
    fn forged_lines_hold_by_themselves() {
        let mut copy = example();
        let segment = copy.segments()[1];
        let mut lines = copy.lines(segment);
        assert_eq!(edit(&lines[0], |_, _| {}), lines[0], "no change, no difference");
        lines[0] = edit(&lines[0], |_, body| *body = b"{\"forged\":true}".to_vec());
        Record::parse(&lines[0]).unwrap().check_hashes().unwrap();
        copy.set_lines(segment, &lines);
        copy.relink_from(segment);
        let lines: Vec<_> = copy
            .segments()
            .iter()
            .flat_map(|segment| copy.lines(*segment))
            .collect();
        let mut prev = Hash::ZERO;
        for line in &lines {
            let record = Record::parse(line).unwrap();
            assert_eq!((record.check_hashes(), record.header.prev), (Ok(()), prev));
            prev = record.hash;
        }
    }
}
