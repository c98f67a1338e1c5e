//! Bodies that are strict JSON, bodies that are not, and where the checker says so.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

fn fault(text: impl AsRef<[u8]>) -> (usize, JsonErrorKind) {
    let error = check_object(text.as_ref()).expect_err("refused");
    (error.offset, error.kind)
}

fn unexpected(expected: Expected) -> JsonErrorKind {
    JsonErrorKind::Unexpected { expected }
}

fn repeated(name: &str) -> JsonErrorKind {
    JsonErrorKind::RepeatedName {
        name: name.to_owned(),
    }
}

#[test]
fn what_a_body_may_be() {
    for body in [
        "{}",
        " \t{ } \t",
        "{ \"a\" : [ ] , \"b\" : { } }",
        r#"{"":null,"t":true,"f":false,"a":[[],[{}],""]}"#,
        r#"{"n":[0,-0,0.0,-0.10,1E400,1e-400,0e+1,1234567890123456789012345678901234567890,5e0099]}"#,
        r#"{"e":"\"\\\/\b\f\n\r\t\u0000\u00e9\ud83d\ude00\uDBFF\udfff"}"#,
        "{\"u\":\"\u{7f}\u{80}\u{2028}\u{feff}\u{ffff}\u{10ffff}\"}",
        // The same name in another object, and names that differ only after normalisation or in case.
        "{\"a\":{\"a\":[{\"a\":1},{\"a\":2}]},\"A\":1,\"\u{e9}\":1,\"e\u{301}\":2}",
    ] {
        assert_eq!(check_object(body.as_bytes()), Ok(()), "{body}");
    }
}

#[test]
fn each_fault_has_its_kind_and_place() {
    use Expected::{Colon, CommaOrBrace, CommaOrBracket, Digit, Name, Nothing, Object, Value};
    for (text, offset, kind) in [
        ("", 0, JsonErrorKind::Incomplete),
        ("  ", 2, JsonErrorKind::Incomplete),
        ("[]", 0, unexpected(Object)),
        ("\u{a0}{}", 0, unexpected(Object)),
        ("\u{feff}{}", 0, JsonErrorKind::ByteOrderMark),
        ("{\u{feff}}", 1, unexpected(Name)),
        ("{} {}", 3, unexpected(Nothing)),
        ("{},", 2, unexpected(Nothing)),
        ("{}\0", 2, unexpected(Nothing)),
        ("{", 1, JsonErrorKind::Incomplete),
        ("{\0}", 1, unexpected(Name)),
        ("{a:1}", 1, unexpected(Name)),
        (r#"{"a""#, 4, JsonErrorKind::Incomplete),
        (r#"{"a" 1}"#, 5, unexpected(Colon)),
        (r#"{"a":}"#, 5, unexpected(Value)),
        (r#"{"a":1,}"#, 7, unexpected(Name)),
        (r#"{"a":1 "b":2}"#, 7, unexpected(CommaOrBrace)),
        (r#"{"a":1]"#, 6, unexpected(CommaOrBrace)),
        (r#"{"a":[1,]}"#, 8, unexpected(Value)),
        (r#"{"a":[,1]}"#, 6, unexpected(Value)),
        (r#"{"a":[1 2]}"#, 8, unexpected(CommaOrBracket)),
        (r#"{"a":[1}}"#, 7, unexpected(CommaOrBracket)),
        (r#"{"a":tru}"#, 5, unexpected(Value)),
        (r#"{"a":TRUE}"#, 5, unexpected(Value)),
        (r#"{"a":truex}"#, 9, unexpected(CommaOrBrace)),
        (r#"{"a":01}"#, 6, unexpected(CommaOrBrace)),
        (r#"{"a":-}"#, 6, unexpected(Digit)),
        (r#"{"a":+1}"#, 5, unexpected(Value)),
        (r#"{"a":.5}"#, 5, unexpected(Value)),
        (r#"{"a":1.}"#, 7, unexpected(Digit)),
        (r#"{"a":1e+}"#, 8, unexpected(Digit)),
        (r#"{"a":1e"#, 7, JsonErrorKind::Incomplete),
        (r#"{"a":"x"#, 7, JsonErrorKind::Incomplete),
        (r#"{"a":"\"#, 6, JsonErrorKind::Escape),
        (r#"{"a":"\x"}"#, 6, JsonErrorKind::Escape),
        (r#"{"a":"\u12g4"}"#, 6, JsonErrorKind::Escape),
        (r#"{"a":"\u+123"}"#, 6, JsonErrorKind::Escape),
        (r#"{"a":"\ud800"}"#, 6, JsonErrorKind::LoneSurrogate),
        (r#"{"a":"\ud800\u0041"}"#, 6, JsonErrorKind::LoneSurrogate),
        (r#"{"a":"\ud800\ud800\udc00"}"#, 6, JsonErrorKind::LoneSurrogate),
        (r#"{"a":".\udc00"}"#, 7, JsonErrorKind::LoneSurrogate),
        (r#"{"\ud800":1}"#, 2, JsonErrorKind::LoneSurrogate),
        ("{\"a\":\"\t\"}", 6, JsonErrorKind::Control { byte: 9 }),
        ("{\"a\":\"abcdefgh\0\"}", 14, JsonErrorKind::Control { byte: 0 }),
        ("{\"a\":\"\n\"}", 6, JsonErrorKind::LineEnd),
        ("{\"a\r\":1}", 3, JsonErrorKind::LineEnd),
        ("{\n}", 1, JsonErrorKind::LineEnd),
        ("\r{}", 0, JsonErrorKind::LineEnd),
        ("{}\n", 2, JsonErrorKind::LineEnd),
        ("{\"a\":1\r\n}", 6, JsonErrorKind::LineEnd),
        ("{\"a\":1,\n\"b\":2}", 7, JsonErrorKind::LineEnd),
    ] {
        assert_eq!(fault(text), (offset, kind), "{text:?}");
    }
    assert_eq!(fault(b"{\"a\":\"\xff\"}"), (6, JsonErrorKind::Utf8));
    assert_eq!(fault(b"{\"a\":\"\xed\xa0\x80\"}"), (6, JsonErrorKind::Utf8));
}

#[test]
fn a_name_may_stand_once_in_an_object() {
    for (text, offset, name) in [
        (r#"{"a":1,"b":2,"a":3}"#, 13, "a"),
        (r#"{"":1,"":2}"#, 6, ""),
        (r#"{"a":1,"\u0061":2}"#, 7, "a"),
        (r#"{"\/":1,"/":2}"#, 8, "/"),
        (r#"{"\ud83d\ude00":1,"😀":2}"#, 18, "😀"),
        (r#"{"x":[0,{"k":{},"l":{"k":1},"k":[]}]}"#, 28, "k"),
        (r#"{"a":{"b":1,"c":2},"a":{}}"#, 19, "a"),
        (r#"{"a longer name":1,"a longer name":2}"#, 19, "a longer name"),
    ] {
        assert_eq!(fault(text), (offset, repeated(name)), "{text}");
    }
}

#[test]
fn a_repeated_name_is_found_in_an_object_of_any_size() {
    for count in [2, 31, 32, 33, 34, 100, 5_000] {
        let members: Vec<_> = (0..count).map(|n| format!("\"name-{n}\":{n}")).collect();
        assert_eq!(
            check_object(format!("{{{}}}", members.join(",")).as_bytes()),
            Ok(())
        );
        for again in [0, count / 2, count - 1] {
            let first = format!("{{{},", members.join(","));
            let text = format!("{first}\"n\\u0061me-{again}\":[],\"name-{again}\":0,\"name-0\":0}}");
            assert_eq!(
                fault(&text),
                (first.len(), repeated(&format!("name-{again}"))),
                "{again} of {count}"
            );
        }
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(check_object(nested(JSON_DEPTH_MAX).as_bytes()), Ok(()));
    assert_eq!(
        fault(nested(JSON_DEPTH_MAX + 1)),
        (4 + JSON_DEPTH_MAX, JsonErrorKind::Depth)
    );
    assert_eq!(
        fault(format!("{{\"a\":{}", "[{\"a\":".repeat(1_000_000))).1,
        JsonErrorKind::Depth
    );
}

#[test]
fn hostile_names_take_no_quadratic_time() {
    // 200,000 names that differ only in the middle, where no fingerprint looks.
    let members: Vec<_> = (0..200_000)
        .map(|n| format!("\"aaaaaaaa{n:06}bbbbbbbb\":0"))
        .collect();
    assert_eq!(
        check_object(format!("{{{}}}", members.join(",")).as_bytes()),
        Ok(())
    );
}

#[test]
fn a_checker_forgets_what_it_saw() {
    let mut checker = Checker::new();
    for _ in 0..3 {
        assert!(checker.check_object(br#"{"a":{"b":{"\u0063":"#).is_err());
        assert_eq!(checker.check_object(br#"{"a":1,"b":2,"\u0063":3}"#), Ok(()));
    }
}

#[test]
fn messages_name_the_fault() {
    let message = |text: &str| check_object(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        message(r#"{"id":1,"id":2}"#),
        "name `id` appears twice in one object (byte 8)"
    );
    assert_eq!(
        message(r#"{"\n":1,"\n":2}"#),
        r"name `\u{a}` appears twice in one object (byte 8)"
    );
    assert_eq!(
        message("{}\r"),
        "a raw line end (LF or CR) inside the object's line (byte 2)"
    );
    let long = format!("{{\"{0}\":1,\"{0}\":2}}", "é".repeat(1_000));
    assert!(message(&long).chars().count() < 150);
}

#[test]
fn unescape_gives_what_a_string_stands_for() {
    assert_eq!(
        unescape(br#"a\u00e9\n\ud83d\ude00\\"#).as_deref(),
        Some("aé\n😀\\")
    );
    assert_eq!(unescape("é".as_bytes()).as_deref(), Some("é"));
    assert_eq!(unescape(b"").as_deref(), Some(""));
    for token in [&b"\\"[..], b"\\x", b"\\ud800", b"a\"b", b"\n", b"\xff"] {
        assert_eq!(unescape(token), None, "{token:?}");
    }
}

/// A JSON value as text, with white space, escapes and number forms of all kinds, and no name twice.
fn value() -> impl Strategy<Value = String> {
    let space = "[ \t]{0,2}";
    let number = "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?";
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".into()),
        Just("false".into()),
        number,
        string()
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        let items = proptest::collection::vec((space, inner, space), 0..8);
        prop_oneof![
            (space, items.clone()).prop_map(|(space, items)| {
                let items: Vec<_> = items
                    .into_iter()
                    .map(|(a, value, b)| format!("{a}{value}{b}"))
                    .collect();
                format!("[{space}{}]", items.join(","))
            }),
            items.prop_map(object),
        ]
    })
}

fn object(items: Vec<(String, String, String)>) -> String {
    let member =
        |(n, (a, value, b)): (usize, (String, String, String))| format!("{a}\"{n}\"{b}:{b}{value}{a}");
    format!(
        "{{{}}}",
        items
            .into_iter()
            .enumerate()
            .map(member)
            .collect::<Vec<_>>()
            .join(",")
    )
}

fn string() -> impl Strategy<Value = String> {
    let plain = "[^\"\\\\\\p{Cc}]{1,12}";
    let escape =
        r#"\\(["\\/bfnrt]|u[0-9a-cA-C][0-9a-fA-F]{3}|u[dD][89abAB][0-9a-f]{2}\\u[dD][c-fC-F][0-9a-f]{2})"#;
    let parts = proptest::collection::vec(prop_oneof![plain, escape], 0..4);
    parts.prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn body() -> impl Strategy<Value = String> {
    proptest::collection::vec(("[ \t]{0,2}", value(), Just(String::new())), 0..6).prop_map(object)
}

proptest! {
    #[test]
    fn generated_objects_are_accepted(body in body()) {
        prop_assert_eq!(check_object(body.as_bytes()), Ok(()));
        prop_assert!(serde_json::from_str::<&RawValue>(&body).is_ok());
    }

    #[test]
    fn strings_unescape_as_another_parser_says(string in string()) {
        let expected: String = serde_json::from_str(&string).unwrap();
        prop_assert_eq!(unescape(&string.as_bytes()[1..string.len() - 1]), Some(expected));
    }

    #[test]
    fn what_is_accepted_after_a_change_is_json(
        body in body(), place in any::<proptest::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = body.into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        match check_object(&bytes) {
            Ok(()) => prop_assert!(serde_json::from_slice::<&RawValue>(&bytes).is_ok()),
            Err(error) => prop_assert!(error.offset <= bytes.len()),
        }
    }

    #[test]
    fn a_body_cut_short_is_refused(body in body(), place in any::<proptest::sample::Index>()) {
        let body = body.trim_end();
        prop_assert!(check_object(&body.as_bytes()[..place.index(body.len())]).is_err());
    }

    #[test]
    fn names_are_unique_exactly_when_they_differ(names in proptest::collection::vec(string(), 1..40)) {
        let unescaped: std::collections::HashSet<String> =
            names.iter().map(|name| serde_json::from_str(name).unwrap()).collect();
        let members: Vec<_> = names.iter().map(|name| format!("{name}:0")).collect();
        let verdict = check_object(format!("{{{}}}", members.join(",")).as_bytes());
        prop_assert_eq!(verdict.is_ok(), unescaped.len() == names.len());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = check_object(&bytes);
    }
}
