//! Sample data for tests, the demo and measurements.
//!
//! - [`edge`]: one of everything that a dump may meet and a copy may get wrong; also indexes and accounts.
//! - [`interleaved`]: several archive blocks of each collection. [`big`]: documents at the size limit.
//! - [`refused`]: what the peer's tools fail on.
//! - [`bench`]: many documents of realistic sizes, as fast as a server takes them. [`load_sample`]: a small shop.
//!
//! A load is the same for one seed, variant and server version, but for what the server chooses: collection
//! UUIDs, bucket ids of time series, user ids, salts of passwords. Documents are built and sent as raw
//! bytes; the driver never decodes them.

mod accounts;
pub mod bench;
pub mod big;
mod collections;
pub mod documents;
pub mod edge;
mod indexes;
pub mod interleaved;
mod loader;
mod names;
mod random;
pub mod refused;
mod sample;
mod timeseries;
mod views;

pub use loader::{Error, Loaded, Options, Result};
pub use random::Random;
pub use sample::load_sample;
