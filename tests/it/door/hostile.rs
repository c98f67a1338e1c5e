//! Whoever reaches the socket may say anything: the ledger goes on, and stores nothing that it would refuse elsewhere.

use super::*;

const CONNECTIONS_MAX: usize = 4;

fn knock(place: &Place) -> UnixStream {
    UnixStream::connect(place.join("l/DOOR")).unwrap()
}

/// A connection that was let in; those before it may not be missed yet.
fn guest(place: &Place) -> UnixStream {
    loop {
        let mut stream = knock(place);
        stream.read_exact(&mut [0; 8]).unwrap();
        // One that is not let in has gone already.
        stream.write_all(GREETING).ok();
        match read_frame(&mut stream)[0] {
            0 => return stream,
            tag => assert_eq!(tag, 4, "neither welcome nor refused"),
        }
    }
}

fn read_frame(stream: &mut UnixStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut frame = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut frame).unwrap();
    frame
}

/// One record as it travels: kind, tenant, id, corr, key, revisions, body.
fn record(kind: &[u8], id: &[u8], body: &[u8]) -> Vec<u8> {
    [&text(kind)[..], &[0], &text(id), &[0, 0, 0, 0], &text(body)].concat()
}

/// A batch without stream and preconditions, that says how many records it has.
fn batch(count: u32, records: &[u8]) -> Vec<u8> {
    let members = [&[0; 8][..], &count.to_le_bytes(), records].concat();
    frame(1, &members)
}

/// Stores a record through the door, and finds it.
fn goes_on(place: &Place, service: &Ledger) {
    let size = service.stats().size;
    place
        .call("append l - --kind entry --lock-wait 60".split(' '))
        .stdin("{}")
        .ends_with(0);
    assert_eq!(service.stats().size, size + 1);
}

#[test]
fn what_is_no_request_is_refused_and_harms_nothing() {
    let place = ledger();
    let service = open(&place, with_door(CONNECTIONS_MAX));
    let good = record(b"entry", b"x", b"{}");
    let requests = [
        // Lengths.
        b"\xff\xff\xff\xff\x01".to_vec(),
        b"\0\0\0\0".to_vec(),
        // What they are.
        frame(0, b""),
        frame(77, b""),
        frame(2, b"x"),
        frame(1, b""),
        // Counts and lengths of members.
        batch(2, &good),
        batch(0xffff_ffff, &good),
        batch(0, &good),
        batch(1, &[&good[..], b"x"].concat()),
        batch(1, &record(b"entry", b"x", b"{}")[..10]),
        frame(1, b"\0\0\0\0\xff\xff\xff\xff\0\0\0\0"),
        // Values that no header may hold.
        batch(1, &record(b"No Kind", b"x", b"{}")),
        batch(1, &record(b"entry", b"", b"{}")),
        batch(1, &record(b"entry", b"\x07", b"{}")),
        batch(1, &record(b"entry", b"\xff", b"{}")),
        batch(1, &record(b"entry", &[b'x'; 300], b"{}")),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ];
    for request in &requests {
        let mut stream = guest(&place);
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        // Refused in words, or not answered: and then it is over.
        stream.read_to_end(&mut answer).unwrap();
        let refused = answer.is_empty() || answer[4] == 4;
        assert!(refused, "{request:?}: {answer:?}");
    }
    for greeting in [&b"LSDOOR2\n"[..], b"\0\0\0\0\0\0\0\0", b"{\"a\":1}\n{\"a\":1}"] {
        let mut stream = knock(&place);
        stream.write_all(greeting).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        assert_eq!(answer, GREETING, "and it is over");
    }
    goes_on(&place, &service);
    assert_eq!(service.stats().size, 2);
    service.close().unwrap();
    place.run("verify l");
}

#[test]
fn the_holder_believes_nobody_that_a_body_is_json_or_short_or_a_kind_is_free() {
    let place = ledger();
    let options = Options {
        body_bytes_max: 100,
        ..with_door(1)
    };
    let service = open(&place, options);
    let mut stream = guest(&place);
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
    for (kind, body, said) in [
        (
            &b"entry"[..],
            &b"{\"a\":1,\"a\":2}"[..],
            "the body is not accepted: ",
        ),
        (b"entry", b"{\"a\":", "the body is not accepted: "),
        (b"entry", b"{}\n{}", "the body is not accepted: "),
        (b"entry", b"\xff", "the body is not accepted: "),
        (
            b"entry",
            long.as_bytes(),
            "the body is not accepted: the body is 108 bytes long",
        ),
        (b"sys_genesis", b"{}", "the kind sys_genesis is reserved"),
    ] {
        stream.write_all(&batch(1, &record(kind, b"x", body))).unwrap();
        let answer = read_frame(&mut stream);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains(said), "{answer}");
    }
    stream.write_all(&batch(0, b"")).unwrap();
    assert!(String::from_utf8_lossy(&read_frame(&mut stream)).contains("a batch without records"));
    // The same connection is good for what is right.
    stream
        .write_all(&batch(1, &record(b"entry", b"x", b"{}")))
        .unwrap();
    assert_eq!(read_frame(&mut stream)[0], 1);
    drop(stream);
    service.close().unwrap();
    assert_eq!(stored(&place), "{}\n");
}

#[test]
fn half_a_frame_is_as_if_it_had_not_come() {
    let place = ledger();
    let service = open(&place, with_door(CONNECTIONS_MAX));
    let whole = batch(1, &record(b"entry", b"x", b"{}"));
    for len in 1..whole.len() {
        let mut stream = guest(&place);
        stream.write_all(&whole[..len]).unwrap();
        drop(stream);
    }
    goes_on(&place, &service);
    assert_eq!(service.stats().size, 2);
    service.close().unwrap();
    place.run("verify l");
}

#[test]
fn whoever_is_silent_in_the_middle_of_a_frame_is_sent_away() {
    let place = ledger();
    let service = open(&place, with_door(CONNECTIONS_MAX));
    let whole = batch(1, &record(b"entry", b"x", b"{}"));
    let _silent: Vec<_> = (0..CONNECTIONS_MAX)
        .map(|_| {
            let mut stream = guest(&place);
            stream.write_all(&whole[..whole.len() / 2]).unwrap();
            stream
        })
        .collect();
    let refused = run(&place, "append l - --kind entry", "{}");
    assert_eq!(refused.status.code(), Some(5), "{}", refused.report());
    goes_on(&place, &service);
    service.close().unwrap();
}

#[test]
fn whoever_does_not_greet_is_sent_away() {
    let place = ledger();
    let service = open(&place, with_door(CONNECTIONS_MAX));
    let _silent: Vec<_> = (0..CONNECTIONS_MAX).map(|_| knock(&place)).collect();
    let refused = run(&place, "append l - --kind entry", "{}");
    assert_eq!(refused.status.code(), Some(5), "{}", refused.report());
    goes_on(&place, &service);
    service.close().unwrap();
}

#[test]
fn hundreds_of_connections_keep_nobody_out() {
    let place = ledger();
    let service = open(&place, with_door(CONNECTIONS_MAX));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stopping = Stop(&stop);
        scope.spawn(|| traffic(&service, &stop));
        let crowd: Vec<_> = (0..300).map(|_| knock(&place)).collect();
        for mut stream in &crowd {
            // Those that are not let in have gone already.
            stream.write_all(GREETING).ok();
        }
        drop(crowd);
        let size = service.stats().size;
        goes_on_beside_traffic(&place);
        assert!(service.stats().size > size);
        drop(stopping);
    });
    service.close().unwrap();
    assert_eq!(stored(&place), "{}\n");
    place.run("verify l");
}

fn goes_on_beside_traffic(place: &Place) {
    place
        .call("append l - --kind entry --lock-wait 60".split(' '))
        .stdin("{}")
        .ends_with(0);
}

#[test]
fn a_client_that_does_not_read_its_answers_keeps_no_ledger_from_closing() {
    let place = ledger();
    let service = open(&place, with_door(1));
    let mut stream = guest(&place);
    stream
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    // Until the answers that lie about keep the holder from reading on.
    let request = frame(3, b"");
    while stream.write_all(&request).is_ok() {}
    service.close().unwrap();
    place.run("verify l");
}
