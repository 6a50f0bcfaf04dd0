//! What follows END: the second header and the trailer, and what to make of a flaw in them.

use crate::header::{HEADER_LEN, Header};
use crate::keys::Keys;
use crate::trailer::{TRAILER_LEN, Trailer};
use crate::{Error, Limits, Part};

/// A flaw that did not keep the archive from being read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Warning {
    /// The header at the front is damaged; the one behind END stood in. `mongoark key rotate` writes it again.
    FirstHeaderDamaged,
    /// The header behind END is damaged; the one at the front holds. `mongoark key rotate` writes it again.
    SecondHeaderDamaged,
    /// Both headers hold, but take different secrets: a rotation was interrupted. Run it again.
    RotationUnfinished,
    /// The trailer is damaged; END was found by walking all records.
    TrailerDamaged,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::FirstHeaderDamaged => "the first copy of the header is damaged; the second was used",
            Self::SecondHeaderDamaged => "the second copy of the header is damaged; the first was used",
            Self::RotationUnfinished => {
                "the two copies of the header take different secrets: a key rotation was interrupted; run it again"
            }
            Self::TrailerDamaged => "the trailer is damaged; the last record was found by a scan",
        })
    }
}

/// The bytes behind END, and the truth they must state.
pub(crate) struct Tail<'a> {
    /// Where the second header begins.
    pub(crate) offset: u64,
    pub(crate) end_offset: u64,
    pub(crate) end_body_len: u32,
    pub(crate) epoch_offset: u64,
    pub(crate) second: &'a [u8],
    pub(crate) trailer: &'a [u8],
}

/// Checks a tail that nothing can stand in for: on a pipe any damage is an error.
pub(crate) fn check_tail(
    tail: &Tail<'_>,
    first: &Header,
    keys: &Keys,
    limits: &Limits,
) -> Result<Option<Warning>, Error> {
    let warning = compare_headers(tail.second, tail.offset, first, keys, limits)?;
    if !trailer_holds(tail, keys) {
        let offset = tail.offset + HEADER_LEN as u64;
        return Err(Error::damaged(Part::Trailer, offset, "it does not state where the last record lies"));
    }
    Ok(warning)
}

/// Succeeds when the second header is the first, or is as good (an interrupted rotation).
pub(crate) fn compare_headers(
    second: &[u8],
    offset: u64,
    first: &Header,
    keys: &Keys,
    limits: &Limits,
) -> Result<Option<Warning>, Error> {
    if second == first.as_bytes() {
        return Ok(None);
    }
    let damaged = |why| Error::damaged(Part::SecondHeader, offset, why);
    let Some(file_key) = &keys.file_key else {
        return Err(damaged("it is not the same as the first"));
    };
    let second =
        Header::parse(second.to_vec(), offset, limits).map_err(|_| damaged("its checksums do not hold"))?;
    if second.preamble() != first.preamble() {
        return Err(damaged("it belongs to another archive than the first"));
    }
    second.check_mac(file_key).map_err(|_| damaged("its MAC does not hold"))?;
    Ok(Some(Warning::RotationUnfinished))
}

/// Whether the trailer states the truth.
pub(crate) fn trailer_holds(tail: &Tail<'_>, keys: &Keys) -> bool {
    let truth = Trailer {
        end_offset: tail.end_offset,
        epoch_offset: tail.epoch_offset,
        end_body_len: tail.end_body_len,
        archive_id: keys.archive_id,
    };
    <&[u8; TRAILER_LEN]>::try_from(tail.trailer).ok().and_then(Trailer::decode) == Some(truth)
}
