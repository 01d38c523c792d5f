//! Who writes the tables, as they say it.

use anyhow::Result;
use serde::Serialize;

use super::Snapshot;
use crate::database::db_result;
use crate::processes::{Process, Processes, SETTING};

/// All of it is one row. What is no setting of these tables is null.
const RUN: &str = "SELECT (SELECT instance FROM freshet_owner),
        (SELECT value FROM freshet_settings WHERE name = 'retain'),
        (SELECT value FROM freshet_settings WHERE name = 'dedup'),
        (SELECT value FROM freshet_settings WHERE name = $1),
        coalesce(sum(duplicate), 0)::bigint,
        coalesce(array_agg(kafka_partition ORDER BY kafka_partition), '{}')
    FROM progress";

/// What an operator wants to know beside the numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Host and process of who may write the tables; none after a clean stop.
    pub owner: Option<String>,
    /// How many days are kept; without it all are.
    pub retain: Option<String>,
    /// Within what time copies of an event are found, with `--dedup`.
    pub dedup: Option<String>,
    /// So many were.
    pub duplicates: i64,
    /// The processes that it is, if there are several.
    pub processes: Vec<Process>,
}

impl Snapshot<'_> {
    /// Who writes the tables.
    pub fn run(&mut self) -> Result<Run> {
        let row = db_result(self.tables.transaction.query_typed_one(RUN, &[(&SETTING, postgres::types::Type::TEXT)]))?;
        let (processes, partitions): (Option<&str>, Vec<i32>) = (row.get(3), row.get(5));
        let processes = Processes::of_setting(processes).map_or_else(Vec::new, |processes| processes.each(&partitions));
        Ok(Run { owner: row.get(0), retain: row.get(1), dedup: row.get(2), duplicates: row.get(4), processes })
    }
}
