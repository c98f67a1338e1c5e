//! What a load that ended early says: how much is stored, what has to be done, and the commands that go on.

use std::io::Write as _;

use ledgerstone_tests::cli::{Output, Place, binary};
use serde_json::{Value, json};

/// A folder with a new ledger `l`.
fn ledger() -> Place {
    let place = Place::new();
    place.run("init l --quiet");
    place
}

/// The last lines of standard error: what has to be done, and the commands.
fn advice(output: &Output) -> Vec<&str> {
    let lines = output.stderr.lines();
    lines.skip_while(|line| !line.ends_with("go on with:")).collect()
}

#[test]
fn a_bad_line_has_to_be_mended_or_passed_over_first() {
    let place = ledger();
    let lines = "{\"a\":1}\n".repeat(1_006);
    place.write("bad 8", format!("{lines}{{\"a\":\"{}\n", '\u{7f}'));
    let output = place
        .call(["append", "l", "bad 8", "--kind", "entry"])
        .ends_with(2);
    assert_eq!(
        advice(&output),
        [
            "mend line 1007 of bad 8, or pass over such lines with --rejects FILE; then go on with:",
            "  tail -n +1001 'bad 8' | ledgerstone append l - --kind entry",
        ],
        "{}",
        output.report()
    );
    let piped = place
        .call(["append", "l", "-", "--kind", "entry"])
        .stdin("{")
        .ends_with(2);
    assert_eq!(
        advice(&piped),
        [
            "mend line 1 of the input, or pass over such lines with --rejects FILE; then go on with:",
            "  ledgerstone append l - --kind entry < (the same input)",
        ],
        "{}",
        piped.report()
    );
    let json = place
        .call(["append", "l", "bad 8", "--kind", "entry", "--json"])
        .ends_with(2);
    let totals = json.one_json();
    assert_eq!(
        totals["needs"],
        "mend line 1007 of bad 8, or pass over such lines with --rejects FILE"
    );
    let good = place
        .call(["append", "l", "-", "--kind", "entry", "--json"])
        .stdin("{}")
        .ends_with(0);
    assert_eq!(
        (&good.one_json()["needs"], &good.one_json()["continue"]),
        (&Value::Null, &json!([]))
    );
}

#[test]
fn a_packed_file_that_is_cut_short_has_to_be_got_whole_first() {
    let place = ledger();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    for number in 0..20_000 {
        writeln!(gzip, "{{\"n\":{number}}}").unwrap();
    }
    let packed = gzip.finish().unwrap();
    place.write("in.gz", &packed[..packed.len() / 2]);
    let output = place
        .call(["append", "l", "in.gz", "--kind", "entry"])
        .ends_with(3);
    let advice = advice(&output);
    assert_eq!(
        advice[0],
        "get in.gz whole; then go on with:",
        "{}",
        output.report()
    );

    // And then the command stores the rest, each line once.
    place.write("in.gz", &packed);
    let command = advice[1].replace("ledgerstone append", &format!("{} append", binary().display()));
    let status = std::process::Command::new("sh")
        .args(["-ec", &command])
        .current_dir(place.path())
        .status();
    assert!(status.unwrap().success(), "{command}");
    let expected: String = (0..20_000)
        .map(|number| format!("{{\"n\":{number}}}\n"))
        .collect();
    assert!(place.run("scan l --kind entry --body").text() == expected);
}

#[test]
fn what_is_too_large_for_one_batch_has_no_command_that_goes_on() {
    let place = ledger();
    let load = |args: &str, input: String| {
        let args = format!("append l - --kind entry --atomic --json {args}");
        let output = place.call(args.split_whitespace()).stdin(input).ends_with(2);
        assert_eq!(output.one_json()["continue"], json!([]), "{}", output.report());
        assert_eq!(output.one_json()["stored"], 0, "{}", output.report());
        output.error_json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let many = load("", "{}\n".repeat(65_537));
    assert!(
        many.starts_with("the input does not fit into one batch"),
        "{many}"
    );
    // Refused lines of one load are kept in memory, so that they are bounded too.
    let refused = load("--rejects r", "{}\n".to_owned() + &"x\n".repeat(250_000));
    assert!(refused.starts_with("too many lines are refused"), "{refused}");
    assert_eq!(place.read("r"), b"");
    assert_eq!(place.run("scan l --kind entry").stdout, b"");
}
