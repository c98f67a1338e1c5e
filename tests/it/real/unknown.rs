//! Exit code 6: a sync failed, and nobody knows whether the record is stored until the ledger is opened again.

use ledgerstone_tests::strace::{self, Deed, Fault, Target};

use super::*;

#[test]
fn a_sync_that_fails_is_6_and_no_receipt_is_written() {
    if !strace::is_there() {
        return;
    }
    let place = Place::new();
    place.run("init l --quiet");
    let ledger = full(&place, "l");
    let append = [
        "append",
        &ledger,
        "-",
        "--kind",
        "entry",
        "--receipts",
        "-",
        "--json",
    ];
    let fault = Fault {
        target: Target {
            call: "fdatasync".to_owned(),
            path: full(&place, "l/segments/00000000000000000000.jsonl"),
        },
        deed: Deed::Fail("EIO"),
        nth: 2,
    };
    let lines = ["{\"n\":1}", "{\"n\":2}", "{\"n\":3}"].map(ToOwned::to_owned);
    let fed = feed(fault.inject(place.call(append), &place.join("trace")), &lines);
    assert_eq!(fed.code, Some(6), "{}", fed.stderr);
    assert!(fed.stderr.contains("\"kind\":\"unknown\""), "{}", fed.stderr);
    assert!(
        fed.stderr.contains("segments/00000000000000000000.jsonl"),
        "{}",
        fed.stderr
    );
    place.write("r", fed.receipts.concat());
    assert_eq!(fed.receipts.len(), 1, "{}", fed.stderr);

    // It may be there, or not; the record after it never.
    let bodies = place.run("scan l --kind entry --body");
    assert!(
        "{\"n\":1}\n{\"n\":2}\n".starts_with(bodies.text()),
        "{}",
        bodies.report()
    );
    let verified = place.call(["verify", "l", "--receipts", "r"]).output();
    assert!(
        matches!(verified.status.code(), Some(0 | 20)),
        "{}",
        verified.report()
    );
    place.run("recover l --apply");
    assert_eq!(place.run("scan l --kind entry --body").text(), bodies.text());
    place.run("verify l --receipts r");
}
