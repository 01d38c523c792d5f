//! A reader's snapshot that stays open keeps every version of every row: commits must not slow down with their number.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use postgres::{Client, NoTls};

use crate::support::freshet::PATIENCE;
use crate::support::load::{Load, times};
use crate::support::{postgres, require_kafka};

#[test]
fn an_open_snapshot_slows_no_commit() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut load = Load::start(kafka, postgres(), "--tick 1ms")?;
    let mut reader = Client::connect(&load.database.url, NoTls)?;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM progress")?;
    let commits = 1_000;
    let took = |load: &mut Load| -> Result<Duration> {
        let (number, database) = ("SELECT commit_number FROM freshet_owner", &mut load.database);
        let (first, begun): (i64, _) = (database.client.query_one(number, &[])?.get(0), Instant::now());
        load.freshet.until("a thousand commits", PATIENCE, || {
            Ok(database.client.query_one(number, &[])?.get::<_, i64>(0) >= first + commits)
        })?;
        Ok(begun.elapsed())
    };
    let early = took(&mut load)?;
    let mut late = early;
    for thousand in 0..times(3, 40) {
        late = took(&mut load)?;
        println!("{}000 commits before: a thousand took {late:?}", thousand + 1);
    }
    reader.batch_execute("COMMIT")?;
    ensure!(late < early * 3, "a thousand commits took {early:?} at first and {late:?} at last");
    load.finish(kafka)
}
