//! What somebody put into a ledger's directory, in the place of its files or beside them, or took out of it: it is
//! named, nothing waits for it, and nothing is built on it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use ledgerstone_engine::keystore::FileKeys;
use ledgerstone_engine::storage::Storage as _;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::verify::Report;
use ledgerstone_engine::{Code, Error, ErrorKind, Ledger, Options, Reader, Recovered, Scope, Selection};
use ledgerstone_formats::names::{FileName, QuarantineName};
use ledgerstone_tests::check::ours;
use ledgerstone_tests::cli::Place;
use ledgerstone_tests::forge::{Copy, beside};
use ledgerstone_tests::specimen::closed;

/// A signed ledger of two sealed segments and an open one, on disk.
struct Planted {
    _place: Place,
    dir: PathBuf,
    copy: Copy,
}

impl Planted {
    fn new() -> Self {
        let place = Place::new();
        let (dir, copy) = (place.join("books"), closed(true));
        copy.write(&dir);
        Self {
            _place: place,
            dir,
            copy,
        }
    }

    fn path(&self, name: &FileName) -> PathBuf {
        self.dir.join(name.to_string())
    }

    fn verify(&self) -> Report {
        ours(&Disk::new(&self.dir), &FileKeys::beside(&self.dir).unwrap())
    }

    fn open(&self) -> Result<(Ledger, Recovered), Error> {
        let keys = FileKeys::beside(&self.dir).unwrap();
        Ledger::open(Arc::new(Disk::new(&self.dir)), Arc::new(keys), Options::default())
    }

    /// Opens for writing, which must be refused, and gives the reason.
    #[track_caller]
    fn refusal(&self) -> Error {
        match self.open() {
            Err(error) => error,
            Ok((_, recovered)) => recovered.read_only.expect("it was opened for writing"),
        }
    }

    /// The seal of the newest sealed segment.
    fn last_seal(&self) -> FileName {
        let segments = self.copy.segments();
        let sealed = segments
            .iter()
            .filter(|first| self.copy.has(&FileName::Seal(**first)));
        FileName::Seal(*sealed.max().unwrap())
    }
}

/// Puts something there that is not the file.
type Plant = fn(&Path);

const IN_ITS_PLACE: [(&str, Plant); 4] = [
    ("a directory", |path| fs::create_dir(path).unwrap()),
    ("a named pipe", |path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }),
    ("a link to itself", |path| {
        symlink(path.file_name().unwrap(), path).unwrap();
    }),
    ("a file of 1 TiB", |path| {
        fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
    }),
];

#[test]
fn what_is_no_small_file_under_the_name_of_one_is_damage_of_that_file() {
    for (what, plant) in IN_ITS_PLACE {
        for name in [
            FileName::Checkpoint,
            FileName::Identity,
            FileName::Seal(0),
            Planted::new().last_seal(),
        ] {
            let ledger = Planted::new();
            fs::remove_file(ledger.path(&name)).unwrap();
            plant(&ledger.path(&name));
            let of = format!("{what} as {name}");
            let report = ledger.verify();
            assert_eq!(report.code(), Some(Code::Evidence), "{of}: {:?}", report.findings);
            let only = report
                .findings
                .iter()
                .all(|finding| finding.file.as_ref() == Some(&name));
            assert!(only, "{of}: {:?}", report.findings);
            let refusal = ledger.refusal();
            assert_eq!(
                (refusal.kind(), refusal.code(), refusal.file()),
                (ErrorKind::Corrupt, Some(Code::Evidence), Some(&name)),
                "{of}: {refusal}"
            );
        }
    }
}

#[test]
fn an_identity_that_is_gone_from_beside_records_is_damage_and_says_where_to_get_it() {
    let ledger = Planted::new();
    fs::remove_file(ledger.path(&FileName::Identity)).unwrap();
    let refusal = ledger.refusal();
    assert_eq!(
        (refusal.kind(), refusal.code()),
        (ErrorKind::Corrupt, Some(Code::Evidence))
    );
    assert!(
        refusal
            .to_string()
            .contains("line 1 of segments/00000000000000000000.jsonl"),
        "{refusal}"
    );
    let reading = Reader::open(Arc::new(Disk::new(&ledger.dir))).unwrap_err();
    assert_eq!(reading.code(), Some(Code::Evidence), "{reading}");
    assert_eq!(ledger.verify().code(), Some(Code::Evidence));

    // What it says puts the ledger right.
    let line = ledger.copy.lines(0).remove(0);
    let record = ledgerstone_formats::record::Record::parse(&line).unwrap();
    fs::write(ledger.path(&FileName::Identity), [record.body(), b"\n"].concat()).unwrap();
    assert_eq!(ledger.verify().findings, []);

    // Of records a seal or a head may be all that is left.
    for left in [FileName::Seal(0), FileName::Checkpoint, FileName::Segment(0)] {
        let ledger = Planted::new();
        for (name, _) in Disk::new(&ledger.dir).list().unwrap().files {
            if name != left {
                fs::remove_file(ledger.path(&name)).unwrap();
            }
        }
        assert_eq!(ledger.refusal().kind(), ErrorKind::Corrupt, "{left}");
        fs::remove_file(ledger.path(&left)).unwrap();
        assert_eq!(ledger.refusal().kind(), ErrorKind::Missing, "without {left}");
    }
}

#[test]
fn an_entry_that_cannot_be_looked_at_is_a_note() {
    let ledger = Planted::new();
    for name in ["self", "segments/self", "quarantine"] {
        symlink(Path::new(name).file_name().unwrap(), ledger.dir.join(name)).unwrap();
    }
    let report = ledger.verify();
    assert_eq!(report.findings, []);
    for name in ["self", "segments/self", "quarantine"] {
        let note = format!("{name} is no part of the ledger");
        assert!(report.notes.contains(&note), "{:?}", report.notes);
    }
    fs::remove_file(ledger.dir.join("quarantine")).unwrap();
    assert!(ledger.open().unwrap().1.read_only.is_none());
}

#[test]
fn a_quarantine_file_that_is_not_what_its_name_says_is_a_note_and_no_record() {
    let ledger = Planted::new();
    let good = QuarantineName::of(0, 77, b"set aside");
    let wrong_bytes = QuarantineName::of(0, 77, b"hello");
    let wrong_length = QuarantineName {
        length: 4,
        ..good.clone()
    };
    let huge = QuarantineName {
        length: 1 << 41,
        ..good.clone()
    };
    let at = |name: &QuarantineName| ledger.path(&FileName::Quarantine(name.clone()));
    fs::create_dir_all(ledger.dir.join("quarantine")).unwrap();
    fs::write(at(&good), "set aside").unwrap();
    fs::write(at(&wrong_bytes), "world").unwrap();
    fs::write(at(&wrong_length), "set aside").unwrap();
    fs::File::create(at(&huge)).unwrap().set_len(huge.length).unwrap();

    let foreign =
        [&wrong_bytes, &wrong_length, &huge].map(|name| format!("quarantine/{name} is not the bytes"));
    let are_noted = |notes: &[String]| {
        foreign
            .iter()
            .all(|foreign| notes.iter().any(|note| note.starts_with(foreign)))
    };
    let report = ledger.verify();
    assert_eq!(report.findings, []);
    assert!(are_noted(&report.notes), "{:?}", report.notes);
    assert!(
        report
            .notes
            .contains(&format!("quarantine/{good} holds bytes set aside"))
    );

    let (open, recovered) = ledger.open().unwrap();
    assert!(recovered.read_only.is_none(), "{recovered:?}");
    assert_eq!(recovered.recorded, [good]);
    assert!(are_noted(&recovered.notes), "{:?}", recovered.notes);
    let mut selection = Selection::all(Scope::Operator);
    selection.from = 1;
    let snapshot = open.snapshot();
    let mut scan = snapshot.scan(selection);
    let mut recoveries = 0;
    while let Some(line) = scan.next_line().unwrap() {
        recoveries += usize::from(line.record().header.kind == "sys_recovery");
    }
    assert_eq!(recoveries, 1);
    for name in [&wrong_bytes, &wrong_length, &huge] {
        assert!(at(name).exists(), "{name} was removed");
    }
}

#[test]
fn a_head_beside_the_key_that_is_none_of_this_ledger_is_damage_and_stays() {
    let other = closed(true).head_beside.unwrap();
    let ledger = Planted::new();
    let path = beside(&ledger.dir, ".key.head");
    let own = fs::read(&path).unwrap();
    let mut flipped = own.clone();
    flipped[own.len() - 5] ^= 1;
    for bad in [other, flipped, b"".to_vec(), vec![b'x'; 100_000]] {
        fs::write(&path, &bad).unwrap();
        let report = ledger.verify();
        assert_eq!(report.code(), Some(Code::Evidence), "{:?}", report.findings);
        let finding = &report.findings[0];
        assert!(
            finding.file.is_none() && finding.cause.contains("books.key.head)"),
            "{finding}"
        );
        assert_eq!(ledger.refusal().code(), Some(Code::Evidence));
        assert_eq!(fs::read(&path).unwrap(), bad, "it was replaced");
    }
    // Without any the ledger is open, and says so.
    fs::remove_file(&path).unwrap();
    let report = ledger.verify();
    assert_eq!(report.findings, []);
    assert!(
        report
            .notes
            .contains(&"there is no head beside the key".to_owned())
    );
    assert!(ledger.open().unwrap().1.read_only.is_none());
}

#[test]
fn a_sealed_segment_left_writable_is_made_read_only_by_the_next_open() {
    let ledger = Planted::new();
    let writable = |first: &u64| {
        let meta = fs::metadata(ledger.path(&FileName::Segment(*first))).unwrap();
        meta.permissions().mode() & 0o222 != 0
    };
    let segments = ledger.copy.segments();
    assert!(segments.len() == 3 && segments.iter().all(writable));
    let (open, recovered) = ledger.open().unwrap();
    assert!(recovered.read_only.is_none(), "{recovered:?}");
    assert_eq!(
        segments.iter().map(writable).collect::<Vec<_>>(),
        [false, false, true]
    );
    open.close().unwrap();
}
