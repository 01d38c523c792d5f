//! The rankings, by sorting.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use dataflows::model::{Dimension, Ranking};

use super::admitted::is_others;
use super::ledger::{Ledger, Places, SEPARATOR, Side, cell, place};

/// The ranking that follows from one side of the counts.
pub fn rank(ranking: &Ranking, ledger: &Ledger, side: Side) -> Places {
    let by: Vec<_> = ranking.by.iter().copied().chain([Dimension::Field(ranking.of)]).collect();
    let sums = ledger.sums(ranking.count, &by, side);
    let count = &ledger.model.counts[ranking.count];
    // A closed field never has the name of the others.
    let open: Vec<_> = count.open.iter().map(|open| place(&by, Dimension::Field(count.members[*open]))).collect();
    let mut groups: BTreeMap<&str, Vec<(&str, i64)>> = BTreeMap::new();
    for (key, views) in sums.iter().filter(|(key, _)| !is_others(open.iter().map(|place| cell(key, *place)))) {
        let (group, item) = key.rsplit_once(SEPARATOR).unwrap_or(("", key));
        groups.entry(group).or_default().push((item, *views));
    }
    let mut places = Places::new();
    for (group, mut items) in groups {
        items.sort_by_key(|(item, views)| (Reverse(*views), item.as_bytes()));
        for (rank, (item, views)) in (1..).zip(items.into_iter().take(ranking.places.into())) {
            places.insert((group.into(), rank), (item.into(), views));
        }
    }
    places
}
