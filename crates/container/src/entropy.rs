//! The one seam through which randomness enters an archive, so that worked bytes can be made twice.

use crate::Error;

/// A source of random bytes.
pub(crate) trait Entropy {
    /// Fills `out` with bytes that nobody can foresee.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), Error>;

    /// An array of random bytes.
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error>
    where
        Self: Sized,
    {
        let mut out = [0; N];
        self.fill(&mut out)?;
        Ok(out)
    }
}

/// The operating system's generator.
pub(crate) struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(out).map_err(Error::Random)
    }
}

/// 00 01 02 ... FF 00 ...: for worked bytes and golden archives alone.
#[cfg(test)]
pub(crate) struct CountingEntropy(pub(crate) u8);

#[cfg(test)]
impl Entropy for CountingEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), Error> {
        for byte in out {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
        Ok(())
    }
}
