//! A reader's snapshot that stays open keeps every version of every row: commits must not slow down with their number.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use postgres::{Client, NoTls};

use crate::support::freshet::{Freshet, PATIENCE};
use crate::support::load::{fill, finish, goes_on, times};
use crate::support::{Database, new_topic, postgres, require_kafka, run_arguments};

#[test]
fn an_open_snapshot_slows_no_commit() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 4)?, Database::create_in(postgres())?);
    let filling = fill(kafka, &topic, 1)?;
    let mut freshet = Freshet::start(&format!("{} --tick 1ms", run_arguments(&kafka.brokers(), &topic, &database)))?;
    goes_on(&mut freshet, &mut database)?;
    let mut reader = Client::connect(&database.url, NoTls)?;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM progress")?;
    let commits = 1_000;
    let mut took = |freshet: &mut Freshet| -> Result<Duration> {
        let number = "SELECT commit_number FROM freshet_owner";
        let (first, begun): (i64, _) = (database.client.query_one(number, &[])?.get(0), Instant::now());
        freshet.until("a thousand commits", PATIENCE, || {
            Ok(database.client.query_one(number, &[])?.get::<_, i64>(0) >= first + commits)
        })?;
        Ok(begun.elapsed())
    };
    let early = took(&mut freshet)?;
    let mut late = early;
    for thousand in 0..times(5, 40) {
        late = took(&mut freshet)?;
        println!("{}000 commits before: a thousand took {late:?}", thousand + 1);
    }
    reader.batch_execute("COMMIT")?;
    ensure!(late < early * 3, "a thousand commits took {early:?} at first and {late:?} at last");
    freshet.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}
