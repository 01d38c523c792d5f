//! Recounts the records that the tables include.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use dataflows::model::{Dimension, DimensionTable};
use dataflows::{Event, EventPosition, OTHERS};

use super::AuditProgress;
use super::copies::copies;
use super::ledger::{Ledger, Partition};
use super::pages::host;
use super::texts::Texts;
use crate::batch::{Totals, rejected_hour};
use crate::source::decode::{Decoder, Outcome, Rules};
use crate::source::offset_range::{self, OffsetRange};
use crate::source::{Record, Settings, Watermarks};

/// Recounts each partition from its first to its next offset, beside what is stored. Records that Kafka no longer has are left
/// out, and noted.
pub fn recount(
    ledger: &mut Ledger,
    watermarks: &BTreeMap<i32, Watermarks>,
    kafka: &Settings,
    rules: &Rules,
    report: &mut dyn FnMut(AuditProgress),
) -> Result<()> {
    let ranges = ranges(&mut ledger.partitions, watermarks);
    let records = ranges.iter().map(|range| u64::try_from(range.until - range.from).unwrap_or(0));
    // Copies are known only after everything has been read once.
    let looks = if rules.dedup.is_some() { 2 } else { 1 };
    report(AuditProgress::Records(looks * records.sum::<u64>()));
    ledger.has_copies = rules.dedup.is_some() || !rules.forgotten.is_empty();
    let copies = copies(kafka, &ranges, rules, &ledger.retention, || report(AuditProgress::Done))?;
    let mut recount = Recount { ledger, decoder: Decoder::new(rules.clone()), copies, key: String::new() };
    offset_range::read(kafka, &ranges, |record| {
        recount.add(record);
        report(AuditProgress::Done);
        Ok(())
    })
}

/// The offsets of each partition that can be read again.
pub fn ranges(partitions: &mut BTreeMap<i32, Partition>, watermarks: &BTreeMap<i32, Watermarks>) -> Vec<OffsetRange> {
    let mut ranges = Vec::new();
    for (partition, line) in partitions {
        let Some(watermarks) = watermarks.get(partition) else { continue };
        let first = line.given_again.as_ref().map_or(line.first_offset, |again| again.from);
        let (from, until) = (first.max(watermarks.low), line.next_offset);
        line.recounted_from = Some(from);
        if !line.is_complete() {
            // The newest day may be that of a record that is gone, after which records of much older days expired.
            line.newest_recounted = line.newest_day;
        }
        line.end = Some(watermarks.high);
        ranges.push(OffsetRange { partition: *partition, from, until, records: u64::MAX });
    }
    ranges
}

struct Recount<'a> {
    ledger: &'a mut Ledger,
    decoder: Decoder,
    copies: HashSet<EventPosition>,
    /// A buffer.
    key: String,
}

impl Recount<'_> {
    fn add(&mut self, record: Record<'_>) {
        let Recount { ledger, decoder, copies, key } = self;
        let (partition, offset) = (record.partition, record.offset);
        let (mut totals, mut rejected) = (Totals::default(), None);
        let mut newest = ledger.partitions.get(&partition).and_then(|line| line.newest_recounted);
        record.decode(decoder, |outcome, position| {
            if let Outcome::Counted(event) | Outcome::Forgotten(event) = &outcome
                && ledger.retention.has_expired(event.day, &mut newest)
            {
                totals.expired += 1;
                return;
            }
            if matches!(outcome, Outcome::Counted(_)) && position.is_some_and(|position| copies.contains(&position)) {
                totals.duplicate += 1;
                return;
            }
            outcome.add_to(&mut totals);
            match outcome {
                Outcome::Counted(event) => count(ledger, key, event),
                Outcome::Ignored(_) | Outcome::Bot | Outcome::Forgotten(_) => {}
                Outcome::Rejected(reason) => rejected = Some(reason.to_string()),
            }
        });
        if let Some(line) = ledger.partitions.get_mut(&partition) {
            line.recounted += totals;
            line.newest_recounted = newest;
            line.last_recounted = Some(offset);
            if line.last.is_some_and(|last| last.offset == offset) {
                line.found = Some(record.fingerprint());
            }
        }
        match rejected {
            Some(reason) => ledger.rejected.recount((partition, offset), rejected_hour(record.timestamp), reason),
            None => ledger.rejected.recount_others((partition, offset)),
        }
    }
}

/// Adds an event to the counts that it belongs to, and notes what it says about the members of dimensions.
fn count(ledger: &mut Ledger, key: &mut String, event: &Event<'_>) {
    let (model, texts) = (ledger.model.clone(), Texts::new(event));
    for (place, count) in model.counts[model.counted()].iter().enumerate() {
        let leaves = count.has_day && texts.get(Dimension::Day).is_some_and(|day| ledger.retention.leaves(place, day));
        if leaves || !event.is_passed(count.filter) || !texts.has(&count.by) {
            continue;
        }
        let is_left_out = ledger.admitted.is_left_out(place, count, &texts);
        let is_open = |dimension| count.open.iter().any(|open| dimension == Dimension::Field(count.members[*open]));
        let cell = |dimension: &Dimension| {
            if is_left_out && is_open(*dimension) { Some(OTHERS) } else { texts.get(*dimension) }
        };
        ledger.views(place, count.by.iter().filter_map(cell), key).recounted += 1;
        if let Some(product) = model.dimensions.product.filter(|product| product.counted == place) {
            let (id, day) = (texts.get(Dimension::Field(product.id)), texts.get(Dimension::Day));
            if let (Some(id), Some(day), Some(page)) = (id, day, event.page.as_deref()) {
                ledger.names.add(id, page, day);
            }
        }
        if let Some(referrer) = model.dimensions.referrer.filter(|referrer| referrer.counted == place)
            && let Some(from) = texts.get(Dimension::Field(referrer.url)).and_then(host)
        {
            come_from(ledger, from, event.page.as_deref(), is_left_out);
        }
    }
}

/// Notes the host of a referrer.
fn come_from(ledger: &mut Ledger, from: String, page: Option<&str>, is_left_out: bool) {
    if page.and_then(host).as_ref() == Some(&from) {
        ledger.own_sites.insert(from.clone());
    }
    if is_left_out && ledger.stored(DimensionTable::Referrer).contains_key(&from) {
        ledger.hosts_left_out.insert(from);
    }
}
