//! The status of the tables: owner, progress, freshness and sizes. Read from Postgres, and from Kafka if that is given; no run
//! is needed.

mod read;
mod show;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::batch::Totals;
use crate::processes::Process;

pub use read::{add_ends, read};
pub use show::text;

/// The status of the tables at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The topic that they are built from.
    pub topic: String,
    /// Who may write them.
    pub owner: Owner,
    /// The processes of the run, if there are several.
    pub processes: Vec<Process>,
    /// The progress of each partition.
    pub partitions: Vec<Partition>,
    /// The Kafka timestamp of the newest record that they include.
    pub newest_record: Option<DateTime<Utc>>,
    /// How long ago that was.
    pub newest_record_age_seconds: Option<f64>,
    /// Why the ends of the partitions could not be read from Kafka, if that was tried.
    pub kafka_error: Option<String>,
    /// How large they are.
    pub tables: Vec<Table>,
}

/// Who may write the tables.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Owner {
    /// Its process; none after a clean stop.
    pub instance: Option<String>,
    /// How long ago its last heartbeat was; there is one every two seconds.
    pub heard_seconds_ago: Option<f64>,
    /// Whether it counts as alive.
    pub is_alive: bool,
}

/// How far one partition is.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the columns of the table progress")]
pub struct Partition {
    pub partition: i32,
    pub first_offset: i64,
    pub next_offset: i64,
    #[serde(flatten)]
    pub totals: Totals,
    /// Where it ends in Kafka, if that was asked.
    pub end: Option<i64>,
    /// How many offsets that is away.
    pub lag: Option<i64>,
}

/// How large a table is.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Its name.
    pub table: String,
    /// How many rows it has, as Postgres estimates.
    pub rows: i64,
    /// What it takes with its indexes.
    pub bytes: i64,
}
