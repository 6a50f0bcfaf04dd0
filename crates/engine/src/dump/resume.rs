//! Going on with a dump that was broken off: what its archive holds up to the last checkpoint stays, cursors go on where
//! they were, and the oplog is read again from its start.

use super::checkpoint::{Begun, Checkpoint};
use super::job::{Job, Lost, elsewhere};
use super::{DumpOptions, plan};
use crate::archive::{self, ArchiveInput, ArchiveTask, PartPlace};
use crate::catalog::{DEPLOYMENT_STREAM, decode_collection, is_oplog};
use crate::pool::Budget;
use crate::{Error, Result, Stop};
use mongoark_container::{Interrupted, KeptChunk, KeptStream, Secret};
use mongoark_deployment::Source;
use mongoark_deployment::oplog::Mark;
use mongoark_model::{CollectionMetadata, Counts};
use mongoark_monitor::Monitor;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// A dump that was broken off, up to its last checkpoint.
#[derive(Debug)]
pub struct Resumable {
    path: PathBuf,
    interrupted: Interrupted,
    checkpoint: Checkpoint,
}

impl Resumable {
    /// Reads and verifies what there is of the archive that `path` was to be. Nothing where there is no checkpoint to go
    /// on from.
    ///
    /// # Errors
    /// A file of that name that is not to be replaced, a secret that does not open what there is, a checkpoint that cannot
    /// be used, I/O.
    pub fn find(path: &Path, overwrite: bool, secrets: &[Secret]) -> Result<Option<Self>> {
        let found = archive::interrupted(path, overwrite, |header| {
            if header.is_encrypted() || secrets.is_empty() {
                return Ok(secrets.to_vec());
            }
            Err(Error::Usage(format!(
                "the dump to {} was begun with --no-encryption: give it again",
                path.display()
            )))
        })?;
        let Some(interrupted) = found else { return Ok(None) };
        let checkpoint = Checkpoint::decode(interrupted.checkpoint())?;
        Ok(Some(Self { path: path.to_owned(), interrupted, checkpoint }))
    }

    /// The address of the member that was read, which is the best one to read on.
    pub fn member(&self) -> &str {
        &self.checkpoint.begun.member
    }

    /// Documents that are there, and the length of the archive so far, bytes.
    pub fn kept(&self) -> (Counts, u64) {
        (counts_of(self.interrupted.data()), self.interrupted.kept_bytes())
    }

    /// Goes on, if the dump that is wanted is the one that was begun, and the member can still be read on with.
    pub(super) async fn go_on(
        self,
        source: &Source,
        options: &DumpOptions,
        threads: usize,
        budget: Budget,
        monitor: &Monitor,
        stop: &Stop,
    ) -> Result<(Job, ArchiveInput, ArchiveTask)> {
        let Self { path, interrupted, checkpoint } = self;
        let Checkpoint { begun: before, mut parts, mark, told } = checkpoint;
        check_wanted(&before, &interrupted, options)?;
        let (source, begun) = there(source, &before, mark.as_ref(), options, stop).await?;
        let is_elsewhere = begun.member != before.member || begun.incarnation != before.incarnation;
        if is_elsewhere {
            // Places mean nothing any more.
            parts.clear();
        }
        let is_read: HashSet<u32> = interrupted.closed_streams().into_iter().collect();
        let plan = plan::again(&source, collections(&interrupted)?, is_read.clone()).await?;
        let oplog = plan.oplog_stream();
        let open = interrupted.open_streams();
        let mut whole = counts_of(interrupted.data());
        let codec = options.write.codec;
        let (input, archive) = archive::go_on(interrupted, path, codec, threads, budget, monitor)?;
        let mut kept = BTreeMap::new();
        for stream in &open {
            let stays = take_back(&input, stream, parts.get(&stream.stream))?;
            // Entries of the oplog are counted apart.
            if stream.stream != oplog {
                whole = whole.less(counts(&stream.chunks));
                kept.insert(stream.stream, stays);
            }
        }
        told.repeat(monitor);
        let changes = told.changes.into_iter().filter(|(stream, _)| is_read.contains(stream)).collect();
        let left = parts.into_iter().map(|(stream, parts)| {
            let again = |part: PartPlace| PartPlace::known(part.place, part.is_done, Vec::new());
            (stream, parts.into_iter().map(again).collect())
        });
        let left: BTreeMap<u32, Vec<PartPlace>> = left.collect();
        // So that none is lost if this run is broken off before their turn comes.
        for (stream, parts) in &left {
            input.begin_parts(*stream, parts.clone());
        }
        let mut job = Job {
            source,
            plan,
            begun: before,
            mark,
            left,
            whole,
            kept,
            read: Counts::default(),
            changes,
            lost: Vec::new(),
        };
        if is_elsewhere && job.begun.beginning.is_some() {
            job.tell_move(&begun.member, monitor);
        }
        job.begun = begun;
        Ok((job, input, archive))
    }
}

/// Takes back what of a stream lies behind the places of its parts, or all of it where these are not known. Returns what
/// stays.
fn take_back(input: &ArchiveInput, stream: &KeptStream, parts: Option<&Vec<PartPlace>>) -> Result<Counts> {
    let Some(parts) = parts else {
        input.retract(stream.stream)?;
        return Ok(Counts::default());
    };
    let beyond: HashSet<u64> = parts.iter().flat_map(|part| &part.beyond).copied().collect();
    let (behind, stay): (Vec<KeptChunk>, Vec<KeptChunk>) =
        stream.chunks.iter().partition(|chunk| beyond.contains(&chunk.seq));
    if stay.is_empty() {
        input.retract(stream.stream)?;
        return Ok(Counts::default());
    }
    let seqs: Vec<u64> = behind.iter().map(|chunk| chunk.seq).collect();
    input.retract_chunks(stream.stream, &seqs)?;
    Ok(counts(&stay))
}

fn counts_of((documents, bytes): (u64, u64)) -> Counts {
    Counts::new(documents, bytes)
}

fn counts(chunks: &[KeptChunk]) -> Counts {
    let mut counts = Counts::default();
    for chunk in chunks {
        counts += Counts::new(chunk.documents.into(), chunk.bytes.into());
    }
    counts
}

/// The collections that were planned, by stream.
fn collections(interrupted: &Interrupted) -> Result<Vec<(u32, CollectionMetadata)>> {
    let catalogs = interrupted.catalogs().iter();
    let of_collections = catalogs.filter(|it| it.stream != DEPLOYMENT_STREAM && !is_oplog(&it.body));
    of_collections.map(|catalog| Ok((catalog.stream, decode_collection(&catalog.body)?))).collect()
}

fn check_wanted(begun: &Begun, interrupted: &Interrupted, options: &DumpOptions) -> Result<()> {
    let differs = |what: &str| {
        let message =
            format!("the dump was begun with {what}: give the same flags, or begin anew without --resume");
        Err(Error::Usage(message))
    };
    if begun.selection != options.selection || begun.filter != options.filter {
        return differs("another selection");
    }
    if begun.beginning.is_some() && options.no_oplog {
        return differs("its oplog");
    }
    let takes_oplog = !options.no_oplog && options.filter.is_none();
    if begun.beginning.is_none() && takes_oplog && begun.topology.starts_with("replica set") {
        return differs("--no-oplog");
    }
    if interrupted.codec() != options.write.codec.codec_kind() {
        return differs("another compression");
    }
    Ok(())
}

/// Where the dump goes on, and how it stands there: on the member and in the life in which it was begun, as it was; elsewhere only
/// if all that was read is there too.
async fn there(
    source: &Source,
    begun: &Begun,
    mark: Option<&Mark>,
    options: &DumpOptions,
    stop: &Stop,
) -> Result<(Source, Begun)> {
    let now = Begun::now(source, options, None).await?;
    let is_same_member = now.topology == begun.topology && now.member == begun.member;
    let is_same_life = now.initial_sync == begun.initial_sync && now.incarnation == begun.incarnation;
    let mut is_rolled_over = None;
    if is_same_member && is_same_life {
        is_rolled_over = match &begun.beginning {
            Some(beginning) => beginning.check_reaches_back(source).await.err(),
            None => None,
        };
        if is_rolled_over.is_none() {
            return Ok((source.clone(), begun.clone()));
        }
    }
    let lost = if let Some(error) = is_rolled_over {
        error
    } else if is_same_member {
        Error::Refused(format!(
            "{} was restarted, has rolled back or was synced anew since the dump was begun, and nothing tells where its documents are now; \
             begin anew without --resume",
            begun.member
        ))
    } else {
        Error::Usage(format!(
            "the dump was begun on {} of {}, this is {} of {}, and nothing tells that it has what was read; begin anew without \
             --resume",
            begun.member, begun.topology, now.member, now.topology
        ))
    };
    match (mark, &begun.beginning) {
        (Some(mark), Some(_)) if now.topology == begun.topology => {
            let lost = Lost { error: lost, avoided: Vec::new() };
            elsewhere(source, begun, mark, lost, options, stop).await
        }
        _ => Err(lost),
    }
}
