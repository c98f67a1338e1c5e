//! `family` and `find --by`: what a body holds is declared on the command line and found by it.

use std::sync::Arc;

use ledgerstone_engine::keystore::FileKeys;
use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::{Ledger, Options};
use ledgerstone_tests::cli::{Output, Place};

const SPECS: &str = concat!(
    "{\"id\":\"a\",\"slug\":\"one\",\"tags\":[\"x\",\"y\"],\"at\":{\"type\":\"t,1\",\"nr\":7}}\n",
    "{\"id\":\"b\",\"slug\":\"two\",\"tags\":[\"y\"],\"at\":{\"type\":\"t\",\"nr\":7.0}}\n",
    "{\"id\":\"c\",\"slug\":\"three\",\"t\":\"acme\",\"tags\":[\"y\"],\"at\":{\"type\":\"t\",\"nr\":7}}\n",
);
const ADD: &str = "family add l spec --unique slug=/slug --multi tag=/tags --index about=/at/type,/at/nr";
const LOAD: &str = "append l in.jsonl --kind spec --id-at /id --tenant-at /t --quiet";

/// A ledger `l`: seq 1 declares, 2 to 4 are specs.
fn ledger() -> Place {
    let place = Place::new();
    place.run("init l --quiet");
    place.run(ADD);
    place.write("in.jsonl", SPECS);
    place.run(LOAD);
    place
}

fn seqs(output: &Output) -> Vec<u64> {
    let lines = output.json();
    lines
        .iter()
        .map(|record| record["seq"].as_u64().unwrap())
        .collect()
}

#[test]
fn what_a_body_holds_is_found_by_what_is_declared() {
    let place = ledger();
    for sealed in [false, true] {
        if sealed {
            place.run("seal l --quiet");
        }
        let ask = |args: &str| seqs(&place.run(args));
        assert_eq!(ask("find l --by tag=y"), [2, 3]);
        assert_eq!(ask("find l --by tag=x"), [2]);
        assert_eq!(ask("find l --by slug=two"), [3]);
        assert_eq!(ask("find l --by tag=y --tenant acme"), [4]);
        assert_eq!(ask("find l --by about=t,7.0"), [3]);
        assert_eq!(ask("find l --by about=t,1 --by about=7"), [2]);
        assert_eq!(ask("find l --by tag=y --after 2 --since -1h --limit 1"), [3]);
        let count = place.run("find l --by tag=y --count --json");
        assert_eq!(count.one_json()["count"], 2);
        for none in [
            "find l --by tag=z",
            "find l --by about=t,7",
            "find l --by slug=three",
            "find l --by tag=y --until 2000-01-01",
        ] {
            assert_eq!(place.call(none.split(' ')).ends_with(1).text(), "", "{none}");
        }
    }
    place.run("verify l");
}

#[test]
fn what_cannot_be_meant_is_code_2() {
    let place = ledger();
    for args in [
        "find l",
        "find l --by tag",
        "find l --by nothing=x",
        "find l --by tag=x --corr y",
        "find l --by tag=x --by slug=y",
        "find l --by tag=x --by tag=y",
        "find l --by about=t",
        "find l --by tag=x --kind other",
        "family",
        "family add l spec --index x",
        "family add l spec --index x=tags",
        "family add l spec --index x=/a/-,/b/-",
        "family add l sys_spec --index x=/a",
    ] {
        place.call(args.split(' ')).ends_with(2);
    }
    place.run("family add l other --index tag=/t");
    let error = place.call(["find", "l", "--by", "tag=y"]).ends_with(2);
    assert!(error.stderr.contains("other, spec"), "{}", error.report());
    assert_eq!(seqs(&place.run("find l --by tag=y --kind spec")), [2, 3]);
    assert_eq!(place.run("scan l --kind sys_family --count").text(), "2\n");
}

#[test]
fn families_are_listed_grow_and_keep_what_they_have() {
    let place = ledger();
    let listed = "spec slug=/slug unique\nspec tag=/tags/-\nspec about=/at/type,/at/nr\n";
    let order = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(order(place.run("family list l").text()), order(listed));
    let again = place.run(ADD);
    assert!(
        again.stderr.contains("nothing was recorded"),
        "{}",
        again.report()
    );
    assert_eq!(place.run("scan l --kind sys_family --count").text(), "1\n");
    // Records that were there before are found too.
    place.run("family add l spec --index nr=/at/nr --json");
    assert_eq!(seqs(&place.run("find l --by nr=7")), [2]);
    assert_eq!(
        place.run("family list l --json").one_json()["indexes"][3]["name"],
        "nr"
    );
    let other = place
        .call("family add l spec --index slug=/name --json".split(' '))
        .ends_with(4);
    assert_eq!(other.error_json()["error"]["seq"], 5);
    let late = place
        .call("family add l spec --unique late=/late --json".split(' '))
        .ends_with(4);
    assert_eq!(late.error_json()["error"]["seq"], 2);
    place.run("verify l");
}

#[test]
fn a_value_that_another_thing_has_is_code_4_and_names_its_record() {
    let place = ledger();
    place.write("in.jsonl", "{\"id\":\"z\",\"slug\":\"two\"}\n");
    let error = place
        .call(format!("{LOAD} --json").split(' '))
        .ends_with(4)
        .error_json();
    assert_eq!(
        (&error["error"]["kind"], &error["error"]["seq"]),
        (&"conflict".into(), &3.into())
    );
    assert_eq!(
        (&error["error"]["file"], &error["error"]["line"]),
        (&"in.jsonl".into(), &1.into())
    );
    place.write(
        "in.jsonl",
        format!("{{\"id\":\"z\",\"slug\":\"{}\"}}\n", "x".repeat(257)),
    );
    place.call(LOAD.split(' ')).ends_with(2);
    place.write(
        "in.jsonl",
        "{\"id\":\"b\",\"slug\":\"free\"}\n{\"id\":\"z\",\"slug\":\"two\"}\n",
    );
    place.run(LOAD);
    assert_eq!(seqs(&place.run("find l --by slug=two")), [3, 6]);
}

#[test]
fn a_held_ledger_is_declared_nothing() {
    let place = ledger();
    let dir = place.join("l");
    let keys = Arc::new(FileKeys::beside(&dir).unwrap());
    let (held, _) = Ledger::open(Arc::new(Disk::new(&dir)), keys, Options::default()).unwrap();
    place
        .call("family add l other --index x=/x".split(' '))
        .ends_with(5);
    place.run("family list l");
    held.close().unwrap();
}
