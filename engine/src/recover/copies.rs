//! The files in `quarantine/`: each name says how long its bytes are and how their SHA-256 begins. One that is not what
//! its name says was not set aside by recovery, and no record is made of it.

use std::io;

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::limits::SEGMENT_BYTES_MAX;
use ledgerstone_formats::names::{FileName, QuarantineName};
use sha2::{Digest, Sha256};

use crate::storage::Storage;

/// Bytes read at once: the bytes of a whole segment can have been set aside.
const PIECE_BYTES: usize = 1 << 20;

/// SHA-256 of a copy; none when the file is not what its name says. Its length is judged first: a file that is far too
/// long costs nothing.
pub(crate) fn copy_digest(storage: &dyn Storage, name: &QuarantineName) -> io::Result<Option<Hash>> {
    let file = storage.open(&FileName::Quarantine(name.clone()))?;
    if name.length > SEGMENT_BYTES_MAX || file.len()? != name.length {
        return Ok(None);
    }
    let (mut sha256, mut offset) = (Sha256::new(), 0);
    let mut buffer = vec![0; PIECE_BYTES];
    while offset < name.length {
        let read = file.read_at(offset, &mut buffer)?;
        if read == 0 {
            return Ok(None);
        }
        sha256.update(&buffer[..read]);
        offset += read as u64;
    }
    let digest = Hash::from_bytes(sha256.finalize().into());
    Ok(digest.as_bytes().starts_with(&name.digest).then_some(digest))
}

/// Takes the names of files that are not what they say out of `names`, and gives a note for each. One that cannot be
/// read stays: whoever needs its bytes says why.
pub(crate) fn leave_out_foreign(storage: &dyn Storage, names: &mut Vec<QuarantineName>) -> Vec<String> {
    let mut notes = Vec::new();
    names.retain(|name| {
        let is_foreign = matches!(copy_digest(storage, name), Ok(None));
        if is_foreign {
            let file = FileName::Quarantine(name.clone());
            notes.push(format!(
                "{file} is not the bytes that its name says: recovery did not set it aside"
            ));
        }
        !is_foreign
    });
    notes
}
