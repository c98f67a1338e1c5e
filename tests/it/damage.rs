//! Single-bit flips and byte prefixes of a small closed ledger, every one: found, under the right code, at the right
//! place, and nothing is deleted.

use std::sync::{Arc, Mutex};

use ledgerstone_engine::{Finding, Ledger, Options};
use ledgerstone_formats::names::FileName;
use ledgerstone_tests::check::ours;
use ledgerstone_tests::forge::Copy;
use ledgerstone_tests::specimen::closed;

const TRUNCATED: u8 = 30;
const ALTERED: u8 = 31;
const INDEX: u8 = 35;
const EVIDENCE: u8 = 37;

/// One file of a ledger with other bytes.
struct Damage<'a> {
    name: &'a FileName,
    whole: &'a [u8],
    /// Where the first byte differs, or is missing.
    at: usize,
    bytes: Vec<u8>,
}

fn flip<'a>(name: &'a FileName, whole: &'a [u8], bit: usize) -> Damage<'a> {
    let mut bytes = whole.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    Damage {
        name,
        whole,
        at: bit / 8,
        bytes,
    }
}

fn cut<'a>(name: &'a FileName, whole: &'a [u8], len: usize) -> Damage<'a> {
    Damage {
        name,
        whole,
        at: len,
        bytes: whole[..len].to_vec(),
    }
}

impl Damage<'_> {
    /// The sequence number of the line that holds the first byte that differs, for a segment.
    fn seq(&self) -> Option<u64> {
        let FileName::Segment(first) = self.name else {
            return None;
        };
        let before = self.whole[..self.at]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        Some(first + before as u64)
    }
}

/// One bit of a byte, which one goes by its place.
fn one_bit<'a>(name: &'a FileName, whole: &'a [u8], byte: usize) -> Damage<'a> {
    flip(name, whole, 8 * byte + byte % 8)
}

type Make = for<'a> fn(&'a FileName, &'a [u8], usize) -> Damage<'a>;

/// The same as [`every_of`] for all files but sidecars.
fn every(
    copy: &Copy,
    make: Make,
    count: impl Fn(&FileName, usize) -> usize,
    judge: impl Fn(&Damage<'_>) -> Option<String> + Sync,
) -> Vec<String> {
    every_of(
        copy,
        |name| !matches!(name, FileName::Index(_) | FileName::Merged { .. }),
        make,
        count,
        judge,
    )
}

/// Makes each of so many damages of each file, hands them to `judge` on all cores, and gives what it has to say.
fn every_of(
    copy: &Copy,
    which: impl Fn(&FileName) -> bool,
    make: Make,
    count: impl Fn(&FileName, usize) -> usize,
    judge: impl Fn(&Damage<'_>) -> Option<String> + Sync,
) -> Vec<String> {
    let files: Vec<_> = copy
        .files()
        .map(|(name, bytes)| (FileName::parse(name).unwrap(), bytes))
        .filter(|(name, _)| which(name))
        .collect();
    let numbers = |(name, bytes): &(FileName, &[u8])| count(name, bytes.len());
    let all: Vec<(usize, usize)> = (0..files.len())
        .flat_map(|file| (0..numbers(&files[file])).map(move |number| (file, number)))
        .collect();
    assert!(all.len() > 1_000, "only {} damages", all.len());
    let said = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (all, files, said, judge) = (&all, &files, &said, &judge);
            scope.spawn(move || {
                for (file, number) in all.iter().skip(thread).step_by(threads) {
                    let (name, whole) = &files[*file];
                    if let Some(text) = judge(&make(name, whole, *number)) {
                        said.lock().unwrap().push(format!("{name}, {number}: {text}"));
                    }
                }
            });
        }
    });
    said.into_inner().unwrap()
}

fn is_segment(name: &FileName) -> bool {
    matches!(name, FileName::Segment(_))
}

/// Compares what `verify` finds with the one finding that there should be.
fn judge(copy: &Copy, damage: &Damage<'_>, code_in_segment: u8) -> Option<String> {
    let (storage, keys) = copy.in_memory();
    storage.put_raw(&damage.name.to_string(), &damage.bytes);
    let report = ours(&storage, &keys);
    let code = match damage.name {
        FileName::Segment(_) => code_in_segment,
        FileName::Index(_) | FileName::Merged { .. } => INDEX,
        _ => EVIDENCE,
    };
    let is_it = |found: &Finding| {
        found.code.number() == code && found.file.as_ref() == Some(damage.name) && found.seq == damage.seq()
    };
    let right = matches!(report.findings.as_slice(), [only] if is_it(only));
    (!right).then(|| {
        format!(
            "expected {code} at seq {:?}, found {:?}",
            damage.seq(),
            report.findings
        )
    })
}

#[track_caller]
fn assert_silent(said: &[String]) {
    let some: Vec<&str> = said.iter().take(12).map(String::as_str).collect();
    assert!(
        said.is_empty(),
        "{} are not as expected, as these:\n{}",
        said.len(),
        some.join("\n")
    );
}

/// Every bit of every file of the unsigned ledger. Its lines are checked by the same code as those of a signed one, and
/// checking costs a third: no signature is verified.
#[test]
fn every_flipped_bit_of_an_unsigned_ledger_is_found_in_its_place() {
    let copy = closed(false);
    assert_silent(&every(
        &copy,
        flip,
        |_, len| 8 * len,
        |damage| judge(&copy, damage, ALTERED),
    ));
}

/// Of a signed ledger every bit of what signing changes: head, seals and identity.
#[test]
fn every_flipped_bit_of_what_is_signed_is_found_in_its_place() {
    let copy = closed(true);
    let count = |name: &FileName, len| if is_segment(name) { 0 } else { 8 * len };
    assert_silent(&every(&copy, flip, count, |damage| judge(&copy, damage, ALTERED)));
}

/// And one bit of each byte of its records, another one from byte to byte: together with the two tests above no bit of
/// an unsigned ledger, no bit of a signature and no byte of a signed ledger is left out.
#[test]
fn a_flipped_bit_in_every_byte_of_signed_records_is_found_in_its_place() {
    let copy = closed(true);
    let count = |name: &FileName, len| if is_segment(name) { len } else { 0 };
    assert_silent(&every(&copy, one_bit, count, |damage| {
        judge(&copy, damage, ALTERED)
    }));
}

/// Every prefix of every file of an unsigned ledger, and of a signed one those of its head, seals and identity, which
/// are all that differs: where records are cut, signatures are looked at before.
#[test]
fn every_prefix_is_found_in_its_place() {
    for signed in [true, false] {
        let copy = closed(signed);
        let count = |name: &FileName, len| if signed && is_segment(name) { 0 } else { len };
        assert_silent(&every(&copy, cut, count, |damage| {
            judge(&copy, damage, TRUNCATED)
        }));
    }
}

/// A sidecar is mostly zeros: one bit of each eleventh byte, and each eighth length, of one of them.
#[test]
fn flipped_bits_and_prefixes_of_a_sidecar_are_found_and_made_good_by_the_next_open() {
    let copy = closed(true);
    let some: Make = |name, whole, number| one_bit(name, whole, 3 * number);
    let short: Make = |name, whole, number| cut(name, whole, 3 * number);
    let first = |name: &FileName| *name == FileName::Index(0);
    let check = |damage: &Damage<'_>| judge(&copy, damage, ALTERED).or_else(|| mend(&copy, damage));
    assert_silent(&every_of(&copy, first, some, |_, len| len / 3, check));
    assert_silent(&every_of(&copy, first, short, |_, len| len / 3, check));
}

/// Opens a ledger with a bad sidecar: nothing else is touched, and one that cannot be used is made again.
fn mend(copy: &Copy, damage: &Damage<'_>) -> Option<String> {
    let mut damaged = copy.clone();
    damaged.put(damage.name, damage.bytes.clone());
    let (storage, keys) = damaged.in_memory();
    let opened = Ledger::open(
        Arc::new(storage.clone()),
        Arc::new(keys.clone()),
        Options::default(),
    );
    if !opened.is_ok_and(|(_, recovered)| recovered.read_only.is_none()) {
        return Some("it was not opened for writing".to_owned());
    }
    let after = Copy::of(&storage, &keys);
    (after != damaged && after != *copy).then(|| "opening it changed another file".to_owned())
}

/// Opens a damaged ledger for writing and says what is wrong with what is there afterwards.
fn open(copy: &Copy, damage: &Damage<'_>) -> Option<String> {
    let mut damaged = copy.clone();
    damaged.put(damage.name, damage.bytes.clone());
    let (storage, keys) = damaged.in_memory();
    let opened = Ledger::open(
        Arc::new(storage.clone()),
        Arc::new(keys.clone()),
        Options::default(),
    );
    let is_writable = opened.is_ok_and(|(_, recovered)| recovered.read_only.is_none());
    // What is sealed is not read at an open, and nothing says what the last seal was: these flips are `verify`'s to
    // find.
    let sealed = match damage.name {
        FileName::Segment(first) => copy.has(&FileName::Seal(*first)),
        FileName::Seal(first) => copy.segments().iter().rev().nth(1) == Some(first),
        _ => false,
    };
    if is_writable && !(sealed && damage.bytes.len() == damage.whole.len()) {
        return Some("it was opened for writing".to_owned());
    }
    (Copy::of(&storage, &keys) != damaged).then(|| "opening it changed a file".to_owned())
}

#[test]
fn opening_a_damaged_ledger_deletes_and_changes_nothing() {
    let copy = closed(true);
    // Which bit of a byte makes no difference to what an open may do.
    assert_silent(&every(&copy, one_bit, |_, len| len, |damage| open(&copy, damage)));
    assert_silent(&every(&copy, cut, |_, len| len, |damage| open(&copy, damage)));
    let unsigned = closed(false);
    let count = |name: &FileName, len| if is_segment(name) { 0 } else { len };
    assert_silent(&every(&unsigned, one_bit, count, |damage| {
        open(&unsigned, damage)
    }));
}
