//! Where the status comes from.

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use postgres::Row;

use super::{Owner, Partition, Status, Table};
use crate::batch::Totals;
use crate::processes::{self, Processes};
use crate::sink::{Reader, Snapshot, outcome_columns, stored_model};
use crate::source::{Topic, Watermarks};

const OWNER: &str = "SELECT instance, extract(epoch FROM clock_timestamp() - beat_at)::float8
    FROM freshet_owner, freshet_heartbeat";

/// In milliseconds since 1970, as Kafka has it.
const NEWEST: &str = "SELECT max(last_timestamp) FROM progress";
const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// The tables that grow. For one that was never analyzed, the estimate is the rows added and removed since it was created.
const TABLES: &str = "SELECT relname::text, greatest(reltuples::bigint, pg_stat_get_live_tuples(oid)),
        pg_total_relation_size(oid)
    FROM pg_class WHERE oid IN (SELECT to_regclass(name) FROM unnest(string_to_array('NAMES', ' ')) AS name)
    ORDER BY relname";

/// Seconds without a heartbeat after which an owner counts as gone.
const SILENCE_SECONDS_MAX: f64 = 10.0;

/// Reads the status from one snapshot. An error if the tables are of another topic than this.
pub fn read(reader: &mut Reader, topic: Option<&str>) -> Result<Status> {
    let mut snapshot = reader.snapshot()?;
    let mut settings = match topic {
        Some(topic) => snapshot.settings_of(topic)?,
        None => snapshot.settings()?,
    };
    let topic = settings.remove("topic").context("these tables do not say of which topic they are")?;
    let owners = rows(&mut snapshot, OWNER, owner)?;
    let now = snapshot.number(NOW, &[])?;
    // Negative where the record has none.
    let newest = rows(&mut snapshot, NEWEST, |row| row.get::<_, Option<i64>>(0))?;
    let newest = newest.into_iter().flatten().find(|newest| *newest >= 0);
    let model = stored_model(&settings)?;
    let partitions = format!(
        "SELECT kafka_partition, first_offset, next_offset, {} FROM progress ORDER BY kafka_partition",
        outcome_columns()
    );
    let names: Vec<_> =
        model.tables.iter().map(|table| table.name.as_str()).chain(["rejected_records", "rejected_hourly"]).collect();
    let partitions = rows(&mut snapshot, &partitions, partition)?;
    let numbers: Vec<_> = partitions.iter().map(|it| it.partition).collect();
    let processes = Processes::of_setting(settings.get(processes::SETTING).map(String::as_str));
    Ok(Status {
        topic,
        owner: owners.into_iter().next().unwrap_or_default(),
        processes: processes.map_or_else(Vec::new, |processes| processes.each(&numbers)),
        partitions,
        newest_record: newest.and_then(DateTime::<Utc>::from_timestamp_millis),
        newest_record_age_seconds: newest.map(|newest| (now - newest).max(0) as f64 / 1000.0),
        kafka_error: None,
        tables: rows(&mut snapshot, &TABLES.replace("NAMES", &names.join(" ")), table)?,
    })
}

/// Adds where the partitions end in Kafka.
pub fn add_ends(status: &mut Status, topic: &Topic) -> Result<()> {
    let watermarks = topic.watermarks_of(status.partitions.iter().map(|partition| partition.partition))?;
    for partition in &mut status.partitions {
        let Some(Watermarks { high: end, .. }) = watermarks.get(&partition.partition).copied() else { continue };
        partition.end = Some(end);
        partition.lag = Some((end - partition.next_offset).max(0));
    }
    let Status { processes, partitions, .. } = status;
    for process in processes {
        process.add_lag(|partition| partitions.iter().find(|it| it.partition == partition)?.lag);
    }
    Ok(())
}

fn rows<T>(snapshot: &mut Snapshot<'_>, query: &str, read: impl Fn(&Row) -> T) -> Result<Vec<T>> {
    let mut all = Vec::new();
    snapshot.rows(query, |row| {
        all.push(read(row));
        Ok(())
    })?;
    Ok(all)
}

fn owner(row: &Row) -> Owner {
    let (instance, heard_seconds_ago): (Option<String>, f64) = (row.get(0), row.get(1));
    let is_alive = instance.is_some() && heard_seconds_ago < SILENCE_SECONDS_MAX;
    Owner { heard_seconds_ago: instance.as_ref().map(|_| heard_seconds_ago), instance, is_alive }
}

fn partition(row: &Row) -> Partition {
    Partition {
        partition: row.get(0),
        first_offset: row.get(1),
        next_offset: row.get(2),
        totals: Totals::new(Totals::OUTCOMES.map(|outcome| row.get(outcome))),
        end: None,
        lag: None,
    }
}

fn table(row: &Row) -> Table {
    Table { table: row.get(0), rows: row.get(1), bytes: row.get(2) }
}
