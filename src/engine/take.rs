//! Taking records: poll, decode, fold; and what is known of them when the epoch closes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use dataflows::{Day, DaysKept, PreAggregator};

use super::census::{Census, Seen};
use super::dataflow::Inputs;
use super::durable::Output;
use super::leaving::has_left;
use super::offsets::Offsets;
use super::{Assignment, Settings};
use crate::batch::{Progress, Rejected};
use crate::metrics::{Heard, Metrics};
use crate::source::decode::{Decoder, Outcome};
use crate::source::{Fetched, Item, Position, Record, Source};

/// So many records are more than half a second's work.
const FAR: i64 = 200_000;

/// Kafka says no more often where partitions end.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Takes the records of one worker's partitions.
pub(super) struct Taker<S> {
    source: S,
    decoder: Decoder,
    keep_payload: bool,
    census: Arc<Census>,
    partitions: BTreeMap<i32, Partition>,
    open: OpenEpoch,
    offsets: Offsets,
    reported: Instant,
}

/// One partition, as it is read.
struct Partition {
    progress: Progress,
    /// Where it ended when the run started.
    end: i64,
    /// Its end was reached since.
    end_seen: bool,
    /// The open epoch has something of it.
    is_touched: bool,
}

/// What the open epoch holds.
struct OpenEpoch {
    events: PreAggregator,
    /// How many days are kept at most.
    kept: DaysKept,
    rejected: Vec<Rejected>,
    rejected_bytes: usize,
    /// It takes no more once it holds this much.
    bytes_max: usize,
}

impl<S: Source> Taker<S> {
    /// Takes nothing yet. `events` is empty.
    pub fn new(
        source: S,
        decoder: Decoder,
        events: PreAggregator,
        settings: &Settings,
        kept: DaysKept,
        census: Arc<Census>,
        now: Instant,
    ) -> Self {
        Taker {
            source,
            decoder,
            keep_payload: settings.keep_payload,
            census,
            partitions: BTreeMap::new(),
            open: OpenEpoch {
                events,
                kept,
                rejected: Vec::new(),
                rejected_bytes: 0,
                bytes_max: settings.worker_bytes_max(),
            },
            offsets: Offsets::new(now),
            reported: now,
        }
    }

    /// Also reads this partition. It gets its row in `progress` with the next epoch, also if it stays quiet.
    pub fn assign(&mut self, assignment: Assignment) -> Result<()> {
        let Assignment { progress, end } = assignment;
        let partition = Partition { progress, end, end_seen: false, is_touched: true };
        self.partitions.insert(progress.partition, partition);
        self.source.assign(Position::after(&progress))
    }

    /// Takes what is there, one batch at most. True if there may be more.
    pub fn take(&mut self) -> Result<bool> {
        let Taker { source, decoder, partitions, open, keep_payload, census, .. } = self;
        let mut seen = census.is_open().then(Seen::default);
        let fetched = source.fetch()?;
        // Fingerprints are taken of the last record of a run only, as each hashes a whole value.
        let mut last: Option<Record<'_>> = None;
        for item in fetched.items() {
            match item {
                Item::Record(record) => {
                    if let Some(partition) = partitions.get_mut(&record.partition) {
                        partition.is_touched = true;
                        open.take(record, decoder, &mut partition.progress, *keep_payload, &mut seen);
                    }
                    if let Some(before) = last.replace(record)
                        && record.partition != before.partition
                    {
                        note_last(partitions, before);
                    }
                }
                Item::End(partition, offset) => {
                    if let Some(partition) = partitions.get_mut(&partition) {
                        partition.reach_end(offset);
                    }
                }
            }
        }
        if let Some(record) = last {
            note_last(partitions, record);
        }
        if let Some(seen) = seen {
            census.add(seen);
        }
        Ok(fetched.is_full())
    }

    /// Handles what the source tells, while no records are taken.
    pub fn serve(&mut self) -> Result<()> {
        self.source.serve()
    }

    /// Whether the open epoch holds so much that it must close first.
    pub fn is_full(&self) -> bool {
        self.open.is_full()
    }

    /// Whether so much is waiting in Kafka that to be fresh is out of reach for now.
    pub fn is_far_behind(&self) -> bool {
        let behind = self.partitions.iter().map(|(number, partition)| {
            let end = self.source.stats(*number).and_then(|stats| stats.stable).unwrap_or(partition.end);
            end.saturating_sub(partition.progress.next_offset).max(0)
        });
        behind.sum::<i64>() >= FAR
    }

    /// Whether every partition was read to where it ended when the run started.
    pub fn is_done(&self) -> bool {
        self.partitions.values().all(|partition| partition.end_seen || partition.progress.next_offset >= partition.end)
    }

    /// Says how far the partitions reach, once it is time again.
    pub fn report(&mut self, metrics: &Metrics, now: Instant) {
        if now - self.reported < REPORT_EVERY {
            return;
        }
        self.reported = now;
        metrics.add_times(self.decoder.take_times());
        for (number, partition) in &self.partitions {
            if let Some(stats) = self.source.stats(*number) {
                let end = stats.stable.unwrap_or(partition.end);
                let uncommitted = stats.high.map_or(0, |high| (high - end).max(0));
                metrics.heard(*number, Heard { end, uncommitted, is_answered: stats.is_answered, at: stats.at });
            }
        }
    }

    /// Closes the open epoch; the one before it is durable, which the consumer group may be told. Gives how many keys it has.
    /// An error if some of it may be of another topic of the same name.
    pub fn close(&mut self, inputs: &mut Inputs, now: Instant) -> Result<usize> {
        self.source.must_be_same_topic()?;
        let (next, keys) = self.drain(inputs);
        self.offsets.close(next, now).map_or(Ok(()), |offsets| self.source.commit(offsets))?;
        Ok(keys)
    }

    /// The newest day of what was counted of any partition, as far as days leave.
    pub fn newest_day(&self) -> Option<Day> {
        self.partitions.values().filter_map(|partition| partition.progress.newest_day).max()
    }

    /// Days before these leave from now on, of each count. The open epoch holds nothing.
    pub fn keep_from(&mut self, first: Vec<Day>) {
        self.open.events.keep_from(first);
    }

    /// An error if what was taken may be of another topic of the same name.
    pub fn must_be_same_topic(&self) -> Result<()> {
        self.source.must_be_same_topic()
    }

    /// Puts what the open epoch holds into the dataflow, and begins anew. Gives where its partitions are read on, and how many
    /// keys it had.
    pub fn drain(&mut self, inputs: &mut Inputs) -> (BTreeMap<i32, i64>, usize) {
        let OpenEpoch { events, rejected, rejected_bytes, .. } = &mut self.open;
        let ((counts, updates), mut keys) = (events.drain(), 0);
        for (key, total) in counts {
            inputs.events.update(key, total);
            keys += 1;
        }
        for update in updates {
            inputs.dimensions.insert(update);
        }
        for rejected in rejected.drain(..) {
            inputs.side_outputs.insert(Output::Rejected(rejected));
        }
        *rejected_bytes = 0;
        let next = self.partitions.values_mut().filter_map(|Partition { progress, is_touched, .. }| {
            std::mem::take(is_touched).then(|| {
                inputs.side_outputs.insert(Output::Progress(*progress));
                (progress.partition, progress.next_offset)
            })
        });
        (next.collect(), keys)
    }

    /// Everything that was taken is durable, and nothing more is to be taken.
    pub fn end(mut self) -> Result<()> {
        let next = self.partitions.iter().map(|(number, partition)| (*number, partition.progress.next_offset));
        self.source.commit(next)?;
        self.source.close();
        Ok(())
    }
}

impl Partition {
    /// Everything before this offset was taken, also where there are control records, aborted ones or none at all, which
    /// so are never taken for records that are missing or waiting.
    fn reach_end(&mut self, offset: i64) {
        self.end_seen = true;
        if self.progress.next_offset < offset {
            self.progress.next_offset = offset;
            self.is_touched = true;
        }
    }
}

fn note_last(partitions: &mut BTreeMap<i32, Partition>, record: Record<'_>) {
    if let Some(partition) = partitions.get_mut(&record.partition) {
        partition.progress.last = Some(record.fingerprint());
        partition.progress.last_leader_epoch = record.leader_epoch;
    }
}

impl OpenEpoch {
    fn is_full(&self) -> bool {
        self.events.bytes() + self.rejected_bytes >= self.bytes_max
    }

    fn take(
        &mut self,
        record: Record<'_>,
        decoder: &mut Decoder,
        progress: &mut Progress,
        keep_payload: bool,
        seen: &mut Option<Seen>,
    ) {
        if let Some(seen) = seen {
            seen.records += 1;
        }
        record.decode(decoder, |outcome| {
            if let (Outcome::Counted(_) | Outcome::Bot, Some(seen)) = (&outcome, &mut *seen) {
                seen.counted = true;
            }
            if let Outcome::Counted(event) = &outcome
                && has_left(event.day, &mut progress.newest_day, self.kept)
            {
                progress.totals.expired += 1;
                return;
            }
            outcome.add_to(&mut progress.totals);
            match outcome {
                Outcome::Counted(event) => self.events.add(event),
                Outcome::Ignored(collection) => {
                    if let Some(seen) = seen {
                        seen.ignored(collection);
                    }
                }
                Outcome::Bot => {}
                Outcome::Rejected(reason) => {
                    let payload = if keep_payload { record.payload.map(<[u8]>::to_vec) } else { None };
                    let reason = reason.to_string();
                    self.rejected_bytes += size_of::<Rejected>() + reason.len() + payload.as_ref().map_or(0, Vec::len);
                    let Record { partition, offset, timestamp, .. } = record;
                    if let Some(seen) = seen {
                        seen.rejected(&reason, partition, offset);
                    }
                    self.rejected.push(Rejected { partition, offset, timestamp, reason, payload });
                }
            }
        });
        progress.next_offset = record.offset + 1;
    }
}
