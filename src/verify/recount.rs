//! Recounting the records that the tables stand for.

use std::collections::BTreeMap;

use anyhow::Result;
use dataflows::{OTHERS, View};

use super::Told;
use super::ledger::{COUNTED, DIM_REFERRER, Ledger, Partition, REFERRERS};
use super::pages::host;
use super::texts::Texts;
use crate::source::decode::{Decoder, Outcome, Rules, shim};
use crate::source::stretch::{self, Stretch};
use crate::source::{Bounds, Record, Settings};

/// Puts the recount of each partition, from its first to its next offset, beside what is stored. What Kafka no longer
/// has is left out, and noted.
pub fn recount(
    ledger: &mut Ledger,
    bounds: &BTreeMap<i32, Bounds>,
    kafka: &Settings,
    rules: &Rules,
    tell: &mut dyn FnMut(Told),
) -> Result<()> {
    let stretches = stretches(&mut ledger.partitions, bounds);
    let records = stretches.iter().map(|stretch| u64::try_from(stretch.until - stretch.from).unwrap_or(0));
    tell(Told::Records(records.sum()));
    let mut recount = Recount { ledger, decoder: Decoder::new(rules.clone()), key: String::new() };
    stretch::read(kafka, &stretches, |record| {
        recount.add(record);
        tell(Told::Done);
        Ok(())
    })
}

/// What of each partition can be read again.
pub fn stretches(partitions: &mut BTreeMap<i32, Partition>, bounds: &BTreeMap<i32, Bounds>) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    for (partition, line) in partitions {
        let Some(bounds) = bounds.get(partition) else { continue };
        let first = line.given_again.as_ref().map_or(line.first_offset, |again| again.from);
        let (from, until) = (first.max(bounds.low), line.next_offset);
        line.recounted_from = Some(from);
        line.end = Some(bounds.high);
        stretches.push(Stretch { partition: *partition, from, until, records: u64::MAX });
    }
    stretches
}

struct Recount<'a> {
    ledger: &'a mut Ledger,
    decoder: Decoder,
    /// A buffer.
    key: String,
}

impl Recount<'_> {
    fn add(&mut self, record: Record<'_>) {
        let (partition, offset) = (record.partition, record.offset);
        let outcome = record.decode(&mut self.decoder);
        if let Some(line) = self.ledger.partitions.get_mut(&partition) {
            let outcome = match outcome {
                Outcome::Counted(_) => 1,
                Outcome::Ignored(_) => 2,
                Outcome::Rejected(_) => 4,
            };
            line.recounted[0] += 1;
            line.recounted[outcome] += 1;
            line.last_recounted = Some(offset);
            if line.last.is_some_and(|last| last.offset == offset) {
                line.found = Some(record.fingerprint());
            }
        }
        match outcome {
            Outcome::Counted(event) => shim::with_view(&event, |view| {
                let texts = Texts::of(view);
                count(self.ledger, &mut self.key, &texts);
                describe(self.ledger, view, &texts);
            }),
            Outcome::Ignored(_) => {}
            Outcome::Rejected(reason) => return reject(self.ledger, partition, offset, &reason.to_string()),
        }
        // Told here, as the row of a record that Kafka no longer has looks the same in the end.
        if let Some(stored) = self.ledger.rejected.remove(&(partition, offset)) {
            let place = place(partition, offset);
            self.ledger.rejected_differing.push(format!("{place}: the table has '{stored}', recounted none"));
        }
    }
}

/// Adds a view to the counts that it has.
fn count(ledger: &mut Ledger, key: &mut String, texts: &Texts<'_>) {
    for (index, table) in COUNTED.iter().enumerate() {
        let has_key = table.columns.iter().all(|column| texts.get(column).is_some());
        let left_out = has_key.then(|| ledger.admitted.left_out(index, texts)).flatten();
        let cell = |column: &&'static str| if left_out == Some(*column) { Some(OTHERS) } else { texts.get(column) };
        if has_key {
            ledger.views(index, table.columns.iter().filter_map(cell), key).recounted += 1;
        }
        if let Some(host) = left_out.filter(|_| index == REFERRERS).and_then(|column| texts.get(column)).and_then(host)
            && ledger.dimensions[DIM_REFERRER].contains_key(&host)
        {
            ledger.hosts_left_out.insert(host);
        }
    }
}

/// Notes what a view says of its product's page and of its referrer's host.
fn describe(ledger: &mut Ledger, view: &View<'_>, texts: &Texts<'_>) {
    let Some(url) = view.current_url.as_deref() else { return };
    if let (Some(product), Some(day)) = (texts.get("product_id"), texts.get("day")) {
        ledger.names.add(product, url, day);
    }
    if let Some(from) = texts.get("referrer_url").and_then(host)
        && host(url).as_ref() == Some(&from)
    {
        ledger.own_sites.insert(from);
    }
}

fn place(partition: i32, offset: i64) -> String {
    format!("partition {partition}, offset {offset}")
}

fn reject(ledger: &mut Ledger, partition: i32, offset: i64, reason: &str) {
    let place = place(partition, offset);
    match ledger.rejected.remove(&(partition, offset)) {
        Some(stored) if stored == reason => {}
        Some(stored) => {
            ledger.rejected_differing.push(format!("{place}: the table has '{stored}', recounted '{reason}'"));
        }
        None => ledger.rejected_differing.push(format!("{place}: the table has no row, recounted '{reason}'")),
    }
}
