//! Many documents of realistic sizes, as fast as a server takes them.
//!
//! About 71% of the bytes go to `orders` (~930 byte documents with nested items and text), 14% to `events` (~66
//! bytes), 15% to `blobs` (~92 KB, mostly incompressible). Documents are copies of prebuilt raw ones, with their
//! `_id` and a few fields of fixed width written over. The same size and seed give the same documents.

use bson::{Document, RawDocumentBuf, doc};
use futures_util::{StreamExt, TryStreamExt, stream};
use mongoark_bson_bytes::{Builder, get};
use mongodb::Client;

use super::loader::{
    Error, Loaded, Loader, Options, Result, first_write_error, insert_command, without_waiting,
};
use super::random::Random;

/// Milliseconds since 1970 of the first order and event.
const START: i64 = 1_735_689_600_000;
/// An insert is a command document, which holds 16 MiB.
const CHUNK_BYTES: usize = 8_000_000;
const CHUNK_DOCUMENTS: usize = 20_000;
/// Inserts on their way at the same time.
const INSERTS: usize = 4;
const SEED: u64 = 42;
const TEMPLATES: usize = 400;

/// The database that [`load`] fills.
pub const DATABASE: &str = "bench";

/// Replaces the database `bench` by about so many bytes of documents, and their indexes.
pub async fn load(client: &Client, size_bytes: u64) -> Result<Loaded> {
    load_into(client, DATABASE, size_bytes, true).await
}

/// The same into another database, with or without the indexes.
pub async fn load_into(client: &Client, database: &str, size_bytes: u64, indexes: bool) -> Result<Loaded> {
    let mut loader = Loader::new(client, Options::default()).await?;
    loader.run(database, Builder::new().i32("dropDatabase", 1).finish()).await?;
    for kind in Kind::ALL {
        loader.create(database, kind.collection(), doc! {}).await?;
    }
    let chunks = Kind::ALL.into_iter().flat_map(|kind| kind.chunks(size_bytes));
    let inserts = chunks.map(|chunk| {
        let (client, database) = (client.clone(), database.to_owned());
        async move { tokio::spawn(insert_chunk(client, database, chunk)).await.expect("an insert that ends") }
    });
    let inserted: Vec<(u64, u64)> = stream::iter(inserts).buffer_unordered(INSERTS).try_collect().await?;
    if indexes {
        create_indexes(&mut loader, database).await?;
    }
    let documents = inserted.iter().map(|(documents, _)| documents).sum();
    let bytes = inserted.iter().map(|(_, bytes)| bytes).sum();
    Ok(Loaded { documents, bytes, ..loader.finish().await? })
}

async fn create_indexes(loader: &mut Loader, database: &str) -> Result<()> {
    let indexes: [(&str, Document); 3] = [
        ("orders", doc! { "customer": 1 }),
        ("orders", doc! { "status": 1, "created": -1 }),
        ("events", doc! { "k": 1 }),
    ];
    for (collection, key) in indexes {
        loader.index(database, collection, key, doc! {}).await?;
    }
    Ok(())
}

/// Makes and inserts the documents of a chunk; answers how many, and their bytes.
async fn insert_chunk(client: Client, database: String, chunk: Chunk) -> Result<(u64, u64)> {
    let collection = chunk.kind.collection();
    let documents = chunk.documents();
    let bytes = documents.iter().map(|document| document.len() as u64).sum();
    let command = without_waiting(insert_command(collection, &documents, false));
    let raw = RawDocumentBuf::from_bytes(command).map_err(mongodb::error::Error::from);
    let reply = match raw {
        Ok(raw) => client.database(&database).run_raw_command(raw).await,
        Err(error) => Err(error),
    };
    let reply = reply.map_err(|source| Error::Command {
        database: database.clone(),
        command: format!("insert {collection:?}"),
        source: Box::new(source),
    })?;
    match first_write_error(&reply) {
        None => Ok((documents.len() as u64, bytes)),
        Some((_, message)) => Err(Error::Insert { database, collection: collection.to_owned(), message }),
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Orders,
    Events,
    Blobs,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Orders, Self::Events, Self::Blobs];

    fn collection(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Events => "events",
            Self::Blobs => "blobs",
        }
    }

    /// Percent of all bytes, and bytes of one document.
    fn share_and_size(self) -> (u64, u64) {
        match self {
            Self::Orders => (71, 930),
            Self::Events => (14, 66),
            Self::Blobs => (15, 92_000),
        }
    }

    fn chunks(self, size_bytes: u64) -> impl Iterator<Item = Chunk> {
        let (share, each) = self.share_and_size();
        let count = (size_bytes * share / 100 / each).max(1);
        let most = (CHUNK_BYTES as u64 / each).min(CHUNK_DOCUMENTS as u64);
        (0..count.div_ceil(most)).map(move |number| {
            let start = number * most;
            Chunk { kind: self, start, end: (start + most).min(count) }
        })
    }
}

/// A range of the documents of one collection.
struct Chunk {
    kind: Kind,
    start: u64,
    end: u64,
}

impl Chunk {
    fn documents(&self) -> Vec<Vec<u8>> {
        let words = words(&mut Random::new(SEED));
        let mut random = Random::new(SEED.wrapping_mul(1_000_003) ^ (self.start << 2) ^ self.kind as u64);
        let range = self.start..self.end;
        match self.kind {
            Kind::Orders => {
                let templates = Order::templates(&words);
                range.map(|n| random.pick(&templates).clone().numbered(n, &mut random)).collect()
            }
            Kind::Events => range.map(|n| event(n, &words, &mut random)).collect(),
            Kind::Blobs => {
                let texts = texts(&words);
                range.map(|n| blob(n, &texts, &mut random)).collect()
            }
        }
    }
}

/// Four thousand words of two to ten letters.
fn words(random: &mut Random) -> Vec<String> {
    let word = |random: &mut Random| {
        let letters = 2 + random.below(9);
        (0..letters).map(|_| char::from(*random.pick(b"etaoinshrdlucmfw"))).collect()
    };
    (0..4000).map(|_| word(random)).collect()
}

fn sentence(words: &[String], count: usize, random: &mut Random) -> String {
    let picked: Vec<&str> = (0..count).map(|_| random.pick(words).as_str()).collect();
    picked.join(" ")
}

fn object_id(first: u8, number: u64) -> [u8; 12] {
    let mut id = [first, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    id[4..].copy_from_slice(&number.to_be_bytes());
    id
}

fn milliseconds(number: u64, each: i64) -> i64 {
    START + i64::try_from(number).unwrap_or(0) * each
}

/// An order, and where its fields of fixed width are.
#[derive(Clone)]
struct Order {
    document: Vec<u8>,
    id: usize,
    customer: usize,
    total: usize,
    created: usize,
}

impl Order {
    fn templates(words: &[String]) -> Vec<Self> {
        let mut random = Random::new(SEED);
        (0..TEMPLATES).map(|_| Self::template(words, &mut random)).collect()
    }

    fn template(words: &[String], random: &mut Random) -> Self {
        let notes = 48 + random.below(59);
        let mut b = Builder::with_capacity(1200);
        b.object_id("_id", [0; 12]).object_id("customer", [1; 12]);
        b.str("status", random.pick(&["new ", "paid", "sent", "done"])).f64("total", 0.0).date("created", 0);
        b.array_of_documents("items", (0..4).map(|_| item(random)).collect::<Vec<_>>());
        b.str("note", sentence(words, notes, random)).start_document("address");
        b.str("street", random.pick(words)).raw(0x10, "zip", &(random.u32() % 99_999).to_le_bytes());
        b.start_array("geo").f64("0", random.fraction() * 180.0).f64("1", random.fraction() * 90.0);
        let document = b.finish();
        let at = |key: &str| get(&document, key).ok().flatten().expect("a field of an order").value_offset();
        let (id, customer, total, created) = (at("_id"), at("customer"), at("total"), at("created"));
        Self { document, id, customer, total, created }
    }

    fn numbered(mut self, number: u64, random: &mut Random) -> Vec<u8> {
        // In no order of time, as drivers on many machines would make them.
        let scattered = (number.wrapping_mul(0x9E37_79B1) % (1 << 24)) << 40 | number;
        self.put(self.id, &object_id(0x65, scattered));
        self.put(self.customer, &random.bytes::<12>());
        self.put(self.total, &(random.fraction() * 1000.0).to_le_bytes());
        self.put(self.created, &milliseconds(number, 1000).to_le_bytes());
        self.document
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        self.document[at..at + value.len()].copy_from_slice(value);
    }
}

fn item(random: &mut Random) -> Vec<u8> {
    let sku = format!("SKU-{:06}", random.u32() % 999_999);
    let quantity = i32::try_from(random.below(9)).expect("a small number");
    Builder::new().str("sku", sku).i32("qty", quantity).f64("price", random.fraction() * 100.0).finish()
}

fn event(number: u64, words: &[String], random: &mut Random) -> Vec<u8> {
    let k = i32::try_from(random.below(100_000)).expect("a small number");
    let mut b = Builder::with_capacity(80);
    b.object_id("_id", object_id(0x66, number)).date("ts", milliseconds(number, 1)).i32("k", k);
    b.f64("v", random.fraction()).str("t", random.pick(words)).finish()
}

fn texts(words: &[String]) -> [Vec<u8>; 4] {
    let mut random = Random::new(SEED);
    [(); 4].map(|()| sentence(words, 90, &mut random).repeat(50).into_bytes())
}

fn blob(number: u64, texts: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut data = vec![0; 60_000];
    random.fill(&mut data);
    data.extend_from_slice(random.pick::<Vec<u8>>(texts));
    let mut b = Builder::with_capacity(data.len() + 80);
    b.object_id("_id", object_id(0x67, number)).str("name", format!("f{number:08}")).binary("data", 0, &data);
    b.finish()
}
