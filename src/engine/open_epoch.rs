//! What a worker makes of the records that it takes, until the epoch closes.

use dataflows::{Day, DaysKept, Epoch, Event, EventPosition, Occurrence, PreAggregator};

use super::dataflow::Inputs;
use super::durable::Output;
use super::expiry::has_left;
use super::ingest::Partition;
use super::no_views_warning::Outcomes;
use crate::batch::Rejected;
use crate::source::Record;
use crate::source::decode::{Decoder, Outcome};

/// What the open epoch holds.
pub(super) struct OpenEpoch {
    pub events: PreAggregator,
    /// The events that are looked at for copies.
    pub occurrences: Vec<Occurrence>,
    rejected: Vec<Rejected>,
    rejected_bytes: usize,
    keep_payload: bool,
    /// How many days are kept at most.
    pub kept: DaysKept,
    /// It takes no more once it holds this much.
    bytes_max: usize,
}

impl OpenEpoch {
    /// Holds nothing yet; `events` is empty.
    pub fn new(events: PreAggregator, kept: DaysKept, keep_payload: bool, bytes_max: usize) -> Self {
        let (occurrences, rejected) = (Vec::new(), Vec::new());
        OpenEpoch { events, occurrences, rejected, rejected_bytes: 0, keep_payload, kept, bytes_max }
    }

    /// Whether it must close before more is taken.
    pub fn is_full(&self) -> bool {
        self.events.bytes() + self.rejected_bytes + size_of_val(self.occurrences.as_slice()) >= self.bytes_max
    }

    /// Takes the next record of a partition.
    pub fn add(
        &mut self,
        record: Record<'_>,
        decoder: &mut Decoder,
        partition: &mut Partition,
        seen: &mut Option<Outcomes>,
    ) {
        if let Some(seen) = seen {
            seen.records += 1;
        }
        let rejected = self.rejected.len();
        record.decode(decoder, |outcome, position| {
            if let (Outcome::Counted(_) | Outcome::Bot | Outcome::Forgotten(_), Some(seen)) = (&outcome, &mut *seen) {
                seen.counted = true;
            }
            let newest_day = partition.progress.newest_day;
            if let Outcome::Counted(event) | Outcome::Forgotten(event) = &outcome
                && has_left(event.day, &mut partition.progress.newest_day, self.kept)
            {
                partition.progress.totals.expired += 1;
                return;
            }
            outcome.add_to(&mut partition.progress.totals);
            match outcome {
                Outcome::Counted(event) => {
                    self.events.add(event);
                    if let Some(occurrence) = partition.occurrence(record, event, position, newest_day) {
                        self.events.retain(event, occurrence.position);
                        self.occurrences.push(occurrence);
                    }
                }
                Outcome::Ignored(collection) => {
                    if let Some(seen) = seen {
                        seen.ignored(collection);
                    }
                }
                // No other is a copy of it, as all copies are forgotten; but it moves the clock.
                Outcome::Forgotten(event) => drop(partition.occurrence(record, event, position, newest_day)),
                Outcome::Bot => {}
                Outcome::Rejected(reason) => self.reject(record, reason.to_string(), seen),
            }
        });
        for rejected in &mut self.rejected[rejected..] {
            rejected.payload.take_if(|payload| decoder.is_forgotten(payload));
        }
        partition.progress.next_offset = record.offset + 1;
    }

    fn reject(&mut self, record: Record<'_>, reason: String, seen: &mut Option<Outcomes>) {
        let payload = if self.keep_payload { record.payload.map(<[u8]>::to_vec) } else { None };
        self.rejected_bytes += size_of::<Rejected>() + reason.len() + payload.as_ref().map_or(0, Vec::len);
        let Record { partition, offset, timestamp, .. } = record;
        if let Some(seen) = seen {
            seen.rejected(&reason, partition, offset);
        }
        self.rejected.push(Rejected { partition, offset, timestamp, reason, payload });
    }

    /// Puts what it holds into the dataflow, but for what is looked at for copies, and starts over. Returns how many
    /// keys it had.
    pub fn drain(&mut self, epoch: Epoch, inputs: &mut Inputs) -> usize {
        let ((counts, updates), mut keys) = (self.events.drain(), 0);
        for (key, total) in counts {
            inputs.count(epoch, key, total);
            keys += 1;
        }
        for update in updates {
            inputs.describe(epoch, update);
        }
        for rejected in self.rejected.drain(..) {
            inputs.output(epoch, Output::Rejected(rejected));
        }
        self.rejected_bytes = 0;
        keys
    }
}

impl Partition {
    /// An event of its next record, if it is one that may have copies; `newest_day` is that before it.
    pub fn occurrence(
        &mut self,
        record: Record<'_>,
        event: &Event<'_>,
        position: Option<EventPosition>,
        newest_day: Option<Day>,
    ) -> Option<Occurrence> {
        let window = self.window.as_mut()?;
        let is_compared = window.see(record.offset, event.time, record.timestamp, newest_day);
        let id = event.id.filter(|_| is_compared)?;
        Some(Occurrence { id, time: event.time, position: position? })
    }
}
