//! Every change of an archive is detected, and called by its name.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    Built, HEADER_LEN, Place, Plan, TRAILER_LEN, TestFile, build, encrypted, key_secret, places, plain,
    read_path, read_pipe,
};
use mongoark_container::{ErrorKind, Secret, Warning, WriteOptions, scrub};

struct Victim {
    bytes: Vec<u8>,
    plan: Plan,
    secrets: Vec<Secret>,
    file: TestFile,
    encrypted: bool,
}

impl Victim {
    fn new(options: &WriteOptions) -> Self {
        let plan = Plan::small();
        let Built { bytes, .. } = build(&plan, options).unwrap();
        let file = TestFile::new(&bytes);
        Self { bytes, plan, secrets: options.secrets.clone(), file, encrypted: !options.secrets.is_empty() }
    }

    fn both() -> [Self; 2] {
        [Self::new(&encrypted()), Self::new(&plain())]
    }

    fn pipe(&self, bytes: &[u8]) -> Option<ErrorKind> {
        read_pipe(bytes, &self.secrets).err().map(|error| error.kind())
    }

    /// The error, or the warnings of a reading that found everything.
    fn file_read(&self, bytes: &[u8]) -> Result<Vec<Warning>, ErrorKind> {
        self.file.put(bytes);
        let read = read_path(&self.file.path, &self.secrets).map_err(|error| error.kind())?;
        assert_eq!(read.content, self.plan.content());
        Ok(read.warnings)
    }

    /// What a flipped bit in this byte must be called on a pipe.
    fn pipe_kind(&self, byte: usize) -> ErrorKind {
        match byte {
            0..8 => ErrorKind::NotAnArchive,
            1088..HEADER_LEN if self.encrypted => ErrorKind::NotAuthentic,
            _ => ErrorKind::Damaged,
        }
    }

    fn file_outcome(&self, byte: usize) -> Result<Vec<Warning>, ErrorKind> {
        let trailer = self.bytes.len() - TRAILER_LEN;
        match byte {
            0..HEADER_LEN => Ok(vec![Warning::FirstHeaderDamaged]),
            _ if byte >= trailer => Ok(vec![Warning::TrailerDamaged]),
            _ if byte >= trailer - HEADER_LEN => Ok(vec![Warning::SecondHeaderDamaged]),
            _ => Err(ErrorKind::Damaged),
        }
    }
}

#[test]
fn every_flipped_bit_of_an_encrypted_archive() {
    every_flipped_bit(&Victim::new(&encrypted()));
}

#[test]
fn every_flipped_bit_of_a_plain_archive() {
    every_flipped_bit(&Victim::new(&plain()));
}

fn every_flipped_bit(victim: &Victim) {
    {
        let mut bytes = victim.bytes.clone();
        assert_eq!(victim.file_read(&bytes), Ok(vec![]));
        for byte in 0..bytes.len() {
            for bit in 0..8 {
                bytes[byte] ^= 1 << bit;
                assert_eq!(victim.pipe(&bytes), Some(victim.pipe_kind(byte)), "pipe, byte {byte} bit {bit}");
                assert_eq!(
                    victim.file_read(&bytes),
                    victim.file_outcome(byte),
                    "file, byte {byte} bit {bit}"
                );
                assert!(scrub(&bytes[..]).is_err(), "scrub, byte {byte} bit {bit}");
                bytes[byte] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn every_truncation() {
    for victim in Victim::both() {
        for len in 0..victim.bytes.len() {
            let cut = &victim.bytes[..len];
            assert_eq!(victim.pipe(cut), Some(ErrorKind::Truncated), "pipe, {len} bytes");
            assert_eq!(victim.file_read(cut), Err(ErrorKind::Truncated), "file, {len} bytes");
            assert_eq!(scrub(cut).unwrap_err().kind(), ErrorKind::Truncated, "scrub, {len} bytes");
        }
    }
}

#[test]
fn trailing_bytes() {
    for victim in Victim::both() {
        for extra in 1..=64 {
            for fill in [0, 0xFF] {
                let long = [&victim.bytes[..], &vec![fill; extra]].concat();
                assert_eq!(victim.pipe(&long), Some(ErrorKind::TrailingData));
                assert_eq!(victim.file_read(&long), Err(ErrorKind::TrailingData));
                assert_eq!(scrub(&long[..]).unwrap_err().kind(), ErrorKind::TrailingData);
            }
        }
        let twice = victim.bytes.repeat(2);
        assert_eq!(victim.pipe(&twice), Some(ErrorKind::TrailingData));
        assert!(victim.file_read(&twice).is_err());
    }
}

const END: u8 = 9;

/// The archive with the records in another order, and the trailer made to fit.
fn rearranged(bytes: &[u8], order: &[Place], fix_trailer: bool) -> Vec<u8> {
    let old = places(bytes);
    let tail = &bytes[old.last().unwrap().end..];
    let mut out = bytes[..HEADER_LEN].to_vec();
    let mut end_offset = 0u64;
    for place in order {
        if place.kind == END {
            end_offset = out.len() as u64;
        }
        out.extend_from_slice(&bytes[place.start..place.end]);
    }
    out.extend_from_slice(tail);
    if fix_trailer {
        let trailer = out.len() - TRAILER_LEN;
        out[trailer + 8..trailer + 16].copy_from_slice(&end_offset.to_le_bytes());
        let crc = crc32fast::hash(&out[trailer..trailer + 44]);
        out[trailer + 44..].copy_from_slice(&crc.to_le_bytes());
    }
    out
}

fn is_structural(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Reordered | ErrorKind::Damaged | ErrorKind::Inconsistent)
}

#[test]
fn records_removed() {
    for victim in Victim::both() {
        let all = places(&victim.bytes);
        for gone in 0..all.len() {
            let mut order = all.clone();
            let is_end = order.remove(gone).kind == END;
            let kind = if is_end { ErrorKind::Damaged } else { ErrorKind::Reordered };
            let bytes = rearranged(&victim.bytes, &order, false);
            assert_eq!(victim.pipe(&bytes), Some(kind), "{gone}");
            assert_eq!(victim.file_read(&bytes), Err(kind), "{gone}");
            assert_eq!(scrub(&bytes[..]).unwrap_err().kind(), kind, "{gone}");
            let bytes = rearranged(&victim.bytes, &order, true);
            assert!(is_structural(victim.file_read(&bytes).unwrap_err()), "{gone}");
        }
    }
}

#[test]
fn records_doubled() {
    for victim in Victim::both() {
        let all = places(&victim.bytes);
        for twice in 0..all.len() {
            let mut order = all.clone();
            order.insert(twice, all[twice]);
            let is_end = all[twice].kind == END;
            let bytes = rearranged(&victim.bytes, &order, false);
            let pipe = if is_end { ErrorKind::Damaged } else { ErrorKind::Reordered };
            let file = if is_end { ErrorKind::TrailingData } else { ErrorKind::Reordered };
            assert_eq!(victim.pipe(&bytes), Some(pipe), "{twice}");
            assert_eq!(victim.file_read(&bytes), Err(file), "{twice}");
            let bytes = rearranged(&victim.bytes, &order, true);
            assert!(is_structural(victim.file_read(&bytes).unwrap_err()), "{twice}");
        }
    }
}

#[test]
fn records_swapped_with_their_neighbour() {
    for victim in Victim::both() {
        let all = places(&victim.bytes);
        for left in 0..all.len() - 1 {
            let mut order = all.clone();
            order.swap(left, left + 1);
            for fix_trailer in [false, true] {
                let bytes = rearranged(&victim.bytes, &order, fix_trailer);
                assert_eq!(victim.pipe(&bytes), Some(ErrorKind::Reordered), "{left}");
                assert!(is_structural(victim.file_read(&bytes).unwrap_err()), "{left}");
            }
        }
    }
}

/// Makes both CRCs of a record hold for the archive that it now lies in: what an attacker would do.
fn fix_crcs(bytes: &mut [u8], place: Place) {
    let id = bytes[24..40].to_vec();
    let record = &mut bytes[place.start..place.end];
    let header = crc32fast::hash(&[&id[..], &record[..28]].concat());
    record[28..32].copy_from_slice(&header.to_le_bytes());
    let crc_at = record.len() - 4;
    let whole = crc32fast::hash(&[&id[..], &record[..28], &record[32..crc_at]].concat());
    record[crc_at..].copy_from_slice(&whole.to_le_bytes());
}

#[test]
fn records_of_another_archive_of_the_same_key() {
    for victim in Victim::both() {
        let options = if victim.encrypted { encrypted() } else { plain() };
        let other = Victim::new(&options);
        let places = places(&victim.bytes);
        for (n, place) in places.iter().enumerate() {
            let mut bytes = victim.bytes.clone();
            bytes[place.start..place.end].copy_from_slice(&other.bytes[place.start..place.end]);
            assert_eq!(victim.pipe(&bytes), Some(ErrorKind::Damaged), "{n}");
            assert_eq!(victim.file_read(&bytes), Err(ErrorKind::Damaged), "{n}");
            if victim.encrypted {
                fix_crcs(&mut bytes, *place);
                assert_eq!(victim.pipe(&bytes), Some(ErrorKind::NotAuthentic), "{n}");
                assert_eq!(victim.file_read(&bytes), Err(ErrorKind::NotAuthentic), "{n}");
            }
        }
        let mut bytes = victim.bytes.clone();
        bytes[..HEADER_LEN].copy_from_slice(&other.bytes[..HEADER_LEN]);
        assert_eq!(victim.pipe(&bytes), Some(ErrorKind::Damaged));
        assert_eq!(victim.file_read(&bytes), Err(ErrorKind::Damaged));
    }
}

#[test]
fn forgeries_with_good_checksums() {
    let victim = Victim::new(&encrypted());
    for place in places(&victim.bytes) {
        for byte in (place.start + 32)..(place.end - 4) {
            let mut bytes = victim.bytes.clone();
            bytes[byte] ^= 1;
            fix_crcs(&mut bytes, place);
            assert_eq!(victim.pipe(&bytes), Some(ErrorKind::NotAuthentic), "byte {byte}");
            assert_eq!(victim.file_read(&bytes), Err(ErrorKind::NotAuthentic), "byte {byte}");
        }
        for bit in (place.start * 8)..((place.start + 28) * 8) {
            let mut bytes = victim.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fix_crcs(&mut bytes, place);
            assert!(victim.pipe(&bytes).is_some(), "bit {bit}");
            assert!(victim.file_read(&bytes).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn an_accident_with_good_checksums_is_found_by_the_digest() {
    let victim = Victim::new(&plain());
    let chunk = places(&victim.bytes).into_iter().find(|place| place.kind == 1 + 1).unwrap();
    let mut bytes = victim.bytes.clone();
    bytes[chunk.end - 5] ^= 1;
    fix_crcs(&mut bytes, chunk);
    assert_eq!(victim.pipe(&bytes), Some(ErrorKind::Inconsistent));
    assert_eq!(victim.file_read(&bytes), Err(ErrorKind::NotAuthentic));
}

#[test]
fn both_headers_damaged_is_fatal() {
    for victim in Victim::both() {
        let mut bytes = victim.bytes.clone();
        bytes[30] ^= 1;
        let second = bytes.len() - TRAILER_LEN - HEADER_LEN;
        bytes[second + 30] ^= 1;
        assert_eq!(victim.file_read(&bytes), Err(ErrorKind::Damaged));
    }
}

#[test]
fn wrong_and_missing_secrets() {
    let victim = Victim::new(&encrypted());
    let kind = |secrets: &[Secret]| {
        let pipe = read_pipe(&victim.bytes, secrets).unwrap_err().kind();
        victim.file.put(&victim.bytes);
        assert_eq!(read_path(&victim.file.path, secrets).err().map(|error| error.kind()), Some(pipe));
        pipe
    };
    assert_eq!(kind(&[]), ErrorKind::SecretRequired);
    assert_eq!(kind(&[key_secret(2)]), ErrorKind::WrongSecret);
    assert_eq!(kind(&[common::passphrase_secret("x")]), ErrorKind::WrongSecret);
}
