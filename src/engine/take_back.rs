//! Taking back what turned out to be a copy, and learning at a start what copies may still come of.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use dataflows::{Epoch, EventPosition, Occurrence, PreAggregator};
use hashbrown::HashSet;

use super::dataflow::Inputs;
use super::dedup::Dedup;
use super::outside::ReadAgain;
use super::take::{Partition, Taker};
use crate::source::Source;
use crate::source::decode::Outcome;
use crate::source::stretch::{self, Stretch};

/// So many events that were counted before go to the dataflow at once.
const OCCURRENCES: usize = 1 << 16;

impl<S: Source> Taker<S> {
    /// Reads again, without counting, the records of which copies may still come, and gives the events in pieces.
    pub fn read_window(
        &mut self,
        read_again: &ReadAgain,
        mut each: impl FnMut(&mut Vec<Occurrence>) -> Result<()>,
    ) -> Result<()> {
        let Taker { partitions, decoder, .. } = self;
        let stretch = |Partition { progress, .. }: &Partition| {
            let (partition, from, until) = (progress.partition, progress.window?.offset, progress.next_offset);
            Some(Stretch { partition, from, until, records: u64::MAX })
        };
        let stretches: Vec<_> = partitions.values().filter_map(stretch).collect();
        let mut occurrences = Vec::new();
        read_again(&stretches, &mut |record| {
            let Some(partition) = partitions.get_mut(&record.partition) else { return Ok(()) };
            let mut place = 0;
            record.decode(decoder, |outcome| {
                if let Outcome::Counted(event) = outcome {
                    occurrences.extend(partition.occurrence(record, event, place));
                }
                place += 1;
            });
            if occurrences.len() < OCCURRENCES { Ok(()) } else { each(&mut occurrences) }
        })?;
        each(&mut occurrences)
    }

    /// Takes back the copies that came to be known, each in its epoch, and gives on the progress that waited for them. What is
    /// before `open` is settled.
    pub fn settle(
        &mut self,
        open: Epoch,
        inputs: &mut Inputs,
        dedup: &mut Dedup,
        read_again: &ReadAgain,
    ) -> Result<()> {
        let mut copies = dedup.take_copies(open);
        let settled = self.unsettled.take_if(|epoch| *epoch < open);
        if let Some(epoch) = settled {
            copies.entry(epoch).or_default();
        }
        for (epoch, copies) in copies {
            self.take_back(epoch, copies, inputs, read_again)?;
            self.tell_progress(epoch, inputs);
        }
        if settled.is_some() {
            // Whatever is compared from now on was taken after this epoch.
            for (number, partition) in &self.partitions {
                partition.window.iter().for_each(|window| self.clocks.set(*number, window.newest()));
            }
        }
        Ok(())
    }

    fn take_back(
        &mut self,
        epoch: Epoch,
        copies: Vec<EventPosition>,
        inputs: &mut Inputs,
        read_again: &ReadAgain,
    ) -> Result<()> {
        for copy in &copies {
            let Some(partition) = self.partitions.get_mut(&copy.partition()) else { continue };
            for totals in [&mut partition.progress.totals, &mut partition.closed.totals] {
                totals.counted -= 1;
                totals.duplicate += 1;
            }
            partition.is_told = false;
        }
        let mut copies: HashSet<_> = copies.into_iter().collect();
        self.open.events.take_back(&mut copies, |key| inputs.count(epoch, key, -1));
        if !copies.is_empty() {
            for (key, events) in self.read_events(&copies, read_again)? {
                inputs.count(epoch, key, -events);
            }
        }
        Ok(())
    }

    /// What events of earlier epochs were counted under: only Kafka has them still.
    fn read_events(
        &mut self,
        positions: &HashSet<EventPosition>,
        read_again: &ReadAgain,
    ) -> Result<Vec<(dataflows::Key, i64)>> {
        let mut events = PreAggregator::new(self.decoder.model().clone(), 1);
        let (records, mut found) =
            (positions.iter().map(|it| (it.partition(), it.offset())).collect::<BTreeSet<_>>(), 0);
        stretch::read_at(read_again, &records, |record| {
            let mut place = 0;
            record.decode(&mut self.decoder, |outcome| {
                let position = EventPosition::new(record.partition, record.offset, place);
                if let Outcome::Counted(event) = outcome
                    && position.is_some_and(|position| positions.contains(&position))
                {
                    events.add(event);
                    found += 1;
                }
                place += 1;
            });
            Ok(())
        })?;
        if found < positions.len() {
            bail!(
                "{} records of which a better copy came are gone from Kafka, so they cannot be taken back; let the topic keep \
                 records for longer than three times --dedup, and recompute the tables with `freshet rebuild`",
                positions.len() - found
            );
        }
        Ok(events.drain().0.collect())
    }
}
