//! A reader's snapshot that stays open keeps every version of every row: commits slow down with their number by little alone.

use anyhow::{Result, ensure};
use postgres::{Client, NoTls};
use procfs::process::Process;

use crate::support::freshet::TIMEOUT;
use crate::support::load::{Load, times};
use crate::support::{Database, postgres, require_kafka};

#[test]
fn an_open_snapshot_slows_commits_by_little() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut load = Load::start(kafka, postgres(), "--tick 1ms")?;
    let mut reader = Client::connect(&load.database.url, NoTls)?;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM progress")?;
    let number = |database: &mut Database| -> Result<i64> {
        Ok(database.client.query_one("SELECT commit_number FROM freshet_owner", &[])?.get(0))
    };
    // Not the time, in which other tests have their part: the CPU of the session that commits, in µs.
    let cpu = |database: &mut Database| -> Result<u64> {
        let writer = database.number("SELECT backend_pid::bigint FROM freshet_owner")?;
        let stat = Process::new(i32::try_from(writer)?)?.stat()?;
        Ok((stat.utime + stat.stime) * 1_000_000 / procfs::ticks_per_second())
    };
    // For each record, as commits grow while the machine has much else to do.
    let took = |load: &mut Load| -> Result<f64> {
        let (first, begun) = (number(&mut load.database)?, (cpu(&mut load.database)?, load.database.consumed()?));
        // A machine that tests much else at once may take minutes for all of them.
        for commits in (100..=times(200, 1_000)).step_by(100) {
            let Load { freshet, database, .. } = load;
            freshet.until("a hundred commits", TIMEOUT, || Ok(number(database)? >= first + commits as i64))?;
        }
        let (spent, records) = (cpu(&mut load.database)? - begun.0, load.database.consumed()? - begun.1);
        Ok(spent as f64 / records as f64)
    };
    let early = took(&mut load)?;
    println!("the first commits took {early:.0} µs of CPU a record");
    let mut late = early;
    for _ in 0..times(2, 40) {
        late = took(&mut load)?;
        println!("as many commits later they took {late:.0} µs of CPU a record");
    }
    reader.batch_execute("COMMIT")?;
    ensure!(late < early * 3.0, "commits took {early:.0} µs of CPU a record at first and {late:.0} at last");
    load.finish(kafka)
}
