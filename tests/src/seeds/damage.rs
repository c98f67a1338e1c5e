//! Damage done to a copy: it is refused and left as it is, or it touches nothing that anybody was told of.

use std::ops::Range;
use std::sync::Arc;

use ledgerstone_engine::keystore::KeyStore;
use ledgerstone_engine::storage::sim::Sim;
use ledgerstone_engine::verify::{VerifyOptions, verify};
use ledgerstone_engine::{ErrorKind, Reader, Scope, Selection};
use ledgerstone_formats::checkpoint::Head;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::segment::Seal;

use super::files::Files;
use super::model::Broken;
use super::plan::{Harm, Random};
use super::tally::Tally;
use crate::machine::Machine;

const SECTOR: usize = 512;

/// A file that damage can strike, and what of it no crash can have left so.
struct Target {
    path: String,
    bytes: Vec<u8>,
    /// What a head covers, or the whole of a file that is written once.
    evident: Range<usize>,
    /// Whether it is a seal, or a seal covers it: then not every byte is looked at when the ledger is opened.
    sealed: bool,
    beside: bool,
}

/// Damages a copy of everything, opens it and asks the verifier.
pub(super) fn play(machine: &Machine, seed: u64, harm: Harm, tally: &mut Tally) -> Result<(), Broken> {
    let copy = machine.kill();
    copy.disk.set_free_bytes(1 << 40);
    let mut random = Random::new(seed);
    let Some(target) = choose(&copy, harm, &mut random) else {
        return Ok(());
    };
    let disk = if target.beside { &copy.keys.own } else { &copy.disk };
    let Some(told) = strike(disk, &target, harm, &mut random) else {
        return Ok(());
    };
    tally.damaged += 1;
    let what = format!("{harm:?} of {}, {told}", target.path);
    check_is_found(&copy).map_err(|error| format!("{what}: {error}"))?;
    let before = Files::of(&copy);
    let lenient = target.sealed || is_head_of_sealed(disk, &target, &before);
    let refused = match copy.open() {
        Err(error) => Some(error),
        Ok((_, recovered)) => recovered.read_only,
    };
    match refused {
        Some(error) if error.kind() == ErrorKind::Corrupt => {
            let changed = Files::of(&copy).changed_since(&before);
            if !changed.is_empty() {
                return Err(format!(
                    "{what}: it is refused ({error}), and changed all the same: {changed:?}"
                ));
            }
            tally.damage_refused += 1;
            Ok(())
        }
        // What a seal covers is not hashed at an open, nor is what a head of sealed records alone says.
        _ if lenient => Ok(()),
        Some(error) => Err(format!("{what}: {error}")),
        None => Err(format!("{what}: it opens for writing")),
    }
}

fn check_is_found(copy: &Machine) -> Result<(), Broken> {
    let keys: &dyn KeyStore = &copy.keys;
    let verdict = verify(&copy.disk, Some(keys), &VerifyOptions { jobs: 0 }, &mut |_| {});
    match verdict {
        Ok(report) if !report.findings.iter().any(|finding| finding.code.is_damage()) => {
            Err("verify does not find it".to_owned())
        }
        // One that cannot tell who the ledger is says so.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Whether an unsigned head says now that it covers no more than sealed records. Of a signed one the signature tells.
fn is_head_of_sealed(disk: &Sim, target: &Target, files: &Files) -> bool {
    let head = disk
        .raw(&target.path)
        .and_then(|file| Head::parse_text(&file).ok());
    let seals = files
        .names()
        .filter(|(name, _)| matches!(name, FileName::Seal(_)));
    let last = seals.last().and_then(|(_, file)| Seal::parse(file).ok());
    target.path == "head"
        && head
            .zip(last)
            .is_some_and(|(head, seal)| head.size < seal.tree_size)
}

fn choose(copy: &Machine, harm: Harm, random: &mut Random) -> Option<Target> {
    let mut targets = Vec::new();
    let covered = covered(copy)?;
    let files = Files::of(copy);
    for (name, bytes) in files.names() {
        let sealed = match name {
            FileName::Segment(first) => files.has(&FileName::Seal(*first)),
            name => matches!(name, FileName::Seal(_)),
        };
        let evident = match name {
            FileName::Checkpoint | FileName::Head | FileName::Identity | FileName::Seal(_) => bytes.len(),
            FileName::Segment(_) if sealed => bytes.len(),
            FileName::Segment(first) => covered
                .iter()
                .find(|(of, _)| of == first)
                .map_or(0, |(_, end)| *end),
            _ => 0,
        };
        if evident > 0 && (harm != Harm::Remove || is_missed(name, copy, &files)) {
            targets.push(Target {
                path: name.to_string(),
                bytes: bytes.to_vec(),
                evident: 0..evident,
                sealed,
                beside: false,
            });
        }
    }
    if let Some(bytes) = copy.keys.own.raw("head") {
        targets.push(Target {
            path: "head".to_owned(),
            evident: 0..bytes.len(),
            bytes,
            sealed: false,
            beside: true,
        });
    }
    let nth = usize::try_from(random.below(targets.len() as u64)).ok()?;
    (nth < targets.len()).then(|| targets.swap_remove(nth))
}

/// Whether a file that is gone is more than a crash can leave undone: the newest seal, and the identity of a ledger
/// that was just begun, come last of all.
fn is_missed(name: &FileName, copy: &Machine, files: &Files) -> bool {
    match name {
        FileName::Identity => copy.head_size() > Some(1),
        FileName::Seal(first) => files
            .names()
            .any(|(other, _)| matches!(other, FileName::Seal(later) if later > first)),
        _ => true,
    }
}

/// Of each segment: how many bytes the head in the directory covers.
fn covered(copy: &Machine) -> Option<Vec<(u64, usize)>> {
    let snapshot = Reader::open(Arc::new(copy.disk.clone())).ok()?.snapshot().ok()?;
    let head = snapshot.head_size()?;
    let mut ends: Vec<(u64, usize)> = Vec::new();
    let mut scan = snapshot.scan(Selection::all(Scope::Operator));
    while let Some(line) = scan.next_line().ok()? {
        let FileName::Segment(first) = line.file else {
            continue;
        };
        let end = usize::try_from(line.offset).ok()? + line.bytes.len() + 1;
        if line.seq >= head {
            break;
        }
        match ends.last_mut() {
            Some((of, last)) if *of == first => *last = end,
            _ => ends.push((first, end)),
        }
    }
    Some(ends)
}

/// Does the harm; says where, or that there is nothing to harm so.
fn strike(disk: &Sim, target: &Target, harm: Harm, random: &mut Random) -> Option<String> {
    let at = usize::try_from(random.below(target.evident.end as u64)).ok()?;
    let mut bytes = target.bytes.clone();
    match harm {
        Harm::Flip => {
            let mask = 1 << random.below(8);
            disk.flip_bit(&target.path, at as u64, mask).ok()?;
            return Some(format!("bit {mask:#04x} of byte {at}"));
        }
        // A head beside the key that is not there is a note.
        Harm::Remove if target.beside => return None,
        Harm::Remove => {
            disk.remove_raw(&target.path);
            return Some(format!("of {} bytes", bytes.len()));
        }
        Harm::Cut => bytes.truncate(at),
        Harm::Zero => {
            let start = at - at % SECTOR;
            let end = (start + SECTOR).min(bytes.len());
            bytes[start..end].fill(0);
        }
    }
    disk.put_raw(&target.path, &bytes);
    Some(format!("at {at}"))
}

/// Makes some bytes of a file unreadable; false when there is no file.
pub(super) fn make_unreadable(machine: &Machine, seed: u64) -> bool {
    let mut random = Random::new(seed);
    let files = Files::of(machine);
    let files: Vec<_> = files.names().collect();
    let nth = usize::try_from(random.below(files.len() as u64)).unwrap_or(0);
    let Some((name, bytes)) = files.get(nth) else {
        return false;
    };
    let start = random.below(bytes.len() as u64);
    machine
        .disk
        .set_unreadable(&name.to_string(), Some(start..start + SECTOR as u64));
    true
}
