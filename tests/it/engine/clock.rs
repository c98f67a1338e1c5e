//! The clock's rules: what is believed at once, what only after a minute, and what only at an operator's word.

use ledgerstone_engine::{ClockWord, ErrorKind};
use ledgerstone_formats::time::Timestamp;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn created() -> (Machine, Running) {
    // Months and their segments are another matter.
    let machine = Machine::signed().with(|options| options.segment_by_month = false);
    let running = machine.create().unwrap();
    (machine, running)
}

/// Stores a record and gives its time, as microseconds after noon.
fn store(running: &mut Running) -> Result<i64, Error> {
    let at = running.append(&["{}"])?[0].at;
    let noon: Timestamp = NOON.parse().unwrap();
    Ok(at.as_micros() - noon.as_micros())
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap()
}

#[test]
fn times_grow_from_group_to_group_and_are_the_same_within_one() {
    let (machine, mut running) = created();
    assert_eq!(store(&mut running).unwrap(), 1, "the clock stands still");
    assert_eq!(store(&mut running).unwrap(), 2);
    machine.clock.pass(SECOND);
    let tickets = [
        running.submit(&["{}", "{}"]).unwrap(),
        running.submit(&["{}"]).unwrap(),
    ];
    assert_eq!(running.writer.step(), Step::Committed(3), "one group");
    let receipts: Vec<_> = tickets
        .into_iter()
        .flat_map(|ticket| ticket.wait().unwrap())
        .collect();
    assert!(receipts.iter().all(|receipt| receipt.at == receipts[0].at));
    assert_eq!(store(&mut running).unwrap(), micros(SECOND) + 1);
    running.close();
    machine.assert_whole();
}

#[test]
fn a_small_step_is_followed_at_once() {
    let (machine, mut running) = created();
    machine.clock.turn_ahead(9 * MINUTE);
    assert_eq!(store(&mut running).unwrap(), micros(9 * MINUTE));
    // Back: time goes on from the last record until the clock has caught up with it.
    machine.clock.turn_back(9 * MINUTE);
    assert_eq!(store(&mut running).unwrap(), micros(9 * MINUTE) + 1);
    machine.clock.pass(9 * MINUTE + SECOND);
    assert_eq!(store(&mut running).unwrap(), micros(9 * MINUTE + SECOND));
}

#[test]
fn a_larger_step_is_believed_when_it_has_lasted_a_minute() {
    let (machine, mut running) = created();
    machine.clock.turn_ahead(HOUR);
    assert_eq!(
        store(&mut running).unwrap(),
        1,
        "time goes on by the monotonic clock"
    );
    machine.clock.pass(59 * SECOND);
    assert_eq!(store(&mut running).unwrap(), micros(59 * SECOND));
    machine.clock.pass(SECOND);
    assert_eq!(store(&mut running).unwrap(), micros(HOUR + MINUTE));
    // Back by less than an hour: the last record's time is not gone behind.
    machine.clock.turn_back(30 * MINUTE);
    assert_eq!(store(&mut running).unwrap(), micros(HOUR + MINUTE) + 1);
    machine.clock.pass(MINUTE);
    assert_eq!(store(&mut running).unwrap(), micros(HOUR + MINUTE) + 2);
    machine.clock.pass(40 * MINUTE);
    assert_eq!(store(&mut running).unwrap(), micros(HOUR + 12 * MINUTE));
    running.close();
    machine.assert_whole();
}

#[test]
fn a_clock_that_was_wrong_for_a_moment_leaves_no_trace() {
    let (machine, mut running) = created();
    for span in [3_000 * DAY, HOUR] {
        machine.clock.turn_ahead(span);
        store(&mut running).unwrap();
        machine.clock.pass(SECOND);
        store(&mut running).unwrap();
        machine.clock.turn_back(span);
        machine.clock.pass(2 * MINUTE);
        store(&mut running).unwrap();
    }
    machine.clock.turn_back(2 * HOUR);
    store(&mut running).unwrap();
    machine.clock.turn_ahead(2 * HOUR);
    let passed = 2 * (SECOND + 2 * MINUTE);
    assert_eq!(store(&mut running).unwrap(), micros(passed) + 2);
}

#[test]
fn a_step_that_nobody_vouches_for_refuses_appends_until_it_is_undone() {
    for (turn, undo) in [
        (
            HandClock::turn_ahead as fn(&HandClock, Duration),
            HandClock::turn_back as fn(&HandClock, Duration),
        ),
        (HandClock::turn_back, HandClock::turn_ahead),
    ] {
        for span in [401 * DAY, 90_000 * DAY] {
            let (machine, mut running) = created();
            turn(&machine.clock, span);
            assert_eq!(store(&mut running).unwrap(), 1);
            machine.clock.pass(MINUTE);
            running.writer.step();
            let operations = machine.disk.operations();
            for _ in 0..2 {
                let error = store(&mut running).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                assert!(error.to_string().contains("--accept-clock"), "{error}");
                machine.clock.pass(MINUTE);
                assert_eq!(running.writer.step(), Step::Idle, "the ledger has not failed");
            }
            assert_eq!(machine.disk.operations(), operations, "nothing was written");
            undo(&machine.clock, span);
            assert_eq!(store(&mut running).unwrap(), micros(3 * MINUTE));
            running.close();
            machine.assert_whole();
        }
    }
}

/// With an operator's word for the clock.
fn trusting(machine: &Machine) -> Machine {
    let word = ClockWord {
        reason: "battery changed".to_owned(),
        by: "ops@host".to_owned(),
    };
    machine.clone().with(|options| options.accept_clock = Some(word))
}

#[test]
fn at_open_the_clock_must_fit_the_last_record() {
    let (machine, mut running) = created();
    store(&mut running).unwrap();
    running.close();
    let limits = [
        (400 * DAY, HandClock::turn_ahead as fn(&HandClock, Duration)),
        (HOUR, HandClock::turn_back),
    ];
    for (limit, turn) in limits {
        let noon: Timestamp = NOON.parse().unwrap();
        machine.clock.turn_to(noon.as_micros());
        turn(&machine.clock, limit - SECOND);
        machine.kill().open_clean();
        turn(&machine.clock, 2 * SECOND);
        let doubted = machine.kill();
        let (mut running, recovered) = doubted.open().unwrap();
        let error = recovered.read_only.unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(store(&mut running).unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(running.ledger.snapshot().size(), 2, "all can be read");
        assert_eq!(doubted.disk.log(), [], "nothing was written");
    }
}

/// The lines of a kind, as JSON.
fn lines_of(running: &Running, kind: &str) -> Vec<serde_json::Value> {
    let snapshot = running.ledger.snapshot();
    let mut scan = snapshot.scan(Selection {
        kind: Some(Kind::new(kind).unwrap()),
        ..Selection::all(Scope::Operator)
    });
    let mut lines = Vec::new();
    while let Some(line) = scan.next_line().unwrap() {
        lines.push(serde_json::from_slice(line.bytes).unwrap());
    }
    lines
}

#[test]
fn an_operator_s_word_turns_time_back_in_a_segment_of_its_own() {
    for back in [true, false] {
        let (machine, mut running) = created();
        machine.clock.pass(HOUR);
        store(&mut running).unwrap();
        running.close();
        if back {
            machine.clock.turn_back(500 * DAY);
        } else {
            machine.clock.turn_ahead(500 * DAY);
        }
        let machine = machine.kill();
        let (mut running, recovered) = trusting(&machine).open().unwrap();
        assert!(recovered.read_only.is_none(), "{recovered:?}");
        let steps = lines_of(&running, "sys_clock");
        assert_eq!(steps.len(), 1);
        let new = if back {
            "2025-07-10T13:00:00.000000Z"
        } else {
            "2028-04-05T13:00:00.000000Z"
        };
        let (step, body) = (&steps[0], &steps[0]["body"]);
        assert_eq!((step["seq"].as_u64(), step["at"].as_str()), (Some(2), Some(new)));
        assert!(step.get("grp").is_none());
        assert_eq!(body["old"].as_str(), Some("2026-11-22T13:00:00.000000Z"));
        assert_eq!(body["new"].as_str(), Some(new));
        assert_eq!(
            (body["reason"].as_str(), body["by"].as_str()),
            (Some("battery changed"), Some("ops@host"))
        );
        let segments = running.ledger.snapshot().segments().to_vec();
        assert_eq!(
            segments
                .iter()
                .map(|info| (info.first, info.sealed))
                .collect::<Vec<_>>(),
            [(0, true), (2, false)]
        );
        assert_eq!(
            machine.head_size(),
            Some(3),
            "under a head before a producer is let in"
        );
        // Time goes on from there.
        let at = running.append(&["{}"]).unwrap()[0].at;
        assert_eq!(at, new.parse::<Timestamp>().unwrap().successor());
        running.close();
        machine.assert_whole();
        // The word is spent: the clock fits now, and no second record says that it stepped.
        let (running, _) = trusting(&machine).open().unwrap();
        assert_eq!(lines_of(&running, "sys_clock").len(), 1);
    }
}

#[test]
fn a_word_that_is_not_needed_is_not_recorded() {
    let (machine, running) = created();
    running.close();
    let (running, recovered) = trusting(&machine).open().unwrap();
    assert!(recovered.read_only.is_none());
    assert_eq!(lines_of(&running, "sys_clock"), Vec::<serde_json::Value>::new());
}

/// The word, groups past the head and a torn tail, all at one open; and the power cut anywhere in it.
#[test]
fn an_operator_s_word_survives_a_power_cut() {
    let (machine, mut running) = created();
    let mut told = Told::default();
    told.append(&mut running, &["{}", "{}"]).unwrap();
    let mut bytes = machine.disk.raw(SEGMENT).unwrap();
    bytes.extend_from_slice(b"{\"v\":1,\"seq\":3,\"at\":\"20");
    let killed = machine.kill();
    killed.disk.put_raw(SEGMENT, &bytes);
    killed.clock.turn_back(500 * DAY);
    let rehearsal = killed.kill();
    let (running, recovered) = trusting(&rehearsal).open().unwrap();
    assert!(
        recovered.torn.is_some() && recovered.adopted.is_some(),
        "{recovered:?}"
    );
    assert_eq!(lines_of(&running, "sys_clock").len(), 1);
    assert_eq!(lines_of(&running, "sys_recovery").len(), 2);
    for number in 0..rehearsal.disk.operations() {
        let machine = killed.kill();
        machine.disk.power_off_at(number);
        drop(trusting(&machine).open());
        for survival in [Survival::LoseAll, Survival::KeepAll, Survival::Seeded(number)] {
            let after = machine.crash(survival);
            let (running, recovered) = trusting(&after).open().unwrap();
            let of = || format!("cut before {number}, {survival:?}:{}", log_of(&machine));
            assert!(recovered.read_only.is_none(), "{recovered:?}: {}", of());
            told.check(&running.ledger.snapshot(), &of);
            assert_eq!(lines_of(&running, "sys_clock").len(), 1, "{}", of());
            running.close();
            assert_eq!(after.verify().findings, [], "{}", of());
        }
    }
}
