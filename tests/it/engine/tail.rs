//! What an open makes of the end of the last segment. The rule itself has its model beside it, in the engine; here are
//! the ledger's answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ledgerstone_engine::{Code, ErrorKind};
use ledgerstone_formats::checkpoint::Head;
use ledgerstone_formats::filler;
use ledgerstone_formats::ids::Origin;
use ledgerstone_formats::record::Record;
use ledgerstone_formats::records::system::Genesis;
use ledgerstone_tests::{python, sources};
use serde_json::Value;

use super::*;

/// A ledger whose process was killed: a group under the head, then one past it.
struct Killed {
    machine: Machine,
    told: Told,
    /// Bytes of the segment under the head, and of all whole groups.
    headed: usize,
    bytes: Vec<u8>,
}

impl Killed {
    fn new() -> Self {
        // What is behind the groups is the tests' own.
        let machine = Machine::signed().with(|options| options.filler_bytes_max = 0);
        let mut told = Told::default();
        let mut running = machine.create().unwrap();
        told.append(&mut running, &[r#"{"n":1}"#, r#"{"n":2}"#]).unwrap();
        running.pass(&machine, Duration::from_secs(1));
        let headed = machine.disk.raw(SEGMENT).unwrap().len();
        assert_eq!(machine.head_size(), Some(3));
        told.append(&mut running, &["{\"n\":\t3}", r#"{"n":4}"#]).unwrap();
        assert_eq!(machine.head_size(), Some(3), "not yet");
        let machine = machine.kill();
        let bytes = machine.disk.raw(SEGMENT).unwrap();
        Self {
            machine,
            told,
            headed,
            bytes,
        }
    }

    fn last_group(&self) -> &[u8] {
        &self.bytes[self.headed..]
    }

    /// The same with other bytes in the segment.
    fn with(&self, bytes: &[u8]) -> Machine {
        let machine = self.machine.kill();
        machine.disk.put_raw(SEGMENT, bytes);
        machine
    }

    fn code(&self, bytes: &[u8]) -> Option<Code> {
        let plan = self.with(bytes).plan().unwrap();
        Code::worst(plan.findings().iter().map(|finding| finding.code))
    }
}

/// Opens, and finds the tail set aside, told and everything else as it was.
#[track_caller]
fn assert_set_aside(killed: &Killed, bytes: &[u8], whole: usize) {
    let machine = killed.with(bytes);
    let (running, recovered) = machine.open().unwrap();
    let torn = recovered.torn.unwrap();
    let length = (bytes.len() - whole) as u64;
    assert_eq!((torn.offset, torn.length), (whole as u64, length));
    let segment = machine.disk.raw(SEGMENT).unwrap();
    assert_eq!(segment[..whole], bytes[..whole]);
    let told = String::from_utf8(segment[whole..].to_vec()).unwrap();
    let digest = Hash::digest(&bytes[whole..]);
    let name = format!(
        "00000000000000000000-{whole}-{length}-{}",
        &digest.to_string()[..32]
    );
    assert_eq!(
        told.matches(&name).count(),
        1,
        "told once, by the name of the copy: {told}"
    );
    assert!(told.contains(&digest.to_string()));
    let copy = machine.disk.raw(&format!("quarantine/{name}")).unwrap();
    assert_eq!(copy, &bytes[whole..]);
    assert_eq!(machine.head_size(), Some(running.ledger.snapshot().size()));
    running.close();
    machine.assert_whole();
    machine.open_clean();
}

/// Opens for reading only, and changes no byte.
#[track_caller]
fn assert_refused(killed: &Killed, bytes: &[u8], code: Code) {
    let machine = killed.with(bytes);
    assert_eq!(
        machine.verify().code(),
        Some(code),
        "{:?}",
        machine.verify().findings
    );
    let (mut running, recovered) = machine.open().unwrap();
    let error = recovered.read_only.unwrap();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Corrupt, Some(code)),
        "{error}"
    );
    assert_eq!(running.submit(&["{}"]).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(running.writer.step(), Step::Closed);
    drop(running);
    assert_eq!(machine.disk.log(), [], "nothing was written");
    assert_eq!(machine.disk.raw(SEGMENT).unwrap(), bytes);
}

#[test]
fn an_append_cut_short_is_set_aside_and_told_once() {
    let killed = Killed::new();
    let (bytes, group) = (&killed.bytes, killed.last_group().to_vec());
    assert_set_aside(&killed, &bytes[..bytes.len() - 1], killed.headed);
    assert_set_aside(&killed, &bytes[..killed.headed + 1], killed.headed);
    // After the last whole group, too.
    assert_set_aside(&killed, &[bytes, &group[..0], &[0; 700]].concat(), bytes.len());
    let mut lost = bytes.clone();
    lost[killed.headed.next_multiple_of(512)..][..512].fill(0);
    assert_set_aside(&killed, &lost, killed.headed);
}

#[test]
fn filler_that_somebody_laid_is_cut_and_nobody_is_told() {
    let killed = Killed::new();
    let mut bytes = killed.bytes.clone();
    let end = (bytes.len() as u64).next_multiple_of(4_096);
    bytes.extend((bytes.len() as u64..end).map(filler::byte_at));
    let machine = killed.with(&bytes);
    assert_eq!(
        machine.verify().code(),
        Some(Code::Unfinished),
        "records past the head, no more"
    );
    let (running, recovered) = machine.open().unwrap();
    assert!(
        recovered.torn.is_none() && recovered.recorded.is_empty(),
        "{recovered:?}"
    );
    assert_eq!(recovered.adopted.unwrap().last, 4);
    killed
        .told
        .check(&running.ledger.snapshot(), &|| log_of(&machine));
    running.close();
    let segment = machine.disk.raw(SEGMENT).unwrap();
    assert!(segment.starts_with(&killed.bytes) && segment.ends_with(b"}\n"));
    machine.assert_whole();
}

/// Every bit of the last two groups: under the head a flip is an altered record, past it damage too. Never a tail.
#[test]
fn no_flipped_bit_is_taken_for_a_torn_tail() {
    let killed = Killed::new();
    let genesis = killed.bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for at in genesis..killed.bytes.len() {
        // Every bit of the bytes whose change could make a tail of a line, a bit of each other.
        let all = matches!(killed.bytes[at], b'\n' | b'\t');
        let masks: Vec<u8> = if all {
            (0..8).map(|bit| 1 << bit).collect()
        } else {
            vec![1 << (at % 8)]
        };
        for mask in masks {
            let mut flipped = killed.bytes.clone();
            flipped[at] ^= mask;
            assert_eq!(
                killed.code(&flipped),
                Some(Code::Altered),
                "byte {at}, {mask:#04x}"
            );
        }
    }
    for at in [genesis + 60, killed.headed + 60, killed.bytes.len() - 1] {
        let mut flipped = killed.bytes.clone();
        flipped[at] ^= 4;
        assert_refused(&killed, &flipped, Code::Altered);
    }
}

/// Under the head every cut is a truncation; past it a tail, or a group less at a line's end.
#[test]
fn no_cut_under_the_head_is_taken_for_a_torn_tail() {
    let killed = Killed::new();
    for len in 0..killed.bytes.len() {
        let expected = (len < killed.headed).then_some(Code::Truncated);
        assert_eq!(killed.code(&killed.bytes[..len]), expected, "cut to {len}");
    }
    assert_refused(&killed, &killed.bytes[..killed.headed - 1], Code::Truncated);
    assert_refused(&killed, &killed.bytes[..killed.headed / 2], Code::Truncated);
}

#[test]
fn an_older_group_that_is_damaged_is_damage() {
    let killed = Killed::new();
    let machine = killed.machine.kill();
    // A second process adopts the group and adds another, and is killed too.
    let (mut running, _) = machine.open().unwrap();
    let under = machine.disk.raw(SEGMENT).unwrap().len();
    running.append(&["{}"]).unwrap();
    running.append(&["{}", "{}"]).unwrap();
    let killed = Killed {
        machine: machine.kill(),
        told: Told::default(),
        headed: under,
        bytes: machine.disk.raw(SEGMENT).unwrap(),
    };
    assert_eq!(killed.code(&killed.bytes), None);
    let older = killed.bytes[under..]
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap();
    for at in (under..under + older).step_by(5) {
        let mut flipped = killed.bytes.clone();
        flipped[at] ^= 1 << (at % 7);
        assert_eq!(killed.code(&flipped), Some(Code::Altered), "byte {at}");
    }
    let mut without = killed.bytes.clone();
    without.drain(under..=under + older);
    assert_refused(&killed, &without, Code::Altered);
}

#[test]
fn what_somebody_wrote_behind_the_last_group() {
    let killed = Killed::new();
    let with = |text: &str| [killed.bytes.as_slice(), text.as_bytes()].concat();
    assert_refused(&killed, &with("a note\n"), Code::Altered);
    assert_refused(&killed, &with("\n"), Code::Altered);
    assert_refused(&killed, &with("\u{7}"), Code::Altered);
    assert_set_aside(&killed, &with("a note"), killed.bytes.len());
}

/// An operator's word for a file system that shows old bytes in sectors never written: nothing is lost by it.
#[test]
fn damage_is_set_aside_at_an_operators_word_but_never_under_the_head() {
    let killed = Killed::new();
    let trusting = Killed {
        machine: killed.machine.clone().with(|options| options.accept_torn = true),
        ..Killed::new()
    };
    let trusting = Killed {
        bytes: killed.bytes.clone(),
        headed: killed.headed,
        ..trusting
    };
    let mut old = killed.bytes.clone();
    old[killed.headed + 200..].fill(b'\r');
    assert_refused(&killed, &old, Code::Altered);
    assert_set_aside(&trusting, &old, killed.headed);
    let mut flipped = killed.bytes.clone();
    flipped[killed.headed - 40] ^= 1;
    assert_refused(&trusting, &flipped, Code::Altered);
    assert_refused(&trusting, &killed.bytes[..killed.headed - 1], Code::Truncated);
    let newer = [killed.bytes.as_slice(), newer_line().as_slice()].concat();
    assert_refused(&trusting, &newer, Code::Newer);
    assert_refused(&trusting, &newer[..newer.len() - 1], Code::Newer);
}

#[test]
fn a_newer_version_in_the_tail_is_left_alone() {
    let killed = Killed::new();
    let newer = [killed.bytes.as_slice(), newer_line().as_slice()].concat();
    assert_refused(&killed, &newer, Code::Newer);
    assert_refused(&killed, &newer[..killed.bytes.len() + 30], Code::Newer);
    // A flipped bit in the version is none.
    let flipped = String::from_utf8(killed.bytes.clone()).unwrap();
    let flipped = flipped.replace("{\"v\":1,\"seq\":4", "{\"v\":3,\"seq\":4");
    assert_refused(&killed, flipped.as_bytes(), Code::Altered);
    let mut newer = killed.bytes.clone();
    newer.extend_from_slice(&newer_line());
    let flipped = String::from_utf8(newer)
        .unwrap()
        .replace("\"hash\":\"6", "\"hash\":\"7");
    assert_ne!(killed.code(flipped.as_bytes()), None);
}

/// A line of which this version knows no more than what every version keeps.
fn newer_line() -> Vec<u8> {
    let payload = "{\"something\":\"new\"}";
    let zeros = Hash::ZERO;
    let digest = Hash::digest(payload.as_bytes());
    let header = format!("{{\"v\":2,\"seq\":5,\"digest\":\"{digest}\",\"prev\":\"{zeros}\"}}");
    let mut line = ledgerstone_tests::forge::zip(header.as_bytes(), payload.as_bytes());
    line.push(b'\n');
    line
}

/// The format's own examples, judged by the engine and by the independent verifier.
#[test]
fn the_format_s_tails_are_judged_as_it_says() {
    let file = sources::root().join("formats/vectors/v1/tails.json");
    let vectors: Value = serde_json::from_slice(&ledgerstone_tests::read_file(&file)).unwrap();
    let bytes = |text: &Value| BASE64.decode(text.as_str().unwrap()).unwrap();
    let (before, cases) = (bytes(&vectors["before"]), vectors["cases"].as_array().unwrap());
    let line = before.strip_suffix(b"\n").unwrap();
    let record = Record::parse(line).unwrap();
    let genesis = Genesis::parse(record.body()).unwrap();
    let head = Head {
        origin: Origin::new(&genesis.origin).unwrap(),
        size: 1,
        root: record.hash,
    };
    let judged = Arc::new(python::Batch::keeping(cases.len()));
    for case in cases {
        let name = &case["name"];
        let segment = [before.as_slice(), &bytes(&case["tail"])].concat();
        let mut machine = Machine::unsigned();
        machine.judged = Some(Arc::clone(&judged));
        machine.disk.create_directories().unwrap();
        machine.disk.put_raw(SEGMENT, &segment);
        machine.disk.put_raw("head", head.to_text().as_bytes());
        machine.disk.put_raw("ledger.json", &genesis.identity_file());
        let plan = machine.plan().unwrap();
        let codes: Vec<Code> = plan.findings().iter().map(|finding| finding.code).collect();
        let expected = match case["verdict"].as_str().unwrap() {
            "none" => (false, vec![], 0),
            "torn" => (true, vec![], 20),
            "damage" => (false, vec![Code::Altered], 31),
            other => panic!("{name}: no verdict: {other}"),
        };
        assert_eq!((plan.torn().is_some(), codes), (expected.0, expected.1), "{name}");
        let report = machine.verify();
        assert_eq!(
            report.code().map_or(0, |code| i32::from(code.number())),
            expected.2,
            "{name}: {:?}",
            report.findings
        );
    }
    assert!(cases.len() > 30);
}
