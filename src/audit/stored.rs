//! Copies the tables.

use std::collections::BTreeMap;

use anyhow::Result;
use dataflows::Day;
use dataflows::model::{Column, ColumnType, Table, TableRows};
use postgres::Row;

use super::admitted::Admitted;
use super::ledger::{GivenAgain, Key, Ledger, Partition, join};
use super::{Built, countries, rejected, views};
use crate::batch::{Fingerprint, Totals};
use crate::sink::{Snapshot, outcome_columns};
use crate::terminal::grouped;

/// Suffix of a text whose row has a wrong digest.
pub const WRONG_DIGEST: &str = " (under a wrong digest)";

/// All tables of a topic.
pub fn load(snapshot: &mut Snapshot<'_>, topic: &str, built: &Built) -> Result<Ledger> {
    let (model, partitions) = (&built.model, partitions(snapshot, topic)?);
    let mut ledger = Ledger::new(model.clone(), built.retain, partitions);
    for table in &model.tables {
        match table.rows {
            TableRows::Count(count) => counted(snapshot, &mut ledger, table, count)?,
            TableRows::Ranking(ranking) => ranked(snapshot, &mut ledger, table, ranking)?,
            TableRows::Members(_) => {}
        }
    }
    ledger.admitted = Admitted::new(model, &ledger.counted, built.limit);
    dimensions(snapshot, &mut ledger)?;
    if model.dimensions.has_country {
        ledger.countries = countries::stored(snapshot)?;
    }
    ledger.views = views::compare(snapshot, &ledger)?;
    ledger.rejected = rejected::stored(snapshot, topic)?;
    let rows: usize = ledger.counted.iter().map(|rows| rows.len()).sum();
    tracing::info!("copied {} counts", grouped(rows as u64));
    Ok(ledger)
}

/// `progress`.
pub fn partitions(snapshot: &mut Snapshot<'_>, topic: &str) -> Result<BTreeMap<i32, Partition>> {
    let mut partitions = BTreeMap::new();
    let progress = format!(
        "SELECT topic, kafka_partition, first_offset, next_offset, consumed, last_offset, last_timestamp, last_hash,
        newest_day - DATE '1970-01-01' AS newest_day, {} FROM progress",
        outcome_columns()
    );
    snapshot.rows(&progress, |row| {
        if row.get::<_, &str>(0) == topic {
            partitions.insert(row.get(1), partition(row));
        }
        Ok(())
    })?;
    // The last one of each partition wins.
    let again = "SELECT topic, kafka_partition, to_char(noted_at, 'YYYY-MM-DD HH24:MI:SS TZH:TZM'), to_offset, reason
        FROM gaps WHERE reason IN ('another topic', 'truncated') ORDER BY noted_at";
    snapshot.rows(again, |row| {
        if let Some(partition) = partitions.get_mut(&row.get(1)).filter(|_| row.get::<_, &str>(0) == topic) {
            let (noted_at, from, reason) = (row.get(2), row.get(3), row.get(4));
            partition.given_again = Some(GivenAgain { noted_at, from, reason });
        }
        Ok(())
    })?;
    Ok(partitions)
}

fn counted(snapshot: &mut Snapshot<'_>, ledger: &mut Ledger, table: &Table, count: usize) -> Result<()> {
    let (columns, mut key) = (table.key.len(), String::new());
    let (model, mut leaving) = (ledger.model.clone(), 0);
    let by = &model.counts[count].by;
    snapshot.rows(&format!("SELECT {}, views FROM {}", texts(&table.key), table.name), |row| {
        let cells = (0..columns).map(|column| row.get::<_, &str>(column));
        // Added up, so that a duplicate key shows as a difference.
        ledger.views(count, cells, &mut key).stored += row.get::<_, i64>(columns);
        if ledger.retention.key_leaves(count, by, &key) {
            leaving += 1;
            // Everything derived from the row is stored as well, until the row is deleted.
            let views = ledger.counted[count].entry_ref(key.as_str()).or_default();
            views.recounted = views.stored;
        }
        Ok(())
    })?;
    ledger.leaving += leaving;
    Ok(())
}

fn ranked(snapshot: &mut Snapshot<'_>, ledger: &mut Ledger, table: &Table, ranking: usize) -> Result<()> {
    let group = table.key.len() - 1;
    let columns = table.key[..group].iter().chain([&table.values[0]]);
    let query = format!("SELECT {}, rank::bigint, views FROM {}", texts(columns), table.name);
    snapshot.rows(&query, |row| {
        let (mut key, rank) = (Key::new(), row.get::<_, i64>(group + 1).cast_unsigned());
        join((0..group).map(|column| row.get(column)), &mut key);
        ledger.ranked[ranking].insert((key, rank), (row.get(group), row.get(group + 2)));
        Ok(())
    })
}

fn dimensions(snapshot: &mut Snapshot<'_>, ledger: &mut Ledger) -> Result<()> {
    let model = ledger.model.clone();
    let tables = model.tables.iter().filter(|table| matches!(table.rows, TableRows::Members(_)));
    for (table, (_, rows)) in tables.zip(&mut ledger.dimensions) {
        let columns = table.key.len();
        snapshot.rows(&format!("SELECT {} FROM {}", texts(table.columns()), table.name), |row| {
            let mut key = Key::new();
            join((0..columns).map(|column| row.get(column)), &mut key);
            rows.insert(key, (columns..row.len()).map(|column| row.get(column)).collect());
            Ok(())
        })?;
    }
    Ok(())
}

fn texts<'a>(columns: impl IntoIterator<Item = &'a Column>) -> String {
    columns.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

/// A column as text, independent of the session's date style. A long text whose row has a wrong digest gets a suffix that no
/// recount has, as `run` would not find the row.
pub fn text(Column { name, kind, .. }: &Column) -> String {
    match kind {
        ColumnType::Date => format!("to_char({name}, 'YYYY-MM-DD')"),
        ColumnType::LongText => format!(
            "CASE WHEN {name}_digest = substring(sha256(convert_to({name}, 'UTF8')) FOR 16)
            THEN {name} ELSE {name} || '{WRONG_DIGEST}' END"
        ),
        ColumnType::Text | ColumnType::Smallint | ColumnType::Bigint => format!("{name}::text"),
    }
}

fn partition(row: &Row) -> Partition {
    let last = (row.get("last_offset"), row.get("last_timestamp"), row.get("last_hash"));
    let last = match last {
        (Some(offset), Some(timestamp), Some(hash)) => Some(Fingerprint { offset, timestamp, hash }),
        _ => None,
    };
    let stored = Totals::new(Totals::OUTCOMES.map(|outcome| row.get(outcome)));
    Partition {
        first_offset: row.get("first_offset"),
        next_offset: row.get("next_offset"),
        consumed: row.get("consumed"),
        stored,
        newest_day: row.get::<_, Option<i32>>("newest_day").map(Day),
        last,
        ..Partition::default()
    }
}
