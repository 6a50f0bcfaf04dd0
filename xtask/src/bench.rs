//! `cargo xtask bench`: the side-by-side script in `benches/`, with a release build on hand.

use std::process::Command;

use crate::execute::{cargo, execute, root, target_directory};
use crate::{Result, servers};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to the script.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = root().join("benches");
    let script =
        ["side_by_side", "side_by_side.sh", "side_by_side.py"].into_iter().map(|name| folder.join(name));
    let script = script.into_iter().find(|path| path.is_file());
    let script = script.ok_or_else(|| format!("there is no script side_by_side in {}", folder.display()))?;
    let version = mongoark_test_support::Binary::default_version();
    servers::provide(&version)?;
    execute(&mut cargo(["build", "--release", "--package", "mongoark"]))?;
    let server = mongoark_test_support::Binary::find(&version);
    let mut command = Command::new(script);
    command.args(&arguments.arguments).current_dir(root());
    command.env("MONGOARK", target_directory().join("release/mongoark")).env("MONGOD", server.path);
    execute(&mut command).map(drop)
}
