//! Real records of every family, in through the command line and out again, byte for byte.

use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use ledgerstone_tests::cli::Place;
use ledgerstone_tests::{python, read_folder, shared_data};

/// A folder of real records, the kind they get, and where they name tenant, id and correlation.
const FOLDERS: [(&str, &str, &str); 9] = [
    (
        "audit-cloudtrail-invictus",
        "cloudtrail",
        "--tenant-at /recipientAccountId --id-at /eventID --corr-at /requestID",
    ),
    (
        "audit-k8s",
        "kubernetes",
        "--tenant-at /objectRef/namespace --id-at /auditID",
    ),
    ("audit-saas-panther", "saas", ""),
    (
        "governance-oscal-examples",
        "governance",
        "--id-at /path --corr-at /commit",
    ),
    ("identities-openldap", "person", ""),
    ("identities-openstates", "office_holder", "--id-at /id"),
    ("policies-intune-acsc", "baseline", "--id-at /path"),
    (
        "policies-intune-securedworkstation",
        "workstation",
        "--id-at /path",
    ),
    ("specs-persona-lobe", "persona", "--id-at /slug"),
];

/// The record files of a folder, packed or not, with what is in them.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = read_folder(folder);
    files.retain(|(name, _)| name.ends_with(".jsonl") || name.ends_with(".jsonl.gz"));
    for (name, bytes) in &mut files {
        if name.ends_with(".gz") {
            let mut text = Vec::new();
            flate2::read::MultiGzDecoder::new(bytes.as_slice())
                .read_to_end(&mut text)
                .unwrap();
            *bytes = text;
        }
    }
    files
}

#[test]
fn every_record_comes_back_byte_for_byte_from_sealed_segments_and_after_a_kill() {
    let place = Place::new();
    place.run("init l --quiet");
    let mut receipts = Vec::new();
    let mut expected = Vec::new();
    for (folder, kind, pointers) in FOLDERS {
        let Some(folder) = shared_data(folder) else { return };
        let files = files(&folder);
        let name = format!("{kind}.receipts");
        let paths = files
            .iter()
            .map(|(name, _)| folder.join(name).display().to_string());
        let fixed = [
            "--kind",
            kind,
            "--segment-bytes",
            "200KiB",
            "--batch",
            "100",
            "--receipts",
            &name,
            "--quiet",
        ];
        let args = ["append", "l"].map(str::to_owned).into_iter().chain(paths);
        let args = args
            .chain(fixed.map(str::to_owned))
            .chain(pointers.split_whitespace().map(str::to_owned));
        place.call(args).ends_with(0);
        receipts.extend(["--receipts".to_owned(), name]);
        expected.push((kind, files.concat_bytes()));
    }
    // One more load, killed in its middle, must not touch what was there.
    let mut child = place.call(["append", "l", "-", "--kind", "killed"]).spawn();
    let mut input = child.stdin.take().unwrap();
    for _ in 0..1_000 {
        std::io::Write::write_all(&mut input, b"{\"a\":1}\n").unwrap();
    }
    let killed = Command::new("sh")
        .args(["-c", &format!("kill -KILL {}", child.id())])
        .status();
    assert!(killed.unwrap().success());
    child.wait().unwrap();
    place.run("recover l --apply --quiet");

    for (kind, bytes) in expected {
        let back = place.run(&format!("scan l --kind {kind} --body"));
        assert!(back.stdout == bytes, "{kind} came back with other bytes");
    }
    let verify = ["verify", "l", "--json"]
        .map(str::to_owned)
        .into_iter()
        .chain(receipts);
    let summary = place.call(verify).ends_with(0).one_json();
    let sealed = summary["sealed"].as_u64().unwrap();
    assert!(sealed > 10, "{sealed} sealed segments");
    assert_eq!(summary["receipts"], 5471);
    let verdict = python::verify(&place.join("l"));
    assert_eq!(verdict.code, 0, "{}", verdict.findings.join("\n"));
}

trait ConcatBytes {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl ConcatBytes for Vec<(String, Vec<u8>)> {
    /// All files, each with an LF at its end.
    fn concat_bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for (_, bytes) in self {
            all.extend_from_slice(bytes);
            if !bytes.ends_with(b"\n") {
                all.push(b'\n');
            }
        }
        all
    }
}
