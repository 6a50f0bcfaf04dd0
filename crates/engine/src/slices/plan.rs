//! The slices that a restore goes on with behind its archive's own oplog.

use super::folder::{Folder, ReplicaSet, SliceAccess, SliceInfo, open};
use super::ranges::{Break, Reach, chain};
use crate::oplog::{EntryId, SliceStart};
use crate::reading::{Feed, Piece};
use crate::restore::send_feed;
use crate::verify::verify;
use crate::{Error, Result, Stop};
use async_channel::Sender;
use mongoark_bson_bytes::split_documents;
use mongoark_model::Timestamp;
use mongoark_monitor::Monitor;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Slices of one replica set, in the order of time.
#[derive(Clone, Debug, Default)]
pub struct SlicePlan {
    slices: Vec<SliceInfo>,
    access: SliceAccess,
    /// What could not be read, and why.
    damaged: Vec<(PathBuf, String)>,
    /// The last entry of the archive that they are to go on behind.
    last: Option<EntryId>,
}

/// Whether a slice goes on behind an archive's last entry.
#[derive(Debug, PartialEq, Eq)]
enum Proof {
    Proved,
    /// With the reason.
    Unproved(&'static str),
    Refuted,
}

/// What follows from where a slice begins, and from the entry that was `found` in it at the time of the archive's `last` one.
fn proof(last: &EntryId, start: &SliceStart, found: Option<&EntryId>) -> Proof {
    let entry = if start.after.time == last.time { Some(&start.after) } else { found };
    match entry {
        Some(entry) if !entry.may_be(last) => Proof::Refuted,
        _ if !last.is_known() => {
            Proof::Unproved("the archive was made by an older version, which did not note its last entry")
        }
        Some(entry) if entry.is_known() => Proof::Proved,
        None if start.has_every_entry => Proof::Refuted,
        _ => Proof::Unproved("the slice was captured by an older version, which left some entries out"),
    }
}

/// Two slices that meet in time, and not in what was written then.
fn of_another_history(one: &SliceInfo, next: &SliceInfo) -> Error {
    Error::Usage(format!(
        "{} does not go on where {} ends, though it holds that time: they were captured from two sets that have written \
         different things. Put the slices of each into a folder of its own",
        next.path.display(),
        one.path.display()
    ))
}

impl SlicePlan {
    /// Reads the slices of a folder.
    ///
    /// # Errors
    /// A folder without a slice that can be used.
    pub async fn read(dir: &Path, access: SliceAccess, stop: &Stop) -> Result<Self> {
        let Folder { slices, damaged } = Folder::read(dir, &access, stop).await?;
        let damaged: Vec<_> = damaged.into_iter().map(|(path, error)| (path, error.to_string())).collect();
        match (slices.is_empty(), damaged.first()) {
            (true, None) => Err(Error::Usage(format!("{} holds no slices of an oplog", dir.display()))),
            (true, Some((_, why))) => {
                Err(Error::Refused(format!("no slice in {} can be used: {why}", dir.display())))
            }
            _ => Ok(Self { slices, access, damaged, last: None }),
        }
    }

    /// The files that are named as slices and cannot be used, and why.
    pub fn unusable(&self) -> &[(PathBuf, String)] {
        &self.damaged
    }

    /// Keeps those that lead from `last`, the entry at which the archive of a replica set ends, to everything before `limit`.
    /// Whether they really go on behind that entry is for [`Self::prove`] to find out.
    pub(crate) fn leading(
        &mut self,
        set: &ReplicaSet,
        last: EntryId,
        limit: Option<Timestamp>,
    ) -> Result<()> {
        self.check_set(set)?;
        let reaches: Vec<Reach> = self.slices.iter().map(SliceInfo::reach).collect();
        let places = chain(&reaches, last.time, limit).map_err(|broken| self.gap(broken))?;
        self.slices = places.into_iter().map(|place| self.slices[place].clone()).collect();
        let mut pairs = self.slices.iter().zip(self.slices.iter().skip(1));
        let differs = |one: &SliceInfo, next: &SliceInfo| {
            next.start.after.time == one.end && !next.start.after.may_be(&one.end_id)
        };
        if let Some((one, next)) = pairs.find(|(one, next)| differs(one, next)) {
            return Err(of_another_history(one, next));
        }
        self.last = Some(last);
        Ok(())
    }

    /// Refuses slices of another replica set, as far as both say of which they are.
    pub(crate) fn check_set(&self, set: &ReplicaSet) -> Result<()> {
        let difference = |slice: &SliceInfo| Some((slice.path.clone(), slice.set.difference(set)?));
        match self.slices.iter().find_map(difference) {
            None => Ok(()),
            Some((path, difference)) => Err(Error::Usage(format!(
                "{} was captured from another replica set than the archive was dumped from ({difference}): name the folder that \
                 holds the slices of this one",
                path.display()
            ))),
        }
    }

    /// Looks for the archive's last entry in the first slice, or as the one that the slice begins behind: another set, or a copy
    /// of the same one that has gone its own way, may have written at any time, but does not have that entry. What cannot be
    /// proved, since an older version did not write it down, is a warning.
    pub(crate) async fn prove(&self, monitor: &Monitor) -> Result<()> {
        let (Some(first), Some(last)) = (self.slices.first(), self.last) else { return Ok(()) };
        // Where two overlap, the second has to have the entry that the first ends with.
        for (one, next) in self.slices.iter().zip(self.slices.iter().skip(1)) {
            if next.after < one.end {
                let found = self.find(next, one.end).await?;
                if proof(&one.end_id, &next.start, found.as_ref()) == Proof::Refuted {
                    return Err(of_another_history(one, next));
                }
            }
        }
        let found = if first.after < last.time { self.find(first, last.time).await? } else { None };
        let path = first.path.display();
        match proof(&last, &first.start, found.as_ref()) {
            Proof::Proved => Ok(()),
            Proof::Unproved(why) => {
                monitor
                    .warn("oplog", format!("nothing proves that {path} goes on behind this archive: {why}"));
                Ok(())
            }
            Proof::Refuted => Err(Error::Usage(format!(
                "{path} does not go on behind this archive: the archive's last entry, at {}, is not in it. It was captured from \
                 another replica set of that name, or from a copy of this one; none of its entries was replayed",
                last.time
            ))),
        }
    }

    /// The entry that a slice has at this time.
    async fn find(&self, slice: &SliceInfo, time: Timestamp) -> Result<Option<EntryId>> {
        let mut feed = Feed::start(open(&slice.path, &self.access)?, &Stop::default());
        let catalog = feed.catalog().await?;
        let stream = catalog.oplog.map(|oplog| oplog.stream).unwrap_or_default();
        feed.take_only(HashSet::from([stream]));
        loop {
            let chunk = match feed.next().await? {
                Piece::Chunk(chunk, _share, _) if chunk.stream == stream => chunk,
                Piece::Chunk(..) | Piece::StreamEnd(_) | Piece::Retract(_) => continue,
                Piece::End(_) => return Ok(None),
            };
            for entry in split_documents(&chunk.bytes) {
                let entry = EntryId::of(entry.map_err(mongoark_oplog::Error::from)?)?;
                if entry.time >= time {
                    return Ok((entry.time == time).then_some(entry));
                }
            }
        }
    }

    fn gap(&self, broken: Break) -> Error {
        let next = match broken.next {
            Some(next) => format!("go on only after {next}"),
            None => "end there".to_owned(),
        };
        let why = self.slices.iter().filter_map(SliceInfo::gap).find(|gap| gap.since == broken.at);
        let why = why.map(|gap| format!(" ({})", gap.why)).unwrap_or_default();
        let damaged = match self.damaged.as_slice() {
            [] => String::new(),
            damaged => {
                let why: Vec<&str> = damaged.iter().map(|(_, why)| why.as_str()).collect();
                format!("; not readable: {}", why.join("; "))
            }
        };
        Error::Usage(format!(
            "the slices do not lead from the archive to the time that is wanted: up to {} everything is there, then \
             they {next}{why}{damaged}. Choose --to up to {}, or a younger archive",
            broken.at, broken.at
        ))
    }

    /// The last moment that they hold; the beginning of time where there are none.
    pub(crate) fn end(&self) -> Timestamp {
        self.slices.iter().map(|slice| slice.end).max().unwrap_or_default()
    }

    /// Bytes of their entries.
    pub(crate) fn bytes(&self) -> u64 {
        self.slices.iter().map(|slice| slice.entries.bytes).sum()
    }

    /// Reads every entry once: damage is to be found before anything is written.
    pub(crate) async fn verify(&self, stop: &Stop) -> Result<()> {
        for slice in &self.slices {
            let verified =
                async { verify(open(&slice.path, &self.access)?, &Monitor::silent(), stop).await.map(drop) };
            verified.await.map_err(|source| match source {
                Error::Interrupted | Error::Slice { .. } => source,
                source => Error::Slice { path: slice.path.clone(), source: Box::new(source) },
            })?;
        }
        Ok(())
    }

    /// Hands all entries over in their order.
    pub(crate) async fn send(&self, to: &Sender<Result<Vec<u8>>>) -> Result<()> {
        for slice in &self.slices {
            let mut feed = Feed::start(open(&slice.path, &self.access)?, &Stop::default());
            let catalog = feed.catalog().await?;
            let stream = catalog.oplog.map(|oplog| oplog.stream).unwrap_or_default();
            let sent = send_feed(feed, stream, to).await;
            sent.map_err(|source| match source {
                Error::PipelineClosed(_) => source,
                source => Error::Slice { path: slice.path.clone(), source: Box::new(source) },
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(seconds: u32, term: i64, wall_ms: i64) -> EntryId {
        EntryId { time: Timestamp::new(seconds, 1), term: Some(term), wall_ms: Some(wall_ms) }
    }

    #[test]
    fn the_last_entry_of_an_archive_proves_what_goes_on_behind_it() {
        let (last, earlier) = (id(20, 1, 500), id(10, 1, 100));
        let behind = |after| SliceStart { after, has_every_entry: true, gap: None };
        let old = |after: EntryId| SliceStart { after: EntryId::at(after.time), ..SliceStart::default() };
        let unproved = |proof| matches!(proof, Proof::Unproved(_));
        assert_eq!(proof(&last, &behind(last), None), Proof::Proved);
        assert_eq!(proof(&last, &behind(earlier), Some(&last)), Proof::Proved);
        for other in [id(20, 2, 500), id(20, 1, 501)] {
            assert_eq!(proof(&last, &behind(other), None), Proof::Refuted);
            assert_eq!(proof(&last, &behind(earlier), Some(&other)), Proof::Refuted);
            assert_eq!(proof(&last, &old(earlier), Some(&other)), Proof::Refuted);
        }
        assert_eq!(
            proof(&last, &behind(earlier), None),
            Proof::Refuted,
            "every entry is in it, but not this one"
        );
        assert!(unproved(proof(&last, &old(earlier), None)));
        assert!(unproved(proof(&last, &old(last), None)));
        assert!(unproved(proof(&EntryId::at(last.time), &behind(last), None)));
        assert!(unproved(proof(&EntryId::at(last.time), &behind(earlier), None)));
    }

    #[test]
    fn sets_of_one_name_differ_by_their_ids() {
        let set = |name: &str, id: Option<u8>| ReplicaSet {
            name: Some(name.to_owned()),
            id: id.map(|id| [id; 12]),
        };
        assert_eq!(set("rs0", Some(1)).difference(&set("rs0", Some(1))), None);
        assert_eq!(set("rs0", Some(1)).difference(&set("rs0", None)), None, "an older archive does not tell");
        assert!(
            set("rs0", Some(1)).difference(&set("rs0", Some(2))).unwrap().contains("both are called rs0")
        );
        assert_eq!(set("a", None).difference(&set("b", None)).unwrap(), "a and b");
    }
}
