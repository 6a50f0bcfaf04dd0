//! Whatever was written while a dump or a capture ran, a restore to a time gives what was there at that time.
//!
//! Writers that keep a model ([`mongoark_test_support::oracle`]) run on a source; the program dumps, captures and
//! restores onto a target; the target is compared with the model byte for byte. Every run prints its seed.
//! `MONGOARK_ORACLE_SEED=N` runs that seed alone, `MONGOARK_ORACLE_RUNS=N` so many new ones.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod captures;
mod desk;
mod lost_member;
mod model;
mod native;
mod personality;
mod resumed;
mod resumed_restore;
mod seeds;
mod slowed;
#[path = "../support/mod.rs"]
mod support;
