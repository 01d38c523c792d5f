//! Takes back what turned out to be a copy, and learns at a start which events may still get copies.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail, ensure};
use dataflows::{Epoch, EventPosition, Key, Occurrence, PreAggregator};
use hashbrown::HashSet;
use thiserror::Error;

use super::expiry::has_left;
use super::ingest::{Ingest, Partition};
use super::outside::ReadAgain;
use crate::source::Source;
use crate::source::decode::Outcome;
use crate::source::offset_range::{self, OffsetRange};

/// Events, counted before, that go to the dataflow at once.
const OCCURRENCES_MAX: usize = 1 << 16;

/// The run is to stop before all was read.
#[derive(Debug, Error)]
#[error("told to stop")]
struct Stopped;

impl<S: Source> Ingest<S> {
    /// Reads again, without counting, the records that may still get copies. Calls `goes_on` every now and then, and
    /// ends if that returns false.
    pub fn read_window(&mut self, read_again: &ReadAgain, mut goes_on: impl FnMut() -> bool) -> Result<()> {
        let Ingest { partitions, decoder, dedup: Some(dedup), open, .. } = self else { return Ok(()) };
        let range = |Partition { progress, .. }: &Partition| {
            let (partition, from, until) = (progress.partition, progress.window?.offset, progress.next_offset);
            Some(OffsetRange { partition, from, until, records: u64::MAX })
        };
        let ranges: Vec<_> = partitions.values().filter_map(range).collect();
        let window_day = |partition: &Partition| partition.progress.window.and_then(|window| window.newest_day);
        let mut newest: BTreeMap<_, _> = partitions.iter().map(|(number, it)| (*number, window_day(it))).collect();
        let (mut occurrences, mut pieces) = (Vec::new(), 0);
        let mut give = |occurrences: &mut Vec<Occurrence>| {
            dedup.add(pieces, occurrences.drain(..));
            pieces += 1;
            dedup.advance_to(pieces);
            goes_on()
        };
        let read = read_again(&ranges, &mut |record| {
            let known = partitions.get_mut(&record.partition).zip(newest.get_mut(&record.partition));
            let Some((partition, newest)) = known else { return Ok(()) };
            record.decode(decoder, |outcome, position| {
                let before = *newest;
                if let Outcome::Counted(event) | Outcome::Forgotten(event) = outcome
                    && !has_left(event.day, newest, open.kept)
                {
                    let occurrence = partition.occurrence(record, event, position, before);
                    occurrences.extend(occurrence.filter(|_| matches!(outcome, Outcome::Counted(_))));
                }
            });
            ensure!(occurrences.len() < OCCURRENCES_MAX || give(&mut occurrences), Stopped);
            Ok(())
        });
        give(&mut occurrences);
        if read.as_ref().is_err_and(|error| error.is::<Stopped>()) { Ok(()) } else { read }
    }

    /// Takes back the copies found so far, each in its epoch, outputs the progress that waited for them, and advances
    /// the dataflow up to `open`, as far as all copies are known. True if they are.
    pub fn settle(&mut self, open: Epoch, read_again: &ReadAgain) -> Result<bool> {
        let Some(dedup) = &mut self.dedup else { return Ok(true) };
        let settled = dedup.open().unwrap_or(Epoch::MAX).min(open);
        let (mut copies, closed) = (dedup.take_copies(settled), self.unsettled.take_if(|epoch| *epoch < settled));
        if let Some(epoch) = closed {
            copies.entry(epoch).or_default();
        }
        for (epoch, copies) in copies {
            self.take_back(epoch, copies, read_again)?;
            self.emit_progress(epoch);
        }
        if closed.is_some() {
            // Whatever is compared from now on was taken after this epoch.
            for (number, partition) in &self.partitions {
                partition.window.iter().for_each(|window| self.clocks.set(*number, window.newest()));
            }
        }
        self.inputs.advance_to(settled);
        Ok(settled == open)
    }

    /// Closes the last epoch. What others take meanwhile may yet be a better copy of what was taken here, so it is over only
    /// when it is over for all. Calls `step` to let the dataflow work.
    pub fn finish(&mut self, open: Epoch, read_again: &ReadAgain, mut step: impl FnMut()) -> Result<()> {
        while !self.settle(open, read_again)? {
            step();
        }
        self.drain(open);
        if let Some(dedup) = &mut self.dedup {
            dedup.close();
        }
        while !self.settle(Epoch::MAX, read_again)? {
            step();
        }
        self.end_inputs();
        Ok(())
    }

    fn take_back(&mut self, epoch: Epoch, copies: Vec<EventPosition>, read_again: &ReadAgain) -> Result<()> {
        for copy in &copies {
            let Some(partition) = self.partitions.get_mut(&copy.partition()) else { continue };
            for totals in [&mut partition.progress.totals, &mut partition.closed.totals] {
                totals.counted -= 1;
                totals.duplicate += 1;
            }
            partition.is_emitted = false;
        }
        let mut copies: HashSet<_> = copies.into_iter().collect();
        let mut keys = Vec::new();
        self.open.events.take_back(&mut copies, |key| keys.push((key, 1)));
        if !copies.is_empty() {
            keys.extend(self.read_events(&copies, read_again)?);
        }
        for (key, events) in keys {
            // An expired day goes, or went, with all its events.
            let has_left = self.first_kept.get(usize::from(key.count)).is_some_and(|first| key.day < *first);
            if !has_left {
                self.inputs.count(epoch, key, -events);
            }
        }
        Ok(())
    }

    /// What events of earlier epochs were counted under: only Kafka has them still.
    fn read_events(&mut self, positions: &HashSet<EventPosition>, read_again: &ReadAgain) -> Result<Vec<(Key, i64)>> {
        let mut events = PreAggregator::new(self.decoder.model().clone(), 1);
        let (records, mut found) =
            (positions.iter().map(|it| (it.partition(), it.offset())).collect::<BTreeSet<_>>(), 0);
        offset_range::read_at(read_again, &records, |record| {
            record.decode(&mut self.decoder, |outcome, position| {
                if let Outcome::Counted(event) = outcome
                    && position.is_some_and(|position| positions.contains(&position))
                {
                    events.add(event);
                    found += 1;
                }
            });
            Ok(())
        })?;
        if found < positions.len() {
            bail!(
                "{} records turned out to be copies and are gone from Kafka, so they cannot be taken back; let the topic \
                 keep records for longer than three times --dedup, and recompute the tables with `freshet rebuild`",
                positions.len() - found
            );
        }
        Ok(events.drain().0.collect())
    }
}
