//! What the documents of an archive say: deployment, collections, oplog, summary. What can be read can be written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mongoark_engine::catalog::{
    DeploymentEntry, Summary, decode_collection, decode_oplog, encode_collection, encode_oplog, is_oplog,
};

fuzz_target!(|data: &[u8]| {
    if let Ok(entry) = DeploymentEntry::decode(data) {
        assert!(DeploymentEntry::decode(&entry.encode()).is_ok());
    }
    if let Ok(metadata) = decode_collection(data) {
        assert_eq!(decode_collection(&encode_collection(&metadata)).unwrap(), metadata);
    }
    if is_oplog(data)
        && let Ok(origin) = decode_oplog(data)
    {
        assert_eq!(decode_oplog(&encode_oplog(&origin)).unwrap(), origin);
    }
    if let Ok(summary) = Summary::decode(data) {
        assert!(Summary::decode(&summary.encode()).is_ok());
    }
});
