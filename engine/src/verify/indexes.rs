//! Sidecars against the lines they were made from: the same records give the same bytes.

use std::io;

use ledgerstone_formats::names::FileName;

use crate::commit::shared::SegmentInfo;
use crate::finding::{Code, Finding};
use crate::index::build::sidecar_of;
use crate::index::sidecar::Sidecar;
use crate::storage::Storage;

/// Compares the sidecar of a segment whose lines are whole. One that is not there is none: it is made again.
pub(super) fn check_sidecar(storage: &dyn Storage, segment: &SegmentInfo) -> Option<Finding> {
    let name = FileName::Index(segment.first);
    let finding = |cause: String| Finding::new(Code::Index, cause).in_file(name.clone());
    let found = match storage.map(&name) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(finding(format!("it cannot be used: {error}"))),
    };
    let sidecar = match Sidecar::open(found.clone()) {
        Ok(sidecar) => sidecar,
        Err(bad) => return Some(finding(format!("it is no index that can be used: {bad}"))),
    };
    let expected = match sidecar_of(storage, segment, sidecar.subject().end, &sidecar.subject().key) {
        Ok(expected) => expected,
        // The lines were whole a moment ago.
        Err(error) => return Some(Finding::new(Code::Unreadable, error.to_string()).in_file(name)),
    };
    let bytes = found.as_ref();
    if bytes == expected {
        return None;
    }
    let same = bytes
        .iter()
        .zip(&expected)
        .take_while(|(found, expected)| found == expected);
    let mut differs = finding("it is not the index of the segment's lines".to_owned());
    differs.offset = Some(same.count() as u64);
    Some(differs)
}
