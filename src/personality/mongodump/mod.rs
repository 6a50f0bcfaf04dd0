//! `mongodump`: what its flags mean, and a run of it.

mod barrier;
pub mod flags;
mod job;
mod run;

pub use job::Job;
pub use run::main;
