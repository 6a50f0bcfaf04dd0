//! `cargo xtask demo`: a dump and a restore from end to end, on servers of its own.
//!
//! The part that speaks to servers is a feature of its own: this command builds it together with `mongoark` and runs it.

#[cfg(not(feature = "demo"))]
use crate::Result;

#[cfg(feature = "demo")]
mod comparison;
#[cfg(feature = "demo")]
mod report;
#[cfg(feature = "demo")]
mod show;

#[cfg(feature = "demo")]
pub(crate) use show::run;

/// Builds `mongoark` and this program with the feature `demo`, and goes on in that.
#[cfg(not(feature = "demo"))]
pub(crate) fn run() -> Result<()> {
    use crate::execute::{cargo, execute, target_directory};

    crate::servers::provide(&mongoark_test_support::Binary::default_version())?;
    let packages = ["--package", "mongoark", "--package", "xtask", "--features", "xtask/demo"];
    execute(cargo(["build", "--release"]).args(packages))?;
    let program = target_directory().join("release").join(format!("xtask{}", std::env::consts::EXE_SUFFIX));
    execute(std::process::Command::new(program).arg("demo")).map(drop)
}
