//! `mongorestore`: what its flags mean, and a run of it.

pub mod flags;
mod job;
mod run;

pub use job::Job;
pub use run::main;
