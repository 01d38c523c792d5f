//! The records behind one number.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use dataflows::DaysKept;
use dataflows::model::{Dimension, Model, Ranking, Table, TableRows};

use super::compare::unchecked;
use super::copies::copies;
use super::retention::Retention;
use super::texts::Texts;
use super::{Partition, recount, stored, watermarks};
use crate::batch::Totals;
use crate::sink::Snapshot;
use crate::source::decode::{Decoder, Outcome, Rules};
use crate::source::{Settings, offset_range};

/// What selects a number: a dimension, and the text that it must have.
pub type Wanted = (Dimension, String);

/// The views of all rows of a table that have these texts, at one moment.
pub struct Number {
    model: Arc<Model>,
    /// The count that the number belongs to, by its place in the model.
    count: usize,
    wanted: Vec<Wanted>,
    partitions: BTreeMap<i32, Partition>,
    retention: Retention,
    /// The views that the table has.
    pub stored: i64,
}

/// A record with an event that was counted in the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its Kafka timestamp in milliseconds, if it has one.
    pub timestamp: Option<i64>,
}

/// The dimensions by which the numbers of a table can be selected, and its count; none if the table has no numbers.
pub fn explained_by(model: &Model, table: &Table) -> Option<(Vec<Dimension>, usize)> {
    match table.rows {
        TableRows::Count(count) => Some((model.counts[count].by.clone(), count)),
        TableRows::Ranking(ranking) => {
            let Ranking { by, of, count, .. } = &model.rankings[ranking];
            Some((by.iter().copied().chain([Dimension::Field(*of)]).collect(), *count))
        }
        TableRows::Members(_) => None,
    }
}

impl Number {
    /// Reads it. `wanted` names dimensions that [`explained_by`] gives for the table.
    pub fn read(
        snapshot: &mut Snapshot<'_>,
        topic: &str,
        model: &Arc<Model>,
        table: &Table,
        wanted: Vec<Wanted>,
        retain: DaysKept,
    ) -> Result<Number> {
        let (_, count) = explained_by(model, table).unwrap_or_default();
        let column = |dimension| table.columns().find(|column| column.name == model.dimension_name(dimension));
        let columns = wanted.iter().filter_map(|(dimension, _)| column(*dimension));
        let conditions = (1..).zip(columns).map(|(at, column)| format!(" AND {} = ${at}", stored::text(column)));
        let conditions = conditions.collect::<String>();
        let partitions = stored::partitions(snapshot, topic)?;
        let retention = Retention::read(model, retain, &partitions);
        let has_day = column(Dimension::Day).is_some();
        let kept =
            retention.first_of(count).filter(|_| has_day).map_or(String::new(), |day| format!(" AND day >= '{day}'"));
        let query = format!("SELECT coalesce(sum(views), 0)::bigint FROM {} WHERE true{conditions}{kept}", table.name);
        let texts: Vec<_> = wanted.iter().map(|(_, text)| text.as_str()).collect();
        let stored = snapshot.number(&query, &texts)?;
        Ok(Number { model: model.clone(), count, wanted, partitions, retention, stored })
    }
}

/// Calls `each` with every record that was counted in a number, once per event. Returns a sentence for each part of the topic
/// that is gone.
pub fn explain(
    number: &mut Number,
    kafka: &Settings,
    rules: &Rules,
    mut each: impl FnMut(Found) -> Result<()>,
) -> Result<Vec<String>> {
    let watermarks = watermarks(kafka, &number.partitions)?;
    let ranges = recount::ranges(&mut number.partitions, &watermarks);
    let copies = copies(kafka, &ranges, rules, &number.retention, || ())?;
    let (mut decoder, count) = (Decoder::new(rules.clone()), &number.model.counts[number.count]);
    offset_range::read(kafka, &ranges, |record| {
        let (mut totals, mut found) = (Totals::default(), 0);
        let mut newest = number.partitions.get(&record.partition).and_then(|line| line.newest_recounted);
        record.decode(&mut decoder, |outcome, position| {
            outcome.add_to(&mut totals);
            let (Outcome::Counted(event) | Outcome::Forgotten(event)) = outcome else { return };
            let has_expired = number.retention.has_expired(event.day, &mut newest);
            let is_forgotten = matches!(outcome, Outcome::Forgotten(_));
            if has_expired || is_forgotten || position.is_some_and(|position| copies.contains(&position)) {
                return;
            }
            let texts = Texts::new(event);
            if texts.get(Dimension::Day).is_some_and(|day| number.retention.leaves(number.count, day)) {
                return;
            }
            let is_wanted = number.wanted.iter().all(|(dimension, text)| texts.get(*dimension) == Some(text));
            found += i32::from(is_wanted && event.is_passed(count.filter) && texts.has(&count.by));
        });
        if let Some(line) = number.partitions.get_mut(&record.partition) {
            line.recounted += totals;
            line.newest_recounted = newest;
        }
        let (partition, offset, timestamp) = (record.partition, record.offset, record.timestamp);
        (0..found).try_for_each(|_| each(Found { partition, offset, timestamp }))
    })?;
    Ok(number.partitions.iter().filter_map(|(partition, line)| unchecked(*partition, line)).collect())
}
