//! A disk that fills up: the code says what became of the last batch, nothing is lost, and with room it goes on.

use ledgerstone_tests::cli::Output;
use ledgerstone_tests::tiny::TinyDisk;

use super::*;

const KIB: u32 = 1_024;

/// Takes room away until it is removed.
fn ballast(disk: &TinyDisk, bytes: usize) {
    fs::write(disk.path().join("ballast"), vec![b'x'; bytes]).unwrap();
}

fn unload(disk: &TinyDisk) {
    fs::remove_file(disk.path().join("ballast")).unwrap();
}

/// Takes all the room that is left, to the last page.
fn fill(disk: &TinyDisk) {
    let mut file = fs::File::create(disk.path().join("filling")).unwrap();
    while file.write_all(&[b'x'; 4_096]).is_ok() {}
}

fn input(lines: usize) -> String {
    (0..lines)
        .map(|n| format!("{{\"n\":{n},\"text\":\"{}\"}}\n", "y".repeat(700)))
        .collect()
}

fn stored(ledger: &str, place: &Place) -> u64 {
    let counted = place
        .call(["scan", ledger, "--kind", "entry", "--count"])
        .ends_with(0);
    counted.text().trim().parse().unwrap()
}

fn receipts(place: &Place, name: &str) -> u64 {
    place.read(name).iter().filter(|byte| **byte == b'\n').count() as u64
}

#[test]
fn a_disk_that_fills_up_loses_nothing_and_goes_on_with_room() {
    // Whether a group, a seal or a head is the first that finds no room depends on sizes.
    for lines_per_batch in ["1", "10"] {
        let Some(disk) = TinyDisk::new(KIB) else { return };
        let (place, ledger) = (Place::new(), disk.arg("l"));
        place.call(["init", &ledger]).ends_with(0);
        ballast(&disk, 200 << 10);
        let mut receipts = Vec::new();
        let mut append = |lines: usize, args: &[&str]| {
            let name = format!("r{}", 1 + place.listing().lines().count());
            let base = [
                "append",
                &ledger,
                "-",
                "--kind",
                "entry",
                "--segment-bytes",
                "300000",
                "--receipts",
                &name,
            ];
            let output = place.call(base.iter().chain(args)).stdin(input(lines)).output();
            // One that could not open the ledger makes none.
            receipts.extend(place.join(&name).exists().then_some(name));
            assert_kept(&place, &ledger, &receipts, &output);
            output
        };
        let all = ["--disk-free-min", "0", "--batch", lines_per_batch];
        let mut loads = 0;
        let full = loop {
            let output = append(100, &all);
            if output.status.code() != Some(0) {
                break output;
            }
            loads += 1;
        };
        assert!(loads >= 5, "{}", full.report());
        let reason = full.stderr.contains("the disk is nearly full") || full.stderr.contains("No space left");
        assert!(reason, "{}", full.report());
        fill(&disk);
        // A page may be free again, of a file that was not finished: a record more, but not many.
        assert_ne!(append(40, &all).status.code(), Some(0));
        for command in [["seal", &ledger, "-q"], ["recover", &ledger, "--apply"]] {
            let ended = place.call(command).output();
            assert!(
                matches!(ended.status.code(), Some(0 | 3 | 6)),
                "{}",
                ended.report()
            );
        }
        assert_ne!(append(40, &all).status.code(), Some(0));
        unload(&disk);
        let room = append(5, &["--disk-free-min", "4KiB"]);
        assert_eq!(room.status.code(), Some(0), "{}", room.report());
        place.call(["seal", &ledger]).ends_with(0);
        place.call(verify(&ledger, &receipts)).ends_with(0);
    }
}

fn verify<'a>(ledger: &'a str, receipts: &'a [String]) -> Vec<&'a str> {
    let receipts = receipts.iter().flat_map(|name| ["--receipts", name]);
    ["verify", ledger].into_iter().chain(receipts).collect()
}

/// All that was acknowledged is there, and the last load's code says whether there is more.
#[track_caller]
fn assert_kept(place: &Place, ledger: &str, names: &[String], last: &Output) {
    let verified = place.call(verify(ledger, names)).output();
    let kept = matches!(verified.status.code(), Some(0 | 20));
    assert!(kept, "{}\n{}", last.report(), verified.report());
    let told: u64 = names.iter().map(|name| receipts(place, name)).sum();
    // Of a load that ended with 6 there may be more.
    assert!(matches!(last.status.code(), Some(0 | 3 | 6)), "{}", last.report());
    assert!(stored(ledger, place) >= told, "{}", last.report());
}

#[test]
fn the_reserve_refuses_records_before_the_disk_is_full() {
    let Some(disk) = TinyDisk::new(KIB) else { return };
    let (place, ledger) = (Place::new(), disk.arg("l"));
    place.call(["init", &ledger]).ends_with(0);
    let append = ["append", &ledger, "-", "--kind", "entry"];
    // The default is more than this disk has.
    let refused = place.call(append).stdin(input(1)).ends_with(3);
    assert!(
        refused.stderr.contains("kept in reserve; nothing was written"),
        "{}",
        refused.report()
    );
    assert_eq!(stored(&ledger, &place), 0);
    let args = append
        .iter()
        .chain(&["--disk-free-min", "256KiB", "--receipts", "r", "--batch", "5"]);
    let refused = place.call(args).stdin(input(2_000)).ends_with(3);
    let told = receipts(&place, "r");
    assert_eq!(stored(&ledger, &place), told, "{}", refused.report());
    assert!(told > 300, "{}", refused.report());
    // With the reserve left alone there is room to seal and sign.
    place.call(["seal", &ledger]).ends_with(0);
    place.call(["verify", &ledger, "--receipts", "r"]).ends_with(0);
    place
        .call(append.iter().chain(&["--disk-free-min", "0"]))
        .stdin(input(1))
        .ends_with(0);
}

#[test]
fn a_torn_tail_stays_where_it_is_while_there_is_no_room_for_its_copy() {
    let Some(disk) = TinyDisk::new(KIB) else { return };
    let (place, ledger) = (Place::new(), disk.arg("l"));
    place.call(["init", &ledger]).ends_with(0);
    let append = ["append", &ledger, "-", "--kind", "entry", "--disk-free-min", "0"];
    place
        .call(append.iter().chain(&["--receipts", "r1"]))
        .stdin(input(20))
        .ends_with(0);
    let segment = disk.path().join("l/segments/00000000000000000000.jsonl");
    let mut torn = fs::read(&segment).unwrap();
    torn.extend_from_slice(format!("{{\"v\":1,\"seq\":21,\"at\":\"2026{}", "x".repeat(9_000)).as_bytes());
    fs::write(&segment, &torn).unwrap();
    ballast(&disk, 64 << 10);
    fill(&disk);
    for command in [&append[..], &["recover", &ledger, "--apply"]] {
        let refused = place.call(command).stdin(input(1)).ends_with(3);
        assert!(refused.stderr.contains("No space left"), "{}", refused.report());
        assert!(fs::read(&segment).unwrap() == torn, "{}", refused.report());
        place.call(["verify", &ledger, "--receipts", "r1"]).ends_with(20);
        place.call(["scan", &ledger]).ends_with(0);
    }
    unload(&disk);
    place
        .call(append.iter().chain(&["--receipts", "r2"]))
        .stdin(input(1))
        .ends_with(0);
    place
        .call(["verify", &ledger, "--receipts", "r1", "--receipts", "r2"])
        .ends_with(0);
    assert_eq!(fs::read_dir(disk.path().join("l/quarantine")).unwrap().count(), 1);
}
