//! `mongoark bench`: how fast a deployment can be dumped.

use super::context::Context;
use crate::exit::Exit;
use clap::Args;

/// Flags of `mongoark bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {}

/// Runs `mongoark bench`.
pub async fn run(_args: BenchArgs, context: &Context) -> Exit {
    context.usage("bench is being written")
}
