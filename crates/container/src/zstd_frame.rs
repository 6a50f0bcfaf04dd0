//! A zstd frame seen from outside (RFC 8878, 3.1.1): checked for our rules before the decoder sets memory aside.

use crate::limits::ZSTD_WINDOW_BYTES_MAX;

const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
const BLOCK_BYTES_MAX: u64 = 128 << 10;

/// Says why `frame` is not exactly one frame of `raw_len` bytes, with a small window and without a dictionary.
pub(crate) fn check(frame: &[u8], raw_len: u32) -> Result<(), &'static str> {
    let (window, content, blocks, checksum) = header(frame).ok_or("its zstd frame header is malformed")??;
    if content != u64::from(raw_len) {
        return Err("its zstd content size is not its raw length");
    }
    if window > ZSTD_WINDOW_BYTES_MAX {
        return Err("its zstd window exceeds 16 MiB");
    }
    let (yields, rest) = walk_blocks(blocks).ok_or("its zstd blocks are malformed")?;
    if rest.len() != if checksum { 4 } else { 0 } {
        return Err("bytes follow its zstd frame");
    }
    if yields < content {
        return Err("its zstd blocks cannot yield its raw length");
    }
    Ok(())
}

type Parsed<'a> = Result<(u64, u64, &'a [u8], bool), &'static str>;

/// Window size, content size, the blocks behind the header, and whether a checksum follows them.
fn header(frame: &[u8]) -> Option<Parsed<'_>> {
    let rest = frame.strip_prefix(&MAGIC)?;
    let (&descriptor, mut rest) = rest.split_first()?;
    if descriptor & 0b1000 != 0 {
        return None;
    }
    let single_segment = descriptor & 0x20 != 0;
    let mut window = None;
    if !single_segment {
        let (&byte, after) = rest.split_first()?;
        let base = 1u64 << (10 + u32::from(byte >> 3));
        window = Some(base + base / 8 * u64::from(byte & 7));
        rest = after;
    }
    if descriptor & 3 != 0 {
        return Some(Err("its zstd frame asks for a dictionary"));
    }
    let size_len = match (descriptor >> 6, single_segment) {
        (0, false) => return Some(Err("its zstd frame does not state its content size")),
        (0, true) => 1,
        (flag, _) => 1usize << flag,
    };
    let (size, blocks) = rest.split_at_checked(size_len)?;
    let mut wide = [0; 8];
    wide[..size_len].copy_from_slice(size);
    let content = u64::from_le_bytes(wide) + if size_len == 2 { 256 } else { 0 };
    Some(Ok((window.unwrap_or(content), content, blocks, descriptor & 4 != 0)))
}

/// The most that the blocks can yield, and what follows the last of them.
fn walk_blocks(mut rest: &[u8]) -> Option<(u64, &[u8])> {
    let mut yields = 0u64;
    loop {
        let (head, after) = rest.split_first_chunk::<3>()?;
        let head = u32::from_le_bytes([head[0], head[1], head[2], 0]);
        let size = head >> 3;
        let (stored, most) = match (head >> 1) & 3 {
            0 => (size, u64::from(size)),
            1 => (1, u64::from(size)),
            2 => (size, BLOCK_BYTES_MAX),
            _ => return None,
        };
        yields = yields.checked_add(most)?;
        rest = after.get(usize::try_from(stored).ok()?..)?;
        if head & 1 == 1 {
            return Some((yields, rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn real_frames_pass_and_bent_ones_do_not() {
        let raw: Vec<u8> = (0..300_000u32).flat_map(|n| (n % 977).to_le_bytes()).collect();
        let raw_len = u32::try_from(raw.len()).unwrap();
        for level in [1, 2, 19] {
            let frame = zstd::bulk::compress(&raw, level).unwrap();
            assert_eq!(check(&frame, raw_len), Ok(()));
            assert!(check(&frame, raw_len - 1).is_err());
            assert!(check(&frame[..frame.len() - 1], raw_len).is_err());
            assert!(check(&[&frame[..], &frame].concat(), raw_len).is_err());
        }
        for len in [0usize, 1, 255, 256, 257, 65_791, 65_792] {
            let frame = zstd::bulk::compress(&vec![7; len], 2).unwrap();
            assert_eq!(check(&frame, u32::try_from(len).unwrap()), Ok(()), "{len}");
        }
    }

    #[test]
    fn a_claim_that_no_block_backs_is_refused() {
        // Single segment, 4-byte content size of 40 MiB with a 128 KiB RLE block behind it.
        let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0xA0];
        frame.extend_from_slice(&(15u32 << 20).to_le_bytes());
        frame.extend_from_slice(&[0x03, 0x00, 0x10, 0x00]);
        assert_eq!(check(&frame, 15 << 20), Err("its zstd blocks cannot yield its raw length"));
    }

    #[test]
    fn a_wide_window_is_refused() {
        let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0x80, (15 << 3)];
        frame.extend_from_slice(&4u32.to_le_bytes());
        frame.extend_from_slice(&[0x21, 0, 0, 1, 2, 3, 4]);
        assert_eq!(check(&frame, 4), Err("its zstd window exceeds 16 MiB"));
    }
}
