//! What operators do to a ledger's files: the verdict is named, nothing is written or deleted, and when the files are
//! put right the ledger goes on.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

use ledgerstone_tests::check::judge;

use super::*;

const FIRST: &str = "l/segments/00000000000000000000.jsonl";
const FIRST_SEAL: &str = "l/segments/00000000000000000000.seal.json";
const SECOND: &str = "l/segments/00000000000000000003.jsonl";
const LAST: &str = "l/segments/00000000000000000004.jsonl";
/// Of the user that tests run as when they may not be root.
const NOBODY: u32 = 65_534;

/// A ledger with two sealed segments of different lengths, and three records in an open one.
fn ledger() -> Place {
    let place = Place::new();
    place.run("init l --quiet");
    for (index, input) in ["{}\n{}", "{\"a\":1}", "{\"b\":2}\n{\"b\":3}\n{\"b\":4}"]
        .iter()
        .enumerate()
    {
        let name = format!("r{index}");
        place
            .call(["append", "l", "-", "--kind", "entry", "--receipts", &name])
            .stdin(*input)
            .ends_with(0);
        if index < 2 {
            place.run("seal l");
        }
    }
    place
}

/// All files but LOCK, whose text only informs.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(
                files(&entry.path())
                    .into_iter()
                    .map(|(below, bytes)| (format!("{name}/{below}"), bytes)),
            );
        } else if name != "LOCK" {
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    found
}

/// One thing that somebody does, the verdict on it, and what a writer that opens the ledger then says.
struct Deed {
    name: &'static str,
    act: fn(&Place),
    verdict: u8,
    writer: i32,
}

fn replace(place: &Place, name: &str, bytes: &[u8]) {
    fs::remove_file(place.join(name)).unwrap();
    place.write(name, bytes);
}

fn swap(place: &Place, one: &str, other: &str) {
    let (first, second) = (place.read(one), place.read(other));
    replace(place, one, &second);
    replace(place, other, &first);
}

fn cut(place: &Place, name: &str, keep: usize) {
    let bytes = place.read(name);
    replace(place, name, &bytes[..keep]);
}

fn remove(place: &Place, name: &str) {
    fs::remove_file(place.join(name)).unwrap();
}

const DEEDS: &[Deed] = &[
    Deed {
        name: "a sealed segment removed",
        act: |place| remove(place, FIRST),
        verdict: 36,
        writer: 36,
    },
    Deed {
        name: "the last segment removed",
        act: |place| remove(place, LAST),
        verdict: 36,
        writer: 36,
    },
    Deed {
        name: "a seal removed",
        act: |place| remove(place, FIRST_SEAL),
        verdict: 37,
        writer: 37,
    },
    Deed {
        name: "the head removed",
        act: |place| remove(place, "l/checkpoint"),
        verdict: 37,
        writer: 37,
    },
    Deed {
        name: "the identity removed",
        act: |place| remove(place, "l/ledger.json"),
        verdict: 37,
        writer: 37,
    },
    Deed {
        name: "two segments exchanged",
        act: |place| swap(place, FIRST, SECOND),
        verdict: 31,
        writer: 30,
    },
    Deed {
        name: "a sealed segment exchanged with the open one",
        act: |place| swap(place, FIRST, LAST),
        verdict: 31,
        writer: 30,
    },
    Deed {
        name: "a sealed segment cut at a line",
        act: |place| {
            let first_line = place.read(FIRST).iter().position(|byte| *byte == b'\n').unwrap() + 1;
            cut(place, FIRST, first_line);
        },
        verdict: 30,
        writer: 30,
    },
    Deed {
        name: "a sealed segment emptied",
        act: |place| cut(place, FIRST, 0),
        verdict: 30,
        writer: 30,
    },
    Deed {
        name: "the last segment cut within a line",
        act: |place| cut(place, LAST, 700),
        verdict: 30,
        writer: 30,
    },
    Deed {
        name: "the last segment emptied",
        act: |place| cut(place, LAST, 0),
        verdict: 30,
        writer: 30,
    },
    Deed {
        name: "a head cut",
        act: |place| cut(place, "l/checkpoint", 40),
        verdict: 37,
        writer: 37,
    },
    Deed {
        name: "a seal emptied",
        act: |place| cut(place, FIRST_SEAL, 0),
        verdict: 37,
        writer: 37,
    },
];

#[test]
fn what_is_removed_exchanged_or_cut_is_named_and_left_as_it_is() {
    for deed in DEEDS {
        let place = ledger();
        let whole = files(place.path());
        (deed.act)(&place);
        let before = files(place.path());
        let verified = place.call(["verify", "l"]).output();
        assert_eq!(
            verified.status.code(),
            Some(i32::from(deed.verdict)),
            "{}: {}",
            deed.name,
            verified.report()
        );
        for command in [
            "append l - --kind entry",
            "seal l",
            "checkpoint l",
            "recover l --apply",
        ] {
            let refused = place.call(command.split(' ')).stdin("{}").output();
            assert_eq!(
                refused.status.code(),
                Some(deed.writer),
                "{}: {}",
                deed.name,
                refused.report()
            );
            assert!(
                files(place.path()) == before,
                "{}: {}",
                deed.name,
                refused.report()
            );
        }
        judge(&place.join("l"));
        for (name, bytes) in whole {
            fs::remove_file(place.join(&name)).ok();
            place.write(&name, bytes);
        }
        place
            .call("append l - --kind entry --receipts r3".split(' '))
            .stdin("{}")
            .ends_with(0);
        place.run("verify l --receipts r0 --receipts r1 --receipts r2 --receipts r3");
    }
}

#[test]
fn a_reader_says_that_a_segment_is_gone_and_gives_no_other_record_instead() {
    for (name, first, records) in [(FIRST, "1", 0), (SECOND, "3", 3)] {
        let place = ledger();
        remove(&place, name);
        let scanned = place.call(["scan", "l"]).ends_with(36);
        assert_eq!(scanned.text().lines().count(), records, "{}", scanned.report());
        let got = place.call(["get", "l", first]).ends_with(36);
        assert_eq!(got.text(), "");
        place.run("get l 5");
        // A receipt for a record that is gone does not say that another one was put in its place.
        place
            .call("verify l --receipts r0 --receipts r1".split(' '))
            .ends_with(36);
    }
}

/// What nothing depends on can go.
#[test]
fn a_lock_file_and_an_empty_folder_that_are_removed_are_made_again() {
    let place = ledger();
    remove(&place, "l/LOCK");
    fs::remove_dir(place.join("l/quarantine")).unwrap();
    place.run("verify l");
    place
        .call("append l - --kind entry".split(' '))
        .stdin("{}")
        .ends_with(0);
    assert!(place.join("l/LOCK").exists() && place.join("l/quarantine").is_dir());
    place.run("verify l");
}

/// Runs commands as a user who may not do what root may; as whoever runs the tests, when that is not root.
struct User {
    is_root: bool,
}

impl User {
    /// Gives the place to the user. None, with the reason printed, where root cannot become somebody else.
    fn of(place: &Place) -> Option<Self> {
        let user = Self {
            is_root: fs::metadata("/proc/self").unwrap().uid() == 0,
        };
        if user.is_root {
            // The user may be kept out of the folders above the binary.
            fs::copy(ledgerstone_tests::cli::binary(), place.join("ledgerstone")).unwrap();
            fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
            give(place.path());
            let tried = user.call(place, "--version").output();
            if !tried.status.success() {
                ledgerstone_tests::skip(&format!("cannot run as another user: {}", tried.stderr));
                return None;
            }
        }
        Some(user)
    }

    fn call<'a>(&self, place: &'a Place, args: &str) -> Call<'a> {
        let call = place.call(args.split(' '));
        if !self.is_root {
            return call;
        }
        let script = format!(
            "shift; exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups ./ledgerstone \"$@\""
        );
        call.under("sh", ["-c", &script, "sh"])
    }
}

fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        fs::read_dir(path)
            .unwrap()
            .for_each(|entry| give(&entry.unwrap().path()));
    }
}

fn set_mode(place: &Place, name: &str, mode: u32) {
    fs::set_permissions(place.join(name), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_read_only_directory_is_read_and_not_written() {
    let place = ledger();
    let Some(user) = User::of(&place) else { return };
    for folder in ["l", "l/segments"] {
        let before = files(&place.join("l"));
        set_mode(&place, folder, 0o555);
        // In a directory whose entries cannot change, an open file still grows: only a new one is refused.
        let command = if folder == "l" {
            "append l - --kind entry"
        } else {
            "seal l"
        };
        let refused = user.call(&place, command).stdin("{}").output();
        assert!(
            matches!(refused.status.code(), Some(3 | 6)),
            "{}",
            refused.report()
        );
        assert!(
            refused.stderr.contains("ermission denied"),
            "{}",
            refused.report()
        );
        for command in [
            "verify l --receipts r0 --receipts r2",
            "scan l",
            "stat l",
            "tail l",
        ] {
            user.call(&place, command).ends_with(0);
        }
        let after = files(&place.join("l"));
        let kept = before
            .iter()
            .filter(|(name, _)| *name != "checkpoint")
            .all(|(name, bytes)| after.get(name) == Some(bytes));
        assert!(kept, "{}", refused.report());
        set_mode(&place, folder, 0o755);
        user.call(&place, "append l - --kind entry")
            .stdin("{}")
            .ends_with(0);
        user.call(&place, "verify l").ends_with(0);
    }
    set_mode(&place, "", 0o555);
    user.call(&place, "init m").ends_with(3);
    set_mode(&place, "", 0o755);
    assert!(!place.join("m").exists());
    user.call(&place, "init m").ends_with(0);
}

#[test]
fn a_file_that_cannot_be_read_is_3_and_left_as_it_is() {
    let place = ledger();
    let Some(user) = User::of(&place) else { return };
    for (name, mode) in [
        (FIRST, 0o444),
        (LAST, 0o644),
        (FIRST_SEAL, 0o444),
        ("l/checkpoint", 0o444),
        ("l/ledger.json", 0o444),
    ] {
        let before = files(&place.join("l"));
        set_mode(&place, name, 0o000);
        user.call(&place, "verify l").ends_with(3);
        // A sealed segment's bytes are not looked at when the ledger is opened.
        let refused = user.call(&place, "append l - --kind entry").stdin("{}").output();
        if name == FIRST {
            assert!(
                matches!(refused.status.code(), Some(0 | 3)),
                "{}",
                refused.report()
            );
        } else {
            assert_eq!(refused.status.code(), Some(3), "{}", refused.report());
            assert!(files(&place.join("l")) == before, "{}", refused.report());
        }
        set_mode(&place, name, mode);
        user.call(&place, "append l - --kind entry")
            .stdin("{}")
            .ends_with(0);
        user.call(&place, "verify l --receipts r0 --receipts r1 --receipts r2")
            .ends_with(0);
    }
    // Without the key nothing is added, and everything can be checked.
    set_mode(&place, "l.key", 0o000);
    user.call(&place, "append l - --kind entry")
        .stdin("{}")
        .ends_with(3);
    user.call(&place, "verify l").ends_with(0);
    set_mode(&place, "l.key", 0o600);
    user.call(&place, "append l - --kind entry")
        .stdin("{}")
        .ends_with(0);
}
