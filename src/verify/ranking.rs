//! The rankings, by sorting.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use dataflows::OTHERS;
use hashbrown::HashMap;

use super::ledger::{Ledger, Places, Ranked, Side};

/// The places of a ranking that follow from one side of the counts.
pub fn rank(ranked: &Ranked, ledger: &Ledger, side: Side) -> Places {
    // What else is in the key, as the hour of a product, is summed over.
    let mut items: HashMap<(&str, &str), i64> = HashMap::new();
    for ([day, item], views) in
        ledger.keys(ranked.from, ["day", ranked.item], side).filter(|([_, item], _)| *item != OTHERS)
    {
        *items.entry((day, item)).or_default() += views;
    }
    let mut days: BTreeMap<&str, Vec<(&str, i64)>> = BTreeMap::new();
    for ((day, item), views) in items {
        days.entry(day).or_default().push((item, views));
    }
    let mut places = Places::new();
    for (day, mut items) in days {
        items.sort_by_key(|(item, views)| (Reverse(*views), item.as_bytes()));
        for (rank, (item, views)) in (1..).zip(items.into_iter().take(ranked.places)) {
            places.insert((day.into(), rank), (item.into(), views));
        }
    }
    places
}
