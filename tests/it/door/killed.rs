//! Processes that are killed in the middle, on either side of the door.

use std::process::Child;

use super::*;

const LINES: u64 = 2_000;
const ROUNDS: u64 = 4;

/// A service in a process of its own, fed by a thread until it dies.
struct Service<'scope> {
    child: Child,
    feeding: thread::ScopedJoinHandle<'scope, ()>,
}

/// Starts a service that appends at full rate, and waits until it has stored something.
fn start<'scope>(scope: &'scope thread::Scope<'scope, '_>, place: &Place, round: u64) -> Service<'scope> {
    let receipts = format!("service{round}");
    let args = format!("append l - --kind traffic --receipts {receipts} --lock-wait 60 --batch 50 -q");
    let mut child = place.call(args.split(' ')).spawn();
    let mut input = child.stdin.take().unwrap();
    let feeding =
        scope.spawn(move || while input.write_all(&b"{\"from\":\"service\"}\n".repeat(20)).is_ok() {});
    wait_for_lines(place, &receipts, 1);
    Service { child, feeding }
}

impl Service<'_> {
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.feeding.join().unwrap();
    }
}

/// Waits until a file has so many lines.
fn wait_for_lines(place: &Place, name: &str, count: usize) {
    while fs::read(place.join(name)).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
        < count
    {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The ledger is whole, or waits to be opened again, and has every record that a receipt was given for.
fn verify(place: &Place, receipts: &[String]) {
    let args = receipts.iter().flat_map(|name| ["--receipts", name]);
    let verify = place.call(["verify", "l"].into_iter().chain(args));
    let verified = verify.judged_here_alone().output();
    assert!(
        [Some(0), Some(20)].contains(&verified.status.code()),
        "{}",
        verified.report()
    );
}

/// Every line of the input once.
fn each_once(place: &Place) {
    let stored = stored(place);
    let mut sorted: Vec<&str> = stored.lines().collect();
    assert_eq!(sorted.len() as u64, LINES);
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len() as u64, LINES, "a line is stored twice");
}

#[test]
fn a_service_killed_in_the_middle_loses_nothing_and_doubles_nothing() {
    let place = ledger();
    place.write("in.jsonl", lines(0..LINES));
    let (mut receipts, mut codes) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let service = start(scope, &place, round);
            let name = format!("client{round}");
            let args = format!("append l in.jsonl --kind entry --source in --batch 20 --receipts {name} -q");
            let client = scope.spawn({
                let place = &place;
                move || run(place, &args, "")
            });
            let stopping = Stop(&done);
            // Others seal and sign heads meanwhile.
            let others = ["seal l", "checkpoint l"].map(|args| {
                let (place, done) = (&place, &done);
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        let output = run(place, args, "");
                        let code = output.status.code();
                        assert!(
                            [Some(0), Some(3), Some(5), Some(6)].contains(&code),
                            "{}",
                            output.report()
                        );
                    }
                })
            });
            // Later from round to round, since all that is stored by then is answered quickly.
            let some = usize::try_from(round * LINES / ROUNDS).unwrap() + 40;
            wait_for_lines(&place, &name, some);
            service.kill();
            let output = client.join().unwrap();
            drop(stopping);
            others.into_iter().for_each(|other| other.join().unwrap());
            let code = output.status.code().unwrap();
            assert!([0, 3, 6].contains(&code), "{}", output.report());
            codes.push(code);
            receipts.extend([name, format!("service{round}")]);
        });
        verify(&place, &receipts);
    }
    assert!(
        codes.contains(&6) || codes.contains(&3),
        "nothing was cut short: {codes:?}"
    );
    place.run("append l in.jsonl --kind entry --source in --lock-wait 60");
    each_once(&place);
    place.run("verify l");
}

#[test]
fn a_client_killed_in_the_middle_stores_whole_batches_and_holds_nobody_up() {
    let place = ledger();
    place.write("in.jsonl", lines(0..LINES));
    let service = open(&place, with_door(1));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stopping = Stop(&stop);
        let traffic = scope.spawn(|| traffic(&service, &stop));
        let mut receipts = Vec::new();
        for round in 0..ROUNDS {
            let name = format!("client{round}");
            // The one before this may not be missed yet.
            let args = format!(
                "append l in.jsonl --kind entry --source in --batch 20 --receipts {name} -q --lock-wait 60"
            );
            let mut client = place.call(args.split(' ')).spawn();
            let some = usize::try_from(round * LINES / ROUNDS).unwrap() + 40;
            wait_for_lines(&place, &name, some);
            client.kill().unwrap();
            client.wait().unwrap();
            receipts.push(name);
        }
        let size = service.stats().size;
        place.run("append l in.jsonl --kind entry --source in --lock-wait 60");
        assert!(service.stats().size > size, "the service goes on");
        drop(stopping);
        let traffic = traffic.join().unwrap();
        let text = place.run("scan l --kind traffic --count");
        assert_eq!(text.text().trim(), traffic.to_string());
        verify(&place, &receipts);
    });
    service.close().unwrap();
    each_once(&place);
    place.run("verify l");
}
