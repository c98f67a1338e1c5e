//! `demo`: the first thing that anybody runs.

use ledgerstone_tests::cli::Place;

#[test]
fn the_demo_shows_everything_and_leaves_a_ledger_that_verifies() {
    let place = Place::new();
    let shown = place.run("demo here");
    let text = shown.text();
    for part in [
        "200 cloudtrail_event",
        " 24 persona",
        "  4 policy",
        " 46 oscal_document",
        "  6 identity",
        "whole: 281 records",
        "is its \"hash\": the same",
        "is its \"digest\": the same",
        "segments/00000000000000000000.jsonl:8 (byte ",
        "verdict and exit code: 31 record altered",
        "ledgerstone verify ledger --receipts receipts.jsonl",
    ] {
        assert!(text.contains(part), "{part}\n{}", shown.report());
    }
    assert!(
        text.lines().count() < 70,
        "more than two screens\n{}",
        shown.report()
    );
    place.run("verify here/ledger");
    place.call(["verify", "here/copy"]).ends_with(31);
    let revisions = place.run("scan here/ledger --kind persona").json();
    assert_eq!(revisions.iter().filter(|record| record["rev"] == 8).count(), 3);
    let refused = place.call(["demo", "here"]).ends_with(2);
    assert!(
        refused.stderr.contains("here: cannot make a new directory"),
        "{}",
        refused.report()
    );
    let steps = place.run("demo there --json").json();
    assert_eq!(steps.len(), 7);
}

#[test]
fn without_a_directory_the_demo_makes_one_and_names_it() {
    let place = Place::new();
    let shown = place.call(["demo"]).env("TMPDIR", place.path()).ends_with(0);
    let named = shown
        .text()
        .lines()
        .find_map(|line| line.trim().strip_prefix("cd "))
        .unwrap();
    assert!(
        std::path::Path::new(named).starts_with(place.path()),
        "{}",
        shown.report()
    );
    place.run(&format!("verify {named}/ledger"));
}
