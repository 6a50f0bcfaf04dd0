//! From when to when slices go on without a gap: pure looks at what each slice says of itself.

use mongoark_model::Timestamp;

/// What counts of a slice: it holds every entry after `after`, up to `end` and with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The entry before it.
    pub after: Timestamp,
    /// Its last moment.
    pub end: Timestamp,
    /// Whether it says of itself that it does not go on where another ends.
    pub is_cut_off: bool,
}

/// A time without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Everything after this is held.
    pub after: Timestamp,
    /// Up to this, and with it.
    pub end: Timestamp,
    /// Slices that it is made of.
    pub slices: usize,
}

/// Where slices do not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// Up to here they do.
    pub at: Timestamp,
    /// The first time behind it from which on there are slices again.
    pub next: Option<Timestamp>,
}

/// The ranges that slices make, in the order of time. The slices must be in the order of their `after`.
pub fn ranges(slices: &[Reach]) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for slice in slices {
        match ranges.last_mut() {
            Some(range) if goes_on(slice, range.end) => {
                range.end = range.end.max(slice.end);
                range.slices += 1;
            }
            _ => ranges.push(Range { after: slice.after, end: slice.end, slices: 1 }),
        }
    }
    ranges
}

/// Whether nothing is missing between what is held up to `at` and a slice: it begins there, or before, where it has again what is
/// held.
fn goes_on(slice: &Reach, at: Timestamp) -> bool {
    slice.after < at || slice.after == at && !slice.is_cut_off
}

/// The places of the slices that lead from what is held up to `from` to everything before `limit`, or as far as
/// they go where there is no limit.
pub fn chain(slices: &[Reach], from: Timestamp, limit: Option<Timestamp>) -> Result<Vec<usize>, Break> {
    let mut chain: Vec<usize> = Vec::new();
    let mut at = from;
    while limit.is_none_or(|limit| at.next() < limit) {
        // Behind the archive a slice may begin that does not go on where another one ends.
        let begins = |slice: &Reach| chain.is_empty() && slice.after == at;
        let fits = |slice: &Reach| at < slice.end && (goes_on(slice, at) || begins(slice));
        let Some(place) = slices.iter().position(fits) else {
            let next = slices.iter().map(|slice| slice.after).find(|after| *after > at);
            return match (limit, next) {
                // As far as they go: whatever lies behind a gap cannot be reached.
                (None, None) => Ok(chain),
                (_, next) => Err(Break { at, next }),
            };
        };
        at = slices[place].end;
        chain.push(place);
    }
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u32) -> Timestamp {
        Timestamp::new(seconds, 1)
    }

    fn reach(after: u32, end: u32) -> Reach {
        Reach { after: at(after), end: at(end), is_cut_off: false }
    }

    #[test]
    fn slices_that_meet_make_one_range() {
        let cut = Reach { is_cut_off: true, ..reach(40, 50) };
        let slices = [reach(10, 20), reach(20, 30), reach(35, 40), cut];
        let range = |after, end, slices| Range { after: at(after), end: at(end), slices };
        assert_eq!(ranges(&slices), [range(10, 30, 2), range(35, 40, 1), range(40, 50, 1)]);
        assert!(ranges(&[]).is_empty());
    }

    #[test]
    fn a_chain_leads_from_an_archive_to_the_time_that_is_wanted() {
        let slices = [reach(10, 20), reach(20, 30), reach(30, 40), reach(50, 60)];
        assert_eq!(chain(&slices, at(15), Some(at(25).next())), Ok(vec![0, 1]));
        assert_eq!(chain(&slices, at(20), Some(at(30).next())), Ok(vec![1]));
        assert_eq!(chain(&slices, at(15), Some(at(15).next())), Ok(vec![]), "the archive has it all");
        assert_eq!(chain(&slices[..3], at(15), None), Ok(vec![0, 1, 2]));
        assert_eq!(chain(&slices, at(70), None), Ok(vec![]), "the archive is younger than all slices");
    }

    #[test]
    fn slices_that_overlap_lead_on() {
        let slices = [reach(10, 30), reach(20, 40), reach(22, 28), reach(40, 50)];
        assert_eq!(ranges(&slices), [Range { after: at(10), end: at(50), slices: 4 }]);
        assert_eq!(chain(&slices, at(15), None), Ok(vec![0, 1, 3]));
        let cut = [reach(10, 30), Reach { is_cut_off: true, ..reach(20, 40) }];
        assert_eq!(chain(&cut, at(15), Some(at(35))), Ok(vec![0, 1]), "its gap lies in what is held");
    }

    #[test]
    fn a_gap_is_named_by_where_it_begins_and_ends() {
        let slices = [reach(10, 20), reach(20, 30), reach(50, 60)];
        assert_eq!(chain(&slices, at(15), Some(at(55))), Err(Break { at: at(30), next: Some(at(50)) }));
        assert_eq!(chain(&slices, at(5), Some(at(15))), Err(Break { at: at(5), next: Some(at(10)) }));
        assert_eq!(chain(&slices, at(55), Some(at(70))), Err(Break { at: at(60), next: None }));
        assert_eq!(chain(&slices, at(15), None), Err(Break { at: at(30), next: Some(at(50)) }));
        let cut = [reach(10, 20), Reach { is_cut_off: true, ..reach(20, 30) }];
        assert_eq!(chain(&cut, at(15), Some(at(25))), Err(Break { at: at(20), next: None }));
    }
}
