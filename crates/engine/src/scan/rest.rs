//! What several cursors on one collection leave behind: documents that were stored while they read. Where no oplog tells of them,
//! one more cursor reads them, from where the last part ends to the natural end, and only once all others have ended: a
//! document that was removed before its cursor came to it, and stored anew meanwhile, is there.

use super::is_for_the_collection;
use super::reader::another_life;
use super::whereabouts::{Whereabouts, by_uuid, whereabouts};
use super::{Reading, Run, is_lost_cursor};
use crate::Result;
use crate::archive::PartPlace;
use mongoark_deployment::{Collection, Incarnation, Patience, Place, Scan};

/// The part of a collection that is read last.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    /// Its number among the parts.
    pub(crate) part: usize,
    /// Where it begins, or goes on.
    pub(crate) place: Place,
}

impl Rest {
    /// What these scans leave behind; nothing where they read to the natural end by themselves.
    pub(crate) fn behind<'a>(places: impl ExactSizeIterator<Item = Option<&'a Place>>) -> Option<Self> {
        let part = places.len();
        let place = places.flatten().find_map(Place::behind_all_parts)?;
        Some(Self { part, place })
    }

    /// The same of parts with their places.
    pub(crate) fn behind_parts(parts: &[PartPlace]) -> Option<Self> {
        Self::behind(parts.iter().map(|part| part.place.as_ref()))
    }

    /// The rest among the parts that an earlier run left; what they leave behind where that run knew of no rest.
    pub(crate) fn among(parts: &[PartPlace]) -> Option<Self> {
        match parts {
            // One cursor reads to the natural end by itself.
            [] | [_] => None,
            [.., PartPlace { place: Some(place), .. }] if place.end.is_none() => {
                Some(Self { part: parts.len() - 1, place: place.clone() })
            }
            _ => Self::behind_parts(parts),
        }
    }

    /// Opens its cursor, where the collection is now; nothing where it is gone.
    pub(super) async fn open<S>(
        &self,
        run: &Run<S>,
        reading: &Reading<'_>,
        life: Option<&Incarnation>,
    ) -> Result<Option<Scan>> {
        let mut patience = Patience::default();
        loop {
            run.check()?;
            let namespace = match whereabouts(&run.source, reading.metadata).await? {
                Whereabouts::Gone => return Ok(None),
                Whereabouts::Here => reading.namespace.clone(),
                Whereabouts::Renamed(to) => to,
            };
            let collection = by_uuid(&run.source, reading.metadata, &namespace);
            let collection = collection.unwrap_or_else(|| Collection::named(&namespace));
            // Of another life its place would mean something else; a cursor that was opened in this one ends with it.
            if !run.is_still(life).await? {
                return Err(another_life(&namespace, "the last part of it was not opened yet"));
            }
            let lost = match self.scan(reading, &collection).await {
                Ok(scan) => return Ok(Some(scan)),
                Err(error) if error.may_pass() => error,
                // It may be gone since: then it is found out above.
                Err(error) if error.is_code(NAMESPACE_NOT_FOUND) => error,
                Err(error) => return Err(error.into()),
            };
            patience.wait(lost).await?;
        }
    }

    /// By its UUID, or by its name where the user has no right to use UUIDs.
    async fn scan(
        &self,
        reading: &Reading<'_>,
        collection: &Collection,
    ) -> mongoark_deployment::Result<Scan> {
        let documents = reading.batch_documents();
        match Scan::rest(reading.source, collection, &self.place, documents).await {
            Err(error)
                if collection.uuid.is_some() && is_for_the_collection(&error) && !is_lost_cursor(&error) =>
            {
                let named = Collection::named(&collection.namespace);
                Scan::rest(reading.source, &named, &self.place, documents).await
            }
            opened => opened,
        }
    }
}

/// The collection is gone.
const NAMESPACE_NOT_FOUND: i32 = 26;

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    fn part(end: Option<(i64, i64)>) -> PartPlace {
        PartPlace::at(Some(Place { after: Some(rawdoc! { "$recordId": 5_i64 }), end }))
    }

    #[test]
    fn the_rest_is_behind_the_last_part_or_where_an_earlier_run_left_it() {
        let done = PartPlace::known(None, true, Vec::new());
        let bounded = [part(Some((10, 90))), part(Some((90, 90)))];
        let rest = Rest::among(&bounded).unwrap();
        assert_eq!((rest.part, rest.place.after), (2, Some(rawdoc! { "$recordId": 90_i64 })));
        let rest = Rest::among(&[bounded.to_vec(), vec![part(None)]].concat()).unwrap();
        assert_eq!((rest.part, rest.place.after), (2, Some(rawdoc! { "$recordId": 5_i64 })));
        let rest = Rest::among(&[done.clone(), done.clone(), part(None)]).unwrap();
        assert_eq!(rest.part, 2, "it goes on once all others are done");
        assert!(Rest::among(&[part(None)]).is_none(), "one cursor has no rest");
        assert!(Rest::among(&[done.clone(), done]).is_none());
    }
}
