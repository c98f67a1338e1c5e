//! Any bytes as a header.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    ledgerstone_formats::fuzzing::header(input);
});
