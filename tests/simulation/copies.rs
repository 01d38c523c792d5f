//! Copies of events, in some of the simulations: which they are, by the rule itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dataflows::{DimensionKey, RowKey};
use rand::RngExt;
use rand::rngs::StdRng;

use super::naive::Tables;
use super::topic::{Log, Outcome, TIMESTAMP};

/// How far apart copies are.
pub const SPAN: Duration = Duration::from_secs(5 * 3_600);

/// Few ids, so that most have copies, and events without one.
pub fn id(random: &mut StdRng) -> Option<u32> {
    random.random_ratio(5, 6).then(|| random.random_range(0..25))
}

/// The time of an event, and where it stands.
type Timed = (i64, (i32, usize));

/// The copies among the records before these offsets.
pub fn copies(log: &Log, until: impl Iterator<Item = (i32, usize)>) -> BTreeSet<(i32, usize)> {
    let span = SPAN.as_secs() as i64;
    let mut by_id: BTreeMap<u32, Vec<Timed>> = BTreeMap::new();
    for (partition, until) in until {
        let mut newest = i64::MIN;
        for (offset, record) in log.partitions[partition as usize].iter().enumerate().take(until) {
            let Outcome::Counted(event) = &record.outcome else { continue };
            let time = i64::from(event.day) * 86_400 + i64::from(event.hour) * 3_600;
            if time < newest.saturating_sub(span) {
                continue;
            }
            newest = newest.max(time.min(TIMESTAMP / 1_000));
            if let Some(id) = record.id {
                by_id.entry(id).or_default().push((time, (partition, offset)));
            }
        }
    }
    let mut copies = BTreeSet::new();
    for of_id in by_id.values() {
        let is_before = |(time, place): &Timed, (other, before): &Timed| before < place && (other - time).abs() < span;
        copies
            .extend(of_id.iter().filter(|it| of_id.iter().any(|other| is_before(it, other))).map(|(_, place)| *place));
    }
    copies
}

/// Without what copies tell of members all the same.
pub fn without_told(mut tables: Tables) -> Tables {
    tables.retain(|key, _| {
        !matches!(
            key,
            RowKey::Member(
                DimensionKey::Product(_)
                    | DimensionKey::Referrer(_)
                    | DimensionKey::ProductName(_)
                    | DimensionKey::PageHost(_)
            )
        )
    });
    tables
}
