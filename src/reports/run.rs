//! Who writes the tables, and with which settings, as the tables record it.

use anyhow::Result;
use serde::Serialize;

use super::Snapshot;
use crate::database::db_result;
use crate::processes::{Process, Processes, SETTING};

/// Everything in one row. A setting that these tables do not have is null.
const RUN: &str = "SELECT (SELECT instance FROM freshet_owner),
        (SELECT value FROM freshet_settings WHERE name = 'retain'),
        (SELECT value FROM freshet_settings WHERE name = 'dedup'),
        (SELECT value FROM freshet_settings WHERE name = $1),
        coalesce(sum(duplicate), 0)::bigint,
        coalesce(array_agg(kafka_partition ORDER BY kafka_partition), '{}')
    FROM progress";

/// What an operator wants to know besides the numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Host and process of the owner of the tables; none after a clean stop.
    pub owner: Option<String>,
    /// How many days are kept; none for all.
    pub retain: Option<String>,
    /// The time span of `--dedup`, if that is set.
    pub dedup: Option<String>,
    /// How many duplicates were found.
    pub duplicates: i64,
    /// The processes of the run, if there are several.
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
