//! SQL of rejected records.

use postgres::{Client, Error, Statement};

/// Removes the first rows of a partition behind an offset: so many at most, of so many bytes, that are so many seconds old.
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

/// Sets counts wherever they are; gives their places.
const SET: &str = "INSERT INTO rejected_hourly (hour, reason, records, only_counted)
    SELECT to_timestamp(hours * 3600), reason, records, only_counted
    FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) AS given (hours, reason, records, only_counted)
    ON CONFLICT (hour, reason) DO UPDATE SET records = excluded.records, only_counted = excluded.only_counted
    RETURNING (extract(epoch FROM hour) / 3600)::bigint, reason, ctid";

/// The statements, prepared for one session.
pub(super) struct RejectedStatements {
    pub reject: Statement,
    pub remove: Statement,
    pub counts: Statement,
    pub set_at: Statement,
    pub set: Statement,
}

impl RejectedStatements {
    pub fn prepare(client: &mut Client) -> Result<RejectedStatements, Error> {
        Ok(RejectedStatements {
            reject: client.prepare(&reject(2, "true"))?,
            remove: client.prepare(REMOVE)?,
            counts: client.prepare(COUNTS)?,
            set_at: client.prepare(&set_at(1, "true"))?,
            set: client.prepare(SET)?,
        })
    }
}

/// Adds rows, on a condition. The topic is the parameter 1, the columns' arrays are those from the `first` on.
pub(super) fn reject(first: usize, condition: &str) -> String {
    let [partitions, offsets, reasons, payloads] = [0, 1, 2, 3].map(|at| first + at);
    format!(
        "INSERT INTO rejected_records (topic, kafka_partition, kafka_offset, reason, payload)
         SELECT $1, * FROM unnest(${partitions}::int[], ${offsets}::bigint[], ${reasons}::text[], ${payloads}::bytea[])
         WHERE {condition} ON CONFLICT DO NOTHING"
    )
}

/// Sets counts at their places, on a condition; gives the new places of those that were there, and their numbers, from 1.
pub(super) fn set_at(first: usize, condition: &str) -> String {
    let [hours, reasons, records, only_counted, places] = [0, 1, 2, 3, 4].map(|at| first + at);
    format!(
        r#"UPDATE rejected_hourly AS held SET records = given.records, only_counted = given.only_counted
         FROM unnest(${hours}::bigint[], ${reasons}::text[], ${records}::bigint[], ${only_counted}::bigint[], ${places}::tid[])
             WITH ORDINALITY AS given (hours, reason, records, only_counted, place, "its number")
         WHERE {condition} AND held.ctid = given.place AND held.hour = to_timestamp(given.hours * 3600)
             AND held.reason = given.reason
         RETURNING given.hours, given.reason, held.ctid, given."its number""#
    )
}
