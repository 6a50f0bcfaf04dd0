//! Reading from a pipe: memory grows as bytes really arrive, and an early end names its place.

use std::io::Read;

use crate::{Error, Part};

/// First step of a read whose length only a header has claimed, bytes.
const STEP_BYTES: usize = 1 << 20;

/// Appends exactly `len` bytes to `out`. On an early end, what did arrive stays in `out`.
pub(crate) fn read_exact_at_most(
    input: &mut impl Read,
    len: usize,
    out: &mut Vec<u8>,
    offset: u64,
    part: Part,
) -> Result<(), Error> {
    out.reserve(len.min(STEP_BYTES));
    let got = input.take(len as u64).read_to_end(out).map_err(|source| Error::Stream {
        op: "read",
        offset,
        source,
    })?;
    if got < len {
        return Err(Error::Truncated { part, offset: offset + got as u64 });
    }
    Ok(())
}

/// Succeeds when the input has no further byte.
pub(crate) fn expect_end(input: &mut impl Read, offset: u64) -> Result<(), Error> {
    let mut byte = Vec::with_capacity(1);
    input.take(1).read_to_end(&mut byte).map_err(|source| Error::Stream { op: "read", offset, source })?;
    if byte.is_empty() { Ok(()) } else { Err(Error::TrailingData { offset }) }
}
