//! What `recover --plan` and `init` say of a ledger that cannot be opened as it is, or that an open would change.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use ledgerstone_engine::keystore::FileKeys;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::{Ledger, LedgerIdentity, Options, Step};
use ledgerstone_tests::cli::Place;
use ledgerstone_tests::clock::HandClock;

const SEALED: &str = "segments/00000000000000000000.jsonl";

/// A closed ledger `l` with a sealed segment and an open one.
fn ledger() -> Place {
    let place = Place::new();
    place.run("init l --quiet");
    let append = ["append", "l", "-", "--kind", "entry", "-q"];
    place.call(append).stdin("{\"n\":1}\n{\"n\":2}").ends_with(0);
    place.run("seal l -q");
    place.call(append).stdin("{\"n\":3}").ends_with(0);
    place
}

#[test]
fn a_plan_says_which_sealed_segments_an_open_makes_read_only() {
    let place = ledger();
    assert_eq!(place.run("recover l --plan").text(), "nothing to do\n");
    let path = place.join("l").join(SEALED);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let plan = place.run("recover l --plan");
    assert_eq!(
        plan.text(),
        format!("would make {SEALED} read-only: it is sealed\n"),
        "{}",
        plan.report()
    );
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o644, "a plan changes nothing");
    place.run("recover l --apply");
    assert_eq!(mode(), 0o444);
    assert_eq!(place.run("recover l --plan").text(), "nothing to do\n");
}

#[test]
fn a_ledger_that_has_lost_its_identity_has_a_plan_that_names_every_file_that_is_gone() {
    let place = ledger();
    fs::remove_file(place.join("l/ledger.json")).unwrap();
    let plan = place.call(["recover", "l", "--plan"]).ends_with(37);
    let says = "ledger.json is missing, records are here: put back a copy of it";
    assert!(plan.text().starts_with("damage [37]: "), "{}", plan.report());
    assert!(plan.text().contains(says), "{}", plan.report());
    // Another file that is gone is in the same plan; of altered lines `verify` tells.
    fs::remove_file(place.join("l/checkpoint")).unwrap();
    let plan = place.call(["recover", "l", "--plan"]).ends_with(37);
    let damage: Vec<_> = plan.text().lines().collect();
    assert_eq!(damage.len(), 2, "{}", plan.report());
    assert!(
        damage[0].contains(says) && damage[1].contains("checkpoint"),
        "{}",
        plan.report()
    );
    // Without the genesis record nobody knows whose ledger it was.
    fs::remove_file(place.join("l").join(SEALED)).unwrap();
    place.write(&format!("l/{SEALED}"), "");
    let nothing = place.call(["recover", "l", "--plan"]).ends_with(36);
    assert!(
        nothing
            .stderr
            .contains("neither ledger.json nor a genesis record"),
        "{}",
        nothing.report()
    );
}

#[test]
fn init_where_records_are_says_what_is_there_and_how_to_put_it_right() {
    let place = ledger();
    let identity = place.read("l/ledger.json");
    fs::remove_file(place.join("l/ledger.json")).unwrap();
    for key in [None, Some("other.key")] {
        // With the ledger's own key and with a new one.
        let key = key.into_iter().flat_map(|key| ["--signing-key", key]);
        let before = place.read(format!("l/{SEALED}"));
        let refused = place.call(["init", "l"].into_iter().chain(key)).ends_with(37);
        for says in [
            "records are here",
            "put back a copy",
            "line 1 of segments/00000000000000000000.jsonl",
            "`verify`",
        ] {
            assert!(refused.stderr.contains(says), "{}", refused.report());
        }
        assert_eq!(place.read(format!("l/{SEALED}")), before);
        assert!(!place.join("other.key").exists(), "{}", refused.report());
    }
    // One segment without a seal is as much of a ledger.
    let place_of_one = Place::new();
    place_of_one.run("init l --quiet");
    place_of_one
        .call(["append", "l", "-", "--kind", "entry", "-q"])
        .stdin("{}")
        .ends_with(0);
    fs::remove_file(place_of_one.join("l/ledger.json")).unwrap();
    let refused = place_of_one.call(["init", "l"]).ends_with(37);
    assert!(
        refused.stderr.contains("records are here"),
        "{}",
        refused.report()
    );

    place.write("l/ledger.json", identity);
    place.run("verify l");
}

#[test]
fn a_plan_says_that_a_key_is_missing_or_another() {
    let place = ledger();
    let key = place.read("l.key");
    place.run("init other --quiet");
    for (found, says) in [
        (None, "the signing key cannot be read"),
        (
            Some(place.read("other.key")),
            "the signing key is not this ledger's",
        ),
    ] {
        fs::remove_file(place.join("l.key")).unwrap();
        if let Some(found) = found {
            place.write("l.key", found);
        }
        let plan = place.call(["recover", "l", "--plan"]).ends_with(3);
        let obstacle = plan.text().lines().next().unwrap_or_default();
        assert!(
            obstacle.starts_with("would refuse: ") && obstacle.contains(says),
            "{}",
            plan.report()
        );
        let plan = place
            .call(["recover", "l", "--plan", "--json"])
            .ends_with(3)
            .one_json();
        assert!(plan["obstacle"].as_str().unwrap().contains(says), "{plan}");
        place.call(["recover", "l", "--apply"]).ends_with(3);
        place.write("l.key", &key);
    }
    assert_eq!(place.run("recover l --plan").text(), "nothing to do\n");
}

/// A ledger whose last record was written when the clock was ahead by centuries.
fn of_the_future(place: &Place) {
    let dir = place.join("l");
    let identity = LedgerIdentity {
        name: "ledger.example".to_owned(),
        signed: true,
    };
    let (ledger, mut writer) = Ledger::create_stepped(
        Arc::new(Disk::new(&dir)),
        Arc::new(FileKeys::beside(&dir).unwrap()),
        HandClock::at("2406-05-04T03:02:01.000000Z"),
        &identity,
        Options::default(),
    )
    .unwrap();
    drop(ledger);
    while writer.step() != Step::Closed {}
}

#[test]
fn a_plan_says_that_the_clock_would_not_be_believed() {
    let place = Place::new();
    of_the_future(&place);
    let plan = place.call(["recover", "l", "--plan"]).ends_with(3);
    let obstacle = plan.text().lines().next().unwrap_or_default();
    assert!(
        obstacle.starts_with("would refuse: ") && obstacle.contains("--accept-clock"),
        "{}",
        plan.report()
    );
    assert!(obstacle.contains("2406-05-04T03:02:01"), "{}", plan.report());
    place.call(["recover", "l", "--apply"]).ends_with(3);
    let word = ["recover", "l", "--apply", "--accept-clock", "the clock was wrong"];
    place.call(word).ends_with(0);
    assert_eq!(place.run("recover l --plan").text(), "nothing to do\n");
}
