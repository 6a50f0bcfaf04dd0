//! mongodump, measured on the same collections where it is on `PATH` and can be told to take them.

use super::process;
use super::table::Sample;
use crate::native::dump::SelectArgs;
use mongoark_engine::bench::Measured;
use mongoark_engine::deployment::ConnectionString;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::NamedTempFile;

const MONGODUMP: &str = "mongodump";
/// Variables of ours that may hold a secret, and are none of its business.
const OUR_VARIABLES: [&str; 2] = ["MONGOARK_URI", "MONGOARK_PASSPHRASE"];

/// mongodump, and what it is told to dump.
#[derive(Debug)]
pub struct Peer {
    /// As it names itself.
    pub version: String,
    uri: String,
    selection: Vec<String>,
}

impl Peer {
    /// Looks for it; why it is not measured otherwise.
    pub fn find(uri: &str, select: &SelectArgs) -> Result<Self, String> {
        let version = version().ok_or("mongodump is not on PATH, so its figures are missing")?;
        let not_measured = |why| format!("mongodump is not measured: {why}");
        let uri = if uri.contains("://") { uri.to_owned() } else { format!("mongodb://{uri}") };
        let selection = selection(&uri, select).map_err(not_measured)?;
        Ok(Self { version, uri, selection })
    }

    /// Runs `mongodump --archive`. What it reads is not told by it: it is taken to be what we read.
    pub async fn measure(&self, gzip: bool, file: Option<&Path>, read: &Measured) -> Result<Sample, String> {
        let config =
            self.config().map_err(|error| format!("its configuration cannot be written: {error}"))?;
        let command = self.command(config.path(), gzip, file);
        let finished = process::run(command).await.map_err(|error| format!("it cannot be run: {error}"))?;
        if !finished.status.success() {
            return Err(format!(
                "it ended with {}: {}",
                finished.status,
                last_words(&finished.stderr, &self.uri)
            ));
        }
        let archive_bytes = match file {
            Some(file) => file.metadata().map_err(|error| format!("its archive is missing: {error}"))?.len(),
            None => finished.stdout_bytes,
        };
        Ok(Sample {
            seconds: finished.seconds,
            cpu_seconds: finished.usage.map(|usage| usage.cpu_seconds),
            rss_bytes: finished.usage.map(|usage| usage.rss_bytes),
            documents: read.documents,
            bytes: read.bytes,
            archive_bytes,
        })
    }

    /// The connection string in a file of mode 0600, gone when this is dropped: arguments can be
    /// seen by everybody.
    fn config(&self) -> io::Result<NamedTempFile> {
        let mut file = tempfile::Builder::new().prefix("mongoark_bench_").suffix(".yaml").tempfile()?;
        // A JSON string is a YAML string.
        writeln!(file, "uri: {}", serde_json::Value::from(self.uri.as_str()))?;
        file.flush()?;
        Ok(file)
    }

    fn command(&self, config: &Path, gzip: bool, file: Option<&Path>) -> Command {
        let mut command = program();
        command.arg("--config").arg(config).args(&self.selection);
        match file {
            Some(file) => {
                let mut archive = std::ffi::OsString::from("--archive=");
                archive.push(file);
                command.arg(archive)
            }
            None => command.arg("--archive"),
        };
        if gzip {
            command.arg("--gzip");
        }
        command
    }
}

/// The last line that it said, the connection string without its secrets. A line that may quote parts of it is not shown.
fn last_words(stderr: &str, uri: &str) -> String {
    let last = stderr.trim_end().lines().last().unwrap_or_default();
    let others = last.replace(uri, "").to_lowercase();
    if others.contains("://") || others.contains("parsing") {
        return "what it said is not shown, since it may quote the connection string".to_owned();
    }
    last.replace(uri, &ConnectionString::new(uri).to_string())
}

fn program() -> Command {
    let mut command = Command::new(MONGODUMP);
    for variable in OUR_VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// `100.7.0` of `mongodump version: 100.7.0`.
fn version() -> Option<String> {
    let output = program().arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.lines().next().unwrap_or_default();
    let version = first.rsplit_once("version: ").map_or(first, |(_, version)| version).trim();
    Some(if version.is_empty() { "of an unknown version".to_owned() } else { version.to_owned() })
}

/// The flags that make mongodump take the same collections, or why there are none.
fn selection(uri: &str, select: &SelectArgs) -> Result<Vec<String>, String> {
    if !select.include.is_empty() || !select.exclude.is_empty() {
        let why = "it cannot be told to take what --include and --exclude select; --db and --collection it \
                   understands";
        return Err(why.to_owned());
    }
    match database_in(uri) {
        Some(db) if select.db.as_deref() != Some(db) => {
            let why = format!(
                "the connection string names database {db}, which alone it would dump; use ?authSource={db} instead"
            );
            return Err(why);
        }
        _ => {}
    }
    let mut flags: Vec<String> = select.db.iter().map(|db| format!("--db={db}")).collect();
    flags.extend(select.collection.iter().map(|collection| format!("--collection={collection}")));
    Ok(flags)
}

/// The database that a connection string names behind its hosts.
fn database_in(uri: &str) -> Option<&str> {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let hosts = rest.rsplit_once('@').map_or(rest, |(_, hosts)| hosts);
    hosts.split_once('/').map(|(_, db)| db).filter(|db| !db.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(db: Option<&str>, collection: Option<&str>) -> SelectArgs {
        SelectArgs {
            db: db.map(ToOwned::to_owned),
            collection: collection.map(ToOwned::to_owned),
            ..SelectArgs::default()
        }
    }

    #[test]
    fn what_mongodump_cannot_take_is_refused() {
        let plain = "mongodb://u:p@a:1,b:2/?x=/y";
        assert_eq!(selection(plain, &select(None, None)), Ok(vec![]));
        assert_eq!(
            selection(plain, &select(Some("d"), Some("c"))),
            Ok(vec!["--db=d".into(), "--collection=c".into()])
        );
        let patterns = SelectArgs { exclude: vec!["d.c".parse().unwrap()], ..SelectArgs::default() };
        assert!(selection(plain, &patterns).unwrap_err().contains("--exclude"));
        // mongodump takes the database of the connection string as its selection.
        assert!(
            selection("mongodb://h/admin", &select(None, None)).unwrap_err().contains("authSource=admin")
        );
        assert!(selection("mongodb://h/d?x=1", &select(Some("d"), None)).is_ok());
    }

    #[test]
    fn the_configuration_is_yaml_and_private() {
        let uri = "mongodb://u:p\"\\#@h/".to_owned();
        let peer = Peer { version: String::new(), uri, selection: Vec::new() };
        let config = peer.config().unwrap();
        let text = std::fs::read_to_string(config.path()).unwrap();
        assert_eq!(text, "uri: \"mongodb://u:p\\\"\\\\#@h/\"\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(config.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
