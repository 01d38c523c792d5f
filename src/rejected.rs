//! Rejected records for a person: the newest rows, and their payloads, from the tables if they keep them, else from the topic.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;
use chrono::{DateTime, Utc};

use crate::sink::Snapshot;
use crate::source::decode::{Decoder, Outcome, Rules};
use crate::source::{Settings, Topic, offset_range};
use crate::terminal::{grouped, safe, table};

/// How much of a payload is shown: in characters, each of up to four bytes.
const PAYLOAD_CHARS_MAX: usize = 2_000;
const PAYLOAD_BYTES_MAX: usize = 4 * PAYLOAD_CHARS_MAX;
/// Characters of a reason, which is a sentence with the name of a field.
const REASON_CHARS_MAX: usize = 200;

/// The rows by a text in the reason, and by the time of rejection, in seconds since 1970.
const ROWS: &str = "SELECT topic, kafka_partition, kafka_offset, rejected_at, reason,
        substring(payload FOR 8000) FROM rejected_records
    WHERE strpos(lower(reason), lower($1)) > 0 AND rejected_at >= to_timestamp($2::float8)
    ORDER BY rejected_at DESC, topic, kafka_partition, kafka_offset DESC LIMIT $3::bigint";
const RECORDS: &str = "SELECT coalesce(sum(records), 0)::bigint FROM rejected_hourly";
const ONLY_COUNTED: &str = "SELECT coalesce(sum(only_counted), 0)::bigint FROM rejected_hourly";

/// Which records to list.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// A text in their reason, in any case.
    pub reason: String,
    /// The earliest time of rejection.
    pub since: DateTime<Utc>,
    /// How many at most, the newest first.
    pub limit: u32,
}

/// The rows, and how many records were rejected in all.
pub struct Rejections {
    topic: String,
    rows: Vec<Row>,
    records: i64,
    only_counted: i64,
}

struct Row {
    topic: String,
    partition: i32,
    offset: i64,
    at: DateTime<Utc>,
    reason: String,
    payload: Payload,
}

/// What is known of a record's payload.
#[derive(Clone, Debug, PartialEq)]
enum Payload {
    NotRead,
    /// At least the part of it that is shown.
    Value(Vec<u8>),
    NoValue,
    Gone,
    /// The offset holds another record.
    Other,
}

impl Rejections {
    /// Reads the records to list.
    pub fn read(snapshot: &mut Snapshot<'_>, topic: &str, wanted: &Wanted) -> Result<Rejections> {
        let (mut rows, since) = (Vec::new(), wanted.since.timestamp().to_string());
        snapshot.rows_with(ROWS, &[&wanted.reason, &since, &wanted.limit.to_string()], |row| {
            let payload = row.get::<_, Option<Vec<u8>>>(5).map_or(Payload::NotRead, Payload::Value);
            let (partition, offset, at, reason) = (row.get(1), row.get(2), row.get(3), row.get(4));
            rows.push(Row { topic: row.get(0), partition, offset, at, reason, payload });
            Ok(())
        })?;
        let (records, only_counted) = (snapshot.number(RECORDS, &[])?, snapshot.number(ONLY_COUNTED, &[])?);
        Ok(Rejections { topic: topic.to_owned(), rows, records, only_counted })
    }

    /// Whether the tables lack some of the payloads.
    pub fn lack_payloads(&self) -> bool {
        self.rows.iter().any(|row| row.payload == Payload::NotRead)
    }

    /// Reads the payloads that the tables lack from the topic. A record that these rules do not reject for the same reason is
    /// another one.
    pub fn fetch(&mut self, kafka: &Settings, rules: Rules) -> Result<()> {
        let mut lacking: BTreeMap<(i32, i64), &mut Row> = BTreeMap::new();
        for row in self.rows.iter_mut().filter(|row| row.payload == Payload::NotRead) {
            row.payload = Payload::Gone;
            if row.topic == self.topic {
                lacking.insert((row.partition, row.offset), row);
            }
        }
        let (topic, mut decoder) = (Topic::connect(kafka)?, Decoder::new(rules));
        let there: BTreeSet<_> = topic.partitions()?.into_iter().collect();
        let asked: BTreeSet<_> = lacking.keys().map(|(partition, _)| *partition).collect();
        let watermarks = topic.watermarks_of(asked.intersection(&there).copied())?;
        let is_there = |(partition, offset): &(i32, i64)| {
            watermarks.get(partition).is_some_and(|watermarks| (watermarks.low..watermarks.high).contains(offset))
        };
        let places: BTreeSet<_> = lacking.keys().copied().filter(is_there).collect();
        offset_range::read_at(
            |ranges, each| offset_range::read(kafka, ranges, each),
            &places,
            |record| {
                if let Some(row) = lacking.get_mut(&(record.partition, record.offset)) {
                    let mut is_it = false;
                    record.decode(&mut decoder, |outcome, _| {
                        is_it |= matches!(outcome, Outcome::Rejected(reason) if reason.to_string() == row.reason);
                    });
                    row.payload = match record.payload {
                        _ if !is_it => Payload::Other,
                        Some(value) => Payload::Value(value[..value.len().min(PAYLOAD_BYTES_MAX)].to_vec()),
                        None => Payload::NoValue,
                    };
                }
                Ok(())
            },
        )
    }

    /// As text: a table, or with payloads, one record after the other.
    pub fn text(&self, shows_payloads: bool) -> String {
        let mut text = if shows_payloads { self.with_payloads() } else { self.table() };
        let (records, shown) = (grouped(self.records.unsigned_abs()), grouped(self.rows.len() as u64));
        // Writing to a String cannot fail.
        let _ = write!(text, "\n\n{shown} shown, of {records} rejected records in all");
        if self.only_counted > 0 {
            let without = grouped(self.only_counted.unsigned_abs());
            let _ = write!(text, "; {without} are only counted, by hour and reason in rejected_hourly");
        }
        text
    }

    fn table(&self) -> String {
        let cells = |row: &Row| {
            let (partition, offset) = (row.partition.to_string(), grouped(row.offset.unsigned_abs()));
            vec![time(row.at), partition, offset, safe(&row.reason, REASON_CHARS_MAX)]
        };
        table(&["rejected at", "partition", "offset", "reason"], &self.rows.iter().map(cells).collect::<Vec<_>>())
    }

    fn with_payloads(&self) -> String {
        let shown = |row: &Row| {
            let what = match &row.payload {
                Payload::Value(value) => safe(&String::from_utf8_lossy(value), PAYLOAD_CHARS_MAX),
                Payload::NoValue => "(no value)".into(),
                Payload::Gone => "(no longer in Kafka)".into(),
                Payload::Other => "(no longer in Kafka: another record has this offset)".into(),
                Payload::NotRead => "(not read)".into(),
            };
            let (at, reason) = (time(row.at), safe(&row.reason, REASON_CHARS_MAX));
            format!("{at}  partition {}, offset {}: {reason}\n    {what}", row.partition, row.offset)
        };
        self.rows.iter().map(shown).collect::<Vec<_>>().join("\n")
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
