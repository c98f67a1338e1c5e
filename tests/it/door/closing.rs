//! A holder that closes, or ends, while others are at its door.

use std::net::Shutdown;

use super::*;

#[test]
fn everything_that_was_sent_is_answered_before_the_ledger_is_let_go() {
    let place = ledger();
    let service = open(&place, with_door(3));
    let answered = thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                let door = door(&place);
                scope.spawn(move || {
                    let mut drafter = door.drafter();
                    let mut tickets = Vec::new();
                    loop {
                        let batch = Batch::from(drafter.draft(entry("entry"), b"{}").unwrap());
                        match door.submit(batch) {
                            Ok(ticket) => tickets.push(ticket),
                            Err(error) => {
                                assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                                break;
                            }
                        }
                    }
                    let sent = tickets.len() as u64;
                    for ticket in tickets {
                        ticket.wait().unwrap();
                    }
                    sent
                })
            })
            .collect();
        while service.stats().records < 200 {
            thread::yield_now();
        }
        service.close().unwrap();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum::<u64>()
    });
    let counted = place.run("scan l --kind entry --count");
    assert_eq!(counted.text().trim(), answered.to_string());
    place.run("verify l");
}

/// A client that sends a line, has its receipt, and sends another once the holder is gone.
fn outlives_the_holder(lock_wait: &str) -> (Place, i32, String) {
    let place = ledger();
    let service = open(&place, with_door(1));
    let args = format!("append l - --kind entry --receipts - --lock-wait {lock_wait}");
    let mut client = place.call(args.split(' ')).spawn();
    let mut input = client.stdin.take().unwrap();
    let mut receipts = BufReader::new(client.stdout.take().unwrap());
    input.write_all(b"{\"n\":1}\n").unwrap();
    receipts.read_line(&mut String::new()).unwrap();
    service.close().unwrap();
    input.write_all(b"{\"n\":2}\n").unwrap();
    drop(input);
    receipts.read_to_string(&mut String::new()).unwrap();
    let output = client.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (place, output.status.code().unwrap(), stderr)
}

#[test]
fn a_client_that_sent_nothing_of_a_batch_says_how_to_go_on() {
    let (place, code, stderr) = outlives_the_holder("0");
    assert_eq!(code, 3, "{stderr}");
    let said = "l: the process that held the ledger takes no more; nothing of this was sent\n\
                1 record stored, seq 1, through -:1\n\
                go on with:\n";
    assert!(stderr.starts_with(said), "{stderr}");
    assert!(stderr.contains("(the same input, from line 2 on)"), "{stderr}");
    assert_eq!(stored(&place), "{\"n\":1}\n");
}

#[test]
fn a_client_that_may_wait_for_the_lock_goes_on_by_itself() {
    let (place, code, stderr) = outlives_the_holder("60");
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stored(&place), "{\"n\":1}\n{\"n\":2}\n");
    place.run("verify l");
}

/// A holder that lets a command in and then ends as the test says. `welcome` is what it does before it lets in: all
/// that the command has to say comes after.
fn pretend(
    place: &Place,
    args: &str,
    welcome: impl FnOnce(&UnixStream) + Send,
    end: impl FnOnce(UnixStream) + Send,
) -> Output {
    let pretender = Pretender::new(place, &this_host());
    let ledger: Value = serde_json::from_slice(&place.read("l/ledger.json")).unwrap();
    let id = ledger["ledger"].as_str().unwrap().to_owned();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = pretender.listener.accept().unwrap();
            stream.write_all(GREETING).unwrap();
            stream.read_exact(&mut [0; 8]).unwrap();
            let members = [text(id.as_bytes()), 1_000_u64.to_le_bytes().to_vec()].concat();
            welcome(&stream);
            stream.write_all(&frame(0, &members)).unwrap();
            end(stream);
        });
        run(place, args, "{\"n\":1}\n")
    })
}

fn read_frame(stream: &mut UnixStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut frame = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut frame).unwrap();
    frame
}

#[test]
fn a_batch_that_was_sent_and_not_answered_is_code_6() {
    let place = ledger();
    for (args, said) in [
        (
            "append l - --kind entry",
            "whether the lines after that are stored shows when the ledger is opened again",
        ),
        (
            "seal l",
            "whether this is done shows when the ledger is opened again",
        ),
        (
            "checkpoint l",
            "whether this is done shows when the ledger is opened again",
        ),
    ] {
        for answer in [&b""[..], b"\x09\0\0", &frame(1, b"\x01\0\0\0"), &frame(9, b"")] {
            fs::remove_file(place.join("l/DOOR")).ok();
            let ended = pretend(
                &place,
                args,
                |_| (),
                |mut stream| {
                    read_frame(&mut stream);
                    stream.write_all(answer).unwrap();
                },
            );
            assert_eq!(ended.status.code(), Some(6), "{}", ended.report());
            assert!(ended.stderr.contains(said), "{}", ended.report());
        }
    }
}

#[test]
fn a_batch_that_was_not_sent_whole_is_code_3() {
    let place = ledger();
    let reads_nothing = |stream: &UnixStream| stream.shutdown(Shutdown::Read).unwrap();
    let ended = pretend(&place, "append l - --kind entry", reads_nothing, drop);
    assert_eq!(ended.status.code(), Some(3), "{}", ended.report());
    assert!(
        ended.stderr.starts_with(
            "l: the process that held the ledger takes no more; nothing of this was sent\n\
                                  nothing is stored\n\
                                  go on with:\n"
        ),
        "{}",
        ended.report()
    );
}
