//! Any bytes as a head or a key.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    ledgerstone_formats::fuzzing::note(input);
});
