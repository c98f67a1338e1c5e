//! Any bytes as lines of a ledger.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    ledgerstone_formats::fuzzing::line(input);
});
