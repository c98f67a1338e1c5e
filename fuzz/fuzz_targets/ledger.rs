//! Any bytes as what happens to a ledger.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    ledgerstone_tests::fuzzing::ledger(input);
});
