//! The records behind one number.

use anyhow::Result;

use super::compare::unchecked;
use super::ledger::{COUNTED, Counted};
use super::texts::Texts;
use super::{bounds, recount, stored};
use crate::sink::Snapshot;
use crate::source::decode::{Decoder, Outcome, Rules, shim};
use crate::source::{Settings, stretch};

/// What a number is asked for by: a column of a table, and the text that it must have.
pub type Wanted = (&'static str, String);

/// The views of all rows of a table that have these texts, as the table has them at one moment.
pub struct Number {
    table: &'static Counted,
    wanted: Vec<Wanted>,
    partitions: std::collections::BTreeMap<i32, super::Partition>,
    /// The views.
    pub stored: i64,
}

/// A record that was counted in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The partition it stands in.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its Kafka timestamp in milliseconds, if it has one.
    pub timestamp: Option<i64>,
}

impl Number {
    /// Reads it. `table` is the place in [`COUNTED`], whose columns those of `wanted` must be.
    pub fn read(snapshot: &mut Snapshot<'_>, topic: &str, table: usize, wanted: Vec<Wanted>) -> Result<Number> {
        let table = &COUNTED[table];
        let conditions = (1..).zip(&wanted).map(|(at, (column, _))| format!("{} = ${at}", stored::text(column)));
        let conditions = conditions.collect::<Vec<_>>().join(" AND ");
        let query = format!("SELECT coalesce(sum(views), 0)::bigint FROM {} WHERE {conditions}", table.name);
        let texts: Vec<_> = wanted.iter().map(|(_, text)| text.as_str()).collect();
        let stored = snapshot.number(&query, &texts)?;
        Ok(Number { table, wanted, partitions: stored::partitions(snapshot, topic)?, stored })
    }
}

/// Gives every record that was counted in a number. Returns what of the topic is no longer there, a sentence each.
pub fn explain(
    number: &mut Number,
    kafka: &Settings,
    rules: &Rules,
    mut each: impl FnMut(Found) -> Result<()>,
) -> Result<Vec<String>> {
    let bounds = bounds(kafka, &number.partitions)?;
    let stretches = recount::stretches(&mut number.partitions, &bounds);
    let mut decoder = Decoder::new(rules.clone());
    stretch::read(kafka, &stretches, |record| {
        if let Some(line) = number.partitions.get_mut(&record.partition) {
            line.recounted[0] += 1;
        }
        let Outcome::Counted(event) = record.decode(&mut decoder) else { return Ok(()) };
        let is_counted = shim::with_view(&event, |view| {
            let texts = Texts::of(view);
            let is_wanted = number.wanted.iter().all(|(column, text)| texts.get(column) == Some(text));
            is_wanted && number.table.columns.iter().all(|column| texts.get(column).is_some())
        });
        if is_counted {
            let (partition, offset, timestamp) = (record.partition, record.offset, record.timestamp);
            each(Found { partition, offset, timestamp })?;
        }
        Ok(())
    })?;
    Ok(number.partitions.iter().filter_map(|(partition, line)| unchecked(*partition, line)).collect())
}
