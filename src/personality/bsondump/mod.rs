//! `bsondump`: the documents of a `.bson` file as text.
//!
//! [`source`] cuts the input into batches of whole documents, [`print`] turns a batch into text, and [`run`]
//! puts the two on threads and writes the text in order.
//!
//! Byte for byte what the tool of that name prints, but for these, where it loses or garbles something:
//! - Documents that it drops because it cannot read its own JSON back are printed: those that look like
//!   Extended JSON (`{$oid: 5}`), of more than 200 levels (here 512), with decimals of more than 34 digits.
//! - A boolean above 1 is `true`; `--objcheck` refuses it, as there.
//! - A binary of subtype 2 whose inner length is wrong shows all its bytes.
//! - The namespace of a `DBPointer` is escaped as any string is.
//! - A closed or full output is exit code 1 with `--type=debug` too.
//! - The reasons behind `error converting BSON to extended JSON:` name the byte, in our words.
//! - What is said of a damaged input ends with the place of the damage.

pub mod flags;
mod print;
pub mod run;
mod source;

use super::FAILED;
use super::log::{ALWAYS, Log};
use super::signals;

/// Runs to an exit code. A signal ends it at once.
pub async fn main(options: run::Options, log: Log) -> u8 {
    if let Err(error) = signals::watch(log.clone(), None::<fn()>) {
        log.line(ALWAYS, &format!("cannot wait for signals: {error}"));
        return FAILED;
    }
    // A panic of the run has told of itself.
    tokio::task::spawn_blocking(move || run::run(&options, &log)).await.unwrap_or(FAILED)
}

#[cfg(test)]
mod peer_tests;
