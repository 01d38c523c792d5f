//! Which events are copies of others, found by sorting all of them: the audit shares the rule with the engine, but not its
//! implementation.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use anyhow::Result;
use dataflows::{EventId, EventPosition};

use super::retention::Retention;
use crate::source::Settings;
use crate::source::decode::{Decoder, Outcome, Rules};
use crate::source::offset_range::{self, OffsetRange};
use crate::source::window::PartitionWindow;

/// The positions of all copies in these ranges; none are looked for unless the rules say so.
pub fn copies(
    kafka: &Settings,
    ranges: &[OffsetRange],
    rules: &Rules,
    retention: &Retention,
    mut tell: impl FnMut(),
) -> Result<HashSet<EventPosition>> {
    let Some(span) = rules.dedup else { return Ok(HashSet::new()) };
    let (mut decoder, mut windows, mut events) = (Decoder::new(rules.clone()), BTreeMap::new(), Vec::new());
    offset_range::read(kafka, ranges, |record| {
        let (window, newest_day) =
            windows.entry(record.partition).or_insert_with(|| (PartitionWindow::new(span, None), None));
        record.decode(&mut decoder, |outcome, position| {
            if let Outcome::Counted(event) | Outcome::Forgotten(event) = outcome
                && !retention.has_expired(event.day, newest_day)
                && window.see(record.offset, event.time, record.timestamp, None)
                && let (Outcome::Counted(_), Some(id), Some(position)) = (outcome, event.id, position)
            {
                events.push((id, event.time, position));
            }
        });
        tell();
        Ok(())
    })?;
    events.sort_unstable();
    Ok(of_ids(&events, span))
}

/// The copies among events that are sorted by id and time.
pub fn of_ids(events: &[(EventId, i64, EventPosition)], span: Duration) -> HashSet<EventPosition> {
    let (mut copies, span) = (HashSet::new(), span.as_secs() as i64);
    for of_id in events.chunk_by(|one, other| one.0 == other.0) {
        // Events within the span, as a monotonic queue: the first has the lowest position.
        let (mut near, mut rest) = (VecDeque::new(), of_id.iter().peekable());
        for (_, time, position) in of_id {
            while let Some((_, later, at)) = rest.next_if(|(_, later, _)| later - time < span) {
                while near.pop_back_if(|(_, last)| *last > at).is_some() {}
                near.push_back((later, at));
            }
            while near.pop_front_if(|(earlier, _)| time - **earlier >= span).is_some() {}
            if near.front().is_some_and(|(_, first)| *first < position) {
                copies.insert(*position);
            }
        }
    }
    copies
}
