//! What is refused at the door is refused as anywhere else: in the same words, with the same code.

use super::*;

/// Commands after each other, each with its standard input.
const COMMANDS: [(&str, &str, i32); 9] = [
    (
        "append l - --kind entry --idempotency-at /k --receipts -",
        "{\"k\":\"x\"}\n",
        0,
    ),
    (
        "append l - --kind entry --idempotency-at /k --receipts -",
        "{\"k\":\"x\"}\n{\"k\":\"y\"}\n",
        0,
    ),
    (
        "append l - --kind entry --idempotency-at /k --receipts -",
        "{\"k\":\"z\"}\n{\"k\":\"x\",\"v\":2}\n{\"k\":\"w\"}\n",
        4,
    ),
    (
        "append l - --kind entry --idempotency-at /k --json",
        "{\"k\":\"x\",\"v\":2}\n",
        4,
    ),
    (
        "append l - --kind entry --idempotency-at /k --atomic",
        "{\"k\":\"a\"}\n{\"k\":\"a\"}\n",
        2,
    ),
    (
        "append l - --kind entry --receipts -",
        "{\"a\":1}\n{\"a\":}\n{\"a\":2}\n",
        2,
    ),
    (
        "append l - --kind entry --rejects bad",
        "{\"a\":1}\n{\"a\":}\n{\"a\":2}\n",
        7,
    ),
    ("seal l", "", 0),
    ("seal l", "", 0),
];

#[test]
fn a_command_says_the_same_through_the_door_and_without() {
    let (without, through) = (ledger(), ledger());
    let service = open(&through, with_door(1));
    for (args, stdin, code) in COMMANDS {
        let [one, other] = [&without, &through].map(|place| run(place, args, stdin));
        assert_eq!(one.status.code(), Some(code), "{}", one.report());
        assert_eq!(
            other.status.code(),
            Some(code),
            "{}\n{}",
            one.report(),
            other.report()
        );
        assert_eq!(other.normal(), one.normal(), "{args}");
    }
    assert_eq!(through.read("bad"), without.read("bad"));
    service.close().unwrap();
    assert_eq!(stored(&through), stored(&without));
}

#[test]
fn the_holders_limits_are_the_ones_that_hold() {
    let place = ledger();
    let options = Options {
        body_bytes_max: 40,
        ..with_door(1)
    };
    let service = open(&place, options);
    let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat(40));
    let refused = run(&place, "append l - --kind entry", &long);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        refused.stderr.starts_with("-:1:41: the line is longer than 40"),
        "{}",
        refused.report()
    );
    service.close().unwrap();

    let options = Options {
        disk_free_min_bytes: 1 << 60,
        ..with_door(1)
    };
    let service = open(&place, options);
    let refused = run(&place, "append l - --kind entry", "{}\n");
    assert_eq!(refused.status.code(), Some(3), "{}", refused.report());
    assert!(
        refused.stderr.starts_with("l: the disk is nearly full: "),
        "{}",
        refused.report()
    );
    assert!(
        refused
            .stderr
            .contains("go on with:\n  ledgerstone append l - --kind entry"),
        "{}",
        refused.report()
    );
    service.close().unwrap();
    assert_eq!(stored(&place), "");
}

fn precondition_of(number: usize) -> Precondition {
    let target = |id: &str| Target {
        kind: Kind::new("entry").unwrap(),
        tenant: None,
        id: EntityId::new(id).unwrap(),
    };
    match number {
        0 => Precondition::Absent(target("there")),
        1 => Precondition::Exists(target("nowhere")),
        2 => Precondition::Revision(target("there"), 3),
        _ => Precondition::Size(77),
    }
}

#[test]
fn a_precondition_that_does_not_hold_names_the_same_record() {
    let place = ledger();
    let service = open(&place, with_door(1));
    let there = NewEntry {
        id: Some(EntityId::new("there").unwrap()),
        ..entry("entry")
    };
    service
        .submit(service.draft(there, b"{}").unwrap().into())
        .unwrap()
        .wait()
        .unwrap();
    let door = door(&place);
    for number in 0..4 {
        let batch = || {
            let mut batch = Batch::from(service.draft(entry("entry"), b"{}").unwrap());
            batch.require(precondition_of(number));
            batch
        };
        let own = service.submit(batch()).unwrap().wait().unwrap_err();
        let through = door.submit(batch()).unwrap().wait().unwrap_err();
        let told = |error: &Error| (error.kind(), error.seq(), error.to_string());
        assert_eq!(told(&through), told(&own));
        assert_eq!(own.kind(), ErrorKind::Conflict);
    }
    let mut batch = Batch::from(service.draft(entry("entry"), b"{}").unwrap());
    batch.require(Precondition::Size(2));
    door.submit(batch).unwrap().wait().unwrap();
}

#[test]
fn nothing_of_a_stream_is_stored_behind_a_refused_batch() {
    let place = ledger();
    let service = open(&place, with_door(1));
    let door = door(&place);
    let (stream, other) = (door.stream(), door.stream());
    let batch = |body: &str| Batch::from(service.draft(entry("entry"), body.as_bytes()).unwrap());
    let mut refused = batch("{\"n\":2}");
    refused.require(Precondition::Size(77));
    // One after the other without a look at the answers.
    let tickets = [
        door.submit(batch("{\"n\":1}").in_stream(&stream)),
        door.submit(refused.in_stream(&stream)),
        door.submit(batch("{\"n\":3}").in_stream(&stream)),
        door.submit(batch("{\"n\":4}").in_stream(&other)),
        door.submit(batch("{\"n\":5}")),
    ];
    let kinds = tickets.map(|ticket| {
        let answer = ticket.and_then(|ticket| ticket.wait());
        answer.err().map(|error| error.kind())
    });
    let (conflict, behind) = (Some(ErrorKind::Conflict), Some(ErrorKind::Unavailable));
    assert_eq!(kinds, [None, conflict, behind, None, None]);
    drop(door);
    service.close().unwrap();
    assert_eq!(stored(&place), "{\"n\":1}\n{\"n\":4}\n{\"n\":5}\n");
}
