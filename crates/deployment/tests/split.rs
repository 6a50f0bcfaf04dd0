//! One collection read by several cursors at once: each document comes exactly once, whatever its `_id` is, however
//! large the batches are, and whatever happens to its neighbours in the meantime.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bson::{Bson, RawDocumentBuf, doc};
use futures_util::future::join_all;
use mongoark_bson_bytes::{Builder, get};
use mongoark_deployment::{Collection, ConnectionString, Scan, Source, SourceOptions, open_parts};
use mongoark_model::Namespace;
use mongoark_test_support::fault::FailCommand;
use mongoark_test_support::{connect, fresh_database_name, shared};
use mongodb::Client;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// Long enough to change a collection in, while a command waits.
const PAUSE: Duration = Duration::from_millis(400);

/// A collection of its own on the shared set, and both ways to it.
struct Room {
    client: Client,
    source: Source,
    namespace: Namespace,
}

impl Room {
    async fn new() -> Self {
        let uri = shared::replica_set().await;
        let source =
            Source::connect(&ConnectionString::new(uri.as_str()), &SourceOptions::default()).await.unwrap();
        let namespace = Namespace::new(fresh_database_name("split"), "c");
        Self { client: connect(&uri).await, source, namespace }
    }

    async fn with(documents: &[Vec<u8>]) -> Self {
        let room = Self::new().await;
        room.insert(documents).await;
        room
    }

    async fn run(&self, command: Vec<u8>) -> bson::Document {
        let command = RawDocumentBuf::from_bytes(command).unwrap();
        let reply = self.client.database(&self.namespace.db).run_raw_command(command).await.unwrap();
        assert!(!reply.contains_key("writeErrors"), "{reply}");
        reply
    }

    async fn insert(&self, documents: &[Vec<u8>]) {
        for some in documents.chunks(10_000) {
            let mut command = Builder::new();
            command.str("insert", &self.namespace.collection).array_of_documents("documents", some);
            self.run(command.finish()).await;
        }
    }

    /// Deletes what has one of these numbers as its `_id`.
    async fn delete(&self, ids: &[i32]) {
        let delete = doc! { "delete": "c", "deletes": [{ "q": { "_id": { "$in": ids } }, "limit": 0 }] };
        self.client.database(&self.namespace.db).run_command(delete).await.unwrap();
    }

    /// Every document of a scan, by the number that is its `_id`.
    async fn read(mut scan: Scan) -> Vec<i64> {
        let mut ids = Vec::new();
        while let Some(batch) = scan.next().await.unwrap() {
            for document in batch.documents().unwrap() {
                let id = get(document.unwrap(), "_id").unwrap().unwrap();
                ids.push(id.as_i64_lossless().unwrap());
            }
        }
        ids
    }

    async fn open(&self, parts: usize, batch_documents: u32) -> Option<Vec<Scan>> {
        open_parts(&self.source, &Collection::named(&self.namespace), parts, batch_documents).await.unwrap()
    }

    /// Makes each `find` on this collection wait, beyond the first few.
    async fn hold_finds(&self, beyond: i32, pause: Duration) -> Held<'_> {
        static ONE_FAIL_POINT: Mutex<()> = Mutex::const_new(());
        let lock = ONE_FAIL_POINT.lock().await;
        let entered = self.times_entered().await;
        let hold = FailCommand::new(["find"]).after(beyond).block(pause).app_name("mongoark");
        hold.namespace(&self.namespace.to_string()).enable(&self.client).await;
        Held { room: self, entered, _lock: lock }
    }

    /// How often the fail point was met since the server started.
    async fn times_entered(&self) -> i64 {
        let off = doc! { "configureFailPoint": "failCommand", "mode": "off" };
        let was = self.client.database("admin").run_command(off).await.unwrap();
        was.get_i64("count").or_else(|_| was.get_i32("count").map(i64::from)).unwrap()
    }
}

/// The server's one fail point, while it holds this room's finds.
struct Held<'a> {
    room: &'a Room,
    entered: i64,
    _lock: MutexGuard<'static, ()>,
}

impl Held<'_> {
    /// Returns when a `find` waits.
    async fn is_reached(&self) {
        let once_more =
            doc! { "waitForFailPoint": "failCommand", "timesEntered": self.entered + 1, "maxTimeMS": 60_000 };
        self.room.client.database("admin").run_command(once_more).await.unwrap();
    }

    /// From now on no other `find` waits.
    async fn release(self) {
        FailCommand::disable(&self.room.client).await;
    }
}

/// A document whose `_id` is a number, with the room to be changed in place.
fn numbered(id: i32) -> Vec<u8> {
    Builder::new().i32("_id", id).str("text", format!("document {id}")).finish()
}

fn range(ids: std::ops::Range<i32>) -> Vec<Vec<u8>> {
    ids.map(numbered).collect()
}

fn id_of(document: &[u8]) -> i32 {
    let id = get(document, "_id").unwrap().unwrap().as_i64_lossless().unwrap();
    i32::try_from(id).unwrap()
}

async fn read(mut scan: Scan) -> Vec<Vec<u8>> {
    let mut documents = Vec::new();
    while let Some(batch) = scan.next().await.unwrap() {
        documents.extend(batch.documents().unwrap().map(|document| document.unwrap().to_vec()));
    }
    documents
}

/// All parts at once, each to its end.
async fn read_all(scans: Vec<Scan>) -> Vec<Vec<u8>> {
    join_all(scans.into_iter().map(|scan| async { tokio::spawn(read(scan)).await.unwrap() })).await.concat()
}

/// The first document of each part, and the parts without it.
async fn first_of_each(scans: &mut [Scan]) -> Vec<Vec<u8>> {
    let mut firsts = Vec::new();
    for scan in scans {
        let batch = scan.next().await.unwrap().expect("a part has documents");
        let documents: Vec<&[u8]> = batch.documents().unwrap().map(Result::unwrap).collect();
        assert_eq!(documents.len(), 1, "a part is opened, not read");
        firsts.push(documents[0].to_vec());
    }
    firsts
}

#[track_caller]
fn expect_the_same(mut found: Vec<Vec<u8>>, expected: &[Vec<u8>]) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found.len(), expected.len(), "number of documents");
    assert!(found == expected, "the documents differ");
}

/// Fails unless each of these `_id`s was read exactly once, and no other one twice with the same bytes.
#[track_caller]
fn expect_each_once(found: &[Vec<u8>], untouched: impl IntoIterator<Item = i32>) {
    let mut times: HashMap<i32, u32> = HashMap::new();
    for document in found {
        *times.entry(id_of(document)).or_default() += 1;
    }
    let wrong: BTreeMap<i32, u32> = untouched
        .into_iter()
        .map(|id| (id, times.get(&id).copied().unwrap_or_default()))
        .filter(|(_, times)| *times != 1)
        .collect();
    assert!(wrong.is_empty(), "{} documents not read exactly once (_id: times): {wrong:?}", wrong.len());
}

/// Numbers, texts, documents, dates and more, in turn.
fn of_many_types(count: i32) -> Vec<Vec<u8>> {
    let document = |n: i32| {
        let mut d = Builder::new();
        match n % 8 {
            0 => d.i32("_id", n),
            1 => d.i64("_id", i64::from(n) << 33),
            2 => d.str("_id", format!("text {n}")),
            3 => d.nested("_id", |id| _ = id.i32("b", n).str("a", "x")),
            4 => d.date("_id", i64::from(n) * 1000),
            5 => d.f64("_id", f64::from(n) + 0.5),
            6 => d.binary("_id", 0, &n.to_le_bytes()),
            _ => d.timestamp("_id", 7, n.cast_unsigned()),
        };
        d.str("text", format!("document {n}")).finish()
    };
    (0..count).map(document).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn four_parts_give_each_document_once_whatever_its_id() {
    let documents = of_many_types(30_000);
    let room = Room::with(&documents).await;
    let scans = room.open(4, 1000).await.expect("it can be cut");
    assert_eq!(scans.len(), 4);
    let parts = join_all(scans.into_iter().map(read)).await;
    for part in &parts {
        assert!(!part.is_empty(), "a part has nothing in it");
    }
    expect_the_same(parts.concat(), &documents);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_batch_size_and_any_number_of_parts_give_each_document_once() {
    let documents = of_many_types(4000);
    let room = Room::with(&documents).await;
    for (parts, batch_documents) in [(1, 100), (2, 7), (3, 1), (4, 1_000_000), (5, 128), (16, 7)] {
        let scans = room.open(parts, batch_documents).await.expect("it can be cut");
        assert_eq!(scans.len(), parts);
        expect_the_same(read_all(scans).await, &documents);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_read_one_after_the_other_from_the_last_on_give_each_document_once() {
    let documents = range(0..5000);
    let room = Room::with(&documents).await;
    let mut found = Vec::new();
    for scan in room.open(4, 50).await.expect("it can be cut").into_iter().rev() {
        found.extend(read(scan).await);
    }
    expect_the_same(found, &documents);
}

/// Deletes, stores anew, changes and inserts until told to end. Touched are only `_id`s that 3 divides.
async fn churn(room: Arc<Room>, documents: i32, end: Arc<AtomicBool>) -> u32 {
    let (mut rounds, mut next) = (0, documents);
    while !end.load(Ordering::Relaxed) {
        let some: Vec<i32> =
            (0..200).map(|n| ((rounds * 7919 + n * 104_729) % (documents / 3)) * 3).collect();
        room.delete(&some[..150]).await;
        let mut again = some[..100].to_vec();
        again.sort_unstable();
        again.dedup();
        room.insert(&again.into_iter().map(numbered).collect::<Vec<_>>()).await;
        let set = doc! { "q": { "_id": { "$in": &some[150..] } }, "multi": true,
        "u": { "$set": { "text": "y".repeat(usize::try_from(rounds % 300).unwrap()) } } };
        let update = doc! { "update": "c", "updates": [set] };
        room.client.database(&room.namespace.db).run_command(update).await.unwrap();
        room.insert(&range(next..next + 50)).await;
        next += 50;
        rounds += 1;
    }
    rounds.cast_unsigned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_touched_comes_once_while_others_are_deleted_stored_anew_and_changed() {
    const DOCUMENTS: i32 = 30_000;
    let room = Arc::new(Room::with(&range(0..DOCUMENTS)).await);
    let end = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(churn(Arc::clone(&room), DOCUMENTS, Arc::clone(&end)));
    for batch_documents in [100, 1000, 5000, 100_000] {
        let scans = room.open(4, batch_documents).await.expect("it can be cut");
        let found = read_all(scans).await;
        expect_each_once(&found, (0..DOCUMENTS).filter(|id| id % 3 != 0));
    }
    end.store(true, Ordering::Relaxed);
    assert!(writer.await.unwrap() > 0, "nothing was written meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_of_the_bounds_may_go_between_opening_and_reading() {
    for batch_documents in [7, 400, 100_000] {
        let room = Room::with(&range(0..6000)).await;
        let mut scans = room.open(4, batch_documents).await.expect("it can be cut");
        let firsts = first_of_each(&mut scans).await;
        // The bound stands right before the first document of the part behind it.
        let gone: Vec<i32> =
            firsts[1..].iter().map(|first| id_of(first)).flat_map(|id| id - 60..id + 60).collect();
        room.delete(&gone).await;
        let found = [firsts, read_all(scans).await].concat();
        expect_each_once(&found, (0..6000).filter(|id| !gone.contains(id)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_may_go_between_opening_and_reading() {
    let room = Room::with(&range(0..4000)).await;
    let mut scans = room.open(4, 100).await.expect("it can be cut");
    let firsts = first_of_each(&mut scans).await;
    room.delete(&(0..4000).collect::<Vec<_>>()).await;
    room.insert(&range(5000..6000)).await;
    let found = [firsts, read_all(scans).await].concat();
    assert!(found.len() <= 4 + 1000, "{} documents from nowhere", found.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_that_is_gone_before_its_cursor_opens_joins_two_parts() {
    // On a busy machine the deletion may come after the cursors: then once more, with more time.
    for pause in [PAUSE, 4 * PAUSE, 16 * PAUSE] {
        let room = Room::with(&range(0..6000)).await;
        // The look-up of the sample and the highest record id pass; the first cursor of a part waits.
        let held = room.hold_finds(2, pause).await;
        let opening = room.open(6, 200);
        let deleting = async {
            held.is_reached().await;
            room.delete(&(0..6000).filter(|id| id % 50 != 0).collect::<Vec<_>>()).await;
            held.release().await;
        };
        let (scans, ()) = tokio::join!(opening, deleting);
        let scans = scans.expect("it can be cut");
        let is_joined = scans.len() < 6;
        expect_each_once(&read_all(scans).await, (0..6000).step_by(50));
        if is_joined {
            return;
        }
    }
    panic!("no bound was gone before its cursor was opened");
}

/// Cuts a collection of `DOCUMENTS` in two, changes it while the first part looks for its end, and gives back what
/// was read. `change` gets the `_id` of the second part's first document.
async fn changed_during_the_search(
    room: &Room,
    batch_documents: u32,
    change: impl AsyncFnOnce(i32),
) -> Vec<Vec<u8>> {
    let (mut scans, firsts) = loop {
        let mut scans = room.open(2, batch_documents).await.expect("it can be cut");
        let firsts = first_of_each(&mut scans).await;
        // Where a batch happens to end with the part, nothing has to be looked for.
        if !(id_of(&firsts[1]) - 1).unsigned_abs().is_multiple_of(batch_documents) {
            break (scans, firsts);
        }
    };
    let held = room.hold_finds(0, PAUSE).await;
    let (first, second) = (scans.remove(0), scans.remove(0));
    let changing = async {
        held.is_reached().await;
        change(id_of(&firsts[1])).await;
        held.release().await;
    };
    let (found, ()) = tokio::join!(read(first), changing);
    [firsts, found, read(second).await].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_neighbours_may_go_while_the_end_of_a_part_is_looked_for() {
    for batch_documents in [300, 100_000] {
        let room = Room::with(&range(0..3000)).await;
        let mut gone = Vec::new();
        let found = changed_during_the_search(&room, batch_documents, async |bound| {
            gone = (bound - 400..bound + 400).filter(|id| id % 5 != 0).collect();
            room.delete(&gone).await;
        })
        .await;
        expect_each_once(&found, (0..3000).filter(|id| !gone.contains(id)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_neighbours_may_be_stored_anew_while_the_end_of_a_part_is_looked_for() {
    for batch_documents in [300, 100_000] {
        let room = Room::with(&range(0..3000)).await;
        let mut moved = Vec::new();
        let found = changed_during_the_search(&room, batch_documents, async |bound| {
            moved = (bound - 400..bound + 400).filter(|id| id % 5 != 0 && (0..3000).contains(id)).collect();
            room.delete(&moved).await;
            room.insert(&moved.iter().copied().map(numbered).collect::<Vec<_>>()).await;
        })
        .await;
        expect_each_once(&found, (0..3000).filter(|id| !moved.contains(id)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collated_collection_is_cut_by_the_bytes_of_its_ids() {
    let room = Room::new().await;
    let create =
        doc! { "create": "c", "collation": { "locale": "en", "strength": 1, "numericOrdering": true } };
    room.client.database(&room.namespace.db).run_command(create).await.unwrap();
    let id = |n: i32| if n % 2 == 0 { format!("ÀB {n}") } else { format!("zz {n}") };
    let documents: Vec<Vec<u8>> =
        (0..5000).map(|n| Builder::new().str("_id", id(n)).i32("n", n).finish()).collect();
    room.insert(&documents).await;
    for batch_documents in [7, 100_000] {
        let scans = room.open(4, batch_documents).await.expect("it can be cut");
        assert_eq!(scans.len(), 4);
        expect_the_same(read_all(scans).await, &documents);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_not_utf8_are_found_again() {
    let id = |n: i32| [&[0xff, 0xfe, b'x'][..], n.to_string().as_bytes(), &[0xc3]].concat();
    let only: Vec<Vec<u8>> = (0..4000).map(|n| Builder::new().str("_id", id(n)).finish()).collect();
    let document = |n: i32| if n % 4 == 0 { numbered(n) } else { Builder::new().str("_id", id(n)).finish() };
    let mixed: Vec<Vec<u8>> = (0..4000).map(document).collect();
    for documents in [only, mixed] {
        let room = Room::with(&documents).await;
        for batch_documents in [7, 100_000] {
            let scans = room.open(4, batch_documents).await.expect("it can be cut");
            expect_the_same(read_all(scans).await, &documents);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_field_named_record_id_changes_nothing() {
    let document = |n: i32| {
        let mut d = Builder::new();
        d.i32("_id", n);
        match n % 3 {
            0 => d.i64("$recordId", i64::from(5000 - n)),
            1 => d.str("$recordId", "a text"),
            _ => d.i32("n", n),
        };
        d.finish()
    };
    let documents: Vec<Vec<u8>> = (0..5000).map(document).collect();
    let room = Room::with(&documents).await;
    for batch_documents in [7, 100_000] {
        let scans = room.open(4, batch_documents).await.expect("it can be cut");
        expect_the_same(read_all(scans).await, &documents);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_cut_is_left_to_one_cursor() {
    let few = Room::with(&range(0..5)).await;
    assert!(few.open(4, 10).await.is_none(), "too few documents");
    let none = Room::new().await;
    assert!(none.open(4, 10).await.is_none(), "no such collection");
    let view = Room::with(&range(0..2000)).await;
    let create = doc! { "create": "v", "viewOn": "c", "pipeline": Vec::<Bson>::new() };
    view.client.database(&view.namespace.db).run_command(create).await.unwrap();
    let namespace = Namespace::new(view.namespace.db.as_str(), "v");
    let opened = open_parts(&view.source, &Collection::named(&namespace), 4, 10).await;
    assert!(!matches!(opened, Ok(Some(_))), "a view has no record ids");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_inserted_after_the_start_do_not_make_the_last_part_endless() {
    let room = Room::with(&range(0..3000)).await;
    let mut scans = room.open(3, 100).await.expect("it can be cut");
    let firsts = first_of_each(&mut scans).await;
    room.insert(&range(3000..9000)).await;
    let found = [firsts, read_all(scans).await].concat();
    expect_the_same(found, &range(0..3000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_dropped_or_renamed_in_the_middle_is_an_error_in_every_part() {
    let drop = doc! { "drop": "c" };
    for (what, database) in [(drop, None), (doc! { "renameCollection": "" }, Some("admin"))] {
        let room = Room::with(&range(0..5000)).await;
        let mut scans = room.open(4, 100).await.expect("it can be cut");
        first_of_each(&mut scans).await;
        let mut what = what;
        if database.is_some() {
            what.insert("renameCollection", room.namespace.to_string());
            what.insert("to", format!("{}.other", room.namespace.db));
        }
        room.client.database(database.unwrap_or(&room.namespace.db)).run_command(what).await.unwrap();
        for scan in &mut scans {
            let mut ended = scan.next().await;
            while matches!(ended, Ok(Some(_))) {
                ended = scan.next().await;
            }
            let error = ended.err().expect("a part that ends early says so");
            assert!(error.code().is_some(), "{error}");
        }
    }
}

#[tokio::test]
async fn what_is_stored_while_parts_are_read_is_behind_them_even_if_the_last_record_is_gone() {
    let room = Room::with(&range(0..4_000)).await;
    let scans = room.open(3, 100).await.unwrap();
    let rest = scans[0].place().unwrap().behind_all_parts().unwrap();
    assert!(scans.iter().all(|scan| scan.place().unwrap().behind_all_parts().as_ref() == Some(&rest)));
    // The record behind which the rest begins, and some before it, are gone by then.
    room.delete(&(3_900..4_000).collect::<Vec<i32>>()).await;
    room.insert(&range(3_950..4_050)).await;
    let read = join_all(scans.into_iter().map(Room::read)).await.concat();
    assert_eq!(read.len(), 3_900, "the parts end where they did");
    let collection = Collection::named(&room.namespace);
    let rest = Room::read(Scan::rest(&room.source, &collection, &rest, 30).await.unwrap()).await;
    assert_eq!(rest, (3_950..4_050).collect::<Vec<i64>>());
}
