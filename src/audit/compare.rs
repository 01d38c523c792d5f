//! Compares what is stored with what was recounted.

use std::collections::BTreeSet;

use dataflows::Day;
use dataflows::model::{self, Column, TableRows};
use hashbrown::HashMap;

use super::dimensions::dimensions;
use super::ledger::{ANOTHER_TOPIC, GivenAgain, Key, Ledger, Partition, Places, Rows, SEPARATOR, Views, side};
use super::ranking::rank;
use super::retention::Retention;
use super::{countries, rejected};
use crate::batch::Totals;
use crate::source::decode::date;
use crate::terminal::{grouped, safe};

/// Differences of a table that are shown.
pub(super) const DIFFERENCES_SHOWN_MAX: usize = 5;
/// Characters of a text that are shown.
pub(super) const TEXT_CHARS_MAX: usize = 300;

/// What an audit found.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Each table.
    pub tables: Vec<Table>,
    /// Each partition.
    pub partitions: Vec<Line>,
    /// What could not be recounted, a sentence each.
    pub unchecked: Vec<String>,
    /// How many rows are of days that are about to leave, and so were not compared.
    pub leaving: usize,
}

/// How a table compares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: usize,
    /// How many differ from the recount: other values, missing rows, surplus rows.
    pub differing: usize,
    /// The first of them.
    pub shown: Vec<String>,
}

/// How a partition compares.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its number.
    pub partition: i32,
    /// The offsets that the tables include, and the stored totals of its records.
    pub stored: Partition,
    /// What is wrong.
    pub differences: Vec<String>,
}

impl Table {
    /// The same with more differences.
    fn with(mut self, differences: Vec<String>) -> Self {
        self.differing += differences.len();
        self.shown.extend(differences.into_iter().take(DIFFERENCES_SHOWN_MAX));
        self
    }
}

impl Verdict {
    /// How many rows are stored, of all tables.
    pub fn rows(&self) -> usize {
        self.tables.iter().map(|table| table.rows).sum::<usize>() + self.partitions.len()
    }

    /// How many rows differ, of all tables.
    pub fn differing(&self) -> usize {
        let lines = self.partitions.iter().filter(|line| !line.differences.is_empty()).count();
        self.tables.iter().map(|table| table.differing).sum::<usize>() + lines
    }

    /// How many records were recounted.
    pub fn recounted(&self) -> i64 {
        self.partitions.iter().map(|line| line.stored.recounted.consumed()).sum()
    }
}

/// Compares everything.
pub fn compare(mut ledger: Ledger) -> Verdict {
    let unchecked: Vec<_> = ledger.partitions.iter().filter_map(|(number, line)| unchecked(*number, line)).collect();
    let complete = unchecked.is_empty();
    let model = ledger.model.clone();
    for (place, count) in model.counts.iter().enumerate().filter(|(_, count)| count.from.is_some()) {
        for (key, views) in ledger.sums(place, &count.by, side(complete)) {
            ledger.counted[place].entry(key).or_default().recounted = views;
        }
    }
    let (mut described, mut tables) = (dimensions(&ledger, complete).into_iter().zip(&ledger.dimensions), Vec::new());
    for table in &model.tables {
        tables.push(match table.rows {
            TableRows::Count(count) => {
                // A rollup must be the sum of the finer count, even if that is incomplete.
                let complete = complete || model.counts[count].from.is_some();
                counts(table, &ledger.counted[count], complete).with(ledger.admitted.differences(count))
            }
            TableRows::Ranking(place) => {
                let (ranking, mut right) =
                    (&model.rankings[place], rank(&model.rankings[place], &ledger, side(complete)));
                // The ranking of an expired day is no longer kept up to date.
                let leaves = |group: &Key| ledger.retention.key_leaves(ranking.count, &ranking.by, group);
                let mut stored = ledger.ranked[place].clone();
                for places in [&mut stored, &mut right] {
                    places.retain(|(group, _), _| !leaves(group));
                }
                places(table, &stored, &right)
            }
            TableRows::Members(_) => {
                let (right, (_, stored)) = described.next().unwrap_or_else(|| unreachable!("one for each table"));
                let (key, columns) = (names(&table.key), names(&table.values));
                descriptions(&table.name, (&key, &columns), stored, &right)
            }
        });
    }
    if model.dimensions.has_country {
        let right = countries::declared(&model);
        tables.push(descriptions(countries::TABLE, (&countries::KEY, &countries::COLUMNS), &ledger.countries, &right));
    }
    tables.extend(ledger.views.iter().cloned());
    tables.extend(rejected::compare(&ledger, complete));
    let line = |(number, line): (&i32, &Partition)| Line {
        partition: *number,
        stored: line.clone(),
        differences: wrong(line, &ledger.retention),
    };
    let partitions = ledger.partitions.iter().map(line).collect();
    Verdict { tables, partitions, unchecked, leaving: ledger.leaving }
}

fn names(columns: &[Column]) -> Vec<&str> {
    columns.iter().map(|column| column.name.as_str()).collect()
}

/// The part of a partition that could not be recounted because Kafka no longer has it: retention deleted the first offsets, or
/// compaction some in between.
pub fn unchecked(number: i32, line: &Partition) -> Option<String> {
    let from = line.recounted_from?.min(line.next_offset);
    if let Some(GivenAgain { noted_at, reason, .. }) = &line.given_again {
        let before = if reason == ANOTHER_TOPIC { "the topic before" } else { "the log before it was truncated" };
        return Some(format!("what was read of partition {number} until {noted_at} is of {before}"));
    }
    let last = from - 1;
    if from > line.first_offset {
        return Some(format!("offsets {} to {last} of partition {number} are no longer in Kafka", line.first_offset));
    }
    let compacted = line.compacted();
    let records = grouped(compacted.unsigned_abs());
    (compacted > 0).then(|| {
        format!(
            "{records} of the records of partition {number} are no longer in Kafka, as in a compacted topic: offsets are \
             missing between {} and {}",
            line.first_offset, line.next_offset
        )
    })
}

/// Without the part that cannot be recounted, a recount is a lower bound.
fn counts(table: &model::Table, rows: &HashMap<Key, Views>, complete: bool) -> Table {
    let differs = |views: &Views| {
        if complete { views.stored != views.recounted } else { views.stored < views.recounted }
    };
    let mut differing: Vec<_> = rows.iter().filter(|(_, views)| differs(views)).collect();
    differing.sort_by_key(|(key, _)| *key);
    let describe = |(key, views): &(&Key, &Views)| {
        let stored = if views.stored == 0 { "has no row".to_owned() } else { format!("has {} views", views.stored) };
        format!("{}: the table {stored}, recounted {}", named(&names(&table.key), key), views.recounted)
    };
    Table {
        name: table.name.clone(),
        rows: rows.values().filter(|views| views.stored > 0).count(),
        differing: differing.len(),
        shown: differing.iter().take(DIFFERENCES_SHOWN_MAX).map(describe).collect(),
    }
}

fn places(table: &model::Table, stored: &Places, right: &Places) -> Table {
    let all: BTreeSet<_> = stored.keys().chain(right.keys()).collect();
    let differing: Vec<_> = all.into_iter().filter(|place| stored.get(*place) != right.get(*place)).collect();
    let (columns, item) = (names(&table.key), &table.values[0].name);
    let says = |place: Option<&(Key, i64)>| match place {
        Some((text, views)) => format!("{item} {} with {views} views", safe(text, TEXT_CHARS_MAX)),
        None => "nothing".into(),
    };
    let describe = |place: &&(Key, u64)| {
        let (group, rank) = *place;
        let key = if columns.len() > 1 { format!("{group}{SEPARATOR}{rank}") } else { rank.to_string() };
        let (stored, right) = (says(stored.get(*place)), says(right.get(*place)));
        format!("{}: the table has {stored}, recounted {right}", named(&columns, &key))
    };
    let shown = differing.iter().take(DIFFERENCES_SHOWN_MAX).map(describe).collect();
    Table { name: table.name.clone(), rows: stored.len(), differing: differing.len(), shown }
}

/// The columns of the key, and the others.
type Columns<'a> = (&'a [&'a str], &'a [&'a str]);

fn descriptions(name: &str, (key_columns, columns): Columns<'_>, stored: &Rows, right: &Rows) -> Table {
    let all: BTreeSet<_> = stored.keys().chain(right.keys()).collect();
    let differing: Vec<_> = all.into_iter().filter(|key| stored.get(*key) != right.get(*key)).collect();
    let describe = |key: &&Key| {
        let says = match (stored.get(*key), right.get(*key)) {
            (Some(stored), Some(right)) => changes(columns, stored, right),
            (Some(_), None) => "the table has a row, recounted none".into(),
            (None, _) => "the table has no row, recounted one".into(),
        };
        format!("{}: {says}", named(key_columns, key))
    };
    let shown = differing.iter().take(DIFFERENCES_SHOWN_MAX).map(describe).collect();
    Table { name: name.to_owned(), rows: stored.len(), differing: differing.len(), shown }
}

/// The columns in which a row differs.
fn changes(columns: &[&str], stored: &[Option<String>], right: &[Option<String>]) -> String {
    let says = |(column, text): (&&str, &Option<String>)| match text {
        Some(text) => format!("{column} {}", safe(text, TEXT_CHARS_MAX)),
        None => format!("no {column}"),
    };
    let changed = |row: &[Option<String>]| {
        let cells = columns.iter().zip(row).zip(stored.iter().zip(right));
        let cells = cells.filter(|(_, (stored, right))| stored != right);
        cells.map(|(cell, _)| says(cell)).collect::<Vec<_>>().join(", ")
    };
    format!("the table has {}, recounted {}", changed(stored), changed(right))
}

/// What is wrong with a line of `progress`.
fn wrong(line: &Partition, retention: &Retention) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(end) = line.end else { return vec!["the topic does not have this partition".into()] };
    if line.next_offset > end {
        wrong.push(format!("the partition ends at offset {end}: was the topic recreated?"));
    }
    let complete = unchecked(0, line).is_none();
    let consumed = ("consumed", (line.consumed, line.recounted.consumed()));
    let outcomes = Totals::OUTCOMES.into_iter().zip(line.stored.values().into_iter().zip(line.recounted.values()));
    for (total, (stored, recounted)) in std::iter::once(consumed).chain(outcomes) {
        // Records that are gone may have made others expire.
        if !complete && !retention.is_off() && ["counted", "expired"].contains(&total) {
            continue;
        }
        if stored < recounted || complete && stored != recounted {
            wrong.push(format!("the table has {stored} {total}, recounted {recounted}"));
        }
    }
    if complete && line.newest_day != line.newest_recounted {
        let day = |day: Option<Day>| day.map_or("none".into(), |day| date(day).to_string());
        let (stored, recounted) = (day(line.newest_day), day(line.newest_recounted));
        wrong.push(format!("the table has newest_day {stored}, recounted {recounted}"));
    }
    if line.consumed != line.stored.consumed() {
        wrong.push("consumed is not the sum of the others".into());
    }
    let last = line.last.map(|last| last.offset);
    let is_last_wrong = match line.compacted() {
        0 => (complete || line.last_recounted.is_some()) && last != line.last_recounted,
        // The last record may be one of those that are gone, but no record may follow it.
        _ => last < line.last_recounted,
    };
    if is_last_wrong {
        let offset = |offset: Option<i64>| offset.map_or("none".into(), |offset| offset.to_string());
        wrong.push(format!("the table has last_offset {}, recounted {}", offset(last), offset(line.last_recounted)));
    } else if line.found.is_some() && line.found != line.last {
        wrong.push("last_offset holds another record than was read".into());
    }
    wrong
}

/// A key with the names of its columns.
pub(super) fn named(columns: &[&str], key: &str) -> String {
    let parts = columns.iter().zip(key.split(SEPARATOR));
    parts.map(|(column, part)| format!("{column} {}", safe(part, TEXT_CHARS_MAX))).collect::<Vec<_>>().join(", ")
}
