//! SQL, built from the tables' descriptions.

use std::collections::HashMap;

use dataflows::Model;
use dataflows::model::{Column, ColumnType, Table};
use postgres::{Client, Error, Statement, Transaction};

use super::rejected::RejectedStatements;
use crate::batch::{Progress, Totals};
use crate::database::db_result;
use crate::notify::{HAS_ROOM, TELL};

/// Moves the progress of partitions that are where this process left them; returns those that were, and where their
/// rows are now. The same statement notifies listeners with the commit: it costs no further round trip.
const MOVE: &str = "WITH moved AS (MOVED), room AS (HAS_ROOM)
    SELECT (SELECT coalesce(array_agg(kafka_partition), '{}') FROM moved),
        (SELECT coalesce(array_agg(ctid), '{}') FROM moved), is_there, TELL
    FROM room";

/// `PLACE` finds a row by its place instead of by its key; the columns follow from [`progress_columns`].
const MOVED: &str = "UPDATE progress SET SET
    FROM unnest($3::int[], $4::tid[], $5::bigint[], TYPES) AS moved (kafka_partition, place, before, COLUMNS)
    WHERE PLACE AND topic = $1 AND progress.kafka_partition = moved.kafka_partition
        AND progress.next_offset = moved.before
    RETURNING progress.kafka_partition, progress.ctid";
/// Where the row of a partition was left.
pub(super) const PROGRESS_PLACE: &str = "progress.ctid = moved.place";

/// The first row of a partition, from which nothing was read yet.
const BEGIN: &str = "INSERT INTO progress (topic, kafka_partition, first_offset, next_offset, consumed,
        counted, ignored, duplicate, rejected) VALUES ($1, $2, $3, $3, 0, 0, 0, 0, 0)";

/// The columns of `progress` that a commit moves, with their types.
pub(super) fn progress_columns() -> Vec<(&'static str, &'static str)> {
    let outcomes = Totals::OUTCOMES.into_iter().map(|outcome| (outcome, "bigint"));
    let last = [("last_offset", "bigint"), ("last_timestamp", "bigint"), ("last_hash", "bigint")];
    let rest = [
        ("last_leader_epoch", "int"),
        ("newest_day", "date"),
        ("window_offset", "bigint"),
        ("window_newest", "bigint"),
        ("window_day", "date"),
    ];
    [("next_offset", "bigint"), ("consumed", "bigint")].into_iter().chain(outcomes).chain(last).chain(rest).collect()
}

/// Moves progress; the rows are found by `place` too.
pub(super) fn moved(place: &str) -> String {
    let columns = progress_columns();
    let set: Vec<_> = columns.iter().map(|(name, _)| format!("{name} = moved.{name}")).collect();
    // Behind the parameters that the statement names itself.
    let types: Vec<_> = (6..).zip(&columns).map(|(at, (_, kind))| format!("${at}::{kind}[]")).collect();
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    MOVED
        .replace("SET SET", &format!("SET {}", set.join(", ")))
        .replace("TYPES", &types.join(", "))
        .replace("COLUMNS", &names.join(", "))
        .replace("PLACE", place)
}

/// Notes that records are gone.
pub(super) const GAP: &str =
    "INSERT INTO gaps (topic, kafka_partition, from_offset, to_offset, reason) VALUES ($1, $2, $3, $4, $5)";

/// Resumes behind a gap, where no record was read yet that could be recognized.
pub(super) const SKIP: &str = "UPDATE progress
    SET next_offset = $3, last_offset = NULL, last_timestamp = NULL, last_hash = NULL, last_leader_epoch = NULL,
        window_offset = NULL, window_newest = NULL, window_day = NULL
    WHERE topic = $1 AND kafka_partition = $2";

/// Sets aside the rejected records whose offsets, from this one on, other records have now: each keeps its row, under a
/// name that no topic can have, and none hides a new one of its offset.
pub(super) const SET_ASIDE: &str = "UPDATE rejected_records SET topic = topic || ' (until ' || now()::text || ')'
    WHERE topic = $1 AND kafka_partition = $2 AND kafka_offset >= $3";

/// Makes statements use places and indexes, whatever the planner thinks of a table's size: one that was planned for one
/// page may run when old versions have made it a thousand. So one plan fits any rows, and is not made again for each
/// commit. Loading does without it.
const PLANNING: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;
    SET plan_cache_mode = force_generic_plan";

/// The statements of a commit, prepared for one session.
pub(super) struct Statements {
    tables: HashMap<String, TableStatements>,
    /// Moves progress, by its rows' places or by their keys.
    pub progress_at: Statement,
    pub progress: Statement,
    pub rejected: RejectedStatements,
}

/// The statements of one table.
pub(super) struct TableStatements {
    /// Sets rows.
    pub upsert: Statement,
    /// The same, and returns their places, in the rows' order.
    pub upsert_placed: Statement,
    /// Sets rows at their places; returns the numbers of those that were there, from 1, and their new places.
    pub update_at: Option<Statement>,
    /// Adds rows.
    pub copy: Statement,
}

impl Statements {
    pub fn prepare(client: &mut Client, model: &Model) -> Result<Statements, Error> {
        client.batch_execute(PLANNING)?;
        let mut by_table = HashMap::new();
        for table in &model.tables {
            let upsert = upsert(table, 1, "true");
            let statements = TableStatements {
                upsert_placed: client.prepare(&format!("{upsert} RETURNING ctid"))?,
                upsert: client.prepare(&upsert)?,
                update_at: is_updated(table).then(|| client.prepare(&update_at(table, 1, "true"))).transpose()?,
                copy: client.prepare(&copy(table))?,
            };
            by_table.insert(table.name.clone(), statements);
        }
        let move_at = |place| MOVE.replace("MOVED", &moved(place)).replace("HAS_ROOM", HAS_ROOM).replace("TELL", TELL);
        let (progress_at, progress) = (move_at(PROGRESS_PLACE), move_at("true"));
        Ok(Statements {
            tables: by_table,
            progress_at: client.prepare(&progress_at)?,
            progress: client.prepare(&progress)?,
            rejected: RejectedStatements::prepare(client)?,
        })
    }

    /// Those of this table.
    pub fn table(&self, table: &Table) -> &TableStatements {
        &self.tables[&table.name]
    }
}

/// Records where a partition is read from.
pub(super) fn begin(transaction: &mut Transaction<'_>, topic: &str, progress: &Progress) -> anyhow::Result<()> {
    db_result(transaction.execute(BEGIN, &[&topic, &progress.partition, &progress.first_offset]))?;
    Ok(())
}

/// Reads a whole table.
pub(super) fn select(table: &Table) -> String {
    let columns: Vec<_> = table.columns().map(|column| column.name.as_str()).collect();
    format!("SELECT {} FROM {}", columns.join(", "), table.name)
}

/// Adds rows, given as one array per column, on a condition. The arrays are parameters from the `first` on.
pub(super) fn insert(table: &Table, first: usize, condition: &str) -> String {
    let (names, types): (Vec<_>, Vec<_>) = table.columns().flat_map(arrays).unzip();
    format!(
        "INSERT INTO {} ({}) SELECT * FROM unnest({}) WHERE {condition}",
        table.name,
        names.join(", "),
        placeholders(&types, first),
    )
}

/// The same, and sets those that are there to these values.
pub(super) fn upsert(table: &Table, first: usize, condition: &str) -> String {
    let set: Vec<_> = table.values.iter().map(|column| format!("{0} = excluded.{0}", column.name)).collect();
    let action = if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", set.join(", ")) };
    format!("{} ON CONFLICT ({}) DO {action}", insert(table, first, condition), key(table).join(", "))
}

/// Whether rows of a table ever change.
pub(super) fn is_updated(table: &Table) -> bool {
    !table.values.is_empty()
}

/// Sets those rows of a table that are at their places, given as one more array in front.
pub(super) fn update_at(table: &Table, first: usize, condition: &str) -> String {
    let (names, types): (Vec<_>, Vec<_>) = table.columns().flat_map(arrays).unzip();
    let set: Vec<_> = table.values.iter().map(|column| format!("{0} = given.{0}", column.name)).collect();
    let is_key: Vec<_> = key(table).iter().map(|name| format!("held.{name} = given.{name}")).collect();
    let types: Vec<_> = std::iter::once("tid").chain(types).collect();
    // What stands beside the columns has names that no field can have.
    format!(
        r#"UPDATE {} AS held SET {} FROM unnest({}) WITH ORDINALITY AS given ("its place", {}, "its number")
         WHERE {condition} AND held.ctid = given."its place" AND {} RETURNING given."its number", held.ctid"#,
        table.name,
        set.join(", "),
        placeholders(&types, first),
        names.join(", "),
        is_key.join(" AND "),
    )
}

/// Adds rows, given in Postgres's binary format.
fn copy(table: &Table) -> String {
    let names: Vec<_> = table.columns().flat_map(arrays).map(|(name, _)| name).collect();
    format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table.name, names.join(", "))
}

/// Removes rows, their keys given as one array per column.
pub(super) fn delete(table: &Table) -> String {
    let (names, types): (Vec<_>, Vec<_>) = table.key.iter().flat_map(arrays).unzip();
    let is_key: Vec<_> = key(table).iter().map(|name| format!("held.{name} = gone.{name}")).collect();
    format!(
        "DELETE FROM {} AS held USING unnest({}) AS gone ({}) WHERE {}",
        table.name,
        placeholders(&types, 1),
        names.join(", "),
        is_key.join(" AND "),
    )
}

/// How many arrays the columns of a table are given as.
pub(super) fn arrays_of(table: &Table) -> usize {
    table.columns().flat_map(arrays).count()
}

/// The columns that Postgres finds a row by.
fn key(table: &Table) -> Vec<String> {
    let found_by = |column: &Column| match column.kind {
        ColumnType::LongText => digest(column),
        _ => column.name.clone(),
    };
    table.key.iter().map(found_by).collect()
}

fn digest(column: &Column) -> String {
    format!("{}_digest", column.name)
}

/// The names and types of the arrays that a column is given as.
fn arrays(column: &Column) -> Vec<(String, &'static str)> {
    let name = column.name.clone();
    match column.kind {
        ColumnType::Text => vec![(name, "text")],
        ColumnType::LongText => vec![(name, "text"), (digest(column), "bytea")],
        ColumnType::Date => vec![(name, "date")],
        ColumnType::Smallint => vec![(name, "smallint")],
        ColumnType::Bigint => vec![(name, "bigint")],
    }
}

fn placeholders(types: &[&str], first: usize) -> String {
    let numbered = (first..).zip(types).map(|(number, kind)| format!("${number}::{kind}[]"));
    numbered.collect::<Vec<_>>().join(", ")
}
