//! Hostile headers and records are refused before memory is taken. Archives here are made by the document, by hand.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{Plan, TRAILER_LEN, build, passphrase_secret, read_file, read_pipe, tiny_kdf};
use mongoark_container::{ErrorKind, Header, Limits, WriteOptions};

/// Counts what this thread has asked for and not given back, and the most it ever was.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(by: isize) {
    let live = LIVE.get() + by;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// Safety: hands every call on to the system's allocator and only counts beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // Safety: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // Safety: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `work` and says how much memory it held at most, bytes.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, isize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    (result, PEAK.get() - before)
}

const MIB: isize = 1 << 20;
const ID: [u8; 16] = [7; 16];

fn crc(bytes: &[u8]) -> [u8; 4] {
    crc32fast::hash(bytes).to_le_bytes()
}

fn header(codec: u8, slots: &[(u8, [u32; 3])]) -> Vec<u8> {
    let mut out = b"\x89MAK\r\n\x1a\n\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    out.extend_from_slice(&[u8::from(!slots.is_empty()), codec, 0, 4]);
    out.extend_from_slice(&ID);
    out.resize(60, 0);
    out.extend_from_slice(&crc(&out));
    for n in 0..8 {
        let mut slot = vec![0; 36];
        if let Some((kind, kdf)) = slots.get(n) {
            slot[0] = *kind;
            slot.extend(kdf.iter().flat_map(|field| field.to_le_bytes()));
        }
        slot.resize(124, 0);
        slot.extend_from_slice(&crc(&slot));
        out.extend_from_slice(&slot);
    }
    let mac = <sha2::Sha256 as sha2::Digest>::digest(&out);
    out.extend_from_slice(&mac);
    out
}

fn record(kind: u8, seq: u64, claimed: Option<u32>, body: &[u8]) -> Vec<u8> {
    let mut out = b"MREC".to_vec();
    out.extend_from_slice(&[kind, u8::from(kind == 9), 0, 0]);
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&claimed.unwrap_or(u32::try_from(body.len()).unwrap()).to_le_bytes());
    out.resize(28, 0);
    let whole = crc(&[&ID[..], &out, body].concat());
    out.extend_from_slice(&crc(&[&ID[..], &out].concat()));
    out.extend_from_slice(body);
    out.extend_from_slice(&whole);
    out
}

fn chunk(raw_len: u32, compressed: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 12];
    body.extend_from_slice(&raw_len.to_le_bytes());
    body.extend_from_slice(&[0; 4]);
    body.extend_from_slice(compressed);
    body
}

/// An archive whose second record is this one; what a pipe makes of it, and at what cost.
fn second_record(codec: u8, record: &[u8]) -> ErrorKind {
    let bytes = [&header(codec, &[])[..], &self::record(1, 0, None, &[0; 48]), record].concat();
    let (result, peak) = peak_of(|| read_pipe(&bytes, &[]));
    assert!(peak < 2 * MIB, "{peak} bytes");
    result.unwrap_err().kind()
}

#[test]
fn kdf_parameters() {
    let read = |slots: &[(u8, [u32; 3])], limits: &Limits| {
        let bytes = header(1, slots);
        let (result, peak) = peak_of(|| Header::read(&mut &bytes[..], limits));
        assert!(peak < MIB, "{peak} bytes");
        result.map(drop).map_err(|error| error.kind())
    };
    let limits = Limits::default();
    assert_eq!(read(&[(1, [262_144, 10, 16])], &limits), Ok(()));
    for kdf in [
        [262_145, 3, 4],
        [u32::MAX, 3, 4],
        [65_536, 11, 4],
        [65_536, 3, 17],
        [65_536, 0, 4],
        [65_536, 3, 0],
        [31, 3, 4],
    ] {
        assert_eq!(read(&[(1, kdf)], &limits), Err(ErrorKind::LimitExceeded), "{kdf:?}");
    }
    let four = [(1, [65_536, 3, 4]); 4];
    assert_eq!(read(&four, &limits), Ok(()));
    assert_eq!(read(&[(1, [65_536, 3, 4]); 5], &limits), Err(ErrorKind::LimitExceeded));
    let raised = Limits { kdf_memory_kib: u32::MAX, ..Limits::default() };
    assert_eq!(read(&[(1, [2 << 20, 3, 4])], &raised), Ok(()));
    assert_eq!(read(&[(1, [(2 << 20) + 1, 3, 4])], &raised), Err(ErrorKind::LimitExceeded));
    assert_eq!(read(&[(1, [2 << 20, 3, 4]), (1, [8, 1, 1])], &raised), Err(ErrorKind::LimitExceeded));
}

#[test]
fn kdf_limits_bind_unlocking_too() {
    let options =
        WriteOptions { secrets: vec![passphrase_secret("p")], kdf: tiny_kdf(), ..WriteOptions::default() };
    let bytes = build(&Plan::sample(), &options).unwrap().bytes;
    let header = Header::read(&mut &bytes[..], &Limits::default()).unwrap();
    let strict = Limits { kdf_memory_kib: 7, ..Limits::default() };
    assert_eq!(header.unlock(&options.secrets, &strict).unwrap_err().kind(), ErrorKind::LimitExceeded);
}

#[test]
fn slots_and_versions() {
    let kind = |bytes: &[u8]| Header::read(&mut &bytes[..], &Limits::default()).map(drop).unwrap_err().kind();
    assert_eq!(kind(&header(1, &[(3, [0; 3])])), ErrorKind::UnsupportedVersion);
    assert_eq!(kind(&header(1, &[(2, [8, 1, 1])])), ErrorKind::Damaged);
    assert_eq!(kind(&header(3, &[])), ErrorKind::UnsupportedVersion);
    let bent = |at: usize, to: u8| {
        let mut bytes = header(1, &[]);
        bytes[at] = to;
        let fixed = crc(&bytes[..60]);
        bytes[60..64].copy_from_slice(&fixed);
        bytes
    };
    assert_eq!(kind(&bent(8, 2)), ErrorKind::UnsupportedVersion);
    assert_eq!(kind(&bent(12, 1)), ErrorKind::UnsupportedVersion);
    assert_eq!(kind(&bent(20, 2)), ErrorKind::UnsupportedVersion);
    assert_eq!(kind(&bent(20, 1)), ErrorKind::Damaged, "encrypted without a slot");
    assert_eq!(kind(&bent(22, 1)), ErrorKind::Damaged);
    assert_eq!(kind(&bent(45, 1)), ErrorKind::Damaged);
    assert_eq!(kind(b"PK\x03\x04"), ErrorKind::NotAnArchive);
    assert_eq!(kind(&[0; 4096]), ErrorKind::NotAnArchive);
    assert_eq!(kind(b""), ErrorKind::Truncated);
}

#[test]
fn record_lengths_and_types() {
    assert_eq!(second_record(0, &record(2, 1, Some((64 << 20) + 1), b"")), ErrorKind::LimitExceeded);
    assert_eq!(second_record(0, &record(2, 1, Some(64 << 20), b"few")), ErrorKind::Truncated);
    assert_eq!(second_record(0, &record(2, 1, Some(u32::MAX), b"")), ErrorKind::LimitExceeded);
    assert_eq!(second_record(0, &record(10, 1, None, b"")), ErrorKind::UnsupportedVersion);
    assert_eq!(second_record(0, &record(0, 1, None, b"")), ErrorKind::UnsupportedVersion);
    assert_eq!(second_record(0, &record(2, 1 << 48, None, b"")), ErrorKind::LimitExceeded);
    assert_eq!(second_record(0, &record(1, 1, None, &[0; 48])), ErrorKind::Damaged, "epoch 0 twice");
    assert_eq!(second_record(0, &record(2, 1, None, b"abc")), ErrorKind::Damaged, "catalog without a stream");
    assert_eq!(second_record(0, &record(5, 1, None, &[0; 63])), ErrorKind::Damaged);
    assert_eq!(second_record(0, &record(6, 1, None, &[0; 24])), ErrorKind::Inconsistent);
}

#[test]
fn counts_in_index_and_end() {
    let mut page = u32::MAX.to_le_bytes().to_vec();
    page.resize(64, 0);
    assert_eq!(second_record(0, &record(8, 1, None, &page)), ErrorKind::Inconsistent);
    for (at, len) in [(36, 2), (40, 4), (44, 4)] {
        let mut end = vec![0; 80];
        end[at..at + len].fill(0xFF);
        assert_eq!(second_record(0, &record(9, 1, None, &end)), ErrorKind::Damaged);
        let bytes = as_file(&record(9, 1, None, &end));
        let (result, peak) = peak_of(|| read_file(&bytes, &[]));
        assert!(peak < 2 * MIB, "{peak} bytes");
        assert_eq!(result.err().map(|error| error.kind()), Some(ErrorKind::Damaged));
    }
}

/// A whole file whose only record beside EPOCH is this END.
fn as_file(end: &[u8]) -> Vec<u8> {
    let front = [header(0, &[]), record(1, 0, None, &[0; 48])].concat();
    let mut trailer = b"MAKTRL\r\n".to_vec();
    trailer.extend_from_slice(&(front.len() as u64).to_le_bytes());
    trailer.extend_from_slice(&1120u64.to_le_bytes());
    trailer.extend_from_slice(&u32::try_from(end.len() - 36).unwrap().to_le_bytes());
    trailer.extend_from_slice(&ID);
    trailer.extend_from_slice(&crc(&trailer));
    assert_eq!(trailer.len(), TRAILER_LEN);
    [&front[..], end, &header(0, &[]), &trailer].concat()
}

#[test]
fn an_index_page_far_too_long_for_the_file() {
    let mut end = vec![0; 80];
    end[36] = 1;
    end[40] = 1;
    end.extend_from_slice(&1120u64.to_le_bytes());
    end.extend_from_slice(&0u64.to_le_bytes());
    end.extend_from_slice(&(1u64 << 40).to_le_bytes());
    end.extend_from_slice(&1u64.to_le_bytes());
    end.extend_from_slice(&(64u32 << 20).to_le_bytes());
    end.extend_from_slice(&65_536u32.to_le_bytes());
    let bytes = as_file(&record(9, 1, None, &end));
    let (result, peak) = peak_of(|| read_file(&bytes, &[]));
    assert!(peak < 2 * MIB, "{peak} bytes");
    assert_eq!(result.err().map(|error| error.kind()), Some(ErrorKind::Truncated));
}

#[test]
fn raw_lengths() {
    let most = 48 << 20;
    for codec in 0..3 {
        assert_eq!(
            second_record(codec, &record(3, 1, None, &chunk(most + 1, b""))),
            ErrorKind::LimitExceeded
        );
        assert_eq!(second_record(codec, &record(3, 1, None, &chunk(most, b"tiny"))), ErrorKind::Damaged);
        assert_eq!(second_record(codec, &record(3, 1, None, &chunk(0, b"")[..19])), ErrorKind::Damaged);
    }
    assert_eq!(second_record(0, &record(3, 1, None, &chunk(3, b"four"))), ErrorKind::Damaged);
}

#[test]
fn zstd_frames() {
    let refused = |raw_len: u32, frame: &[u8]| second_record(1, &record(3, 1, None, &chunk(raw_len, frame)));
    let honest = |len: usize| zstd::bulk::compress(&vec![0; len], 1).unwrap();
    // A bomb: 40 MiB of zeros in a few bytes, said to be 4 bytes long; and a claim of 48 MiB that no block backs.
    assert_eq!(refused(4, &honest(40 << 20)), ErrorKind::Damaged);
    assert_eq!(refused(48 << 20, &honest(4)), ErrorKind::Damaged);
    let lie = [&[0x28, 0xB5, 0x2F, 0xFD, 0xA0][..], &(15u32 << 20).to_le_bytes(), &[3, 0, 0, 0]].concat();
    assert_eq!(refused(15 << 20, &lie), ErrorKind::Damaged);
    // Two frames; a frame and a byte; a skippable frame; no content size.
    assert_eq!(refused(8, &honest(4).repeat(2)), ErrorKind::Damaged);
    assert_eq!(refused(4, &[&honest(4)[..], b"x"].concat()), ErrorKind::Damaged);
    assert_eq!(refused(0, &[0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]), ErrorKind::Damaged);
    assert_eq!(refused(4, &zstd::stream::encode_all(&[1u8, 2, 3, 4][..], 1).unwrap()), ErrorKind::Damaged);
    // A dictionary id; a window of 32 MiB.
    let dictionary = [0x28, 0xB5, 0x2F, 0xFD, 0x21, 9, 4, 0x21, 0, 0, 1, 2, 3, 4];
    assert_eq!(refused(4, &dictionary), ErrorKind::Damaged);
    let window = [0x28, 0xB5, 0x2F, 0xFD, 0x80, 15 << 3, 4, 0, 0, 0, 0x21, 0, 0, 1, 2, 3, 4];
    assert_eq!(refused(4, &window), ErrorKind::Damaged);
}

#[test]
fn gzip_members() {
    use std::io::Write;
    let member = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let refused = |raw_len: u32, bytes: &[u8]| second_record(2, &record(3, 1, None, &chunk(raw_len, bytes)));
    assert_eq!(refused(4, &member(&vec![0; 1 << 20])), ErrorKind::Damaged);
    assert_eq!(refused(48 << 20, &member(&[0; 100])), ErrorKind::Damaged);
    assert_eq!(refused(8, &member(b"four").repeat(2)), ErrorKind::Damaged);
    assert_eq!(refused(4, &[&member(b"four")[..], b"x"].concat()), ErrorKind::Damaged);
    assert_eq!(refused(3, &member(b"four")), ErrorKind::Damaged);
    assert_eq!(refused(5, &member(b"four")), ErrorKind::Damaged);
}
