//! Counts what the records looked at are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use dataflows::model::{Count, Model};
use dataflows::{Day, Event};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::findings::{Collection, Country, Days, Findings, Outcome, Partition, Rejection, Rows, Sizes};
use super::sample::length;
use crate::source::decode::{Collections, Decoder, Outcome as Decoded, Rules, TimeSources, date};
use crate::source::{Record, Watermarks};
use crate::terminal::anonymous;

/// Characters of a collection's name that are kept, as names are data.
const NAME_CHARS_MAX: usize = 100;

/// The counts so far.
pub struct Tally {
    views: Collections,
    decoder: Decoder,
    /// Counts all types as views, to find out whether an ignored record could be counted.
    all: Decoder,
    /// Recognizes crawlers, if the rules do not skip them and a field tells.
    skipping: Option<Decoder>,
    counted: u64,
    ignored: u64,
    /// Events of crawlers, whether the rules count them or not.
    bot: u64,
    rejected: u64,
    reasons: BTreeMap<String, Seen>,
    collections: BTreeMap<String, Named>,
    partitions: BTreeMap<i32, u64>,
    counts: Counts,
    bytes: Vec<usize>,
}

/// How often a reason was seen, and where first.
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
    anonymous(name).chars().take(NAME_CHARS_MAX).collect()
}

impl Tally {
    /// An empty tally for these rules.
    pub fn new(rules: &Rules) -> Self {
        let with = |views| Decoder::new(Rules { views, ..rules.clone() });
        let skipping = || Decoder::new(Rules { skip_bots: true, ..rules.clone() });
        Tally {
            views: rules.views.clone(),
            decoder: with(rules.views.clone()),
            all: with(Collections::All),
            skipping: (!rules.skip_bots && rules.model.reveals_bots()).then(skipping),
            counted: 0,
            ignored: 0,
            bot: 0,
            rejected: 0,
            reasons: BTreeMap::new(),
            collections: BTreeMap::new(),
            partitions: BTreeMap::new(),
            counts: Counts::new(Arc::clone(&rules.model)),
            bytes: Vec::new(),
        }
    }

    /// Counts one more record.
    pub fn add(&mut self, record: Record<'_>) {
        *self.partitions.entry(record.partition).or_default() += 1;
        self.bytes.push(record.payload.map_or(0, <[u8]>::len));
        let Tally { decoder, all, skipping, counted, ignored, bot, rejected, counts, reasons, .. } = self;
        record.decode(decoder, |outcome, _| match outcome {
            Decoded::Counted(event) => {
                *counted += 1;
                counts.add(event);
            }
            Decoded::Ignored(_) => *ignored += 1,
            Decoded::Bot => *bot += 1,
            // No events are forgotten here.
            Decoded::Forgotten(_) => {}
            Decoded::Rejected(reason) => {
                *rejected += reason.events().cast_unsigned();
                let (partition, offset) = (record.partition, record.offset);
                let first = Seen { records: 0, partition, offset };
                reasons.entry(reason.to_string()).or_insert(first).records += 1;
            }
        });
        if let Some(skipping) = skipping {
            record.decode(skipping, |outcome, _| *bot += u64::from(outcome == Decoded::Bot));
        }
        if let Ok(name) = decoder.event_type(record.payload) {
            let seen = self.collections.entry(shown(&name)).or_default();
            seen.records += 1;
            seen.is_view = self.views.contain(&name);
            record.decode(all, |outcome, _| seen.countable += u64::from(matches!(outcome, Decoded::Counted(_))));
        }
    }

    /// The findings about a topic with these partitions.
    pub fn findings(mut self, topic: &str, partitions: &BTreeMap<i32, Watermarks>) -> Findings {
        let (collections, times) = (self.collections(), self.decoder.take_times());
        Findings {
            topic: topic.to_owned(),
            views: self.views.to_string(),
            offsets: partitions.values().map(length).sum(),
            looked_at: self.looked_at(),
            partitions: partitions
                .iter()
                .map(|(partition, watermarks)| self.partition(*partition, watermarks))
                .collect(),
            outcomes: self.outcomes(),
            reasons: self.reasons(),
            hints: self.hints(&collections, times),
            collections,
            days: self.counts.days(),
            countries: self.counts.countries(),
            tables: self.counts.tables(),
            bytes: sizes(self.bytes),
            members: Vec::new(),
            models: Vec::new(),
            proposal: None,
        }
    }

    fn looked_at(&self) -> u64 {
        self.counted + self.ignored + self.rejected + self.skipped()
    }

    fn share(&self, records: u64) -> f64 {
        ratio(records, self.looked_at())
    }

    fn partition(&self, partition: i32, watermarks: &Watermarks) -> Partition {
        let looked_at = self.partitions.get(&partition).copied().unwrap_or(0);
        let (first_offset, next_offset) = (watermarks.low, watermarks.high);
        Partition { partition, first_offset, next_offset, offsets: length(watermarks), looked_at }
    }

    /// How many are left out for being a crawler's.
    fn skipped(&self) -> u64 {
        if self.skipping.is_some() { 0 } else { self.bot }
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let outcomes = [("counted", self.counted), ("ignored", self.ignored), ("rejected", self.rejected)];
        let bot = Some(("bot", self.skipped())).filter(|(_, records)| *records > 0);
        let outcome = |(outcome, records)| Outcome { outcome, records, share: self.share(records) };
        outcomes.into_iter().chain(bot).map(outcome).collect()
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

    fn hints(&self, collections: &[Collection], times: TimeSources) -> Vec<String> {
        let mut hints = Vec::new();
        if self.looked_at() == 0 {
            return hints;
        }
        let is_unseen = |name: &&String| !self.collections.contains_key(&shown(name));
        if let Collections::Named(names) = &self.views {
            let unseen = names.iter().filter(is_unseen);
            hints.extend(unseen.map(|name| format!("--views names '{name}', which none of these records is of")));
        }
        let of_filters = self.counts.model.filters.iter().filter_map(|filter| filter.types.as_ref()).flatten();
        let unseen: BTreeSet<_> = of_filters.filter(is_unseen).collect();
        hints.extend(unseen.iter().map(|name| format!("a report counts '{name}', which none of these records is of")));
        let event = &self.counts.model.event;
        if let (TimeSources { local_time: some @ 1.., time_stamp: others @ 1.. }, Some(local_time), Some(time_stamp)) =
            (times, &event.local_time, &event.time_stamp)
        {
            hints.push(format!("{some} events have their time from {local_time}, {others} from {time_stamp}"));
        }
        if self.bot > self.skipped() {
            hints.push(format!("{} of the counted are of crawlers; --skip-bots leaves them out", self.bot));
        }
        if self.counted == 0 {
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
    model: Arc<Model>,
    /// The hashes of the keys of each count that is not rolled up.
    keys: Vec<HashSet<u128>>,
    /// Seed of the hashes, so that nobody can craft keys that collide.
    seed: u64,
    days: BTreeMap<Day, i64>,
    /// Views by the first field that is a country.
    countries: BTreeMap<String, i64>,
}

impl Counts {
    /// Empty counts.
    fn new(model: Arc<Model>) -> Counts {
        let keys = vec![HashSet::new(); model.counted().len()];
        Counts { model, keys, seed: rand::random(), days: BTreeMap::new(), countries: BTreeMap::new() }
    }

    fn add(&mut self, event: &Event<'_>) {
        for (keys, count) in self.keys.iter_mut().zip(&self.model.counts) {
            keys.extend(key(count, event).map(|key| xxh3_128_with_seed(key.as_bytes(), self.seed)));
        }
        *self.days.entry(event.day).or_default() += 1;
        let country = self.model.fields.iter().position(|field| field.kind.is_country());
        if let Some(country) = country.and_then(|field| event.fields[field].as_ref()) {
            *self.countries.entry(country.to_string()).or_default() += 1;
        }
    }

    fn tables(&self) -> Vec<Rows> {
        let rows = self.keys.iter().zip(&self.model.counts).filter_map(|(keys, count)| {
            Some(Rows { table: self.model.tables[count.table?].name.clone(), rows: keys.len() as u64 })
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by(|one, other| one.table.cmp(&other.table));
        rows
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

/// The key under which an event counts, if it does.
fn key(count: &Count, event: &Event<'_>) -> Option<String> {
    let mut key = String::new();
    if count.has_day {
        write!(key, "{}\0", event.day.0).ok()?;
    }
    if count.has_hour {
        write!(key, "{}\0", event.hour).ok()?;
    }
    for member in &count.members {
        write!(key, "{}\0", event.fields[*member].as_ref()?).ok()?;
    }
    event.is_passed(count.filter).then_some(key)
}

/// A share from 0 to 1; 0 if `whole` is 0.
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Sizes by nearest rank.
fn sizes(mut bytes: Vec<usize>) -> Option<Sizes> {
    bytes.sort_unstable();
    let rank = |percent: usize| bytes.get((bytes.len() * percent).div_ceil(100).max(1) - 1).copied();
    Some(Sizes { median: rank(50)?, p99: rank(99)?, max: *bytes.last()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = r#"
        event = { type = "what", views = ["view"], time_stamp = "at" }
        fields = { sku = { path = "sku", kind = "id" } }
        report = [
            { table = "views", by = ["day", "hour", "sku"] },
            { table = "orders", by = ["day"], where = { what = "order" } },
            { table = "sevens", by = ["day"], where = { what = ["return", "order"], sku = "7" } },
        ]
    "#;

    #[test]
    fn rows_are_those_of_any_model() {
        let rules = Rules::new(Arc::new(Model::parse(MODEL, "test").expect("a model")));
        let mut tally = Tally::new(&rules);
        let records =
            [("view", 0, 1), ("view", 1, 1), ("view", 3_600, 1), ("view", 0, 2), ("order", 0, 7), ("cart", 0, 7)];
        for (offset, (what, seconds, sku)) in (0..).zip(records) {
            let payload = format!(r#"{{"what":"{what}","at":{},"sku":{sku}}}"#, 1_591_228_800 + seconds);
            let payload = Some(payload.as_bytes());
            tally.add(Record { partition: 0, offset, timestamp: None, leader_epoch: None, payload });
        }
        let findings = tally.findings("events", &BTreeMap::new());
        let outcomes = findings.outcomes.iter().map(|outcome| outcome.records);
        assert!(outcomes.eq([5, 1, 0]));
        let rows: Vec<_> = findings.tables.iter().map(|it| (it.table.as_str(), it.rows)).collect();
        assert_eq!(rows, [("orders", 1), ("sevens", 1), ("views", 3)]);
        assert_eq!(findings.days.map(|days| days.largest_views), Some(5));
        assert_eq!(findings.hints, ["a report counts 'return', which none of these records is of"]);
    }
}
