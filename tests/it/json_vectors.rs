//! The strict JSON check against JSONTestSuite. Each file becomes the value of a member, as a body would hold it.

use expect_test::expect;
use ledgerstone_formats::json::{JsonErrorKind, check_object};
use ledgerstone_tests::{read_folder, shared_data};

/// Valid JSON that a line cannot hold, and what the refusal says.
const REFUSED: [(&str, &str); 4] = [
    (
        "y_array_with_1_and_newline.json",
        "a raw line end (LF or CR) inside the object's line",
    ),
    (
        "y_object_duplicated_key.json",
        "name `a` appears twice in one object",
    ),
    (
        "y_object_duplicated_key_and_value.json",
        "name `a` appears twice in one object",
    ),
    (
        "y_object_with_newlines.json",
        "a raw line end (LF or CR) inside the object's line",
    ),
];

/// Name and verdict of each file whose name begins with `prefix`.
fn verdicts(prefix: &str) -> Option<Vec<(String, Result<(), JsonErrorKind>)>> {
    let folder = shared_data("vectors-json-parsing")?.join("test_parsing");
    let files = read_folder(&folder)
        .into_iter()
        .filter(|(name, _)| name.starts_with(prefix));
    let verdict = |(name, text): (String, Vec<u8>)| {
        let value = text.strip_suffix(b"\n").unwrap_or(&text);
        let body = [b"{\"x\":", value, b"}"].concat();
        (name, check_object(&body).map_err(|error| error.kind))
    };
    Some(files.map(verdict).collect())
}

#[test]
fn invalid_json_is_refused() {
    let Some(verdicts) = verdicts("n_") else { return };
    assert_eq!(verdicts.len(), 188);
    for (name, verdict) in verdicts {
        assert!(verdict.is_err(), "{name} was accepted");
    }
}

#[test]
fn valid_json_is_accepted_but_what_a_line_cannot_hold() {
    let Some(verdicts) = verdicts("y_") else { return };
    assert_eq!(verdicts.len(), 95);
    let refused = verdicts
        .into_iter()
        .filter_map(|(name, verdict)| Some((name, verdict.err()?.to_string())));
    let expected = REFUSED.map(|(name, reason)| (name.to_owned(), reason.to_owned()));
    assert_eq!(refused.collect::<Vec<_>>(), expected);
}

#[test]
fn json_that_parsers_differ_on_has_a_settled_verdict() {
    let Some(verdicts) = verdicts("i_") else { return };
    let line = |(name, verdict): (String, Result<(), JsonErrorKind>)| match verdict {
        Ok(()) => format!("{name}: accepted\n"),
        Err(kind) => format!("{name}: {kind}\n"),
    };
    let snapshot = expect![[r#"
        i_number_double_huge_neg_exp.json: accepted
        i_number_huge_exp.json: accepted
        i_number_neg_int_huge_exp.json: accepted
        i_number_pos_double_huge_exp.json: accepted
        i_number_real_neg_overflow.json: accepted
        i_number_real_pos_overflow.json: accepted
        i_number_real_underflow.json: accepted
        i_number_too_big_neg_int.json: accepted
        i_number_too_big_pos_int.json: accepted
        i_number_very_big_negative_int.json: accepted
        i_object_key_lone_2nd_surrogate.json: a surrogate escape without its other half
        i_string_1st_surrogate_but_2nd_missing.json: a surrogate escape without its other half
        i_string_1st_valid_surrogate_2nd_invalid.json: a surrogate escape without its other half
        i_string_UTF-16LE_with_BOM.json: not UTF-8
        i_string_UTF-8_invalid_sequence.json: not UTF-8
        i_string_UTF8_surrogate_U+D800.json: not UTF-8
        i_string_incomplete_surrogate_and_escape_valid.json: a surrogate escape without its other half
        i_string_incomplete_surrogate_pair.json: a surrogate escape without its other half
        i_string_incomplete_surrogates_escape_valid.json: a surrogate escape without its other half
        i_string_invalid_lonely_surrogate.json: a surrogate escape without its other half
        i_string_invalid_surrogate.json: a surrogate escape without its other half
        i_string_invalid_utf-8.json: not UTF-8
        i_string_inverted_surrogates_U+1D11E.json: a surrogate escape without its other half
        i_string_iso_latin_1.json: not UTF-8
        i_string_lone_second_surrogate.json: a surrogate escape without its other half
        i_string_lone_utf8_continuation_byte.json: not UTF-8
        i_string_not_in_unicode_range.json: not UTF-8
        i_string_overlong_sequence_2_bytes.json: not UTF-8
        i_string_overlong_sequence_6_bytes.json: not UTF-8
        i_string_overlong_sequence_6_bytes_null.json: not UTF-8
        i_string_truncated-utf-8.json: not UTF-8
        i_string_utf16BE_no_BOM.json: not UTF-8
        i_string_utf16LE_no_BOM.json: not UTF-8
        i_structure_500_nested_arrays.json: nested deeper than 64 levels
        i_structure_UTF-8_BOM_empty_object.json: a value expected
    "#]];
    snapshot.assert_eq(&verdicts.into_iter().map(line).collect::<String>());
}
