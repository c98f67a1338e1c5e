//! Any bytes as a body.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    ledgerstone_formats::fuzzing::json(input);
});
