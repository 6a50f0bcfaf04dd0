//! Finding the parts of an archive that lies in a file: a header that opens, and END.

use std::path::Path;

use crate::frame::RecordKind;
use crate::header::{HEADER_LEN, Header};
use crate::keys::Keys;
use crate::positioned::Positioned;
use crate::trailer::{TRAILER_LEN, Trailer};
use crate::{ArchiveId, Error, Limits, Part, Secret, Warning};

const TAIL_LEN: u64 = (HEADER_LEN + TRAILER_LEN) as u64;

/// Both copies of the header, each as far as it can be read.
pub(crate) struct Headers {
    first: Result<Header, Error>,
    second: Result<Header, Error>,
}

/// A header that was unlocked.
#[derive(Debug)]
pub(crate) struct Unlocked {
    pub(crate) header: Header,
    pub(crate) keys: Keys,
    /// Whether the copy at the front is the one that opened.
    pub(crate) is_first: bool,
}

impl Headers {
    pub(crate) fn read(file: &Positioned, limits: &Limits) -> Result<Self, Error> {
        let second = match file.len().checked_sub(TAIL_LEN).filter(|offset| *offset >= HEADER_LEN as u64) {
            Some(offset) => header_at(file, offset, limits)?,
            None => Err(Error::Truncated { part: Part::SecondHeader, offset: file.len() }),
        };
        Ok(Self { first: header_at(file, 0, limits)?, second })
    }

    /// The first copy that can be read.
    pub(crate) fn any(self) -> Result<Header, Error> {
        match (self.first, self.second) {
            (Ok(header), _) | (Err(_), Ok(header)) => Ok(header),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// The first copy that opens. An error of the first counts more than one of the second.
    pub(crate) fn unlock(self, secrets: &[Secret], limits: &Limits) -> Result<Unlocked, Error> {
        if let (Ok(first), Ok(second)) = (&self.first, &self.second)
            && first.preamble() != second.preamble()
        {
            let why = "it belongs to another archive than the first";
            return Err(Error::damaged(Part::SecondHeader, 0, why));
        }
        self.unlock_either(secrets, limits)
    }

    /// The same, whatever lies where the second copy should be: what a damaged file ends with may be anything.
    pub(crate) fn unlock_either(self, secrets: &[Secret], limits: &Limits) -> Result<Unlocked, Error> {
        let same = matches!((&self.first, &self.second), (Ok(a), Ok(b)) if a.as_bytes() == b.as_bytes());
        let open = |header: Header, is_first| {
            header.unlock(secrets, limits).map(|keys| Unlocked { header, keys, is_first })
        };
        let error = match self.first.and_then(|header| open(header, true)) {
            Ok(unlocked) => return Ok(unlocked),
            Err(error) => error,
        };
        match self.second {
            Ok(header) if !same => open(header, false).map_err(|second| match error {
                // A damaged front copy says less than what the whole copy says about the secret.
                Error::NotAnArchive | Error::Damaged { .. } => second,
                first => first,
            }),
            _ => Err(error),
        }
    }
}

/// Outer error: the file cannot be read. Inner: no whole header lies there.
fn header_at(file: &Positioned, offset: u64, limits: &Limits) -> Result<Result<Header, Error>, Error> {
    let mut bytes = Vec::new();
    let len = usize::try_from(file.len().saturating_sub(offset)).unwrap_or(usize::MAX).min(HEADER_LEN);
    file.read(offset, len, Part::Preamble, &mut bytes)?;
    // The same judgement as on a pipe, so that a short file is called what a short pipe is called.
    Ok(Header::read(&mut &bytes[..], limits).map_err(|error| match error {
        Error::Damaged { part, offset: inside, why } => Error::Damaged { part, offset: offset + inside, why },
        other => other,
    }))
}

/// Where END and the EPOCH in force lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located {
    pub(crate) end_offset: u64,
    pub(crate) end_len: u64,
    pub(crate) epoch_offset: u64,
    pub(crate) warning: Option<Warning>,
}

impl Located {
    /// Where the second header lies.
    pub(crate) fn tail_offset(&self) -> u64 {
        self.end_offset + self.end_len
    }
}

/// Finds END by the trailer, or by walking all record headers when the trailer is of no use.
pub(crate) fn locate(file: &Positioned, id: ArchiveId, limits: &Limits) -> Result<Located, Error> {
    match by_trailer(file, id)? {
        Some(located) => Ok(located),
        None => by_walk(file, id, limits),
    }
}

fn by_trailer(file: &Positioned, id: ArchiveId) -> Result<Option<Located>, Error> {
    let Some(offset) = file.len().checked_sub(TRAILER_LEN as u64) else { return Ok(None) };
    let mut bytes = Vec::new();
    file.read(offset, TRAILER_LEN, Part::Trailer, &mut bytes)?;
    let Some(trailer) = bytes.first_chunk().and_then(Trailer::decode) else { return Ok(None) };
    let end_len = crate::frame::RECORD_OVERHEAD + u64::from(trailer.end_body_len);
    let fills = trailer.end_offset.checked_add(end_len + TAIL_LEN) == Some(file.len());
    let ordered = (HEADER_LEN as u64..trailer.end_offset).contains(&trailer.epoch_offset);
    Ok((fills && ordered && trailer.archive_id == id).then_some(Located {
        end_offset: trailer.end_offset,
        end_len,
        epoch_offset: trailer.epoch_offset,
        warning: None,
    }))
}

fn by_walk(file: &Positioned, id: ArchiveId, limits: &Limits) -> Result<Located, Error> {
    let (mut offset, mut expected, mut epoch_offset) = (HEADER_LEN as u64, 0, 0);
    loop {
        let (header, _) = file.record_header(offset, id, limits)?;
        if header.seq != expected {
            return Err(Error::Reordered { expected, found: header.seq, offset });
        }
        if header.kind == RecordKind::Epoch {
            epoch_offset = offset;
        }
        let end_len = header.record_len();
        if header.kind == RecordKind::End {
            let end = offset + end_len + TAIL_LEN;
            if file.len() < end {
                return Err(Error::Truncated { part: Part::Trailer, offset: file.len() });
            }
            if file.len() > end {
                return Err(Error::TrailingData { offset: end });
            }
            return Ok(Located {
                end_offset: offset,
                end_len,
                epoch_offset,
                warning: Some(Warning::TrailerDamaged),
            });
        }
        offset += end_len;
        expected += 1;
    }
}

/// Reads the header of an archive in a file, from either copy.
pub(crate) fn header_of(path: &Path, limits: &Limits) -> Result<Header, Error> {
    Headers::read(&Positioned::open(path)?, limits)?.any()
}
