//! A reader's snapshot that stays open keeps every version of every row: commits must not slow down with their number.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use postgres::{Client, NoTls};

use crate::support::freshet::TIMEOUT;
use crate::support::load::{Load, times};
use crate::support::{Database, postgres, require_kafka};

#[test]
fn an_open_snapshot_slows_no_commit() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut load = Load::start(kafka, postgres(), "--tick 1ms")?;
    let mut reader = Client::connect(&load.database.url, NoTls)?;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM progress")?;
    let number = |database: &mut Database| -> Result<i64> {
        Ok(database.client.query_one("SELECT commit_number FROM freshet_owner", &[])?.get(0))
    };
    let took = |load: &mut Load| -> Result<Duration> {
        let (first, begun) = (number(&mut load.database)?, Instant::now());
        // A machine that tests much else at once may take minutes for all of them.
        for commits in (100..=1_000).step_by(100) {
            let Load { freshet, database, .. } = load;
            freshet.until("a hundred commits", TIMEOUT, || Ok(number(database)? >= first + commits))?;
        }
        Ok(begun.elapsed())
    };
    let early = took(&mut load)?;
    let mut late = early;
    for thousand in 0..times(2, 40) {
        late = took(&mut load)?;
        println!("{}000 commits before: a thousand took {late:?}", thousand + 1);
    }
    reader.batch_execute("COMMIT")?;
    ensure!(late < early * 3, "a thousand commits took {early:?} at first and {late:?} at last");
    load.finish(kafka)
}
