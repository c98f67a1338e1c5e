//! Any bytes as a declaration of indexes.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    ledgerstone_formats::fuzzing::family(input);
});
