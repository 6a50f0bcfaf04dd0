//! A generated corpus around a run: loaded before it, dropped after it, whatever happened in between.

use super::size::Size;
use super::{Bench, BenchArgs, fresh_name};
use crate::native::context::Context;
use crate::native::dump::SelectArgs;
use crate::terminal::text;
use mongoark_engine::Result;
use mongoark_engine::bench::{Loaded, drop_corpus, load};
use mongoark_engine::deployment::{Target, TargetOptions};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// How often the member that is read is looked at until it holds all of the corpus.
pub const LOOKS_MAX: u32 = 30;
/// Time between two looks.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Measures on a corpus of this size. Its database is gone afterwards, or named as a failure.
pub async fn with(args: &BenchArgs, size: Size, file: Option<PathBuf>, context: &Context) -> Result<Value> {
    let target = Target::connect(&args.uri.connection_string(), &TargetOptions::default()).await?;
    let db = fresh_name();
    let outcome = match generate(&target, &db, size, context).await {
        Ok(loaded) => {
            let select = SelectArgs { db: Some(db.clone()), ..SelectArgs::default() };
            let expected = Some(loaded.documents);
            Bench { args, select: &select, file, expected, context }.measure().await
        }
        Err(error) => Err(error),
    };
    match drop_corpus(&target, &db).await {
        Ok(()) => context.monitor.step(format!("database {db} is dropped")),
        Err(error) => context.monitor.fail(&db, format!("the generated database is still there: {error}"), 0),
    }
    outcome
}

async fn generate(target: &Target, db: &str, Size(bytes): Size, context: &Context) -> Result<Loaded> {
    let about = text::bytes(bytes);
    context
        .monitor
        .step(format!("loading {about} of documents into database {db}, which is dropped afterwards"));
    let display = context.progress.show(context.monitor.clone());
    let loaded = load(target, db, bytes, &context.monitor, &context.stop).await;
    display.finish();
    loaded
}
