//! A ledger in use whose open segment ends in filler, as other programs see it: readers, both verifiers, `jq`, whoever
//! writes next when the writer was killed.

use std::process::{Child, ChildStdin, ChildStdout, Command};

use ledgerstone_tests::check::assert_verdict;

use super::*;

const RECORDS: usize = 60;
const WITH_FILLER: [&str; 2] = ["--filler-bytes-max", "1MiB"];
const SEGMENT: &str = "l/segments/00000000000000000000.jsonl";

/// A process that stores what it is given, a record at a time.
struct Holder {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Holder {
    fn start(place: &Place, args: &[&str]) -> Self {
        let base = ["append", "l", "-", "--kind", "entry", "--receipts", "-"];
        let mut child = place.call(base.iter().chain(args)).spawn();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn store(&mut self, count: usize) {
        for number in 0..count {
            let mut receipt = String::new();
            writeln!(self.input, "{{\"n\":{number}}}").unwrap();
            self.output.read_line(&mut receipt).unwrap();
            assert!(receipt.contains("\"seq\""), "{receipt}");
        }
    }

    fn end(mut self) {
        drop(self.input);
        assert!(self.child.wait().unwrap().success());
    }
}

fn ends_in_filler(place: &Place) -> bool {
    place.read(SEGMENT).ends_with(b"   \n")
}

/// What `jq` makes of a file of JSON lines; none where it is not installed.
fn jq(filter: &str, file: &Path) -> Option<String> {
    let output = Command::new("jq").arg("-c").arg(filter).arg(file).output();
    let output = match output {
        Err(error) => {
            ledgerstone_tests::skip(&format!("jq cannot be run: {error}"));
            return None;
        }
        Ok(output) => output,
    };
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_ledger_in_use_is_read_and_verified_with_its_filler() {
    let place = Place::new();
    place.run("init l --quiet");
    let mut holder = Holder::start(&place, &WITH_FILLER);
    for stored in [RECORDS, 2 * RECORDS] {
        holder.store(RECORDS);
        assert!(ends_in_filler(&place));
        let counted = place.run("scan l --kind entry --count");
        assert_eq!(counted.text().trim(), stored.to_string());
        let last = place.run("tail l -n 1 --body");
        assert_eq!(last.text(), format!("{{\"n\":{}}}\n", RECORDS - 1));
        let got = place.run(&format!("get l {stored}"));
        assert!(got.text().starts_with(&format!("{{\"v\":1,\"seq\":{stored},")));
        place.call(["stat", "l"]).ends_with(0);
        place.call(["verify", "l"]).ends_with(0);
        if let Some(seqs) = jq(".seq", &place.join(SEGMENT)) {
            let expected: String = (0..=stored).map(|seq| format!("{seq}\n")).collect();
            assert_eq!(seqs, expected);
        }
    }
    // A copy of it is a ledger, whoever opens it.
    copy_folder(&place.join("l"), &place.join("c"));
    assert_verdict(&place.join("c"), if heads_agree(&place) { 0 } else { 20 });
    holder.end();
    assert!(place.read(SEGMENT).ends_with(b"}\n"), "closing cuts it");
    place.call(["verify", "l"]).ends_with(0);
}

/// Whether the copy's head covers all that is in it.
fn heads_agree(place: &Place) -> bool {
    let head = String::from_utf8(place.read("c/checkpoint")).unwrap();
    head.lines().nth(1) == Some(&(2 * RECORDS + 1).to_string())
}

#[test]
fn what_a_killed_writer_left_of_filler_is_cut_by_the_next() {
    let place = Place::new();
    place.run("init l --quiet");
    let mut holder = Holder::start(&place, &WITH_FILLER);
    holder.store(RECORDS);
    holder.child.kill().unwrap();
    holder.child.wait().unwrap();
    assert!(ends_in_filler(&place));
    let left = place.read(SEGMENT);
    let verified = place.call(["verify", "l"]).output();
    assert!(
        matches!(verified.status.code(), Some(0 | 20)),
        "{}",
        verified.report()
    );
    assert_eq!(place.read(SEGMENT), left, "reading changes nothing");
    let opened = place.call(["recover", "l", "--apply"]).ends_with(0);
    assert!(!opened.stderr.contains("set aside"), "{}", opened.report());
    assert!(place.read(SEGMENT).ends_with(b"}\n"));
    assert_eq!(
        place.run("scan l --kind entry --count").text().trim(),
        RECORDS.to_string()
    );
    assert_verdict(&place.join("l"), 0);
}

#[test]
fn no_filler_is_laid_for_one_batch_nor_where_it_is_not_asked_for() {
    let place = Place::new();
    place.run("init l --quiet");
    let lines: String = (0..50).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let truncated = |args: &[&str]| {
        if !ledgerstone_tests::strace::is_there() {
            return false;
        }
        let ledger = full(&place, "l");
        let base = ["append", &ledger, "-", "--kind", "entry"];
        let call = place.call(base.iter().chain(args)).stdin(lines.clone());
        ledgerstone_tests::strace::record(call, &place.join("trace")).ends_with(0);
        let calls = ledgerstone_tests::strace::parse(&place.read("trace"));
        calls.iter().any(|call| call.name == "ftruncate")
    };
    assert!(!truncated(&WITH_FILLER), "one group");
    assert!(!truncated(&["--batch", "1"]));
    let mut holder = Holder::start(&place, &[]);
    holder.store(RECORDS);
    assert!(!ends_in_filler(&place));
    holder.end();
    let refused = place
        .call("append l - --kind entry --filler-bytes-max 65MiB".split(' '))
        .stdin("{}")
        .ends_with(2);
    assert!(
        refused.stderr.contains("filler_bytes_max"),
        "{}",
        refused.report()
    );
}
