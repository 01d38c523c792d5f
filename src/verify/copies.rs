//! Which events are copies of others, by one look at all of them: for the audit, which shares the rule with the engine and
//! nothing of how that follows it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use anyhow::Result;
use dataflows::{EventId, EventPosition};

use super::retention::Retention;
use crate::source::Settings;
use crate::source::decode::{Decoder, Outcome, Rules};
use crate::source::stretch::{self, Stretch};
use crate::source::window::PartitionWindow;

/// The positions of all copies in these stretches; none are looked for unless the rules say so.
pub fn copies(
    kafka: &Settings,
    stretches: &[Stretch],
    rules: &Rules,
    retention: &Retention,
    mut tell: impl FnMut(),
) -> Result<HashSet<EventPosition>> {
    let Some(span) = rules.dedup else { return Ok(HashSet::new()) };
    let (mut decoder, mut windows, mut events) = (Decoder::new(rules.clone()), BTreeMap::new(), Vec::new());
    stretch::read(kafka, stretches, |record| {
        let (window, newest_day) =
            windows.entry(record.partition).or_insert_with(|| (PartitionWindow::new(span, None), None));
        let mut place = 0;
        record.decode(&mut decoder, |outcome| {
            if let Outcome::Counted(event) = outcome
                && !retention.has_expired(event.day, newest_day)
                && window.see(record.offset, event.time, record.timestamp, None)
                && let Some(id) = event.id
                && let Some(position) = EventPosition::new(record.partition, record.offset, place)
            {
                events.push((id, event.time, position));
            }
            place += 1;
        });
        tell();
        Ok(())
    })?;
    events.sort_unstable();
    Ok(of_ids(&events, span))
}

/// The copies among events that are sorted by id and time.
fn of_ids(events: &[(EventId, i64, EventPosition)], span: Duration) -> HashSet<EventPosition> {
    let mut copies = HashSet::new();
    for of_id in events.chunk_by(|one, other| one.0 == other.0).filter(|of_id| of_id.len() > 1) {
        for (_, time, position) in of_id {
            let near = |other: &&(EventId, i64, EventPosition)| other.1.abs_diff(*time) < span.as_secs();
            if of_id.iter().filter(near).any(|other| other.2 < *position) {
                copies.insert(*position);
            }
        }
    }
    copies
}
