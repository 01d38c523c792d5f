//! Copying the tables.

use std::collections::BTreeMap;

use anyhow::Result;
use dataflows::MemberLimit;
use postgres::Row;

use super::admitted::Admitted;
use super::ledger::{COUNTED, COUNTRY_TOTALS, DIMENSIONS, GivenAgain, Ledger, PARTED_BY, Partition, RANKED};
use crate::batch::Fingerprint;
use crate::sink::Snapshot;
use crate::terminal::grouped;

/// How the name of a topic goes on with rejected records whose offsets were given again.
const SET_ASIDE: &str = " (until ";

/// All tables of a topic.
pub fn load(snapshot: &mut Snapshot<'_>, topic: &str, limit: MemberLimit) -> Result<Ledger> {
    let mut ledger = Ledger::default();
    counted(snapshot, &mut ledger)?;
    ledger.admitted = Admitted::of(&ledger.counted, limit);
    snapshot.rows(&format!("SELECT country, views FROM {COUNTRY_TOTALS}"), |row| {
        ledger.country_totals.insert(row.get(0), row.get(1));
        Ok(())
    })?;
    ranked(snapshot, &mut ledger)?;
    dimensions(snapshot, &mut ledger)?;
    // One set of tables holds one topic; what is stored of others is read to be found wrong.
    let rejected = "SELECT topic, kafka_partition, kafka_offset, reason FROM rejected_records";
    snapshot.rows(rejected, |row| {
        ledger.rejected_rows += 1;
        if row.get::<_, &str>(0) == topic {
            ledger.rejected.insert((row.get(1), row.get(2)), row.get(3));
        } else if row.get::<_, &str>(0).strip_prefix(topic).is_some_and(|rest| rest.starts_with(SET_ASIDE)) {
            // Of a topic or a log that is no more, so that nothing can be said of it.
        } else {
            ledger.rejected_differing.push("a row of another topic".into());
        }
        Ok(())
    })?;
    ledger.partitions = partitions(snapshot, topic)?;
    let rows: usize = ledger.counted.iter().map(|rows| rows.len()).sum();
    tracing::info!("copied {} counts", grouped(rows as u64));
    Ok(ledger)
}

/// `progress`.
pub fn partitions(snapshot: &mut Snapshot<'_>, topic: &str) -> Result<BTreeMap<i32, Partition>> {
    let mut partitions = BTreeMap::new();
    let progress = "SELECT topic, kafka_partition, first_offset, next_offset, consumed, counted, ignored, duplicate,
        rejected, last_offset, last_timestamp, last_hash FROM progress";
    snapshot.rows(progress, |row| {
        if row.get::<_, &str>(0) == topic {
            partitions.insert(row.get(1), partition(row));
        }
        Ok(())
    })?;
    // The last of each partition holds.
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

fn counted(snapshot: &mut Snapshot<'_>, ledger: &mut Ledger) -> Result<()> {
    let mut key = String::new();
    for (index, table) in COUNTED.iter().enumerate() {
        let columns: Vec<_> = table.columns.iter().map(|column| text(column)).collect();
        let query = format!("SELECT {}, views FROM {}", columns.join(", "), table.name);
        snapshot.rows(&query, |row| {
            let cells = (0..table.columns.len()).map(|column| row.get::<_, &str>(column));
            // Added, so that a key that stands there twice is found wrong.
            ledger.views(index, cells, &mut key).stored += row.get::<_, i64>(table.columns.len());
            Ok(())
        })?;
    }
    Ok(())
}

fn ranked(snapshot: &mut Snapshot<'_>, ledger: &mut Ledger) -> Result<()> {
    for (index, table) in RANKED.iter().enumerate() {
        let query = format!("SELECT {}, rank::bigint, {}, views FROM {}", text("day"), table.item, table.name);
        snapshot.rows(&query, |row| {
            let (day, rank): (&str, i64) = (row.get(0), row.get(1));
            let place = (row.get::<_, &str>(2).into(), row.get(3));
            ledger.ranked[index].insert((day.into(), rank.cast_unsigned()), place);
            Ok(())
        })?;
    }
    Ok(())
}

fn dimensions(snapshot: &mut Snapshot<'_>, ledger: &mut Ledger) -> Result<()> {
    for (table, rows) in DIMENSIONS.iter().zip(&mut ledger.dimensions) {
        let columns: Vec<_> = table.key.iter().chain(table.columns).map(|column| text(column)).collect();
        snapshot.rows(&format!("SELECT {} FROM {}", columns.join(", "), table.name), |row| {
            let key: Vec<&str> = (0..table.key.len()).map(|column| row.get(column)).collect();
            let others = (table.key.len()..columns.len()).map(|column| row.get(column));
            rows.insert(key.join(&PARTED_BY.to_string()), others.collect());
            Ok(())
        })?;
    }
    Ok(())
}

/// A column as text, whatever way of writing dates the session has. A referrer whose row stands under a wrong
/// digest says so, and thus is a row that no recount gives: `run` would not find it.
pub fn text(column: &str) -> String {
    match column {
        "day" | "url_day" | "first_day" | "last_day" => format!("to_char({column}, 'YYYY-MM-DD')"),
        "referrer_url" => "CASE WHEN referrer_url_digest = substring(sha256(convert_to(referrer_url, 'UTF8')) FOR 16)
            THEN referrer_url ELSE referrer_url || ' (under a wrong digest)' END"
            .into(),
        _ => format!("{column}::text"),
    }
}

fn partition(row: &Row) -> Partition {
    let last: (Option<_>, Option<_>, Option<_>) = (row.get(9), row.get(10), row.get(11));
    let last = match last {
        (Some(offset), Some(timestamp), Some(hash)) => Some(Fingerprint { offset, timestamp, hash }),
        _ => None,
    };
    let stored = [4, 5, 6, 7, 8].map(|column| row.get(column));
    Partition { first_offset: row.get(2), next_offset: row.get(3), stored, last, ..Partition::default() }
}
