//! A service appends at full rate, and the command line writes to the same ledger meanwhile.

use super::*;

const LINES: u64 = 3_000;

#[test]
fn append_seal_and_checkpoint_work_while_a_service_appends_at_full_rate() {
    let place = ledger();
    let service = open(&place, with_door(4));
    place.write("a.jsonl", lines(0..LINES));
    place.write("b.jsonl", lines(LINES..2 * LINES));
    let stop = AtomicBool::new(false);
    let traffic = thread::scope(|scope| {
        let stopping = Stop(&stop);
        let traffic = scope.spawn(|| traffic(&service, &stop));
        // Two at a time, each with its own receipts.
        let appends = ["a", "b"].map(|name| {
            let args =
                format!("append l {name}.jsonl --kind entry --batch 100 --receipts {name}.receipts -v");
            scope.spawn({
                let place = &place;
                move || place.run(&args)
            })
        });
        let sealed = place.run("seal l");
        assert!(
            sealed
                .text()
                .contains("segments/00000000000000000000.seal.json: "),
            "{}",
            sealed.report()
        );
        let head = place.run("checkpoint l");
        assert!(head.text().starts_with("ledgerstone.local/"), "{}", head.report());
        for append in appends {
            let output = append.join().unwrap();
            let said = format!(
                "process {} holds the ledger: going through its l/DOOR\n",
                std::process::id()
            );
            assert!(output.stderr.contains(&said), "{}", output.report());
            assert!(
                output.stderr.contains("3000 records stored, "),
                "{}",
                output.report()
            );
        }
        drop(stopping);
        traffic.join().unwrap()
    });
    service.close().unwrap();
    place.run("verify l --receipts a.receipts --receipts b.receipts");
    for name in ["a", "b"] {
        let receipts = String::from_utf8(place.read(format!("{name}.receipts"))).unwrap();
        let lines: Vec<u64> = receipts
            .lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["line"]
                    .as_u64()
                    .unwrap()
            })
            .collect();
        assert_eq!(
            lines,
            (1..=LINES).collect::<Vec<_>>(),
            "in the order of the input"
        );
    }
    let stored = stored(&place);
    let mut sorted: Vec<&str> = stored.lines().collect();
    assert_eq!(sorted.len() as u64, 2 * LINES);
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len() as u64, 2 * LINES, "each line once");
    let counted = place.run("scan l --kind traffic --count");
    assert_eq!(counted.text().trim(), traffic.to_string());
}

#[test]
fn a_pipe_is_a_service_for_others() {
    let place = ledger();
    let mut service = place
        .call("append l - --kind entry --receipts -".split(' '))
        .spawn();
    let mut input = service.stdin.take().unwrap();
    let mut receipts = BufReader::new(service.stdout.take().unwrap());
    let mut store = |line: &str| {
        writeln!(input, "{line}").unwrap();
        receipts.read_line(&mut String::new()).unwrap();
    };
    store("{\"from\":1}");
    let args = "append l - --kind entry --receipts - --tenant acme --id-at /id --corr-at /c";
    let through = run(&place, args, "{ \"id\":\"x\", \"c\":7 }\n");
    let receipt = through.one_json();
    assert_eq!(
        (&receipt["seq"], &receipt["tseq"], &receipt["id"]),
        (&Value::from(2), &Value::from(0), &Value::from("x"))
    );
    store("{\"from\":2}");
    drop(input);
    assert!(service.wait().unwrap().success());
    assert_eq!(
        stored(&place),
        "{\"from\":1}\n{ \"id\":\"x\", \"c\":7 }\n{\"from\":2}\n"
    );
    let found = place.run("find l --tenant acme --corr 7 --body");
    assert_eq!(found.text(), "{ \"id\":\"x\", \"c\":7 }\n");
    assert!(!place.join("l/DOOR").exists());
    place.run("verify l");
}

#[test]
fn racing_clients_with_one_source_store_each_line_once() {
    let place = ledger();
    let service = open(&place, with_door(4));
    place.write("in.jsonl", lines(0..LINES));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| place.run("append l in.jsonl --kind entry --source in --batch 50"));
        }
    });
    service.close().unwrap();
    let stored = stored(&place);
    assert_eq!(stored.lines().count() as u64, LINES);
    let mut sorted: Vec<&str> = stored.lines().collect();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len() as u64, LINES);
    place.run("verify l");
}

#[test]
fn what_a_draft_was_given_comes_through_unchanged() {
    let place = ledger();
    let service = open(&place, with_door(1));
    let door = door(&place);
    let keyed = || NewEntry {
        key: Some(IdempotencyKey::new("k").unwrap()),
        ..entry("entry")
    };
    let draft = door.drafter().draft(keyed(), b"{ \"a\" : 1 }").unwrap();
    let minted = draft.entry().id.clone();
    let submit = |batch: Batch| door.submit(batch).unwrap().wait();
    let first = submit(draft.into()).unwrap().remove(0);
    assert_eq!((&first.id, first.replayed), (&minted, false));
    let again = door.drafter().draft(keyed(), b"{ \"a\" : 1 }").unwrap();
    let expected = Receipt {
        replayed: true,
        ..first.clone()
    };
    assert_eq!(
        submit(again.into()).unwrap(),
        [expected],
        "id, hash and time of the first"
    );
    let error = submit(door.drafter().draft(keyed(), b"{\"other\":1}").unwrap().into()).unwrap_err();
    assert_eq!(
        (error.kind(), error.seq()),
        (ErrorKind::Conflict, Some(first.seq))
    );
    drop(door);
    service.close().unwrap();
    assert_eq!(stored(&place), "{ \"a\" : 1 }\n");
}

#[test]
fn a_full_queue_is_waited_for() {
    let place = ledger();
    let options = Options {
        queue_records_max: 1,
        ..with_door(2)
    };
    let service = open(&place, options);
    place.write("in.jsonl", lines(0..300));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| place.run("append l in.jsonl --kind entry --batch 1"));
        }
    });
    service.close().unwrap();
    assert_eq!(stored(&place).lines().count(), 600);
}

#[test]
fn stat_tells_what_the_holder_has_done() {
    let place = ledger();
    let service = open(&place, with_door(1));
    for number in 0..3 {
        let draft = service.draft(entry("entry"), format!("{{\"n\":{number}}}").as_bytes());
        service.submit(draft.unwrap().into()).unwrap().wait().unwrap();
    }
    let output = place.run("stat l --prometheus");
    let figures: Vec<_> = output
        .text()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap())
        .collect();
    let of = |name: &str| {
        let of_it = figures
            .iter()
            .filter(|(figure, _)| figure.starts_with(&format!("ledgerstone_{name}{{")));
        let values: Vec<_> = of_it.map(|(_, value)| *value).collect();
        assert_eq!(values.len(), 1, "{name}: {}", output.text());
        values[0].parse::<u64>().unwrap()
    };
    let told = [
        "size_records",
        "records_total",
        "groups_total",
        "held",
        "segments",
    ]
    .map(of);
    assert_eq!(told, [4, 3, 3, 1, 1]);
    assert!(of("size_bytes") > 1_000);
    let names: std::collections::HashSet<_> = figures.iter().map(|(figure, _)| figure).collect();
    assert_eq!(names.len(), figures.len(), "{}", output.text());
    service.close().unwrap();

    // Without a door only the directory tells.
    let service = open(&place, Options::default());
    let output = place.run("stat l --prometheus");
    assert!(output.text().contains("ledgerstone_held{") && !output.text().contains("records_total"));
    assert!(
        output.stderr.contains("only what the directory tells: "),
        "{}",
        output.report()
    );
    service.close().unwrap();
}
