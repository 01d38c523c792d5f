//! Rejected records: counts of all of them by hour and reason, and rows of as many as are kept.
//!
//! ```text
//! rejected ─┬─► rejected_hourly: how many of an hour and a reason, and how many of these have no row
//!           └─► rejected_records: a row each, while there is room
//!                      └─► removed: rows above the bound, and those that are too old
//! ```
//!
//! All of it happens in the transaction of the commit, so the counts hold at every moment. A table that is full takes nothing
//! more until a tenth of it is free: then what is kept are long stretches, and a flood costs counts alone. Rows leave in slices
//! along the primary key, which is the order in which they came in each partition; so a row needs no further index, and a commit
//! no long time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::Result;
use postgres::{Client, Error, Statement, Transaction};
use tracing::{info, warn};

use super::chunks::chunks;
use super::tid::Tid;
use crate::batch::{Rejected, rejected_hour};
use crate::database::db_result;
use crate::metrics::Metrics;
use crate::terminal::grouped;

const REJECT: &str = "INSERT INTO rejected_records (topic, kafka_partition, kafka_offset, reason, payload)
    SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::text[], $5::bytea[]) ON CONFLICT DO NOTHING";

/// Removes the first rows of a partition behind an offset: up to a number of rows, or of bytes, and only those of an
/// age in seconds.
const REMOVE: &str = "WITH first AS MATERIALIZED (SELECT ctid AS place, rejected_at,
            sum(coalesce(octet_length(payload), 0)) OVER (ORDER BY kafka_offset ROWS UNBOUNDED PRECEDING)
                - coalesce(octet_length(payload), 0) AS bytes_before
        FROM (SELECT ctid, kafka_offset, rejected_at, payload FROM rejected_records
            WHERE topic = $1 AND kafka_partition = $2 AND kafka_offset > $3 ORDER BY kafka_offset LIMIT $4) AS rows),
    removed AS (DELETE FROM rejected_records WHERE ctid = ANY(ARRAY(SELECT place FROM first WHERE bytes_before < $5
            AND ($6::float8 IS NULL OR rejected_at < now() - make_interval(secs => $6)))) RETURNING reason, kafka_offset)
    SELECT reason, count(*), max(kafka_offset) FROM removed GROUP BY reason";

/// What is stored of hours and reasons, and where.
const COUNTS: &str = "SELECT wanted.hours, wanted.reason, held.records, held.only_counted, held.ctid
    FROM unnest($1::bigint[], $2::text[]) AS wanted (hours, reason)
    JOIN rejected_hourly AS held ON held.hour = to_timestamp(wanted.hours * 3600) AND held.reason = wanted.reason";

/// Sets counts at their places, or wherever they are; returns the places of those that were there.
const SET_AT: &str = "UPDATE rejected_hourly AS held SET records = given.records, only_counted = given.only_counted
    FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::tid[])
        AS given (hours, reason, records, only_counted, place)
    WHERE held.ctid = given.place AND held.hour = to_timestamp(given.hours * 3600) AND held.reason = given.reason
    RETURNING given.hours, given.reason, held.ctid";
const SET: &str = "INSERT INTO rejected_hourly (hour, reason, records, only_counted)
    SELECT to_timestamp(hours * 3600), reason, records, only_counted
    FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) AS given (hours, reason, records, only_counted)
    ON CONFLICT (hour, reason) DO UPDATE SET records = excluded.records, only_counted = excluded.only_counted
    RETURNING (extract(epoch FROM hour) / 3600)::bigint, reason, ctid";

/// Rows that a version without counts has written count under no hour.
const COUNT_ROWS: &str = "INSERT INTO rejected_hourly (hour, reason, records, only_counted)
    SELECT to_timestamp(0), reason, rows.rows - coalesce(known.rows, 0), 0
    FROM (SELECT reason, count(*) AS rows FROM rejected_records GROUP BY reason) AS rows
    LEFT JOIN (SELECT reason, sum(records - only_counted)::bigint AS rows FROM rejected_hourly GROUP BY reason) AS known
        USING (reason)
    WHERE rows.rows > coalesce(known.rows, 0)
    ON CONFLICT (hour, reason) DO UPDATE SET records = rejected_hourly.records + excluded.records";
const ARE_COUNTED: &str = "SELECT (SELECT coalesce(sum(records), 0) FROM rejected_hourly)
    >= (SELECT coalesce(sum(rejected), 0) FROM progress)";

const PARTITIONS: &str =
    "SELECT topic, kafka_partition, count(*) FROM rejected_records GROUP BY topic, kafka_partition ORDER BY 1, 2";

/// The size of a slice in rows, or in bytes of payloads, and slices that a commit removes at most, of each partition in
/// turn. A slice takes 3 to 11 ms (2026-11-28, a million rows, Postgres 15).
const SLICE_ROWS: i64 = 1_000;
const SLICE_BYTES: i64 = 4 << 20;
const SLICES_MAX: usize = 4;
/// Partitions are looked through for old rows this often at most.
const LOOK_INTERVAL_MIN: Duration = Duration::from_secs(1);
const LOOK_INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Counts of hours and reasons that are remembered.
const COUNTS_MAX: usize = 1_024;
/// More than Postgres can subtract from now.
const RETAIN_MAX: Duration = Duration::from_secs(100 * 366 * 86_400);

/// How long rejected records are kept, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectedLimits {
    /// How long; none for ever.
    pub retain: Option<Duration>,
    /// How many.
    pub rows_max: u32,
}

impl Default for RejectedLimits {
    fn default() -> Self {
        RejectedLimits { retain: Some(Duration::from_secs(30 * 86_400)), rows_max: 1_000_000 }
    }
}

/// The statements, prepared for one session.
pub(super) struct RejectedStatements {
    reject: Statement,
    remove: Statement,
    counts: Statement,
    set_at: Statement,
    set: Statement,
}

impl RejectedStatements {
    pub fn prepare(client: &mut Client) -> Result<RejectedStatements, Error> {
        Ok(RejectedStatements {
            reject: client.prepare(REJECT)?,
            remove: client.prepare(REMOVE)?,
            counts: client.prepare(COUNTS)?,
            set_at: client.prepare(SET_AT)?,
            set: client.prepare(SET)?,
        })
    }
}

/// What is known of both tables, as of the last commit.
#[derive(Default)]
pub struct RejectedTables {
    limits: RejectedLimits,
    rows: Rows,
    counts: HashMap<CountKey, Count>,
    /// What the commit that is under way makes of it.
    in_flight: Option<InFlight>,
}

/// The rows of `rejected_records`.
#[derive(Clone, Default)]
struct Rows {
    /// No more are added.
    is_full: bool,
    partitions: Vec<Partition>,
    /// Which of them is looked at next, and how many in turn had nothing more to remove.
    turn: usize,
    quiet: usize,
    /// When they are looked through again.
    due: Option<Instant>,
}

/// A partition that has had rows.
#[derive(Clone)]
struct Partition {
    topic: String,
    number: i32,
    /// How many it has.
    rows: i64,
    /// Up to this offset they were removed: an index goes on listing them until a vacuum.
    removed_to: i64,
}

/// Hours since 1970, and a reason.
type CountKey = (i64, String);

/// A row of `rejected_hourly`.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    records: i64,
    only_counted: i64,
    place: Option<Tid>,
}

struct InFlight {
    rows: Rows,
    counts: HashMap<CountKey, Count>,
    kept: usize,
    by_reason: HashMap<String, u64>,
    only_counted: u64,
}

impl RejectedTables {
    /// Keeps to these limits from now on.
    pub(super) fn limit(&mut self, limits: RejectedLimits) {
        self.limits = limits;
    }

    /// Reads what there is, and counts what a version without counts has rejected.
    pub(super) fn load(&mut self, transaction: &mut Transaction<'_>) -> Result<()> {
        db_result(transaction.batch_execute("SET LOCAL enable_seqscan = on"))?;
        if !db_result(transaction.query_one(ARE_COUNTED, &[]))?.get::<_, bool>(0) {
            let counted = db_result(transaction.execute(COUNT_ROWS, &[]))?;
            info!("counted the rows of rejected_records in rejected_hourly, which has {counted} rows of them");
        }
        self.rows = Rows::default();
        for row in db_result(transaction.query(PARTITIONS, &[]))? {
            let (topic, number, rows) = (row.get(0), row.get(1), row.get(2));
            self.rows.partitions.push(Partition { topic, number, rows, removed_to: -1 });
        }
        let over = self.rows.number() - self.rows_max();
        if over > 0 {
            let over = grouped(over.unsigned_abs());
            info!("removing {over} of the oldest rows of rejected_records, which are above --rejected-max-rows");
        }
        Ok(())
    }

    /// How many rows there are.
    pub(super) fn number(&self) -> i64 {
        self.rows.number()
    }

    fn rows_max(&self) -> i64 {
        self.limits.rows_max.into()
    }

    /// Whether rows are to be removed, or looked through.
    pub(super) fn is_due(&self) -> bool {
        let is_time = || self.rows.due.is_none_or(|due| due <= Instant::now());
        let number = self.rows.number();
        number > self.rows_max() || number > 0 && self.limits.retain.is_some() && is_time()
    }

    /// Writes what a commit has of rejected records, and removes what is due.
    pub(super) fn write(
        &mut self,
        transaction: &mut Transaction<'_>,
        statements: &RejectedStatements,
        topic: &str,
        rejected: &[Rejected],
        statement_rows: usize,
    ) -> Result<()> {
        self.in_flight = None;
        if rejected.is_empty() && !self.is_due() {
            return Ok(());
        }
        let (mut rows, mut added) = (self.rows.clone(), HashMap::new());
        if self.is_due() {
            self.remove(transaction, statements, &mut rows, &mut added)?;
        }
        let room = rows.room(self.rows_max(), rejected.len());
        let (kept, others) = rejected.split_at(room);
        insert(transaction, statements, topic, kept, statement_rows)?;
        rows.add(topic, kept);
        let mut by_reason = HashMap::new();
        for ((hour, reason), (records, only_counted)) in tally(kept, others) {
            add(&mut added, hour, reason, records, only_counted);
            *by_reason.entry(reason.to_owned()).or_default() += records.unsigned_abs();
        }
        let counts = self.count(transaction, statements, added)?;
        let (kept, only_counted) = (kept.len(), others.len() as u64);
        self.in_flight = Some(InFlight { rows, counts, kept, by_reason, only_counted });
        Ok(())
    }

    /// The commit has happened.
    pub(super) fn committed(&mut self, metrics: &Metrics) {
        let Some(InFlight { rows, counts, kept, by_reason, only_counted }) = self.in_flight.take() else { return };
        match (self.rows.is_full, rows.is_full) {
            (false, true) => warn!(
                "rejected_records is full with {} rows (--rejected-max-rows): further rejected records are only counted, \
                 by hour and reason in rejected_hourly",
                grouped(rows.number().unsigned_abs())
            ),
            (true, false) => info!("rejected_records has room again"),
            _ => {}
        }
        metrics.wrote("rejected_records", kept);
        metrics.wrote("rejected_hourly", counts.len());
        metrics.rejected(&by_reason, only_counted);
        metrics.set_rejected_rows(rows.number());
        self.rows = rows;
        if self.counts.len() > COUNTS_MAX {
            self.counts.clear();
        }
        self.counts.extend(counts);
    }

    /// Removes slices of what is above the bound, else of what is too old.
    fn remove(
        &self,
        transaction: &mut Transaction<'_>,
        statements: &RejectedStatements,
        rows: &mut Rows,
        added: &mut HashMap<CountKey, Count>,
    ) -> Result<()> {
        let retain = self.limits.retain.map(|retain| retain.min(RETAIN_MAX));
        for _ in 0..SLICES_MAX {
            let (all, over) = (rows.number(), rows.number() - self.rows_max());
            let age = if over > 0 { None } else { retain.map(|retain| retain.as_secs_f64()) };
            if over <= 0 && age.is_none() || all == 0 {
                break;
            }
            if rows.quiet >= rows.partitions.len() {
                let interval = retain.unwrap_or_default() / 100;
                rows.due = Some(Instant::now() + interval.clamp(LOOK_INTERVAL_MIN, LOOK_INTERVAL_MAX));
                rows.quiet = 0;
                break;
            }
            let place = rows.turn % rows.partitions.len();
            let partition = &mut rows.partitions[place];
            // What is above the bound is taken from each in proportion to what it has.
            let share =
                if over > 0 { (over as f64 * partition.rows as f64 / all as f64).ceil() as i64 } else { i64::MAX };
            let most = share.min(SLICE_ROWS);
            let values: [&(dyn postgres::types::ToSql + Sync); 6] =
                [&partition.topic, &partition.number, &partition.removed_to, &most, &SLICE_BYTES, &age];
            let mut removed = 0;
            for row in db_result(transaction.query(&statements.remove, &values))? {
                let (reason, records): (&str, i64) = (row.get(0), row.get(1));
                add(added, 0, reason, 0, records);
                partition.removed_to = partition.removed_to.max(row.get(2));
                removed += records;
            }
            // There are none; someone removed them.
            let is_empty = age.is_none() && removed == 0;
            partition.rows = if is_empty { 0 } else { (partition.rows - removed).max(0) };
            rows.turn = place + 1;
            rows.quiet = if removed > 0 { 0 } else { rows.quiet + 1 };
        }
        Ok(())
    }

    /// Adds to the counts; returns them as they are then.
    fn count(
        &mut self,
        transaction: &mut Transaction<'_>,
        statements: &RejectedStatements,
        added: HashMap<CountKey, Count>,
    ) -> Result<HashMap<CountKey, Count>> {
        let mut counts: HashMap<_, _> =
            added.keys().filter_map(|key| Some((key.clone(), *self.counts.get(key)?))).collect();
        let unknown: Vec<_> = added.keys().filter(|key| !counts.contains_key(*key)).collect();
        if !unknown.is_empty() {
            let hours: Vec<_> = unknown.iter().map(|(hour, _)| *hour).collect();
            let reasons: Vec<_> = unknown.iter().map(|(_, reason)| reason.as_str()).collect();
            for row in db_result(transaction.query(&statements.counts, &[&hours, &reasons]))? {
                let count = Count { records: row.get(2), only_counted: row.get(3), place: Some(row.get(4)) };
                counts.insert((row.get(0), row.get(1)), count);
            }
        }
        for (key, more) in added {
            let count = counts.entry(key).or_default();
            count.records += more.records;
            count.only_counted += more.only_counted;
        }
        set(transaction, statements, &mut counts)?;
        Ok(counts)
    }
}

impl Rows {
    fn number(&self) -> i64 {
        self.partitions.iter().map(|partition| partition.rows).sum()
    }

    /// How many of the `wanted` new ones there is room for.
    fn room(&mut self, rows_max: i64, wanted: usize) -> usize {
        if self.is_full && self.number() <= rows_max - rows_max / 10 && rows_max > 0 {
            self.is_full = false;
        }
        if self.is_full {
            return 0;
        }
        let room = usize::try_from(rows_max - self.number()).unwrap_or_default();
        self.is_full = wanted > room;
        wanted.min(room)
    }

    /// These have rows now.
    fn add(&mut self, topic: &str, kept: &[Rejected]) {
        let mut added: BTreeMap<i32, i64> = BTreeMap::new();
        for record in kept {
            *added.entry(record.partition).or_default() += 1;
        }
        for (number, rows) in added {
            let is_it = |it: &Partition| it.number == number && it.topic == topic;
            let place = self.partitions.iter().position(is_it).unwrap_or_else(|| {
                self.partitions.push(Partition { topic: topic.to_owned(), number, rows: 0, removed_to: -1 });
                self.partitions.len() - 1
            });
            self.partitions[place].rows += rows;
        }
    }
}

/// How many there are by hour and reason, and how many of them are not kept.
fn tally<'a>(kept: &'a [Rejected], others: &'a [Rejected]) -> HashMap<(i64, &'a str), (i64, i64)> {
    let mut tally: HashMap<_, (i64, i64)> = HashMap::new();
    for (records, only_counted) in [(kept, 0), (others, 1)] {
        for record in records {
            let sums = tally.entry((rejected_hour(record.timestamp), record.reason.as_str())).or_default();
            *sums = (sums.0 + 1, sums.1 + only_counted);
        }
    }
    tally
}

fn add(added: &mut HashMap<CountKey, Count>, hour: i64, reason: &str, records: i64, only_counted: i64) {
    let count = added.entry((hour, reason.to_owned())).or_default();
    count.records += records;
    count.only_counted += only_counted;
}

fn insert(
    transaction: &mut Transaction<'_>,
    statements: &RejectedStatements,
    topic: &str,
    kept: &[Rejected],
    statement_rows: usize,
) -> Result<()> {
    let bytes = |record: &Rejected| record.reason.len() + record.payload.as_ref().map_or(0, Vec::len);
    for rejected in chunks(kept, statement_rows, bytes) {
        let partitions: Vec<_> = rejected.iter().map(|record| record.partition).collect();
        let offsets: Vec<_> = rejected.iter().map(|record| record.offset).collect();
        let reasons: Vec<_> = rejected.iter().map(|record| record.reason.as_str()).collect();
        let payloads: Vec<_> = rejected.iter().map(|record| record.payload.as_deref()).collect();
        let values: [&(dyn postgres::types::ToSql + Sync); 5] = [&topic, &partitions, &offsets, &reasons, &payloads];
        db_result(transaction.execute(&statements.reject, &values))?;
    }
    Ok(())
}

/// Writes counts at their places, or wherever they are, and notes the new places.
fn set(
    transaction: &mut Transaction<'_>,
    statements: &RejectedStatements,
    counts: &mut HashMap<CountKey, Count>,
) -> Result<()> {
    let mut left: BTreeSet<CountKey> = counts.keys().cloned().collect();
    for (statement, is_placed) in [(&statements.set_at, true), (&statements.set, false)] {
        let these: Vec<_> = left.iter().filter(|key| !is_placed || counts[*key].place.is_some()).collect();
        if these.is_empty() {
            continue;
        }
        let hours: Vec<_> = these.iter().map(|(hour, _)| *hour).collect();
        let reasons: Vec<_> = these.iter().map(|(_, reason)| reason.as_str()).collect();
        let records: Vec<_> = these.iter().map(|key| counts[*key].records).collect();
        let only_counted: Vec<_> = these.iter().map(|key| counts[*key].only_counted).collect();
        let places: Vec<_> = these.iter().map(|key| counts[*key].place).collect();
        let mut values: Vec<&(dyn postgres::types::ToSql + Sync)> = vec![&hours, &reasons, &records, &only_counted];
        if is_placed {
            values.push(&places);
        }
        for row in db_result(transaction.query(statement, &values))? {
            let key: CountKey = (row.get(0), row.get(1));
            if let Some(count) = counts.get_mut(&key) {
                count.place = Some(row.get(2));
            }
            left.remove(&key);
        }
    }
    Ok(())
}
