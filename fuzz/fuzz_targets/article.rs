#![no_main]
//! The target that has this file's name, under libFuzzer.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_fuzz::run(env!("CARGO_BIN_NAME"), bytes));
