//! How the tables are: who owns them, how far and how fresh they are, and how large. Read from Postgres, and from Kafka
//! where it is given; the run need not be there.

mod read;
mod show;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::batch::Totals;
use crate::processes::Process;

pub use read::{add_ends, read};
pub use show::text;

/// How the tables are at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The topic that they are built from.
    pub topic: String,
    /// Who may write them.
    pub owner: Owner,
    /// The processes that it is, if there are several.
    pub processes: Vec<Process>,
    /// How far they are.
    pub partitions: Vec<Partition>,
    /// The Kafka timestamp of the newest record that they include.
    pub newest_record: Option<DateTime<Utc>>,
    /// How long ago that was.
    pub newest_record_age_seconds: Option<f64>,
    /// Why Kafka, if it was asked, could not say where the partitions end.
    pub kafka_error: Option<String>,
    /// How large they are.
    pub tables: Vec<Table>,
}

/// Who may write the tables.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Owner {
    /// Its process; none after a clean stop.
    pub instance: Option<String>,
    /// How long ago it said that it lives; it does so every two seconds.
    pub heard_seconds_ago: Option<f64>,
    /// Whether it can be relied on to live.
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
