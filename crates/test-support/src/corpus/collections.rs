//! Collections of every kind and with every option, and the documents in them.

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Bson, DateTime, Decimal128, Document, Regex, Timestamp, cstr, doc};
use mongoark_bson_bytes::Builder;

use super::documents::{OBJECT_ID, UUID, decimal, id_documents, insertable_random_documents, type_documents};
use super::loader::{Loader, Result};
use super::random::Random;

pub(super) async fn load(loader: &mut Loader, db: &str) -> Result<()> {
    documents(loader, db).await?;
    zero_timestamps(loader, db).await?;
    bulk(loader, db).await?;
    capped(loader, db).await?;
    validators(loader, db).await?;
    collations(loader, db).await?;
    storage(loader, db).await?;
    pre_images(loader, db).await?;
    if loader.since(5, 3) { clustered(loader, db).await } else { Ok(()) }
}

async fn documents(loader: &mut Loader, db: &str) -> Result<()> {
    let types = loader.name("types");
    loader.create(db, &types, doc! {}).await?;
    loader.insert(db, &types, type_documents(loader.since(5, 0))).await?;
    let ids = loader.name("ids");
    loader.insert(db, &ids, id_documents()).await?;
    let variant = loader.options.variant.clone();
    let extra = Some(format!("{variant}k")).filter(|_| !variant.is_empty());
    let mut random = Random::new(loader.options.seed);
    let documents = insertable_random_documents(&mut random, 300, extra.as_deref());
    let collection = loader.name("random");
    loader.insert(db, &collection, documents).await?;
    let empty = loader.name("empty");
    loader.create(db, &empty, doc! {}).await
}

/// An insert replaces a zero timestamp of the top level by the current time; the update used here does not.
async fn zero_timestamps(loader: &mut Loader, db: &str) -> Result<()> {
    let collection = loader.name("zero_timestamps");
    let mut first = Builder::new();
    first.i32("_id", 0).timestamp("a", 0, 0);
    let mut second = Builder::new();
    second.i32("_id", 1).i32("x", 1).timestamp("a", 0, 0).timestamp("a.b", 0, 0);
    second.timestamp("c", 0, 1).timestamp("", 0, 0);
    for (id, document) in [(0, first.finish()), (1, second.finish())] {
        loader.insert(db, &collection, [Builder::new().i32("_id", id).finish()]).await?;
        let new_root = |stage: &mut Builder| {
            stage.nested("$replaceRoot", |r| {
                r.nested("newRoot", |n| _ = n.document("$literal", &document));
            });
        };
        loader
            .run(db, update(&collection, id, |u| _ = u.nested_array("u", |p| _ = p.nested("0", new_root))))
            .await?;
    }
    Ok(())
}

/// An update of the document with this `_id`.
fn update(collection: &str, id: i32, change: impl FnOnce(&mut Builder)) -> Vec<u8> {
    let mut command = Builder::new();
    command.str("update", collection).start_array("updates").start_document("0");
    command.nested("q", |q| _ = q.i32("_id", id));
    change(&mut command);
    command.finish()
}

async fn bulk(loader: &mut Loader, db: &str) -> Result<()> {
    let (collection, variant) = (loader.name("bulk"), loader.options.variant.clone());
    let mut random = Random::new(loader.options.seed ^ 0xB01C);
    let documents = (0..3000_i32).map(move |id| {
        let k = i32::try_from(random.below(1000)).expect("a small number");
        let mut d = Builder::new();
        d.i32("_id", id).str("t", format!("row {id:06} {variant}")).f64("v", f64::from(id) / 7.0).i32("k", k);
        d.finish()
    });
    loader.insert(db, &collection, documents).await
}

async fn capped(loader: &mut Loader, db: &str) -> Result<()> {
    let collection = loader.name("capped");
    loader.create(db, &collection, doc! { "capped": true, "size": 65536, "max": 50 }).await?;
    let entry = |n: i32| Builder::new().i32("_id", 1000 - n).str("t", format!("entry {n}")).finish();
    loader.insert(db, &collection, (0..130).map(entry)).await?;
    let by_size = loader.name("capped_bysize");
    loader.create(db, &by_size, doc! { "capped": true, "size": 4097 }).await?;
    let text = "x".repeat(100);
    loader
        .insert(db, &by_size, (0..90).map(|n| Builder::new().i32("_id", n).str("t", &text).finish()))
        .await?;
    let empty = loader.name("capped_empty");
    loader.create(db, &empty, doc! { "capped": true, "size": 1 << 20, "max": i32::MAX - 1 }).await
}

async fn validators(loader: &mut Loader, db: &str) -> Result<()> {
    let collection = loader.name("validated");
    let a = doc! { "bsonType": ["int", "long"], "minimum": 0, "description": "é \" \\ \n" };
    let schema = doc! { "bsonType": "object", "required": ["a"], "properties": { "a": a } };
    let options = doc! {
        "validator": { "$jsonSchema": schema }, "validationLevel": "moderate", "validationAction": "warn",
    };
    loader.create(db, &collection, options).await?;
    let valid = Builder::new().i32("_id", 1).i32("a", 1).finish();
    let not_valid = Builder::new().i32("_id", 2).str("a", "not valid").finish();
    loader.insert(db, &collection, [valid, not_valid]).await?;
    let strict = loader.name("validated_strict");
    let options = doc! { "validator": every_type_of_literal(), "validationLevel": "strict", "validationAction": "error" };
    loader.create(db, &strict, options).await?;
    let first = Builder::new().i32("_id", 1).i64("n", 5).finish();
    let second = Builder::new().i32("_id", 2).decimal128("n", decimal("1.1")).date("d", 5).finish();
    loader.insert(db, &strict, [first, second]).await?;
    let off = loader.name("validated_off");
    loader
        .create(db, &off, doc! { "validator": {}, "validationLevel": "off", "validationAction": "error" })
        .await
}

fn every_type_of_literal() -> Document {
    let decimal: Decimal128 = "1.10".parse().expect("a decimal");
    let numbers: Vec<Bson> = vec![
        5_i64.into(),
        1.5.into(),
        Bson::Decimal128(decimal),
        7_i32.into(),
        f64::INFINITY.into(),
        Bson::Null,
        true.into(),
    ];
    let regex = Regex { pattern: cstr!("^a/b").into(), options: cstr!("i").into() };
    let user = bson::Binary { subtype: BinarySubtype::UserDefined(0x80), bytes: vec![0, 1] };
    let uuid = bson::Binary { subtype: BinarySubtype::Uuid, bytes: UUID.to_vec() };
    doc! { "n": { "$in": numbers }, "$or": [
        { "r": regex },
        { "d": { "$gt": DateTime::from_millis(-1) } },
        { "o": ObjectId::from_bytes(OBJECT_ID) },
        { "t": Timestamp { time: 0, increment: 0 } },
        { "m": { "$gte": Bson::MinKey, "$lt": Bson::MaxKey } },
        { "b": { "$in": [user, uuid] } },
        { "a.b": { "$exists": false } },
    ] }
}

async fn collations(loader: &mut Loader, db: &str) -> Result<()> {
    let collection = loader.name("collation");
    let collation = doc! { "locale": "fr_CA", "strength": 2, "backwards": true };
    loader.create(db, &collection, doc! { "collation": collation }).await?;
    let ids = ["cote", "Côté", "coté", "zebra"];
    loader.insert(db, &collection, ids.map(|id| Builder::new().str("_id", id).finish())).await?;
    let full = loader.name("collation_full");
    let collation = doc! {
        "locale": "en", "caseLevel": true, "caseFirst": "upper", "strength": 3, "numericOrdering": true,
        "alternate": "shifted", "maxVariable": "space", "normalization": true,
    };
    loader.create(db, &full, doc! { "collation": collation }).await?;
    let simple = loader.name("collation_simple");
    loader.create(db, &simple, doc! { "collation": { "locale": "simple" } }).await
}

async fn storage(loader: &mut Loader, db: &str) -> Result<()> {
    let collection = loader.name("storage");
    let engine = |config: &str| doc! { "wiredTiger": { "configString": config } };
    loader.create(db, &collection, doc! { "storageEngine": engine("block_compressor=zlib") }).await?;
    loader.insert(db, &collection, [Builder::new().i32("_id", 1).finish()]).await?;
    let defaults = loader.name("indexdefaults");
    let options = doc! { "indexOptionDefaults": { "storageEngine": engine("prefix_compression=false") } };
    loader.create(db, &defaults, options).await?;
    loader.index(db, &defaults, doc! { "a": 1 }, doc! {}).await
}

async fn pre_images(loader: &mut Loader, db: &str) -> Result<()> {
    let (collection, off) = (loader.name("preimages"), loader.name("preimages_off"));
    if loader.since(6, 0) {
        let images = |enabled: bool| doc! { "changeStreamPreAndPostImages": { "enabled": enabled } };
        loader.create(db, &collection, images(true)).await?;
        loader.create(db, &off, images(false)).await?;
    } else {
        loader.create(db, &collection, doc! { "recordPreImages": true }).await?;
    }
    loader.insert(db, &collection, [Builder::new().i32("_id", 1).i32("a", 1).finish()]).await?;
    let set = |u: &mut Builder| _ = u.nested("u", |u| _ = u.nested("$set", |s| _ = s.i32("a", 2)));
    loader.run(db, update(&collection, 1, set)).await.map(drop)
}

async fn clustered(loader: &mut Loader, db: &str) -> Result<()> {
    let collection = loader.name("clustered");
    let index = doc! { "key": { "_id": 1 }, "unique": true, "name": "the clustered key" };
    loader.create(db, &collection, doc! { "clusteredIndex": index }).await?;
    let named =
        [("b", 0), ("a", 1), ("c", 2)].map(|(id, n)| Builder::new().str("_id", id).i32("n", n).finish());
    let others = [Builder::new().i32("_id", 5).finish(), Builder::new().date("_id", 5).finish()];
    loader.insert(db, &collection, named.into_iter().chain(others)).await?;
    loader.index(db, &collection, doc! { "n": -1 }, doc! {}).await?;
    let ttl = loader.name("clustered_ttl");
    let index = doc! { "key": { "_id": 1 }, "unique": true };
    loader.create(db, &ttl, doc! { "clusteredIndex": index, "expireAfterSeconds": 86_400_i64 }).await?;
    let year_2100 = 4_102_444_800_000_i64;
    loader.insert(db, &ttl, (0..5).map(|n| Builder::new().date("_id", year_2100 + n).finish())).await
}
