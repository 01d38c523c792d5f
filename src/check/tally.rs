//! Counting what the records looked at are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use dataflows::model::{FieldKind, TableRows};
use dataflows::{Day, Model, PreAggregator};

use super::findings::{Collection, Country, Days, Findings, Outcome, Partition, Rejection, Rows, Sizes};
use super::sample::length;
use crate::source::decode::{Collections, Decoder, Outcome as Decoded, Rules, date};
use crate::source::{Bounds, Record};
use crate::terminal::anonymous;

/// A name is data: this much of it is kept.
const KEPT: usize = 100;

/// What was seen so far.
pub struct Tally {
    views: Collections,
    decoder: Decoder,
    /// Counts nothing, so that every sound record says its collection.
    names: Decoder,
    /// Counts everything, and so says of an ignored record whether it could be counted.
    all: Decoder,
    counted: u64,
    ignored: u64,
    rejected: u64,
    reasons: BTreeMap<String, Seen>,
    collections: BTreeMap<String, Named>,
    partitions: BTreeMap<i32, u64>,
    events: PreAggregator,
    bytes: Vec<usize>,
}

/// How often, and where first.
struct Seen {
    records: u64,
    partition: i32,
    offset: i64,
}

/// How many records are of a collection, and how many of them could be counted.
#[derive(Default)]
struct Named {
    records: u64,
    countable: u64,
    /// Whether `--views` has it.
    is_view: bool,
}

/// The name of a collection as it is kept.
fn shown(name: &str) -> String {
    anonymous(name).chars().take(KEPT).collect()
}

impl Tally {
    /// Nothing yet, for these rules.
    pub fn new(rules: &Rules) -> Self {
        let with = |views| Decoder::new(Rules { views, ..rules.clone() });
        Tally {
            views: rules.views.clone(),
            decoder: with(rules.views.clone()),
            names: with(Collections::Named(BTreeSet::new())),
            all: with(Collections::All),
            counted: 0,
            ignored: 0,
            rejected: 0,
            reasons: BTreeMap::new(),
            collections: BTreeMap::new(),
            partitions: BTreeMap::new(),
            events: PreAggregator::new(Model::builtin(), 1),
            bytes: Vec::new(),
        }
    }

    /// Counts one more record.
    pub fn add(&mut self, record: Record<'_>) {
        *self.partitions.entry(record.partition).or_default() += 1;
        self.bytes.push(record.payload.map_or(0, <[u8]>::len));
        match record.decode(&mut self.decoder) {
            Decoded::Counted(view) => {
                self.counted += 1;
                self.events.add(&view.event());
            }
            Decoded::Ignored(_) => self.ignored += 1,
            Decoded::Rejected(reason) => {
                self.rejected += 1;
                let (partition, offset) = (record.partition, record.offset);
                let first = Seen { records: 0, partition, offset };
                self.reasons.entry(reason.to_string()).or_insert(first).records += 1;
            }
        }
        if let Decoded::Ignored(name) = record.decode(&mut self.names) {
            let seen = self.collections.entry(shown(&name)).or_default();
            seen.records += 1;
            seen.is_view = self.views.contain(&name);
            seen.countable += u64::from(matches!(record.decode(&mut self.all), Decoded::Counted(_)));
        }
    }

    /// What all of it says about a topic with these partitions.
    pub fn findings(mut self, topic: &str, partitions: &BTreeMap<i32, Bounds>) -> Findings {
        let collections = self.collections();
        let counts = Counts::of(&mut self.events);
        Findings {
            topic: topic.to_owned(),
            views: self.views.to_string(),
            offsets: partitions.values().map(length).sum(),
            looked_at: self.looked_at(),
            partitions: partitions.iter().map(|(partition, bounds)| self.partition(*partition, bounds)).collect(),
            outcomes: self.outcomes(),
            reasons: self.reasons(),
            hints: self.hints(&collections),
            collections,
            days: counts.days(),
            countries: counts.countries(),
            tables: counts.tables.iter().map(|(table, rows)| Rows { table: table.clone(), rows: *rows }).collect(),
            bytes: sizes(self.bytes),
        }
    }

    fn looked_at(&self) -> u64 {
        self.counted + self.ignored + self.rejected
    }

    fn share(&self, records: u64) -> f64 {
        ratio(records, self.looked_at())
    }

    fn partition(&self, partition: i32, bounds: &Bounds) -> Partition {
        let looked_at = self.partitions.get(&partition).copied().unwrap_or(0);
        let (first_offset, next_offset) = (bounds.low, bounds.high);
        Partition { partition, first_offset, next_offset, offsets: length(bounds), looked_at }
    }

    fn outcomes(&self) -> [Outcome; 3] {
        [("counted", self.counted), ("ignored", self.ignored), ("rejected", self.rejected)]
            .map(|(outcome, records)| Outcome { outcome, records, share: self.share(records) })
    }

    fn reasons(&self) -> Vec<Rejection> {
        let reason = |(reason, seen): (&String, &Seen)| {
            let Seen { records, partition, offset } = *seen;
            Rejection { reason: reason.clone(), records, share: self.share(records), partition, offset }
        };
        let mut reasons: Vec<_> = self.reasons.iter().map(reason).collect();
        reasons.sort_by_key(|it| Reverse(it.records));
        reasons
    }

    fn collections(&self) -> Vec<Collection> {
        let collection = |(name, seen): (&String, &Named)| Collection {
            collection: name.clone(),
            records: seen.records,
            share: self.share(seen.records),
            is_view: seen.is_view,
            countable: seen.countable,
        };
        let mut collections: Vec<_> = self.collections.iter().map(collection).collect();
        collections.sort_by_key(|it| Reverse(it.records));
        collections
    }

    fn hints(&self, collections: &[Collection]) -> Vec<String> {
        let mut hints = Vec::new();
        if let Collections::Named(names) = &self.views
            && self.looked_at() > 0
        {
            let unseen = names.iter().filter(|name| !self.collections.contains_key(&shown(name)));
            hints.extend(unseen.map(|name| format!("--views names '{name}', which none of these records is of")));
        }
        if self.counted == 0 && self.looked_at() > 0 {
            let best = collections.iter().filter(|it| !it.is_view).max_by_key(|it| it.countable);
            hints.push(match best.filter(|best| best.countable > 0) {
                Some(Collection { collection, countable, .. }) => {
                    format!("nothing would be counted; --views '{collection}' would count {countable} of these records")
                }
                None => "nothing would be counted, whatever --views says: the reasons are above".into(),
            });
        }
        hints
    }
}

/// What the tables would hold.
struct Counts {
    tables: BTreeMap<String, u64>,
    days: BTreeMap<Day, i64>,
    countries: BTreeMap<String, i64>,
}

impl Counts {
    fn of(events: &mut PreAggregator) -> Counts {
        let mut counts = Counts { tables: BTreeMap::new(), days: BTreeMap::new(), countries: BTreeMap::new() };
        let model = Model::builtin();
        for table in model.tables.iter().filter(|table| matches!(table.rows, TableRows::Count(_))) {
            if !table.is_derived(&model) {
                counts.tables.insert(table.name.clone(), 0);
            }
        }
        for (key, views) in events.drain().0 {
            let count = &model.counts[usize::from(key.count)];
            if let Some(table) = count.table {
                *counts.tables.entry(model.tables[table].name.clone()).or_default() += 1;
            }
            if let [country] = &*count.members
                && model.fields[*country].kind == FieldKind::Country
            {
                *counts.days.entry(key.day).or_default() += views;
                *counts.countries.entry(key.member.to_string()).or_default() += views;
            }
        }
        counts
    }

    fn days(&self) -> Option<Days> {
        let (largest, views) = self.days.iter().max_by_key(|(_, views)| **views)?;
        Some(Days {
            first: date(*self.days.first_key_value()?.0).to_string(),
            last: date(*self.days.last_key_value()?.0).to_string(),
            days: self.days.len(),
            largest: date(*largest).to_string(),
            largest_views: *views,
        })
    }

    fn countries(&self) -> Vec<Country> {
        let all: i64 = self.countries.values().sum();
        let share = |views: i64| ratio(views.cast_unsigned(), all.cast_unsigned());
        let country =
            |(code, views): (&String, &i64)| Country { country: code.clone(), views: *views, share: share(*views) };
        let mut countries: Vec<_> = self.countries.iter().map(country).collect();
        countries.sort_by_key(|it| Reverse(it.views));
        countries
    }
}

/// A share from 0 to 1; 0 of nothing.
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// By nearest rank.
fn sizes(mut bytes: Vec<usize>) -> Option<Sizes> {
    bytes.sort_unstable();
    let rank = |percent: usize| bytes.get((bytes.len() * percent).div_ceil(100).max(1) - 1).copied();
    Some(Sizes { median: rank(50)?, p99: rank(99)?, max: *bytes.last()? })
}
