//! Which events are copies of others: of the events of one id whose times are less than the span apart, all but the one that
//! stands first in the topic.
//!
//! ```text
//! id, time, position of each event ──by id──► table of ids ──► positions of copies, each once
//! ```
//!
//! An event is a copy if a copy of it stands before it, whether or not that one counts. So it depends on no more than the events
//! of its id within the span, in whatever order they come; and an event that counted may turn out to be a copy later, but never
//! the other way round.

mod table;

use std::time::Duration;

use differential_dataflow::VecCollection;
use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::Exchange;

use crate::per_epoch::per_epoch;
use crate::{Epoch, SEED};
use table::IdTable;

/// An id as a keyed hash, of which 80 bits are kept: among a hundred million ids, the chance that two collide is four
/// in a billion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(pub u128);

/// Where an event stands in the topic: ordered by partition, offset, and its place in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventPosition(u64);

/// What deduplication needs to know of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Occurrence {
    /// Its id.
    pub id: EventId,
    /// Its time in seconds since 1970-01-01.
    pub time: i64,
    /// Where it stands.
    pub position: EventPosition,
}

impl EventPosition {
    const PLACE_BITS: u32 = 13;
    const OFFSET_BITS: u32 = 39;
    /// Partitions that a position can tell apart.
    pub const PARTITIONS_MAX: i32 = 1 << (64 - Self::OFFSET_BITS - Self::PLACE_BITS);
    /// The offsets of a partition are below this.
    pub const OFFSET_END: i64 = 1 << Self::OFFSET_BITS;

    /// The event at this place among those of a record. Places from 8,191 on count as one: no record of a megabyte has
    /// so many events with one id. None if the partition or the offset is out of range.
    pub fn new(partition: i32, offset: i64, place: usize) -> Option<Self> {
        let is_known = (0..Self::PARTITIONS_MAX).contains(&partition) && (0..Self::OFFSET_END).contains(&offset);
        let place = place.min((1 << Self::PLACE_BITS) - 1) as u64;
        is_known.then(|| {
            let record = (partition as u64) << Self::OFFSET_BITS | offset as u64;
            EventPosition(record << Self::PLACE_BITS | place)
        })
    }

    /// The partition.
    pub fn partition(self) -> i32 {
        (self.0 >> (Self::OFFSET_BITS + Self::PLACE_BITS)) as i32
    }

    /// The offset of its record.
    pub fn offset(self) -> i64 {
        (self.0 >> Self::PLACE_BITS) as i64 & (Self::OFFSET_END - 1)
    }

    /// Its place among the events of the record.
    pub fn place(self) -> usize {
        (self.0 & ((1 << Self::PLACE_BITS) - 1)) as usize
    }
}

/// The events of which copies are looked for.
pub type Occurrences<'s> = VecCollection<'s, Epoch, Occurrence, isize>;

/// Emits the position of each event that turns out to be a copy, in the epoch in which it does. Events of epochs up to
/// [`SEED`] were decided before the start: they are remembered, and nothing is emitted for them.
///
/// `needed` returns the time, in seconds since 1970, from which on events are still needed.
pub fn copies<'s>(
    occurrences: Occurrences<'s>,
    span: Duration,
    mut needed: impl FnMut() -> i64 + 'static,
) -> VecCollection<'s, Epoch, EventPosition, isize> {
    let by_id = Exchange::new(|(occurrence, _, _): &(Occurrence, Epoch, isize)| occurrence.id.0 as u64);
    let mut ids = IdTable::new(span);
    per_epoch(occurrences, by_id, "Copies", move |epoch, occurrences| {
        let mut copies = Vec::new();
        occurrences.iter().for_each(|occurrence| ids.add(occurrence, |copy| copies.push(copy)));
        if epoch <= SEED {
            copies.clear();
        }
        ids.forget(needed());
        copies
    })
}
