//! libssl 1.1 for the older servers: from Debian's bullseye suites, unpacked beside the server and installed nowhere.
//!
//! The package comes from the machine's own Debian sources with the name of the suite changed, so apt checks its
//! signature and no host is named here.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::fetch::about;
use crate::Result;
use crate::execute::execute_quietly;

/// Puts `libssl.so.1.1` and `libcrypto.so.1.1` into `folder`.
pub(super) fn fetch(folder: &Path) -> Result<()> {
    println!("fetching libssl1.1 for it");
    let temporary = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
    let unpacked = temporary.path().join("unpacked");
    download(temporary.path(), &unpacked).map_err(|why| {
        format!(
            "this server needs libssl.so.1.1 and libcrypto.so.1.1 (Debian package libssl1.1); put both into {}. \
             Fetching them failed: {why}",
            folder.display()
        )
    })?;
    fs::create_dir_all(folder).map_err(|error| about(folder, &error))?;
    let libraries = unpacked.join("usr/lib/x86_64-linux-gnu");
    for name in ["libcrypto.so.1.1", "libssl.so.1.1"] {
        let to = folder.join(name);
        fs::copy(libraries.join(name), &to).map_err(|error| about(&to, &error))?;
    }
    Ok(())
}

fn download(temporary: &Path, unpacked: &Path) -> Result<()> {
    let list = temporary.join("bullseye.list");
    fs::write(&list, bullseye(&debian_sources()?)?).map_err(|error| about(&list, &error))?;
    for folder in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(temporary.join(folder)).map_err(|error| about(temporary, &error))?;
    }
    execute_quietly(apt_get(temporary).args(["update", "-qq"]))?;
    execute_quietly(apt_get(temporary).args(["download", "-qq", "libssl1.1"]).current_dir(temporary))?;
    let files = fs::read_dir(temporary).map_err(|error| about(temporary, &error))?;
    let mut files = files.flatten().map(|entry| entry.path());
    let package = files.find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let package = package.ok_or("apt-get has downloaded no package")?;
    execute_quietly(Command::new("dpkg-deb").arg("-x").arg(package).arg(unpacked)).map(drop)
}

/// apt-get with state of its own: nothing of the system's changes.
fn apt_get(temporary: &Path) -> Command {
    let mut command = Command::new("apt-get");
    let path = |name: &str| temporary.join(name).display().to_string();
    for (option, value) in [
        ("Dir::Etc::sourcelist", path("bullseye.list")),
        ("Dir::Etc::sourceparts", "-".to_owned()),
        ("Dir::State::lists", path("lists")),
        ("Dir::Cache", path("cache")),
        ("APT::Sandbox::User", "root".to_owned()),
        // An archived suite is signed once and for all, with a date that passes.
        ("Acquire::Check-Valid-Until", "false".to_owned()),
    ] {
        command.arg("-o").arg(format!("{option}={value}"));
    }
    command
}

/// The apt sources of this machine, as one text.
fn debian_sources() -> Result<String> {
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !system.lines().any(|line| line == "ID=debian") {
        return Err("this system is not Debian".to_owned());
    }
    let apt = Path::new("/etc/apt");
    let parts =
        fs::read_dir(apt.join("sources.list.d")).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_source =
        |path: &Path| path.extension().is_some_and(|extension| extension == "list" || extension == "sources");
    let files = std::iter::once(apt.join("sources.list")).chain(parts).filter(|path| is_source(path));
    Ok(files.flat_map(fs::read_to_string).collect::<Vec<_>>().join("\n\n"))
}

/// One-line sources for bullseye, made from this machine's own: from its security suite, or failing that from its
/// main one.
fn bullseye(sources: &str) -> Result<String> {
    let entries: Vec<Source> = one_line_sources(sources).chain(deb822_sources(sources)).collect();
    let security = entries.iter().find(|source| source.suite.ends_with("-security"));
    let main = || entries.iter().find(|source| !source.suite.contains('-'));
    let source = security.or_else(main).ok_or("no Debian source among the machine's apt sources")?;
    let suite = if security.is_some() { "bullseye-security" } else { "bullseye" };
    let keyring = source.keyring.as_ref().map_or_else(String::new, |path| format!("[signed-by={path}] "));
    Ok(format!("deb {keyring}{} {suite} main\n", source.uri))
}

/// Where packages of one suite come from.
struct Source {
    uri: String,
    suite: String,
    keyring: Option<String>,
}

/// Lines such as `deb [signed-by=/a/key.gpg] http://host/debian bookworm main`.
fn one_line_sources(text: &str) -> impl Iterator<Item = Source> {
    text.lines().filter_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let (options, rest) =
            rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).unwrap_or(("", rest));
        let mut words = rest.split_whitespace();
        let (uri, suite, components) = (words.next()?, words.next()?, words.next()?);
        let keyring = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        let is_debian = components == "main";
        is_debian.then(|| Source {
            uri: uri.into(),
            suite: suite.into(),
            keyring: keyring.map(str::to_owned),
        })
    })
}

/// Paragraphs of `Types:`, `URIs:`, `Suites:`, `Components:` and `Signed-By:` lines.
fn deb822_sources(text: &str) -> impl Iterator<Item = Source> {
    text.split("\n\n").flat_map(|paragraph| {
        let field = |name: &str| {
            let mut lines = paragraph.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        let words = |name: &str| field(name).unwrap_or_default().split_whitespace();
        let is_debian =
            words("Types").any(|word| word == "deb") && words("Components").any(|word| word == "main");
        let uri = words("URIs").next().filter(|_| is_debian);
        let keyring = field("Signed-By").filter(|path| path.starts_with('/')).map(str::to_owned);
        let suites: Vec<&str> = words("Suites").collect();
        let source = |(uri, suite): (&str, &str)| Source {
            uri: uri.into(),
            suite: suite.into(),
            keyring: keyring.clone(),
        };
        let found: Vec<Source> = uri
            .into_iter()
            .flat_map(|uri| suites.iter().map(move |suite| (uri, *suite)))
            .map(source)
            .collect();
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_security_source_is_taken_for_bullseye() {
        let text = "Types: deb\nURIs: http://h/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n\
                    Types: deb\nURIs: http://h/debian-security\nSuites: bookworm-security\nComponents: main contrib\n\
                    Signed-By: /k.gpg";
        assert_eq!(
            bullseye(text).unwrap(),
            "deb [signed-by=/k.gpg] http://h/debian-security bullseye-security main\n"
        );
    }

    #[test]
    fn one_line_sources_serve_too() {
        let text = "# deb http://no/debian x main\ndeb [arch=amd64 signed-by=/k.gpg] http://h/debian bookworm main\n";
        assert_eq!(bullseye(text).unwrap(), "deb [signed-by=/k.gpg] http://h/debian bullseye main\n");
        assert!(bullseye("deb http://h/other stable extra").is_err());
    }
}
