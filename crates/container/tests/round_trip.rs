//! What is written is read again: any streams, any codec, any protection, from a pipe and from a file.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Built, Plan, build, key_secret, passphrase_secret, read_file, read_pipe, tiny_kdf};
use mongoark_container::{ChunkKind, Codec, Error, Secret, WriteOptions};
use proptest::prelude::*;

fn check(plan: &Plan, options: &WriteOptions, unlock: &[Secret]) -> Result<(), Error> {
    let Built { bytes, stats, .. } = build(plan, options)?;
    assert_eq!(stats.archive_bytes, bytes.len() as u64);
    assert_eq!(read_pipe(&bytes, unlock)?, plan.content());
    assert_eq!(read_file(&bytes, unlock)?.content, plan.content());
    mongoark_container::scrub(&bytes[..])?;
    Ok(())
}

#[test]
fn every_codec_and_protection() {
    let plan = Plan::sample();
    for codec in ["none", "zstd", "zstd:19", "gzip", "gzip:1"] {
        for secrets in [vec![], vec![key_secret(1)], vec![passphrase_secret("open"), key_secret(2)]] {
            let codec: Codec = codec.parse().unwrap();
            let options = WriteOptions { codec, secrets: secrets.clone(), kdf: tiny_kdf() };
            check(&plan, &options, &secrets).unwrap();
            for secret in secrets {
                check(&plan, &options, &[secret]).unwrap();
            }
        }
    }
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let chunk = (0u32..4, prop::collection::vec(any::<u8>(), 0..300), 0u32..9, 1usize..50);
    (prop::collection::vec(chunk, 0..24), prop::collection::vec(any::<u8>(), 0..40)).prop_map(
        |(chunks, summary)| {
            let mut plan = Plan { summary, ..Plan::default() };
            for (stream, bytes, documents, repeat) in chunks {
                let kind = if stream == 3 { ChunkKind::Oplog } else { ChunkKind::Data };
                plan.chunk(kind, stream, documents, bytes.repeat(repeat));
            }
            plan
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_streams(plan in any_plan(), codec in prop::sample::select(vec!["none", "zstd:1", "gzip:3"]), encrypted: bool) {
        let secrets = if encrypted { vec![key_secret(3)] } else { vec![] };
        let options = WriteOptions { codec: codec.parse().unwrap(), secrets: secrets.clone(), kdf: tiny_kdf() };
        check(&plan, &options, &secrets).unwrap();
    }
}
