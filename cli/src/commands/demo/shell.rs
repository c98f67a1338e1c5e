//! The check of one line with tools that every system has.

use std::path::Path;
use std::process::{Command, Stdio};

use ledgerstone_formats::names::FileName;
use ledgerstone_formats::record::Record;

use super::{LEDGER, SHOWN_SEQ};

/// From a line to its header with a zero byte before it, and to its payload.
const HEADER: &str =
    r#"LC_ALL=C sed -E 's/,"hash":"[0-9a-f]{64}".*$/}/' | tr -d '\n' | { printf '\000'; cat; }"#;
const PAYLOAD: &str = r#"LC_ALL=C sed -E 's/,"hash":"[0-9a-f]{64}",/\n{/' | sed 1d | tr -d '\n'"#;

/// Runs the commands in the demo's directory, and tells what they printed beside what the line says.
pub(super) fn check(place: &Path, line: &[u8]) -> Vec<String> {
    let Ok(record) = Record::parse(line) else {
        return Vec::new();
    };
    let file = format!("{LEDGER}/{}", FileName::Segment(0));
    let number = SHOWN_SEQ + 1;
    let mut told = Vec::new();
    for (name, filter, says) in [
        ("hash", HEADER, record.hash),
        ("digest", PAYLOAD, record.header.digest),
    ] {
        let command = format!("sed -n {number}p {file} | {filter} | sha256sum");
        told.push(format!("$ {command}"));
        let Some(printed) = run(place, &command) else {
            told.push("(sh, sed or sha256sum is not to be had here)".to_owned());
            continue;
        };
        let same = printed.split_whitespace().next() == Some(says.to_string().as_str());
        told.push(printed);
        told.push(format!(
            "{says}  is its \"{name}\": {}",
            if same { "the same" } else { "NOT the same" }
        ));
    }
    told
}

fn run(place: &Path, command: &str) -> Option<String> {
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(place)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let printed = String::from_utf8(output.stdout).ok()?.trim_end().to_owned();
    (output.status.success() && !printed.is_empty()).then_some(printed)
}
