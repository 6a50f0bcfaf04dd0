//! How far each stream of an archive under way has come: where its chunks lie, and where a cursor that is lost with the
//! whole program could be opened again.

use mongoark_deployment::Place;

/// A stream that is not ended.
#[derive(Debug, Default)]
pub(super) struct StreamPlace {
    /// The place of its next chunk.
    pub(super) next: u32,
    /// Record numbers of the first and the last chunk that count.
    seqs: Option<(u64, u64)>,
    /// One for each cursor that reads it.
    parts: Vec<PartPlace>,
}

/// One cursor's part of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PartPlace {
    /// Everything before it is in chunks that count. Nothing where the server names no places.
    pub(crate) place: Option<Place>,
    /// Whether it is read to its end.
    pub(crate) is_done: bool,
    /// Record numbers of chunks that hold what lies behind the place.
    pub(crate) beyond: Vec<u64>,
    /// How often places had been asked for when this one was told.
    told: u64,
}

impl PartPlace {
    /// A part that is read from here.
    pub(crate) fn at(place: Option<Place>) -> Self {
        Self { place, ..Self::default() }
    }

    /// A part as a checkpoint knows it.
    pub(crate) fn known(place: Option<Place>, is_done: bool, beyond: Vec<u64>) -> Self {
        Self { place, is_done, beyond, told: 0 }
    }

    fn is_known(&self) -> bool {
        self.is_done || self.place.is_some()
    }
}

impl StreamPlace {
    /// Goes on with a stream whose chunks lie there.
    pub(super) fn going_on(next: u32, chunks: &[u64]) -> Self {
        Self { next, seqs: chunks.first().copied().zip(chunks.last().copied()), parts: Vec::new() }
    }

    /// A chunk of a part was given this record number.
    pub(super) fn sent(&mut self, part: usize, seq: u64) {
        self.next += 1;
        self.seqs = Some((self.seqs.map_or(seq, |(first, _)| first), seq));
        if let Some(part) = self.parts.get_mut(part) {
            part.beyond.push(seq);
        }
    }

    /// What is read by so many cursors, from these places.
    pub(super) fn begin(&mut self, parts: Vec<PartPlace>) {
        self.parts = parts;
    }

    /// Whether a part is to tell its place: it was asked for, and not told since.
    pub(super) fn is_asked(&self, part: usize, asked: u64) -> bool {
        self.parts.get(part).is_some_and(|part| !part.is_done && part.told < asked)
    }

    /// All that was sent of a part lies before this place; or the part is at its end.
    pub(super) fn tell(&mut self, part: usize, place: Option<Place>, is_done: bool, asked: u64) {
        if let Some(part) = self.parts.get_mut(part) {
            *part = PartPlace { place, is_done, beyond: Vec::new(), told: asked };
        }
    }

    /// The range of all its chunks, which count no longer.
    pub(super) fn take_back(&mut self) -> Option<(u64, u64)> {
        self.parts.clear();
        self.seqs.take()
    }

    /// Its parts, where each can be gone on with.
    pub(super) fn parts(&self) -> Option<&[PartPlace]> {
        (!self.parts.is_empty() && self.parts.iter().all(PartPlace::is_known)).then_some(&self.parts)
    }
}
