//! A connection that loads a corpus: collections, documents and indexes by raw commands.

use bson::{Bson, Document, RawDocumentBuf, doc};
use mongoark_bson_bytes::{Builder, Elements, get};
use mongodb::Client;

/// The result of loading a corpus.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a corpus could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A command failed.
    #[error("{command} on database {database:?}: {source}")]
    Command {
        /// The database it was sent to.
        database: String,
        /// The command and what it names.
        command: String,
        /// What the driver or the server said.
        source: Box<mongodb::error::Error>,
    },
    /// Documents were not inserted.
    #[error("insert into {collection:?} of {database:?}: {message}")]
    Insert {
        /// The database.
        database: String,
        /// The collection.
        collection: String,
        /// The first of the server's messages.
        message: String,
    },
}

/// How a corpus is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Changes the random documents.
    pub seed: u64,
    /// Put into the names of databases, collections, fields and indexes, and so gives unseen names.
    pub variant: String,
    /// What a server refuses is listed in [`Loaded::refused`], and the rest is loaded.
    pub keep_going: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, variant: String::new(), keep_going: false }
    }
}

/// What was loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The server's version, as it says it.
    pub server_version: String,
    /// Documents inserted.
    pub documents: u64,
    /// Bytes of the documents inserted.
    pub bytes: u64,
    /// What the server refused, with its reasons.
    pub refused: Vec<String>,
}

/// At most so many documents in an insert.
const BATCH_DOCUMENTS: usize = 500;
/// An insert is sent before it grows beyond this; a single document may.
const BATCH_BYTES: usize = 4_000_000;

pub(super) struct Loader {
    pub(super) client: Client,
    pub(super) options: Options,
    version: (i32, i32),
    loaded: Loaded,
}

impl Loader {
    pub(super) async fn new(client: &Client, options: Options) -> Result<Self> {
        let info = client.database("admin").run_command(doc! { "buildInfo": 1 }).await;
        let info = info.map_err(|source| Error::Command {
            database: "admin".to_owned(),
            command: "buildInfo".to_owned(),
            source: Box::new(source),
        })?;
        let numbers = info.get_array("versionArray").map(Vec::as_slice).unwrap_or_default();
        let number = |at: usize| numbers.get(at).and_then(Bson::as_i32).unwrap_or(0);
        let server_version = info.get_str("version").unwrap_or_default().to_owned();
        let loaded = Loaded { server_version, ..Loaded::default() };
        Ok(Self { client: client.clone(), options, version: (number(0), number(1)), loaded })
    }

    /// What was loaded, at the end, when a majority of the members has all of it.
    ///
    /// An update that finds nothing waits for all that was written before it.
    pub(super) async fn finish(mut self) -> Result<Loaded> {
        let mut command = Builder::new();
        command.str("update", "nothing").nested("writeConcern", |w| _ = w.str("w", "majority"));
        command.start_array("updates").start_document("0").nested("q", |q| _ = q.i32("_id", 0));
        command.nested("u", |u| _ = u.nested("$set", |s| _ = s.i32("x", 0)));
        self.ask("test", command.finish()).await?;
        Ok(self.loaded)
    }

    /// Whether the server is of this version or a later one.
    pub(super) fn since(&self, major: i32, minor: i32) -> bool {
        self.version >= (major, minor)
    }

    /// `base` with the variant after it.
    pub(super) fn name(&self, base: &str) -> String {
        if self.options.variant.is_empty() {
            base.to_owned()
        } else {
            format!("{base}_{}", self.options.variant)
        }
    }

    /// Runs a command that writes, without waiting for its journal or for other members; nothing when the server
    /// refuses it and the load goes on.
    pub(super) async fn run(&mut self, database: &str, command: Vec<u8>) -> Result<Option<Document>> {
        self.ask(database, without_waiting(command)).await
    }

    /// Runs a command as it is.
    pub(super) async fn ask(&mut self, database: &str, command: Vec<u8>) -> Result<Option<Document>> {
        let described = describe(&command);
        let sent = match RawDocumentBuf::from_bytes(command) {
            Ok(raw) => self.client.database(database).run_raw_command(raw).await,
            Err(error) => Err(error.into()),
        };
        match sent {
            Ok(reply) => Ok(Some(reply)),
            Err(source) if self.options.keep_going => {
                self.loaded.refused.push(format!("{described} on {database:?}: {source}"));
                Ok(None)
            }
            Err(source) => {
                let (database, source) = (database.to_owned(), Box::new(source));
                Err(Error::Command { database, command: described, source })
            }
        }
    }

    /// Creates a collection with these options.
    pub(super) async fn create(&mut self, database: &str, collection: &str, options: Document) -> Result<()> {
        self.create_raw(database, collection, &raw(&options)).await
    }

    /// The same with options that the driver would not encode.
    pub(super) async fn create_raw(
        &mut self,
        database: &str,
        collection: &str,
        options: &[u8],
    ) -> Result<()> {
        let mut command = Builder::new();
        command.str("create", collection);
        append(&mut command, options);
        self.run(database, command.finish()).await.map(drop)
    }

    /// Inserts documents in order.
    pub(super) async fn insert(
        &mut self,
        database: &str,
        collection: &str,
        documents: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<()> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for document in documents {
            if !batch.is_empty() && (batch.len() >= BATCH_DOCUMENTS || bytes + document.len() > BATCH_BYTES) {
                self.insert_batch(database, collection, &batch).await?;
                batch.clear();
                bytes = 0;
            }
            bytes += document.len();
            batch.push(document);
        }
        if batch.is_empty() { Ok(()) } else { self.insert_batch(database, collection, &batch).await }
    }

    /// Inserts a batch; when the load goes on after a refused document, what comes after it too.
    async fn insert_batch(&mut self, database: &str, collection: &str, batch: &[Vec<u8>]) -> Result<()> {
        let mut rest = batch;
        while !rest.is_empty() {
            let Some(reply) = self.run(database, insert_command(collection, rest, true)).await? else {
                return Ok(());
            };
            let error = first_write_error(&reply);
            let inserted = error.as_ref().map_or(rest.len(), |(index, _)| *index);
            self.loaded.documents += inserted as u64;
            self.loaded.bytes +=
                rest.iter().take(inserted).map(|document| document.len() as u64).sum::<u64>();
            let Some((index, message)) = error else { return Ok(()) };
            if !self.options.keep_going {
                let (database, collection) = (database.to_owned(), collection.to_owned());
                return Err(Error::Insert { database, collection, message });
            }
            self.loaded.refused.push(format!("insert into {collection:?} of {database:?}: {message}"));
            rest = rest.get(index + 1..).unwrap_or_default();
        }
        Ok(())
    }

    /// Creates an index. Without a name in the options it gets the one that the shells would give.
    pub(super) async fn index(
        &mut self,
        database: &str,
        collection: &str,
        key: Document,
        options: Document,
    ) -> Result<()> {
        let mut spec = doc! { "key": &key };
        if !options.contains_key("name") {
            spec.insert("name", default_name(&key));
        }
        spec.extend(options);
        let mut command = Builder::new();
        command.str("createIndexes", collection).array_of_documents("indexes", [raw(&spec)]);
        self.run(database, command.finish()).await.map(drop)
    }
}

/// A document of the driver's crate as bytes.
pub(super) fn raw(document: &Document) -> Vec<u8> {
    document.to_vec().expect("a document without a zero in a key")
}

/// Adds all elements of a raw document.
pub(super) fn append(to: &mut Builder, document: &[u8]) {
    for element in Elements::new(document).into_iter().flatten().flatten() {
        to.element(&element);
    }
}

/// The command with a write concern of `{w: 1}` as its last element.
pub(super) fn without_waiting(mut command: Vec<u8>) -> Vec<u8> {
    let concern = Builder::new().nested("writeConcern", |w| _ = w.i32("w", 1)).finish();
    let len = u32::try_from(command.len() + concern.len() - 5).expect("a command within its limit");
    command.pop();
    command.extend_from_slice(&concern[4..]);
    command[..4].copy_from_slice(&len.to_le_bytes());
    command
}

/// An insert of raw documents.
pub(super) fn insert_command(collection: &str, documents: &[impl AsRef<[u8]>], ordered: bool) -> Vec<u8> {
    let bytes: usize = documents.iter().map(|document| document.as_ref().len() + 8).sum();
    let mut command = Builder::with_capacity(bytes + collection.len() + 100);
    command.str("insert", collection).bool("ordered", ordered).array_of_documents("documents", documents);
    command.finish()
}

/// Position and message of the first document that was not inserted.
pub(super) fn first_write_error(reply: &Document) -> Option<(usize, String)> {
    let error = reply.get_array("writeErrors").ok()?.first()?.as_document()?;
    let index = usize::try_from(error.get_i32("index").ok()?).ok()?;
    Some((index, error.get_str("errmsg").unwrap_or("no message").to_owned()))
}

/// The first element of a command: its name, and mostly a collection.
fn describe(command: &[u8]) -> String {
    let first = Elements::new(command).ok().and_then(|mut elements| elements.next()?.ok());
    let index = get_index_name(command).map_or_else(String::new, |name| format!(" {name:?}"));
    first.map_or_else(String::new, |first| {
        format!("{} {:?}{index}", first.key_str().unwrap_or_default(), first.as_str().unwrap_or_default())
    })
}

fn get_index_name(command: &[u8]) -> Option<&str> {
    let specs = get(command, "indexes").ok()??.as_array()?;
    get(get(specs, "0").ok()??.as_document()?, "name").ok()??.as_str()
}

/// Fields and directions joined by underscores.
fn default_name(key: &Document) -> String {
    let parts: Vec<String> = key
        .iter()
        .map(|(field, direction)| match direction {
            Bson::String(kind) => format!("{field}_{kind}"),
            other => format!("{field}_{other}"),
        })
        .collect();
    parts.join("_")
}
