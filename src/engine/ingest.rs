//! Taking records: poll, decode, combine; and what is known of them when the epoch closes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use dataflows::{Day, DaysKept, Epoch, EventPosition, PreAggregator};
use tracing::warn;

use super::dataflow::Inputs;
use super::dedup::{Clocks, Dedup};
use super::durable::Output;
use super::no_views_warning::{NoViewsWarning, Outcomes};
use super::offsets::Offsets;
use super::open_epoch::OpenEpoch;
use super::polls::{Polls, Remaining};
use super::{Amendment, Assignment, Order, Settings};
use crate::batch::Progress;
use crate::metrics::{Heard, Metrics};
use crate::source::decode::{Decoder, Rules};
use crate::source::window::PartitionWindow;
use crate::source::{Fetched, Item, Position, Record, Source};

/// Records in Kafka from which on a worker is far behind: more than half a second's work.
const BACKLOG_RECORDS: i64 = 200_000;

/// How often ends are reported: Kafka says no more often where partitions end.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Takes the records of one worker's partitions.
pub(super) struct Ingest<S> {
    source: S,
    pub(super) decoder: Decoder,
    no_views: Arc<NoViewsWarning>,
    pub(super) partitions: BTreeMap<i32, Partition>,
    pub(super) open: OpenEpoch,
    pub(super) inputs: Inputs,
    /// What goes into the dataflow with the open epoch, besides what is taken.
    amendment: Option<Amendment>,
    /// What finds copies, if they are looked for.
    pub(super) dedup: Option<Dedup>,
    /// How far apart copies may be.
    span: Option<Duration>,
    pub(super) clocks: Clocks,
    /// The closed epoch whose copies are not known yet.
    pub(super) unsettled: Option<Epoch>,
    /// Days before these have expired, by count; empty if all stay.
    pub(super) first_kept: Vec<Day>,
    offsets: Offsets,
    reported: Instant,
    pub(super) polls: Polls,
}

/// One partition, as it is read.
pub(super) struct Partition {
    pub progress: Progress,
    /// Where it ended when the run started.
    end: i64,
    /// The end that was reached since, last of all.
    end_seen: Option<i64>,
    /// The open epoch has something of it.
    is_touched: bool,
    /// Which of its events may have copies, if those are looked for.
    pub window: Option<PartitionWindow>,
    /// Where it stood when the last epoch was closed, without the copies that are not known yet.
    pub closed: Progress,
    /// Whether the dataflow knows that.
    pub is_emitted: bool,
}

impl<S: Source> Ingest<S> {
    /// Takes nothing yet, for a dataflow with these inputs.
    pub fn new(
        source: S,
        rules: Rules,
        settings: &Settings,
        kept: DaysKept,
        no_views: Arc<NoViewsWarning>,
        (inputs, dedup, clocks): (Inputs, Option<Dedup>, Clocks),
        now: Instant,
    ) -> Self {
        let events = PreAggregator::new(rules.model.clone(), settings.workers);
        Ingest {
            source,
            span: rules.dedup,
            decoder: Decoder::new(rules),
            no_views,
            partitions: BTreeMap::new(),
            open: OpenEpoch::new(events, kept, settings.keep_payload, settings.worker_bytes_max()),
            inputs,
            amendment: None,
            dedup,
            clocks,
            unsettled: None,
            first_kept: Vec::new(),
            offsets: Offsets::new(now),
            reported: now,
            polls: Polls::new(now),
        }
    }

    /// Follows an order of the main thread.
    pub fn follow(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Assign(assignment) => self.assign(assignment)?,
            Order::Amend(amendment) => self.amendment = Some(amendment),
        }
        Ok(())
    }

    /// Also reads this partition. It gets its row in `progress` with the next epoch, even if it stays quiet.
    fn assign(&mut self, assignment: Assignment) -> Result<()> {
        let Assignment { progress, end } = assignment;
        let window = self.span.map(|span| PartitionWindow::new(span, progress.window));
        if let Some(window) = &window {
            ensure!(
                progress.partition < EventPosition::PARTITIONS_MAX
                    && progress.next_offset < EventPosition::OFFSET_END / 2,
                "--dedup supports at most {} partitions of {} records each",
                EventPosition::PARTITIONS_MAX,
                EventPosition::OFFSET_END / 2
            );
            let needed = self.span.map_or(i64::MIN, |span| self.clocks.needed(span));
            if needed > i64::MIN && progress.window.is_none() {
                // They were forgotten before it was known that it would need them.
                warn!(
                    "partition {} is new: its events are not compared with those before {}, which are forgotten",
                    progress.partition,
                    chrono::DateTime::from_timestamp(needed, 0).unwrap_or_default().naive_utc()
                );
            }
            self.clocks.set(progress.partition, window.newest());
        }
        let (end_seen, is_touched, closed, is_emitted) = (None, true, progress, true);
        let partition = Partition { progress, end, end_seen, is_touched, window, closed, is_emitted };
        self.partitions.insert(progress.partition, partition);
        self.source.assign(Position::after(&progress))
    }

    /// Takes records if it is time to, when the open epoch should close after `left`. Returns what remains.
    pub fn take(&mut self, left: Duration, now: Instant) -> Result<Remaining> {
        if self.is_held() {
            self.source.serve()?;
            // So that it is known meanwhile where the partitions end.
            self.source.fetch_ahead();
            return Ok(Remaining::Nothing);
        }
        if !self.polls.rest(left, now).is_zero() {
            self.source.serve()?;
            return Ok(Remaining::Nothing);
        }
        let (has_records, remaining) = self.poll()?;
        self.polls.note(now, left, has_records, remaining);
        Ok(remaining)
    }

    /// Takes what is there, one batch at most. Returns whether there were records, and what remains.
    fn poll(&mut self) -> Result<(bool, Remaining)> {
        let Ingest { source, decoder, partitions, open, no_views, .. } = self;
        let mut seen = no_views.is_open().then(Outcomes::default);
        let fetched = source.fetch()?;
        // Fingerprints are taken of the last record of a run only, as each hashes a whole value.
        let mut last: Option<Record<'_>> = None;
        for item in fetched.items() {
            match item {
                Item::Record(record) => {
                    if let Some(partition) = partitions.get_mut(&record.partition) {
                        partition.is_touched = true;
                        open.add(record, decoder, partition, &mut seen);
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
        let has_records = last.is_some();
        if let Some(record) = last {
            note_last(partitions, record);
        }
        if let Some(seen) = seen {
            no_views.add(seen);
        }
        let has_more = fetched.has_more();
        drop(fetched);
        let remaining = match has_more {
            true => Remaining::AtHand,
            false if self.is_behind() => Remaining::InKafka,
            false => Remaining::Nothing,
        };
        Ok((has_records, remaining))
    }

    /// Whether more was in Kafka at the last fetches than has come. A single one may be the mark that ends a transaction, which
    /// never comes.
    fn is_behind(&self) -> bool {
        self.partitions.iter().any(|(number, partition)| {
            let (next, end) = (partition.progress.next_offset, self.source.end(*number).unwrap_or(partition.end));
            end > next + 1 && partition.end_seen != Some(next)
        })
    }

    /// Whether nothing is taken until the open epoch was closed, or the copies of the closed one are known, as its texts are still
    /// needed for that.
    pub fn is_held(&self) -> bool {
        self.is_full() || self.unsettled.is_some()
    }

    /// Whether the open epoch holds so much that it must close first.
    pub fn is_full(&self) -> bool {
        self.open.is_full()
    }

    /// Whether the backlog in Kafka is too large to be fresh for now.
    pub fn is_far_behind(&self) -> bool {
        let behind = self.partitions.iter().map(|(number, partition)| {
            let end = self.source.stats(*number).and_then(|stats| stats.stable).unwrap_or(partition.end);
            end.saturating_sub(partition.progress.next_offset).max(0)
        });
        behind.sum::<i64>() >= BACKLOG_RECORDS
    }

    /// Whether every partition was read to where it ended when the run started.
    pub fn is_done(&self) -> bool {
        self.partitions
            .values()
            .all(|partition| partition.end_seen.is_some() || partition.progress.next_offset >= partition.end)
    }

    /// Reports where the partitions end, if it is time again.
    pub fn report(&mut self, metrics: &Metrics, now: Instant) {
        if now - self.reported < REPORT_INTERVAL {
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

    /// Opens this epoch, and closes all before it.
    pub fn open(&mut self, epoch: Epoch) {
        match &mut self.dedup {
            Some(dedup) => dedup.advance_to(epoch),
            None => self.inputs.advance_to(epoch),
        }
    }

    /// Closes the open epoch; the one before it is durable, so its offsets may be committed. Returns how many keys it
    /// has. An error if some of it may be of another topic of the same name.
    pub fn close(&mut self, epoch: Epoch, now: Instant) -> Result<usize> {
        self.source.must_be_same_topic()?;
        self.polls.close();
        let (next, keys) = self.drain(epoch);
        self.offsets.close(next, now).map_or(Ok(()), |offsets| self.source.commit(offsets))?;
        Ok(keys)
    }

    /// The newest day that was counted in any partition, if days expire.
    pub fn newest_day(&self) -> Option<Day> {
        self.partitions.values().filter_map(|partition| partition.progress.newest_day).max()
    }

    /// From now on, days before these expire, by count. The open epoch is empty.
    pub fn keep_from(&mut self, first: Vec<Day>) {
        self.first_kept.clone_from(&first);
        self.open.events.keep_from(first);
    }

    /// An error if what was taken may be of another topic of the same name.
    pub fn must_be_same_topic(&self) -> Result<()> {
        self.source.must_be_same_topic()
    }

    /// Puts what the open epoch holds into the dataflow, and starts over. Returns the next offsets of its partitions,
    /// and how many keys it had.
    pub fn drain(&mut self, epoch: Epoch) -> (BTreeMap<i32, i64>, usize) {
        let (keys, mut next) = (self.open.drain(epoch, &mut self.inputs), BTreeMap::new());
        if let Some(Amendment { counts, progress, forgetting }) = self.amendment.take() {
            counts.into_iter().for_each(|(key, events)| self.inputs.count(epoch, key, events));
            progress.into_iter().for_each(|progress| self.inputs.output(epoch, Output::Progress(progress)));
            self.inputs.output(epoch, Output::Forgetting(forgetting));
        }
        for partition in self.partitions.values_mut().filter(|partition| partition.is_touched) {
            partition.is_touched = false;
            next.insert(partition.progress.partition, partition.progress.next_offset);
            partition.close(&self.clocks, self.span);
        }
        match &mut self.dedup {
            Some(dedup) => {
                dedup.add(epoch, self.open.occurrences.drain(..));
                self.unsettled = Some(epoch);
            }
            None => self.emit_progress(epoch),
        }
        (next, keys)
    }

    /// Outputs the progress of the partitions that the last epoch moved.
    pub(super) fn emit_progress(&mut self, epoch: Epoch) {
        for partition in self.partitions.values_mut().filter(|partition| !partition.is_emitted) {
            partition.is_emitted = true;
            self.inputs.output(epoch, Output::Progress(partition.closed));
        }
    }

    /// Nothing more goes into the dataflow.
    pub fn end_inputs(&mut self) {
        (self.inputs, self.dedup) = (Inputs::new(), None);
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
    /// Closes an epoch that has something of it.
    fn close(&mut self, clocks: &Clocks, span: Option<Duration>) {
        let Partition { progress, window, .. } = self;
        if let (Some(window), Some(span)) = (window, span) {
            progress.window = Some(window.since(clocks.needed(span), progress.next_offset, progress.newest_day));
        }
        (self.closed, self.is_emitted) = (*progress, false);
    }

    /// Everything before this offset was taken, also where there are control records, aborted ones or none at all, which
    /// so are never taken for records that are missing or waiting.
    fn reach_end(&mut self, offset: i64) {
        self.end_seen = Some(offset);
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
