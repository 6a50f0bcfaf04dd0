//! A file that somebody makes when all that has to be in the dump is written: `--internalOnlySourceWritesDoneBarrier`.

use crate::personality::go_text::quoted;
use crate::personality::log::{ALWAYS, Log};
use mongoark_engine::Stop;
use std::io;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Waits until the file can be opened, or the run is asked to stop.
///
/// # Errors
/// When it is there and cannot be opened.
pub async fn wait_for(file: &str, log: &Log, stop: &Stop) -> io::Result<()> {
    let name = quoted(file);
    let say = |what: &str| log.line(ALWAYS, &format!("waitForSourceWritesDoneBarrier: {what}"));
    say(&format!("initial check for existence of file {name}"));
    while !stop.is_requested() {
        match std::fs::File::open(file) {
            Ok(_) => {
                say(&format!("barrier file {name} exists - proceed past the barrier"));
                break;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
