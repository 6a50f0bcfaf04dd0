//! CRC-64/XZ over the documents of a namespace, which Go calls ECMA.

use crc64fast::Digest;

/// The polynomial 42f0e1eba9ea3693, its highest power in the lowest bit.
const POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;
/// x to the power of 2^n, for each n.
const SQUARES: [u64; 64] = squares();

/// A checksum and the number of bytes it covers, so that two can be joined.
///
/// Polynomial 42f0e1eba9ea3693, reflected, all bits inverted before and after; that of nothing is 0 and
/// that of the nine bytes `123456789` is 995dc9bbdf1939fa.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crc {
    /// The checksum.
    pub value: u64,
    /// Bytes that it covers.
    pub bytes: u64,
}

impl Crc {
    /// The checksum of these bytes alone.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digest = Digest::new();
        digest.write(bytes);
        Self { value: digest.sum64(), bytes: bytes.len() as u64 }
    }

    /// The checksum of what `self` covers followed by what `next` covers. Lets the parts of a
    /// namespace be summed on several threads and joined in order.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        let bytes = self.bytes.saturating_add(next.bytes);
        Self { value: product(shift(next.bytes), self.value) ^ next.value, bytes }
    }
}

/// What a checksum is multiplied with when so many bytes follow: x to the power of their bits.
fn shift(bytes: u64) -> u64 {
    let bits = SQUARES.iter().skip(3).enumerate().filter(|(n, _)| bytes >> n & 1 == 1);
    bits.fold(1 << 63, |power, (_, square)| product(*square, power))
}

/// The product of two polynomials modulo [`POLYNOMIAL`].
const fn product(a: u64, mut b: u64) -> u64 {
    let (mut sum, mut bit) = (0, 1 << 63);
    while bit != 0 {
        if a & bit != 0 {
            sum ^= b;
        }
        b = if b & 1 == 1 { b >> 1 ^ POLYNOMIAL } else { b >> 1 };
        bit >>= 1;
    }
    sum
}

const fn squares() -> [u64; 64] {
    let mut squares = [1 << 62; 64];
    let mut n = 1;
    while n < 64 {
        squares[n] = product(squares[n - 1], squares[n - 1]);
        n += 1;
    }
    squares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_algorithm_comes_out() {
        assert_eq!(Crc::of(b"123456789"), Crc { value: 0x995d_c9bb_df19_39fa, bytes: 9 });
        assert_eq!(Crc::of(b""), Crc::default());
    }

    #[test]
    fn parts_are_joined() {
        let whole = Crc::of(b"123456789");
        for cut in 0..=9 {
            let (head, tail) = b"123456789".split_at(cut);
            assert_eq!(Crc::of(head).then(Crc::of(tail)), whole);
        }
    }
}
