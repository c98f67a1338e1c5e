//! The format's test vectors, which another implementation made from the text of `FORMAT.md` alone.

use std::process::Command;

use ledgerstone_formats::chain::{ChainHead, Counters, GroupStamp};
use ledgerstone_formats::checkpoint::{Head, Signer, VerifierKey};
use ledgerstone_formats::draft::{Draft, Entry, Revisions};
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::header::{GroupPlace, Header};
use ledgerstone_formats::ids::{Correlation, EntityId, IdempotencyKey, Kind, Tenant};
use ledgerstone_formats::json::Checker;
use ledgerstone_formats::limits::BODY_BYTES_MAX;
use ledgerstone_formats::line::lines;
use ledgerstone_formats::record::{Payload, Record};
use ledgerstone_formats::records::system::{self, Genesis};
use ledgerstone_formats::segment::{SEAL_FORMAT, Seal};
use ledgerstone_formats::tree::Frontier;
use ledgerstone_tests::read_file;
use ledgerstone_tests::sources::root;
use serde_json::Value;

fn vector(name: &str) -> Vec<u8> {
    read_file(&root().join("formats/vectors/v1").join(name))
}

fn cases(name: &str) -> Vec<Value> {
    let cases: Vec<Value> = serde_json::from_slice(&vector(name)).unwrap();
    assert!(!cases.is_empty());
    cases
}

/// The values of a header as a vector states them.
fn header_of(fields: &Value) -> Header<'_> {
    let text = |name: &str| fields[name].as_str().map(std::borrow::Cow::from);
    let hash = |name: &str| fields[name].as_str().unwrap().parse().unwrap();
    let place = |number: &Value| u32::try_from(number.as_u64().unwrap()).unwrap();
    Header {
        seq: fields["seq"].as_u64().unwrap(),
        at: fields["at"].as_str().unwrap().parse().unwrap(),
        group: fields.get("grp").map(|grp| GroupPlace {
            index: place(&grp[0]),
            count: place(&grp[1]),
        }),
        kind: text("kind").unwrap(),
        tenant: text("tenant").map(|tenant| (tenant, fields["tseq"].as_u64().unwrap())),
        id: text("id").unwrap(),
        rev: fields["rev"].as_u64(),
        corr: text("corr"),
        key: text("key"),
        digest: hash("digest"),
        prev: hash("prev"),
    }
}

#[test]
fn headers_have_one_text_and_its_hash() {
    for case in cases("headers.json") {
        let (text, header) = (case["header"].as_str().unwrap(), header_of(&case["fields"]));
        assert_eq!(Header::parse(text.as_bytes()).as_ref(), Ok(&header), "{text}");
        assert_eq!(String::from_utf8(header.encode()).unwrap(), text);
        assert_eq!(
            Hash::leaf(text.as_bytes()).to_string(),
            case["hash"].as_str().unwrap(),
            "{text}"
        );
    }
}

#[test]
fn every_other_header_is_refused() {
    for case in cases("bad_headers.json") {
        let parsed = Header::parse(case["header"].as_str().unwrap().as_bytes());
        assert!(parsed.is_err(), "{}: {parsed:?}", case["reason"]);
    }
}

#[test]
fn every_other_line_is_refused() {
    for case in cases("bad_lines.json") {
        let line = case["line"].as_str().unwrap().as_bytes();
        let checked = Record::parse(line).and_then(|record| record.check_hashes());
        assert!(checked.is_err(), "{}", case["reason"]);
    }
}

#[test]
fn roots_and_frontiers_of_every_size() {
    let mut frontier = Frontier::new();
    for (case, leaf) in cases("tree.json").iter().zip(0_u8..) {
        assert_eq!(case["size"], frontier.size());
        assert_eq!(case["root"], frontier.root().to_string());
        let roots: Vec<_> = frontier.roots().iter().map(Hash::to_string).collect();
        assert_eq!(case["frontier"], Value::from(roots));
        frontier.push(Hash::leaf(&[leaf]));
    }
}

/// The draft that a stored record was made from.
fn draft_of(record: &Record<'_>) -> Draft {
    let header = &record.header;
    let Payload::Whole { salt, body } = record.payload else {
        panic!("no vector is erased")
    };
    let entry = Entry {
        kind: Kind::new(&header.kind).unwrap(),
        tenant: header
            .tenant
            .as_ref()
            .map(|(tenant, _)| Tenant::new(tenant).unwrap()),
        id: EntityId::new(&header.id).unwrap(),
        minted: false,
        corr: header.corr.as_ref().map(|corr| Correlation::new(corr).unwrap()),
        key: header.key.as_ref().map(|key| IdempotencyKey::new(key).unwrap()),
        revisions: Revisions::AsKind,
    };
    Draft::new(entry, salt, body, BODY_BYTES_MAX, &mut Checker::new()).unwrap()
}

/// A walk along a ledger's segments that checks, writes again and counts.
struct Walk {
    checked: ChainHead,
    written: ChainHead,
    frontier: Frontier,
    prev_seal: Hash,
}

impl Walk {
    fn new() -> Self {
        Self {
            checked: ChainHead::new(),
            written: ChainHead::new(),
            frontier: Frontier::new(),
            prev_seal: Hash::ZERO,
        }
    }

    /// Takes in a whole segment; what its seal has to be, `head` aside.
    fn segment(&mut self, bytes: &[u8]) -> Seal {
        let (first, mut again) = (self.checked.next_seq(), Vec::new());
        let (mut kinds, mut times) = (std::collections::BTreeMap::new(), Vec::new());
        for line in lines(bytes) {
            let record = Record::parse(line).unwrap();
            record.check_hashes().unwrap();
            self.checked.check(&record, times.is_empty()).unwrap();
            let header = &record.header;
            system::check(header.seq, &header.kind, record.body()).unwrap();
            let place = header.group.unwrap_or(GroupPlace { index: 0, count: 1 });
            let counters = Counters {
                tseq: header.tenant.as_ref().map(|(_, tseq)| *tseq),
                rev: header.rev,
            };
            let stamp = GroupStamp::new(header.at, place.count);
            let hash = self
                .written
                .extend(&draft_of(&record), &stamp, place.index, counters, &mut again);
            assert_eq!(hash, record.hash);
            self.frontier.push(hash);
            *kinds.entry(header.kind.to_string()).or_insert(0) += 1;
            times.push(header.at);
        }
        assert!(self.checked.is_between_groups());
        assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(bytes));
        Seal {
            format: SEAL_FORMAT.to_owned(),
            ledger: String::new(),
            first,
            last: self.checked.next_seq() - 1,
            count: times.len() as u64,
            at_min: times.iter().min().copied().unwrap(),
            at_max: times.iter().max().copied().unwrap(),
            kinds,
            bytes: bytes.len() as u64,
            sha256: Hash::digest(bytes),
            last_hash: self.checked.last_hash(),
            tree_size: self.frontier.size(),
            root: self.frontier.root(),
            frontier: self.frontier.roots().to_vec(),
            prev_seal: self.prev_seal,
            head: String::new(),
        }
    }

    /// Checks a head's file against the records so far.
    fn check_head(&self, file: &[u8], genesis: &Genesis, signer: Option<&Signer>) {
        let key = genesis.vkey.as_ref().map(|key| VerifierKey::parse(key).unwrap());
        let head = Head::open(file, key.as_ref()).unwrap();
        assert_eq!(head.origin.as_str(), genesis.origin);
        assert_eq!(
            (head.size, head.root),
            (self.frontier.size(), self.frontier.root())
        );
        let again = match signer {
            Some(signer) => signer.sign(&head).unwrap(),
            None => head.to_text().into_bytes(),
        };
        assert_eq!(String::from_utf8(again).unwrap(), String::from_utf8_lossy(file));
    }

    /// Checks a seal's file against what the lines just taken in say.
    fn check_seal(&mut self, file: &[u8], lines_say: Seal, genesis: &Genesis, signer: Option<&Signer>) {
        let seal = Seal::parse(file).unwrap();
        assert_eq!(seal.encode(), file);
        self.check_head(seal.head.as_bytes(), genesis, signer);
        let expected = Seal {
            ledger: genesis.ledger.clone(),
            head: seal.head.clone(),
            ..lines_say
        };
        assert_eq!(seal, expected);
        self.prev_seal = Hash::digest(file);
    }
}

fn genesis_of(segment: &[u8], identity: &[u8]) -> Genesis {
    let record = Record::parse(lines(segment).next().unwrap()).unwrap();
    let genesis = Genesis::parse(record.body()).unwrap();
    assert_eq!(genesis.identity_file(), identity);
    assert_eq!(genesis.created, record.header.at);
    assert_eq!(genesis.ledger, *record.header.id);
    genesis
}

#[test]
fn an_unsigned_ledger_is_read_and_written_byte_for_byte() {
    let segment = vector("lines.jsonl");
    let genesis = genesis_of(&segment, &vector("ledger.json"));
    assert_eq!(genesis.vkey, None);
    let mut walk = Walk::new();
    let seal = walk.segment(&segment);
    walk.check_head(&vector("head"), &genesis, None);
    walk.check_seal(&vector("seal.json"), seal, &genesis, None);
}

#[test]
fn a_signed_ledger_is_read_and_written_byte_for_byte() {
    let key = String::from_utf8(vector("ledger.key")).unwrap();
    let signer = Signer::parse(key.strip_suffix('\n').unwrap()).unwrap();
    let segment = |first: u64| format!("ledger/segments/{first:020}.jsonl");
    let genesis = genesis_of(&vector(&segment(0)), &vector("ledger/ledger.json"));
    assert_eq!(genesis.vkey, Some(signer.verifier().to_text()));
    let mut walk = Walk::new();
    for first in [0, 4] {
        let seal = walk.segment(&vector(&segment(first)));
        let file = vector(&format!("ledger/segments/{first:020}.seal.json"));
        walk.check_seal(&file, seal, &genesis, Some(&signer));
    }
    walk.segment(&vector(&segment(9)));
    walk.check_head(&vector("ledger/checkpoint"), &genesis, Some(&signer));
    assert_eq!(vector("ledger/checkpoint"), vector("ledger.key.head"));
}

#[test]
fn the_other_implementation_still_writes_the_same_vectors() {
    let output = tempfile::tempdir().unwrap();
    let status = Command::new("python3")
        .arg("-B")
        .arg(root().join("tests/independent/make_vectors.py"))
        .arg(output.path())
        .status()
        .unwrap();
    assert!(status.success());
    let compared = Command::new("diff")
        .arg("-r")
        .arg(root().join("formats/vectors/v1"))
        .arg(output.path())
        .output()
        .unwrap();
    assert!(
        compared.status.success(),
        "{}",
        String::from_utf8_lossy(&compared.stdout)
    );
}

fn format_text() -> String {
    String::from_utf8(read_file(&root().join("formats/FORMAT.md"))).unwrap()
}

#[test]
fn the_worked_example_is_made_of_the_vectors() {
    let text = format_text();
    let segment = String::from_utf8(vector("lines.jsonl")).unwrap();
    let headers = cases("headers.json");
    let mut frontier = Frontier::new();
    for line in segment.lines().take(2) {
        assert!(text.contains(line), "{line}");
        frontier.push(Record::parse(line.as_bytes()).unwrap().hash);
    }
    let head = Head::open(&vector("head"), None).unwrap();
    let head = Head {
        size: 2,
        root: frontier.root(),
        ..head
    };
    for part in [
        headers[0]["header"].as_str().unwrap().to_owned(),
        headers[0]["hash"].as_str().unwrap().to_owned(),
        headers[1]["hash"].as_str().unwrap().to_owned(),
        frontier.root().to_string(),
        head.to_text(),
        String::from_utf8(vector("seal.json")).unwrap(),
        String::from_utf8(vector("ledger/checkpoint")).unwrap(),
    ] {
        assert!(text.contains(&part), "{part}");
    }
}

/// An auditor copies these functions into a shell: they have to work as they stand in the text.
#[test]
fn the_shell_functions_of_the_text_check_every_line() {
    let text = format_text();
    let (_, block) = text.split_once("```sh\n").unwrap();
    let (functions, _) = block.split_once("\n\n").unwrap();
    let segment = root().join("formats/vectors/v1/lines.jsonl");
    for (line, number) in lines(&vector("lines.jsonl")).zip(1..) {
        let record = Record::parse(line).unwrap();
        for (function, expected) in [("h", record.hash), ("d", record.header.digest)] {
            let script = format!(
                "{functions}\nsed -n {number}p '{}' | {function}",
                segment.display()
            );
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(
                String::from_utf8(output.stdout).unwrap(),
                format!("{expected}  -\n"),
                "line {number}"
            );
        }
    }
}
