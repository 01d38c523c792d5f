//! The rankings, by sorting.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::ledger::{COUNTED, Key, PARTED_BY, Places, Ranked, Views};

/// The places of a ranking that follow from one side of a table's counts.
pub fn rank(ranked: &Ranked, counted: &HashMap<Key, Views>, side: fn(&Views) -> i64) -> Places {
    let columns = COUNTED[ranked.from].columns;
    let position = |name: &str| columns.iter().position(|column| *column == name).unwrap_or_default();
    let (day, item) = (position("day"), position(ranked.item));
    // What else is in the key, as the hour of a product, is summed over.
    let mut items: HashMap<(&str, &str), i64> = HashMap::new();
    for (key, views) in counted.iter().filter(|(_, views)| side(views) > 0) {
        let part = |index| key.split(PARTED_BY).nth(index).unwrap_or_default();
        *items.entry((part(day), part(item))).or_default() += side(views);
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
