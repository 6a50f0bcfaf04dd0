//! `mongoark doctor`: what a deployment lends to a safe backup, as lines or as JSON, and its exit code.

mod print;
mod space;
mod watch;

use super::context::{Context, to_stdout};
use super::dump::{UriArgs, read_mode};
use crate::exit::Exit;
use clap::Args;
use mongoark_engine::Error;
use mongoark_engine::deployment::{ReadMode, SourceOptions};
use mongoark_engine::doctor::{self, Examination, Facts, Finding, Level, Limits, worst};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

const AFTER_HELP: &str = "Exit codes: 0 every line is ok; 1 there is a problem, or the deployment cannot be reached; \
                          2 wrong usage; 3 there are warnings. --watch ends with 0 when it is interrupted.";

/// Flags of `mongoark doctor`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct DoctorArgs {
    #[command(flatten)]
    uri: UriArgs,
    /// primary, primaryPreferred, secondary, secondaryPreferred or nearest [default: the connection string's, else secondaryPreferred]
    #[arg(long, value_name = "MODE", value_parser = read_mode)]
    read_preference: Option<ReadMode>,
    /// Where archives will go, a folder or a file: is there room?
    #[arg(long, value_name = "PATH", default_value = ".")]
    out: PathBuf,
    /// How long to dump into nothing, to know how long a dump takes; 0: not at all
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=3600))]
    sample: u16,
    /// How far a member may be behind
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    max_lag: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Follow the set until interrupted, and print what changes
    #[arg(long, conflicts_with_all = ["out", "sample", "read_preference"])]
    watch: bool,
    /// How often --watch looks
    #[arg(long, value_name = "SECONDS", default_value_t = 5, requires = "watch",
          value_parser = clap::value_parser!(u16).range(1..=3600))]
    interval: u16,
}

impl DoctorArgs {
    fn max_lag(&self) -> Duration {
        Duration::from_secs(self.max_lag.into())
    }
}

/// Runs `mongoark doctor`.
pub async fn run(args: &DoctorArgs, context: &Context) -> Exit {
    if args.watch {
        return watch::run(args, context).await;
    }
    if args.sample > 0 {
        context.monitor.step(format!("asking, and reading for about {} s", args.sample));
    }
    match doctor::examine(examination(args), &context.stop).await {
        Ok(facts) => {
            let findings = doctor::judge(&facts, Limits { lag: args.max_lag() });
            conclude(args, context, Some(&facts), &findings)
        }
        Err(Error::Deployment(error)) => conclude(args, context, None, &[doctor::unreachable(&error)]),
        Err(error) => context.end("doctor", Err(error)),
    }
}

fn examination(args: &DoctorArgs) -> Examination {
    Examination {
        uri: args.uri.connection_string(),
        source: SourceOptions { read_mode: args.read_preference, ..SourceOptions::default() },
        sample: Duration::from_secs(args.sample.into()),
        space: space::at(&args.out),
    }
}

/// Prints the findings, and ends as the worst of them says.
fn conclude(args: &DoctorArgs, context: &Context, facts: Option<&Facts>, findings: &[Finding]) -> Exit {
    let exit = exit(worst(findings));
    let uri = args.uri.connection_string();
    let json = print::json(&uri, facts, findings, exit);
    let out = match (args.json, args.watch) {
        (true, false) => format!("{json:#}"),
        // Whoever follows reads a line at a time.
        (true, true) => json.to_string(),
        (false, _) => print::text(findings),
    };
    match to_stdout(out.lines()) {
        Ok(_) => context.write_report("doctor", exit, &json, None),
        Err(error) => context.end("doctor", Err(error)),
    }
}

fn exit(level: Level) -> Exit {
    match level {
        Level::Ok => Exit::Whole,
        Level::Warning => Exit::Incomplete,
        Level::Problem => Exit::Failed,
    }
}

/// A number, or null.
fn nullable<T: Into<Value>>(value: Option<T>) -> Value {
    value.map_or(Value::Null, Into::into)
}
