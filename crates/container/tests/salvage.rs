//! What is left of a damaged archive comes out, nothing else does, and what is missing is counted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;

use common::{Place, Plan, TestFile, build, encrypted, places, plain};
use mongoark_container::{
    Chunk, ChunkKind, Codec, Error, ErrorKind, Existing, Header, Interrupted, Limits, Missing, OpenScratch,
    PartialFile, Salvage, SalvagedStream, SealScratch, Secret, WriteOptions, create,
};
use proptest::prelude::*;

/// What a salvage finds.
struct Left {
    catalogs: Vec<(u32, Vec<u8>)>,
    chunks: Vec<Chunk>,
    streams: BTreeMap<u32, SalvagedStream>,
    has_whole_catalog: bool,
    has_end: bool,
}

fn salvage(file: &TestFile, bytes: &[u8], secrets: &[Secret]) -> Result<Left, Error> {
    file.put(bytes);
    let salvage = Salvage::open(&file.path, secrets, &Limits::default(), &|_| true, &mut |_| true)?.unwrap();
    let mut scratch = OpenScratch::new();
    let chunks = salvage.chunks().iter().map(|chunk| salvage.open_chunk(chunk, &mut scratch));
    Ok(Left {
        chunks: chunks.filter_map(Result::ok).collect(),
        catalogs: salvage.catalogs().iter().map(|found| (found.stream, found.body.clone())).collect(),
        streams: salvage.streams().iter().map(|stream| (stream.stream, *stream)).collect(),
        has_whole_catalog: salvage.has_whole_catalog(),
        has_end: salvage.end().is_some(),
    })
}

impl Left {
    /// Everything that is left is of the original, and where a count is exact it holds.
    #[track_caller]
    fn is_of(&self, plan: &Plan, what: &str) {
        let content = plan.content();
        assert!(self.catalogs.iter().all(|catalog| content.catalogs.contains(catalog)), "{what}: a catalog");
        for chunk in &self.chunks {
            assert!(plan.chunks.contains(chunk), "{what}: a chunk that was never written");
            let may_be_retracted = self.streams[&chunk.stream].may_hold_retracted || !self.has_end;
            assert!(
                may_be_retracted || content.chunks.contains(chunk),
                "{what}: a chunk that was taken back"
            );
        }
        for stream in self.streams.values() {
            let documents = |chunks: &[Chunk]| -> u64 {
                let of_stream = chunks.iter().filter(|chunk| chunk.stream == stream.stream);
                of_stream.map(|chunk| u64::from(chunk.documents)).sum()
            };
            let (left, were) = (documents(&self.chunks), documents(&content.chunks));
            assert_eq!(stream.documents, left, "{what}: stream {}", stream.stream);
            match stream.missing {
                Missing::Exactly(missing) => {
                    assert_eq!(left + missing, were, "{what}: stream {}", stream.stream);
                }
                Missing::AtLeast(missing) => {
                    assert!(missing <= were, "{what}: stream {}: {missing}", stream.stream);
                }
            }
        }
    }

    fn is_whole(&self, plan: &Plan) -> bool {
        let exact = |stream: &SalvagedStream| stream.missing == Missing::Exactly(0);
        self.streams.values().all(exact) && self.has_whole_catalog && self.chunks == plan.content().chunks
    }
}

fn both() -> [WriteOptions; 2] {
    [encrypted(), plain()]
}

#[test]
fn a_chunk_that_is_not_sound_is_missing() {
    let (options, plan) = (encrypted(), Plan::sample());
    let file = TestFile::new(&build(&plan, &options).unwrap().bytes);
    let is_sound = |chunk: &Chunk| chunk.stream != 1 || chunk.stream_seq != 2;
    let salvage =
        Salvage::open(&file.path, &options.secrets, &Limits::default(), &is_sound, &mut |_| true).unwrap();
    let salvage = salvage.unwrap();
    let stream = salvage.streams().iter().find(|stream| stream.stream == 1).unwrap();
    assert_eq!((stream.documents, stream.missing), (9, Missing::Exactly(3)));
}

#[test]
fn every_cut() {
    for options in both() {
        for plan in [Plan::small(), Plan::sample()] {
            let bytes = build(&plan, &options).unwrap().bytes;
            let file = TestFile::new(&bytes);
            for len in 0..=bytes.len() {
                match salvage(&file, &bytes[..len], &options.secrets) {
                    Ok(left) => left.is_of(&plan, &format!("cut at {len}")),
                    Err(error) => {
                        assert!(len < common::HEADER_LEN, "cut at {len}: {error}");
                        assert_eq!(error.kind(), ErrorKind::Truncated, "cut at {len}");
                    }
                }
            }
            // The end of END is all it takes.
            let end = places(&bytes).last().unwrap().end;
            assert!(salvage(&file, &bytes[..end], &options.secrets).unwrap().is_whole(&plan));
            assert!(!salvage(&file, &bytes[..end - 1], &options.secrets).unwrap().has_end);
        }
    }
}

#[test]
fn every_flipped_byte() {
    for options in both() {
        let plan = Plan::small();
        let mut bytes = build(&plan, &options).unwrap().bytes;
        let file = TestFile::new(&bytes);
        for byte in 0..bytes.len() {
            bytes[byte] ^= 0x20;
            let left = salvage(&file, &bytes, &options.secrets).unwrap();
            left.is_of(&plan, &format!("byte {byte}"));
            bytes[byte] ^= 0x20;
        }
    }
}

/// The places of all records of a type.
fn of_kind(bytes: &[u8], kind: u8) -> Vec<Place> {
    places(bytes).into_iter().filter(|place| place.kind == kind).collect()
}

const CATALOG: u8 = 2;
const DATA: u8 = 3;
const STREAM_END: u8 = 5;
const RETRACT: u8 = 6;
const INDEX: u8 = 8;
const END: u8 = 9;

#[test]
fn what_one_lost_record_means() {
    for options in both() {
        let plan = Plan::sample();
        let bytes = build(&plan, &options).unwrap().bytes;
        let file = TestFile::new(&bytes);
        // Its body, its header, all of it; or taken out.
        let lose = |place: Place| {
            let mut body = bytes.clone();
            body[place.end - 5] ^= 1;
            let mut header = bytes.clone();
            header[place.start + 9] ^= 1;
            let mut zeros = bytes.clone();
            zeros[place.start..place.end].fill(0);
            let gone = [&bytes[..place.start], &bytes[place.end..]].concat();
            [body, header, zeros, gone].map(|bytes| salvage(&file, &bytes, &options.secrets).unwrap())
        };
        for place in of_kind(&bytes, DATA) {
            for left in lose(place) {
                left.is_of(&plan, "a chunk");
                assert!(left.streams.values().all(|stream| matches!(stream.missing, Missing::Exactly(_))));
                assert!(left.has_whole_catalog);
            }
        }
        for place in of_kind(&bytes, CATALOG) {
            for left in lose(place) {
                left.is_of(&plan, "a catalog");
                assert!(!left.has_whole_catalog);
            }
        }
        for left in lose(of_kind(&bytes, RETRACT)[0]) {
            left.is_of(&plan, "a retraction");
            assert!(left.streams[&2].may_hold_retracted && !left.streams[&1].may_hold_retracted);
            assert_eq!(left.chunks.len(), plan.chunks.len());
        }
        for kind in [STREAM_END, INDEX] {
            for left in lose(of_kind(&bytes, kind)[0]) {
                assert!(left.is_whole(&plan), "record type {kind}");
            }
        }
        for left in lose(of_kind(&bytes, END)[0]) {
            left.is_of(&plan, "END");
            assert!(!left.has_end);
            assert!(left.streams.values().all(|stream| stream.missing == Missing::Exactly(0)
                || !plan.chunks.iter().any(|chunk| chunk.stream == stream.stream)));
        }
    }
}

#[test]
fn damage_does_not_need_the_index_to_be_counted() {
    for options in both() {
        let plan = Plan::sample();
        let mut bytes = build(&plan, &options).unwrap().bytes;
        let file = TestFile::new(&bytes);
        let second_of_stream_1 = of_kind(&bytes, DATA)[2];
        bytes[second_of_stream_1.end - 5] ^= 1;
        let index = of_kind(&bytes, INDEX)[0];
        bytes[index.start..].fill(0);
        let left = salvage(&file, &bytes, &options.secrets).unwrap();
        left.is_of(&plan, "without an index");
        assert_eq!(left.streams[&1].missing, Missing::Exactly(3));
        assert_eq!(left.streams[&2].missing, Missing::Exactly(0));
    }
}

#[test]
fn a_zeroed_block_anywhere() {
    for options in both() {
        let plan = Plan::sample();
        let bytes = build(&plan, &options).unwrap().bytes;
        let file = TestFile::new(&bytes);
        for start in (common::HEADER_LEN..bytes.len() - 200).step_by(13) {
            let mut zeros = bytes.clone();
            zeros[start..start + 200].fill(0);
            salvage(&file, &zeros, &options.secrets).unwrap().is_of(&plan, &format!("zeros at {start}"));
        }
    }
}

#[test]
fn either_header_will_do() {
    let (options, plan) = (encrypted(), Plan::sample());
    let mut bytes = build(&plan, &options).unwrap().bytes;
    let file = TestFile::new(&bytes);
    bytes[..common::HEADER_LEN].fill(0);
    assert!(salvage(&file, &bytes, &options.secrets).unwrap().is_whole(&plan));
    let second = bytes.len() - common::TRAILER_LEN - common::HEADER_LEN;
    bytes[second..].fill(0);
    assert!(salvage(&file, &bytes, &options.secrets).is_err());
}

#[test]
fn nothing_of_another_archive_of_the_same_key_comes_out() {
    for options in both() {
        let (plan, mut other) = (Plan::sample(), Plan::sample());
        other.chunks.iter_mut().for_each(|chunk| chunk.bytes.fill(b'x'));
        let (bytes, others) = (build(&plan, &options).unwrap().bytes, build(&other, &options).unwrap().bytes);
        let file = TestFile::new(&bytes);
        let cut = places(&bytes)[5].end;
        let mixed = [&bytes[..cut], &others[places(&others)[3].start..]].concat();
        salvage(&file, &mixed, &options.secrets).unwrap().is_of(&plan, "two archives");
    }
}

/// A dump that was killed, resumed and killed again, and the bytes that the resumption cut off.
fn resumed(options: &WriteOptions) -> (Vec<u8>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let chunk = |stream_seq, byte| Chunk {
        kind: ChunkKind::Data,
        stream: 1,
        stream_seq,
        documents: 1,
        bytes: vec![byte; 20],
    };
    let mut scratch = SealScratch::new();
    let file = PartialFile::create(&path, Existing::Refuse).unwrap();
    let (mut sequencer, sealer, mut writer) = create(file, options).unwrap();
    writer.append_catalog(sequencer.control().unwrap(), 1, b"one").unwrap();
    let kept = sealer.seal(sequencer.chunk().unwrap(), &chunk(0, b'a'), &mut scratch).unwrap();
    writer.append_chunk(kept).unwrap();
    writer.append_checkpoint(sequencer.control().unwrap(), b"here").unwrap();
    let checkpoint = usize::try_from(writer.position()).unwrap();
    for stream_seq in 1..4 {
        let cut = sealer.seal(sequencer.chunk().unwrap(), &chunk(stream_seq, b'b'), &mut scratch).unwrap();
        writer.append_chunk(cut).unwrap();
    }
    drop(writer);
    let before = std::fs::read(dir.path().join("a.partial")).unwrap();
    let unlock = |_: &Header| Ok::<_, Error>(options.secrets.clone());
    let found = Interrupted::open(&path, Existing::Refuse, unlock, &Limits::default()).unwrap().unwrap();
    let (mut sequencer, sealer, mut writer) = found.go_on(options.codec, |file| file).unwrap();
    for stream_seq in 1..3 {
        let new = sealer.seal(sequencer.chunk().unwrap(), &chunk(stream_seq, b'c'), &mut scratch).unwrap();
        writer.append_chunk(new).unwrap();
    }
    drop(writer);
    (std::fs::read(dir.path().join("a.partial")).unwrap(), before[checkpoint..].to_vec())
}

#[test]
fn a_resumed_archive_gives_what_lies_in_both_epochs_and_nothing_that_was_cut_off() {
    for options in both() {
        let options = WriteOptions { codec: Codec::None, ..options };
        let (bytes, cut_off) = resumed(&options);
        let file = TestFile::new(&bytes);
        let firsts = |bytes: &[u8]| -> Vec<u8> {
            let left = salvage(&file, bytes, &options.secrets).unwrap();
            assert_eq!(left.streams[&1].missing, Missing::AtLeast(0));
            left.chunks.iter().map(|chunk| chunk.bytes[0]).collect()
        };
        assert_eq!(firsts(&bytes), b"acc");
        // What was cut off is authentic. Put back, it must not come back.
        assert_eq!(firsts(&[&bytes[..], &cut_off].concat()), b"acc");
        let epoch = of_kind_until(&bytes, 1, 1);
        assert_eq!(firsts(&[&bytes[..epoch.start], &cut_off, &bytes[epoch.start..]].concat()), b"acc");
        // Without its EPOCH record nobody can open an encrypted epoch.
        let mut lost = bytes.clone();
        lost[epoch.start..epoch.end].fill(0);
        let expected: &[u8] = if options.secrets.is_empty() { b"acc" } else { b"a" };
        assert_eq!(firsts(&lost), expected);
    }
}

/// The n-th record of a type in an archive without END.
fn of_kind_until(bytes: &[u8], kind: u8, nth: usize) -> Place {
    let (mut start, mut found) = (common::HEADER_LEN, Vec::new());
    while start < bytes.len() {
        let body = u32::from_le_bytes(bytes[start + 16..start + 20].try_into().unwrap()) as usize;
        found.push(Place { start, end: start + body + 36, kind: bytes[start + 4] });
        start += body + 36;
    }
    found.into_iter().filter(|place| place.kind == kind).nth(nth).unwrap()
}

#[test]
fn a_file_that_is_being_written_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let file = PartialFile::create(&path, Existing::Refuse).unwrap();
    let (_sequencer, _, writer) = create(file, &plain()).unwrap();
    let partial = dir.path().join("a.partial");
    let open = || Salvage::open(&partial, &[], &Limits::default(), &|_| true, &mut |_| true);
    assert_eq!(open().map(drop).unwrap_err().kind(), ErrorKind::Busy);
    drop(writer);
    let salvage = open().unwrap().unwrap();
    // While it is salvaged nobody goes on with it.
    let again = PartialFile::reopen(&path, Existing::Refuse).map(drop).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Busy);
    drop(salvage);
}

#[test]
fn the_secrets_that_open_it_are_told() {
    let plan = Plan::small();
    let options = encrypted();
    let file = TestFile::new(&build(&plan, &options).unwrap().bytes);
    let given = [common::key_secret(9), common::key_secret(1)];
    let salvage =
        Salvage::open(&file.path, &given, &Limits::default(), &|_| true, &mut |_| true).unwrap().unwrap();
    assert_eq!(salvage.secrets().len(), 1);
    let wrong = Salvage::open(&file.path, &given[..1], &Limits::default(), &|_| true, &mut |_| true);
    assert_eq!(wrong.map(drop).unwrap_err().kind(), ErrorKind::WrongSecret);
}

/// Headers that overlap, each with a body of 60 MiB to come: read as often as there are headers they would be terabytes.
#[test]
fn headers_that_overlap_are_no_more_work_than_the_file_is_long() {
    let bytes = build(&Plan::small(), &plain()).unwrap().bytes;
    let id = &bytes[24..40];
    let mut hostile = bytes[..places(&bytes)[0].end].to_vec();
    for seq in 1..100_000u64 {
        let mut header = b"MREC\x03\0\0\0".to_vec();
        header.extend_from_slice(&seq.to_le_bytes());
        header.extend_from_slice(&(3u32 << 20).to_le_bytes());
        header.resize(28, 0);
        header.extend_from_slice(&crc32fast::hash(&[id, &header].concat()).to_le_bytes());
        hostile.extend_from_slice(&header);
    }
    let file = TestFile::new(&hostile);
    let salvage =
        Salvage::open(&file.path, &[], &Limits::default(), &|_| true, &mut |_| true).unwrap().unwrap();
    assert!(salvage.chunks().is_empty());
}

/// One thing that goes wrong with a file. Numbers count in thousandths of its length.
#[derive(Debug, Clone)]
enum Harm {
    Flip(usize, u8),
    Zero(usize, usize),
    Cut(usize),
    Remove(usize, usize),
    /// A part is copied to another place.
    Copy(usize, usize, usize),
}

impl Harm {
    fn to(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        let at = |thousandth: usize| thousandth * len / 1000;
        match *self {
            Self::Flip(place, bits) => {
                if let Some(byte) = bytes.get_mut(at(place)) {
                    *byte ^= bits;
                }
            }
            Self::Zero(place, length) => {
                let end = (at(place) + length).min(len);
                bytes[at(place)..end].fill(0);
            }
            Self::Cut(place) => bytes.truncate(at(place)),
            Self::Remove(place, length) => {
                let end = (at(place) + length).min(len);
                bytes.drain(at(place)..end);
            }
            Self::Copy(from, length, to) => {
                let part = bytes[at(from)..(at(from) + length).min(len)].to_vec();
                let to = at(to);
                bytes.splice(to..to, part);
            }
        }
    }
}

fn harm() -> impl Strategy<Value = Harm> {
    // The first header stays: with both copies gone nothing can be read at all.
    let place = 320usize..1000;
    prop_oneof![
        (place.clone(), 1u8..).prop_map(|(place, bits)| Harm::Flip(place, bits)),
        (place.clone(), 1usize..300).prop_map(|(place, length)| Harm::Zero(place, length)),
        place.clone().prop_map(Harm::Cut),
        (place.clone(), 1usize..300).prop_map(|(place, length)| Harm::Remove(place, length)),
        (place.clone(), 1usize..300, place).prop_map(|(from, length, to)| Harm::Copy(from, length, to)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_false_comes_out_whatever_goes_wrong(harms in prop::collection::vec(harm(), 1..5)) {
        for options in both() {
            let plan = Plan::sample();
            let mut bytes = build(&plan, &options).unwrap().bytes;
            for harm in &harms {
                harm.to(&mut bytes);
            }
            let file = TestFile::new(&bytes);
            if let Ok(left) = salvage(&file, &bytes, &options.secrets) {
                left.is_of(&plan, "harmed");
            }
        }
    }

    /// Where nothing is encrypted, whoever can write the file can write anything into it.
    #[test]
    fn forged_records_do_no_harm(body in prop::collection::vec(any::<u8>(), 0..120), kind in 2u8..10, seq in any::<u16>()) {
        let bytes = build(&Plan::sample(), &plain()).unwrap().bytes;
        let id = bytes[24..40].to_vec();
        let mut record = b"MREC".to_vec();
        record.extend_from_slice(&[kind, u8::from(kind == END), 0, 0]);
        record.extend_from_slice(&u64::from(seq % 40).to_le_bytes());
        record.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
        record.resize(28, 0);
        let crc = |parts: &[&[u8]]| crc32fast::hash(&parts.concat()).to_le_bytes();
        let (header, whole) = (crc(&[&id, &record]), crc(&[&id, &record, &body]));
        let record = [&record[..], &header, &body, &whole].concat();
        let front = places(&bytes)[0].end;
        let forged = [&bytes[..front], &record, &bytes[front..]].concat();
        let file = TestFile::new(&forged);
        salvage(&file, &forged, &[]).unwrap();
    }
}
