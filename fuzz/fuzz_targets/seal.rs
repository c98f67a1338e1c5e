//! Any bytes as a seal.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    ledgerstone_formats::fuzzing::seal(input);
});
