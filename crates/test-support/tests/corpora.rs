//! Each corpus loads, and two loads of one are alike.

use std::collections::BTreeSet;

use mongoark_bson_bytes::{DEPTH_MAX, validate};
use mongoark_test_support::compare::{Options as Compared, State, capture};
use mongoark_test_support::corpus::{self, Loaded, Options, documents};
use mongoark_test_support::{ReplicaSet, Server};

/// What the server chooses: the ids of buckets and the order of fields in them, user ids and salts.
fn is_chosen_by_the_server(line: &str) -> bool {
    let series =
        ["\"edge.system.buckets.", "\"edge.ts\"", "\"edge.ts_plain\" document", "\"edge.view of ts\""];
    series.iter().any(|start| line.starts_with(start)) || line.starts_with("user ")
}

async fn loaded_edge(options: Options) -> (ReplicaSet, State, Loaded) {
    let server = ReplicaSet::single().await;
    let client = server.client().await;
    let loaded = corpus::edge::load(&client, options).await.expect("an edge corpus");
    let state = capture(&client).await.expect("a state");
    (server, state, loaded)
}

#[tokio::test]
async fn two_loads_of_the_edge_cases_are_alike() {
    let ((_, first, loaded), (_, second, _)) =
        tokio::join!(loaded_edge(Options::default()), loaded_edge(Options::default()));
    assert_eq!(loaded.refused, Vec::<String>::new());
    let differences = first.differences(&second, &Compared::default());
    let unexpected: Vec<_> = differences.iter().filter(|line| !is_chosen_by_the_server(line)).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    assert!(differences.iter().any(|line| line.starts_with("user ") && line.contains("credentials")));
    let uuids = first.differences(&second, &Compared { uuids: true, ..Compared::default() });
    assert!(uuids.contains(&"\"edge.types\": another UUID".to_owned()), "{uuids:#?}");
}

/// The version as a number to compare: 6.0.5 is 600.
fn version(state: &State) -> u32 {
    let mut numbers = state.server_version.split('.').map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    next() * 100 + next()
}

#[tokio::test]
async fn the_edge_cases_hold_every_kind_of_thing() {
    let (_server, state, _) = loaded_edge(Options::default()).await;
    let version = version(&state);
    let since = |(first, name): &(u32, &'static str)| (version >= *first).then_some(*name);
    let kinds: BTreeSet<&str> = state.namespaces.values().map(|namespace| namespace.kind.as_str()).collect();
    let expected = [(0, "collection"), (500, "timeseries"), (0, "view")];
    assert_eq!(kinds, expected.iter().filter_map(since).collect());
    let of_collections = "capped size max validator validationLevel validationAction collation storageEngine \
                          indexOptionDefaults viewOn pipeline";
    let newer = [
        (500, "timeseries"),
        (500, "expireAfterSeconds"),
        (503, "clusteredIndex"),
        (600, "changeStreamPreAndPostImages"),
    ];
    for option in of_collections.split_whitespace().chain(newer.iter().filter_map(since)) {
        assert!(state.namespaces.values().any(|namespace| namespace.options.contains(option)), "{option}");
    }
    let of_indexes = "unique sparse hidden background partialFilterExpression expireAfterSeconds weights \
                      2dsphereIndexVersion bits wildcardProjection collation storageEngine";
    let indexes: Vec<_> =
        state.namespaces.values().flat_map(|namespace| namespace.indexes.values()).collect();
    for option in of_indexes.split_whitespace().chain([(600, "prepareUnique")].iter().filter_map(since)) {
        assert!(indexes.iter().any(|index| index.contains(option)), "{option}");
    }
    assert_eq!(state.users.keys().collect::<Vec<_>>(), ["accounts.alice", "accounts.bob", "admin.chief"]);
    assert_eq!(state.roles.keys().collect::<Vec<_>>(), ["accounts.keeper"]);
    assert_eq!(state.namespaces["edge.capped"].count, 50);
}

#[tokio::test]
async fn a_variant_and_a_seed_give_other_names_and_documents() {
    let options = Options { seed: 7, variant: "ü%x".to_owned(), keep_going: true };
    let (_server, state, loaded) = loaded_edge(options).await;
    assert_eq!(loaded.refused, Vec::<String>::new());
    assert!(state.namespaces.keys().all(|name| name.contains("ü%x")), "{:?}", state.namespaces.keys());
}

#[tokio::test]
async fn what_the_peer_fails_on_is_taken_by_the_server() {
    let server = Server::standalone().await;
    let client = server.client().await;
    corpus::refused::load(&client, Options::default()).await.unwrap();
    let state = capture(&client).await.unwrap();
    let databases: BTreeSet<&str> =
        state.namespaces.keys().filter_map(|name| name.split('.').next()).collect();
    let expected = ["nan", "not_utf8", "looks_like_oid", "looks_like_int", "names"]
        .map(|name| format!("refused_{name}"));
    assert!(expected.iter().all(|name| databases.contains(name.as_str())), "{databases:?}");
    assert!(databases.contains("changed_names"));
}

#[tokio::test]
async fn the_largest_documents_are_stored_whole() {
    let server = Server::standalone().await;
    let client = server.client().await;
    let loaded = corpus::big::load(&client, Options::default()).await.unwrap();
    let state = capture(&client).await.unwrap();
    assert_eq!(state.namespaces["big.documents"].count, 5);
    assert_eq!(state.namespaces["big.many"].count, 60_000);
    assert_eq!(loaded.documents, 60_005);
    assert!(loaded.bytes > 16 * 1024 * 1024 * 3);
}

#[tokio::test]
async fn blocks_of_several_collections_are_loaded() {
    let server = Server::standalone().await;
    let client = server.client().await;
    let loaded = corpus::interleaved::load(&client, Options::default()).await.unwrap();
    assert_eq!(loaded.documents, 825);
    assert!(loaded.bytes > 60_000_000);
}

#[tokio::test]
async fn the_benchmark_is_of_the_size_asked_for_and_always_the_same() {
    let server = Server::standalone().await;
    let client = server.client().await;
    let size = 30_000_000;
    let first = corpus::bench::load(&client, size).await.unwrap();
    let state = capture(&client).await.unwrap();
    assert!(first.bytes.abs_diff(size) < size / 10, "{} bytes", first.bytes);
    assert_eq!(state.documents(), first.documents);
    assert!(state.namespaces["bench.orders"].indexes.contains_key("status_1_created_-1"));
    let second = corpus::bench::load(&client, size).await.unwrap();
    assert_eq!(first, second);
    let again = capture(&client).await.unwrap();
    assert_eq!(state.differences(&again, &Compared::default()), Vec::<String>::new());
}

#[tokio::test]
async fn the_sample_is_a_small_shop() {
    let server = ReplicaSet::single().await;
    let client = server.client().await;
    corpus::load_sample(&client).await.unwrap();
    let loaded = corpus::load_sample(&client).await.unwrap();
    let state = capture(&client).await.unwrap();
    let series = (version(&state) >= 500).then_some("temperatures");
    for name in ["orders", "events", "blobs", "paid_orders", "audit_log"].into_iter().chain(series) {
        assert!(state.namespaces[&format!("shop.{name}")].count > 0, "{name}");
    }
    assert_eq!(state.namespaces["shop.audit_log"].count, 5000);
    assert!(state.users.contains_key("shop.clerk"));
    assert!((20_000_000..50_000_000).contains(&loaded.bytes));
}

#[test]
fn the_odd_documents_are_valid_bson() {
    let mut random = corpus::Random::new(3);
    let all = [
        documents::type_documents(true),
        documents::id_documents(),
        documents::random_documents(&mut random, 500, Some("k")),
    ];
    for document in all.iter().flatten() {
        assert_eq!(validate(document, DEPTH_MAX), Ok(()));
    }
}
