//! Finds the events to forget, and what they have added to the tables.
//!
//! It treats the records that the tables include as the run did: which events had expired, and which are copies.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::Result;
use dataflows::model::Dimension;
use dataflows::{Day, DaysKept, Event, EventId, EventPosition, Key, PreAggregator};
use memchr::memmem::Finder;

use crate::audit::{Texts, copies_of_ids};
use crate::batch::{Forgetting, Progress, Totals};
use crate::engine::{Amendment, has_left};
use crate::id_key::IdKey;
use crate::sink::Snapshot;
use crate::source::decode::{Decoder, Outcome, Rules};
use crate::source::offset_range::{self, OffsetRange};
use crate::source::window::PartitionWindow;
use crate::source::{Settings, Watermarks};

/// Which events to forget, besides those of given ids.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    /// The texts that fields must have.
    pub fields: Vec<(usize, String)>,
    /// In seconds since 1970, by the clock of the tables: from this time on, and before this one.
    pub times: (Option<i64>, Option<i64>),
}

impl Condition {
    fn holds(&self, event: &Event<'_>) -> bool {
        let (from, before) = self.times;
        if from.is_some_and(|from| event.time < from) || before.is_some_and(|before| event.time >= before) {
            return false;
        }
        let texts = Texts::new(event);
        self.fields.iter().all(|(field, text)| texts.get(Dimension::Field(*field)) == Some(text))
    }
}

/// The ids of the events in these ranges that meet a condition, and how many such events have none.
pub fn ids_of(
    kafka: &Settings,
    ranges: &[OffsetRange],
    rules: &Rules,
    condition: &Condition,
) -> Result<(HashSet<EventId>, u64)> {
    let (mut decoder, mut ids, mut without) = (Decoder::new(rules.clone()), HashSet::new(), 0);
    offset_range::read(kafka, ranges, |record| {
        record.decode(&mut decoder, |outcome, _| {
            if let Outcome::Counted(event) = outcome
                && condition.holds(event)
            {
                match event.id {
                    Some(id) => drop(ids.insert(id)),
                    None => without += 1,
                }
            }
        });
        Ok(())
    })?;
    Ok((ids, without))
}

/// Looks for the events of some ids.
pub struct Search {
    decoder: Decoder,
    rules: Rules,
    /// The key of the hashes.
    key: IdKey,
    kept: DaysKept,
    ids: HashSet<EventId>,
    partitions: BTreeMap<i32, Standing>,
    events: Vec<Found>,
    /// The ids that were found in any record, even one that does not count: under other rules it might.
    found: HashSet<EventId>,
}

/// How far a partition was read, and the state that decides about its next event.
#[derive(Debug)]
struct Standing {
    next_offset: i64,
    newest_day: Option<Day>,
    window: Option<PartitionWindow>,
}

/// An event that the tables count, or that is a copy of one.
#[derive(Debug)]
struct Found {
    partition: i32,
    id: EventId,
    time: i64,
    /// Its position, if it may have copies.
    position: Option<EventPosition>,
    keys: Vec<(Key, i64)>,
}

impl Search {
    /// A search for events of these ids, by the rules and the retention of the tables.
    pub fn new(rules: Rules, key: IdKey, kept: DaysKept, ids: HashSet<EventId>) -> Search {
        let (decoder, partitions) = (Decoder::new(rules.clone()), BTreeMap::new());
        Search { decoder, rules, key, kept, ids, partitions, events: Vec::new(), found: HashSet::new() }
    }

    /// Begins a partition at this offset, with the newest day before it, unless it has begun already.
    pub fn begin(&mut self, partition: i32, offset: i64, newest_day: Option<Day>) {
        let window = self.rules.dedup.map(|span| PartitionWindow::new(span, None));
        self.partitions.entry(partition).or_insert(Standing { next_offset: offset, newest_day, window });
    }

    /// Reads on, each partition up to this offset.
    pub fn read(&mut self, kafka: &Settings, until: impl IntoIterator<Item = (i32, i64)>) -> Result<()> {
        let Search { decoder, rules, kept, ids, partitions, events, found, .. } = self;
        let ranges = until.into_iter().filter_map(|(partition, until)| {
            let from = std::mem::replace(&mut partitions.get_mut(&partition)?.next_offset, until);
            Some(OffsetRange { partition, from, until, records: u64::MAX })
        });
        let ranges: Vec<_> = ranges.collect();
        let mut keys = PreAggregator::new(rules.model.clone(), 1);
        offset_range::read(kafka, &ranges, |record| {
            let Some(standing) = partitions.get_mut(&record.partition) else { return Ok(()) };
            let mut are_known = true;
            record.decode(decoder, |outcome, position| {
                let (Outcome::Counted(event) | Outcome::Forgotten(event)) = outcome else {
                    are_known = false;
                    return;
                };
                found.extend(event.id.filter(|id| ids.contains(id)));
                if has_left(event.day, &mut standing.newest_day, *kept) {
                    return;
                }
                let window = standing.window.as_mut();
                let is_compared =
                    window.is_some_and(|window| window.see(record.offset, event.time, record.timestamp, None));
                if let (Outcome::Counted(_), Some(id)) = (outcome, event.id.filter(|id| ids.contains(id))) {
                    keys.add(event);
                    let (position, keys) = (position.filter(|_| is_compared), keys.drain().0.collect());
                    events.push(Found { partition: record.partition, id, time: event.time, position, keys });
                }
            });
            if !are_known {
                found.extend(decoder.ids(record.payload.unwrap_or_default()).into_iter().filter(|id| ids.contains(id)));
            }
            Ok(())
        })
    }

    /// Looks for the ids in records that the tables do not include yet, and which will not count then.
    pub fn look_ahead(&mut self, kafka: &Settings, watermarks: &BTreeMap<i32, Watermarks>) -> Result<()> {
        let Search { decoder, ids, partitions, found, .. } = self;
        let ranges = watermarks.iter().map(|(partition, watermarks)| {
            let from = partitions.get(partition).map_or(watermarks.low, |standing| standing.next_offset);
            OffsetRange { partition: *partition, from, until: watermarks.high, records: u64::MAX }
        });
        offset_range::read(kafka, &ranges.collect::<Vec<_>>(), |record| {
            found.extend(decoder.ids(record.payload.unwrap_or_default()).into_iter().filter(|id| ids.contains(id)));
            Ok(())
        })
    }

    /// The ids that were found in records.
    pub fn found(&self) -> &HashSet<EventId> {
        &self.found
    }

    /// How many events it found that the tables count, or know as copies of such.
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// The amendment of tables with this progress.
    pub fn amendment(self, progress: &BTreeMap<i32, Progress>, payloads: Vec<(i32, i64)>) -> Amendment {
        let mut compared: Vec<_> =
            self.events.iter().filter_map(|event| Some((event.id, event.time, event.position?))).collect();
        compared.sort_unstable();
        let copies = self.rules.dedup.map(|span| copies_of_ids(&compared, span)).unwrap_or_default();
        let (mut counts, mut after) = (HashMap::<Key, i64>::new(), BTreeMap::new());
        for Found { partition, position, keys, .. } in self.events {
            let Some(progress) = progress.get(&partition) else { continue };
            let Totals { counted, duplicate, forgotten, .. } = &mut after.entry(partition).or_insert(*progress).totals;
            *forgotten += 1;
            if position.is_some_and(|position| copies.contains(&position)) {
                *duplicate -= 1;
            } else {
                *counted -= 1;
                keys.into_iter().for_each(|(key, events)| *counts.entry(key).or_default() -= events);
            }
        }
        let forgetting = Forgetting { key: self.key, ids: self.found.into_iter().collect(), payloads };
        Amendment { counts: counts.into_iter().collect(), progress: after.into_values().collect(), forgetting }
    }

    /// The partitions and offsets of rejected records of this topic whose payloads the tables keep, and which contain one of the
    /// ids, or one of these texts.
    pub fn payloads(&mut self, snapshot: &mut Snapshot<'_>, topic: &str, texts: &[String]) -> Result<Vec<(i32, i64)>> {
        let finders: Vec<_> = texts.iter().map(|text| Finder::new(text.as_bytes())).collect();
        let query = "SELECT kafka_partition, kafka_offset, payload FROM rejected_records
            WHERE topic = $1 AND payload IS NOT NULL";
        let mut payloads = BTreeSet::new();
        snapshot.rows_with(query, &[topic], |row| {
            let payload: &[u8] = row.get(2);
            if finders.iter().any(|finder| finder.find(payload).is_some())
                || self.decoder.ids(payload).iter().any(|id| self.ids.contains(id))
            {
                payloads.insert((row.get(0), row.get(1)));
            }
            Ok(())
        })?;
        Ok(payloads.into_iter().collect())
    }
}

/// The hashes of ids, each with its text.
pub fn hashes(key: IdKey, ids: &[String]) -> HashMap<EventId, &str> {
    ids.iter().map(|id| (key.hash(id), id.as_str())).collect()
}
