//! The socket itself: who may use it, where it is, and what else can stand in its place.

use super::*;

#[test]
fn the_socket_is_its_owners_alone_and_lock_says_where_it_is() {
    let place = ledger();
    let service = open(&place, with_door(1));
    let meta = fs::symlink_metadata(place.join("l/DOOR")).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let lock: Value = serde_json::from_slice(&place.read("l/LOCK")).unwrap();
    assert_eq!(
        (&lock["pid"], &lock["door"]),
        (&Value::from(std::process::id()), &Value::from("DOOR"))
    );
    assert_eq!(lock["host"], this_host());
    assert!(lock["started"].is_string());
    service.close().unwrap();
    assert!(!place.join("l/DOOR").exists());
}

#[test]
fn without_the_option_there_is_no_door() {
    let place = ledger();
    let service = open(&place, Options::default());
    assert!(!place.join("l/DOOR").exists());
    let refused = run(&place, "append l - --kind entry", "{}");
    assert_eq!(refused.status.code(), Some(5));
    assert!(
        refused.stderr.contains("; it takes nothing from others"),
        "{}",
        refused.report()
    );
    drop(service);
}

#[test]
fn a_directory_whose_path_no_socket_could_have_has_a_door() {
    let place = Place::new();
    let folder = format!("{0}/{0}/{0}", "long".repeat(30));
    fs::create_dir_all(place.join(&folder)).unwrap();
    place.run(&format!("init {folder}/l --quiet"));
    let (service, recovered) = open_dir(&place.join(&folder).join("l"), with_door(1));
    assert_eq!(recovered.notes, [""; 0]);
    let through = run(&place, &format!("append {folder}/l - --kind entry -v"), "{}");
    assert!(through.status.success(), "{}", through.report());
    assert!(through.stderr.contains("going through"), "{}", through.report());
    drop(service);
}

#[test]
fn the_socket_of_a_killed_process_is_in_nobodys_way() {
    let place = ledger();
    let mut service = place
        .call("append l - --kind entry --receipts -".split(' '))
        .spawn();
    let mut input = service.stdin.take().unwrap();
    input.write_all(b"{\"n\":1}\n").unwrap();
    BufReader::new(service.stdout.take().unwrap())
        .read_line(&mut String::new())
        .unwrap();
    service.kill().unwrap();
    service.wait().unwrap();
    let left = fs::symlink_metadata(place.join("l/DOOR")).unwrap();
    assert!(left.file_type().is_socket());
    let verified = run(&place, "verify l", "");
    assert!(
        [Some(0), Some(20)].contains(&verified.status.code()),
        "{}",
        verified.report()
    );
    assert!(!verified.text().contains("DOOR"), "{}", verified.report());

    let service = open(&place, with_door(1));
    run(&place, "append l - --kind entry", "{\"n\":2}");
    service.close().unwrap();
    assert_eq!(stored(&place), "{\"n\":1}\n{\"n\":2}\n");
    place.run("verify l");
}

#[test]
fn what_stands_in_its_place_and_is_no_socket_is_left_alone_and_said() {
    for is_link in [false, true] {
        let place = ledger();
        let elsewhere = UnixListener::bind(place.join("elsewhere")).unwrap();
        if is_link {
            symlink(place.join("elsewhere"), place.join("l/DOOR")).unwrap();
        } else {
            place.write("l/DOOR", "text");
        }
        let (service, recovered) = open_dir(&place.join("l"), with_door(1));
        assert_eq!(recovered.notes.len(), 1, "{recovered:?}");
        assert!(
            recovered.notes[0].ends_with("l/DOOR: something is there that is no socket"),
            "{recovered:?}"
        );
        let refused = run(&place, "append l - --kind entry", "{}");
        assert_eq!(refused.status.code(), Some(5), "{}", refused.report());
        service.close().unwrap();
        if is_link {
            assert!(
                fs::symlink_metadata(place.join("elsewhere"))
                    .unwrap()
                    .file_type()
                    .is_socket()
            );
            assert!(fs::symlink_metadata(place.join("l/DOOR")).unwrap().is_symlink());
        } else {
            assert_eq!(place.read("l/DOOR"), b"text");
        }
        elsewhere.set_nonblocking(true).unwrap();
        assert!(elsewhere.accept().is_err());
        // It keeps nobody from writing.
        place
            .call("append l - --kind entry".split(' '))
            .stdin("{}")
            .ends_with(0);
    }
}

#[test]
fn a_command_follows_no_link_and_trusts_no_socket_that_others_may_use() {
    let place = ledger();
    let pretender = Pretender::new(&place, &this_host());
    let refused = || {
        let refused = run(&place, "append l - --kind entry", "{}");
        assert_eq!(refused.status.code(), Some(5), "{}", refused.report());
        assert!(
            refused.stderr.contains("DOOR is not a socket of mode 0600"),
            "{}",
            refused.report()
        );
        pretender.nobody_came();
    };
    fs::set_permissions(place.join("l/DOOR"), fs::Permissions::from_mode(0o666)).unwrap();
    refused();
    fs::set_permissions(place.join("l/DOOR"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(place.join("l/DOOR"), place.join("elsewhere")).unwrap();
    symlink(place.join("elsewhere"), place.join("l/DOOR")).unwrap();
    refused();
}

#[test]
fn a_holder_on_another_machine_is_named_and_its_socket_is_not_tried() {
    let place = ledger();
    let pretender = Pretender::new(&place, "elsewhere");
    for args in ["append l - --kind entry", "seal l", "checkpoint l"] {
        let refused = run(&place, args, "{}");
        assert_eq!(refused.status.code(), Some(5), "{}", refused.report());
        assert!(
            refused.stderr.contains("; it runs on elsewhere, this is "),
            "{}",
            refused.report()
        );
    }
    pretender.nobody_came();
}

#[test]
fn a_holder_that_does_not_answer_or_speaks_otherwise_is_named() {
    let place = ledger();
    let pretender = Pretender::new(&place, &this_host());
    let refused = |said: &str| {
        let refused = run(&place, "append l - --kind entry", "{}");
        assert_eq!(refused.status.code(), Some(5), "{}", refused.report());
        assert!(refused.stderr.contains(said), "{}", refused.report());
        assert!(refused.stderr.contains("\"pid\":77"), "{}", refused.report());
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = pretender.listener.accept().unwrap();
            stream.write_all(b"LSDOOR9\n").unwrap();
            stream.read_to_end(&mut Vec::new()).ok();
        });
        refused("its door is closed: it does not answer: it speaks `LSDOOR9`");
    });
    // It is there, and says nothing.
    refused("its door is closed: it does not answer: ");
}

#[test]
fn a_door_that_leads_to_another_ledger_is_not_used() {
    let place = ledger();
    let pretender = Pretender::new(&place, &this_host());
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = pretender.listener.accept().unwrap();
            stream.write_all(GREETING).unwrap();
            let members = [text(b"another"), 1_000_u64.to_le_bytes().to_vec()].concat();
            stream.write_all(&frame(0, &members)).unwrap();
            stream.read_exact(&mut [0; 8]).unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap(), 0, "nothing else was sent");
        });
        let refused = run(&place, "append l - --kind entry", "{}");
        assert_eq!(refused.status.code(), Some(5), "{}", refused.report());
        assert!(
            refused.stderr.contains("its door leads to the ledger another"),
            "{}",
            refused.report()
        );
    });
}

#[test]
fn whoever_is_one_too_many_is_told() {
    let place = ledger();
    let service = open(&place, with_door(2));
    let [one, _other] = [door(&place), door(&place)];
    let refused = run(&place, "append l - --kind entry", "{}");
    assert_eq!(refused.status.code(), Some(5), "{}", refused.report());
    let said = "2 processes are at the door of the one that holds the ledger, as many as it lets in";
    assert!(refused.stderr.contains(said), "{}", refused.report());
    drop(one);
    place
        .call("append l - --kind entry --lock-wait 60".split(' '))
        .stdin("{}")
        .ends_with(0);
    drop(service);
}
