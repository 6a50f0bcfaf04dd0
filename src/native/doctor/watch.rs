//! `mongoark doctor --watch`: a line for every change of a set, until interrupted.

use super::{DoctorArgs, conclude};
use crate::exit::Exit;
use crate::native::context::{Context, to_stdout};
use jiff::Timestamp;
use mongoark_engine::doctor::{self, Event, Follower};
use mongoark_engine::{Error, Result, Stop};
use serde_json::json;
use std::time::Duration;

/// How often it is looked whether to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Follows the set. An interrupt is the way to end it, and so is no failure.
pub async fn run(args: &DoctorArgs, context: &Context) -> Exit {
    match follow(args, &context.stop).await {
        Ok(()) | Err(Error::Interrupted) => Exit::Whole,
        Err(Error::Deployment(error)) => conclude(args, context, None, &[doctor::unreachable(&error)]),
        Err(error) => context.end("doctor", Err(error)),
    }
}

async fn follow(args: &DoctorArgs, stop: &Stop) -> Result<()> {
    let (uri, max_lag) = (args.uri.connection_string(), args.max_lag());
    let started = until_stopped(stop, async move { Follower::start(&uri, max_lag).await }).await?;
    let (mut follower, event) = started?;
    let mut is_read = to_stdout([line(&event, args.json)])?;
    while is_read {
        let interval = Duration::from_secs(args.interval.into());
        until_stopped(stop, tokio::time::sleep(interval)).await?;
        let look = async move {
            let events = follower.look().await;
            (follower, events)
        };
        let events;
        (follower, events) = until_stopped(stop, look).await?;
        for event in &events {
            is_read = to_stdout([line(event, args.json)])?;
        }
    }
    Ok(())
}

/// Does the work unless the user wants it to end. It has a task of its own, on which it goes on then: the driver's
/// futures have to run to their end.
async fn until_stopped<T: Send + 'static>(
    stop: &Stop,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T> {
    let mut working = tokio::spawn(work);
    loop {
        if stop.is_requested() {
            return Err(Error::Interrupted);
        }
        if let Ok(done) = tokio::time::timeout(LOOK_EVERY, &mut working).await {
            return done.map_err(|_| Error::PipelineClosed("the watch"));
        }
    }
}

fn line(event: &Event, as_json: bool) -> String {
    let time = Timestamp::now().strftime("%FT%TZ").to_string();
    let (level, what) = (event.level.as_str(), &event.what);
    if !as_json {
        return format!("{time}  {level:7}  {what}");
    }
    let (kind, member) = (event.kind.as_str(), &event.member);
    let event = json!({ "time": time, "event": kind, "level": level, "member": member, "what": what });
    event.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongoark_engine::doctor::{EventKind, Level};

    #[test]
    fn an_event_is_one_line() {
        let event = Event {
            kind: EventKind::PrimaryLost,
            level: Level::Problem,
            member: Some("h:1".to_owned()),
            what: "primary h:1 is lost".to_owned(),
        };
        let text = line(&event, false);
        assert!(text.ends_with("Z  problem  primary h:1 is lost"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&line(&event, true)).expect("JSON");
        assert_eq!((&json["event"], &json["member"]), (&"primary-lost".into(), &"h:1".into()));
    }
}
