//! Postgres and Kafka go away, at the worst of moments, while a topic fills: the run goes on by itself, exactly.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use freshet_embedded::{Kafka, Postgres};
use rand::RngExt;

use crate::support::disk::Disk;
use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::{AWAY, BACK, choices, fill, finish, goes_on, times};
use crate::support::proxy::{Cut, Proxy};
use crate::support::{Database, new_topic, postgres, require_kafka, run_arguments, until};

/// How many lines of its log speak of the beginning of an outage of Postgres, and how many of its end.
fn outages(freshet: &Freshet) -> Result<(usize, usize)> {
    Ok((freshet.times_told(AWAY)?, freshet.times_told(BACK)?))
}

#[test]
fn a_commit_is_cut_off() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (mut choices, topic, mut database) = (choices(), new_topic(kafka, 4)?, Database::create()?);
    let filling = fill(kafka, &topic, choices.random())?;
    let proxy = Proxy::start(postgres())?;
    let cut_off = proxy.url(&database.url);
    let direct = std::mem::replace(&mut database.url, cut_off);
    let mut freshet = Freshet::start(&format!("{} --workers 2", run_arguments(&kafka.brokers(), &topic, &database)))?;
    goes_on(&mut freshet, &mut database)?;
    for count in 1..=times(4, 100) {
        freshet.run_for(Duration::from_millis(choices.random_range(0..200)))?;
        proxy.cut(if count % 2 == 0 { Cut::Request } else { Cut::Answer });
        freshet.until("the cut", TIMEOUT, || Ok(proxy.cuts() == count))?;
        // The tables may go on by the very commit that was cut off.
        until("the run is back", || Ok(freshet.times_told(BACK)? == count as usize))?;
        goes_on(&mut freshet, &mut database)?;
    }
    let cuts = usize::try_from(proxy.cuts())?;
    ensure!(outages(&freshet)? == (cuts, cuts), "not one line per outage:\n{}", freshet.errors()?);
    freshet.terminate()?.success()?;
    filling.kill()?;
    database.url = direct;
    finish(kafka, &topic, &mut database)
}

#[test]
fn postgres_crashes() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut server = Postgres::start()?;
    let (mut choices, topic, mut database) = (choices(), new_topic(kafka, 4)?, Database::create_in(&server)?);
    let filling = fill(kafka, &topic, choices.random())?;
    let mut freshet = Freshet::start(&run_arguments(&kafka.brokers(), &topic, &database))?;
    goes_on(&mut freshet, &mut database)?;
    for count in 1..=times(2, 50) {
        freshet.run_for(Duration::from_millis(choices.random_range(0..200)))?;
        server.kill()?;
        freshet.run_for(Duration::from_millis(choices.random_range(0..500)))?;
        server.restart()?;
        database.reconnect()?;
        goes_on(&mut freshet, &mut database)?;
        let told = outages(&freshet)?;
        ensure!(told == (count as usize, count as usize), "not one line per outage:\n{}", freshet.errors()?);
    }
    freshet.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn ended_sessions_and_locked_tables_are_survived() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (mut choices, topic, mut database) = (choices(), new_topic(kafka, 4)?, Database::create()?);
    let filling = fill(kafka, &topic, choices.random())?;
    let mut freshet = Freshet::start(&run_arguments(&kafka.brokers(), &topic, &database))?;
    goes_on(&mut freshet, &mut database)?;
    for _ in 0..times(3, 30) {
        let end = "SELECT pg_terminate_backend(backend_pid) FROM freshet_owner";
        database.client.execute(end, &[])?;
        goes_on(&mut freshet, &mut database)?;
        // As a reader would that wants its numbers to stand still: they do, and then they catch up.
        let mut reader = database.client.transaction()?;
        reader.batch_execute("LOCK TABLE progress IN SHARE MODE")?;
        let before: i64 = reader.query_one("SELECT sum(consumed)::bigint FROM progress", &[])?.get(0);
        freshet.run_for(Duration::from_millis(300))?;
        let after: i64 = reader.query_one("SELECT sum(consumed)::bigint FROM progress", &[])?.get(0);
        reader.commit()?;
        ensure!(before == after, "a table was written though it was locked");
        goes_on(&mut freshet, &mut database)?;
    }
    freshet.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn a_lock_that_is_never_released_ends_it() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 4)?, Database::create()?);
    let filling = fill(kafka, &topic, 1)?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let mut freshet = Freshet::start(&format!("{arguments} --stall-timeout 1s"))?;
    goes_on(&mut freshet, &mut database)?;
    let mut holder = database.client.transaction()?;
    holder.batch_execute("LOCK TABLE progress IN SHARE MODE")?;
    freshet.wait(TIMEOUT)?.refuses_with(1, &["durable", "lock"])?;
    holder.commit()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn a_standby_takes_over() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (mut choices, topic, mut database) = (choices(), new_topic(kafka, 4)?, Database::create()?);
    let filling = fill(kafka, &topic, choices.random())?;
    let arguments = format!("{} --standby", run_arguments(&kafka.brokers(), &topic, &database));
    let mut first = Freshet::start(&arguments)?;
    goes_on(&mut first, &mut database)?;
    for count in 0..times(1, 30) {
        let mut second = Freshet::start(&arguments)?;
        second.until_told("standing by", TIMEOUT)?;
        goes_on(&mut first, &mut database)?;
        if count % 2 == 0 {
            first.kill()?;
        } else {
            first.terminate()?.success()?;
        }
        second.until_told("reading", TIMEOUT)?;
        goes_on(&mut second, &mut database)?;
        first = second;
    }
    // One that only stands by stops when told to.
    let mut third = Freshet::start(&arguments)?;
    third.until_told("standing by", TIMEOUT)?;
    third.terminate()?.success()?;
    first.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn the_broker_goes_away() -> Result<()> {
    let Some(_) = require_kafka() else { return Ok(()) };
    // One of its own: the others' tests run meanwhile.
    let home = std::env::var_os("FRESHET_KAFKA_HOME").unwrap_or_default();
    let mut kafka = Kafka::start(Path::new(&home))?;
    let (mut choices, topic, mut database) = (choices(), new_topic(&kafka, 4)?, Database::create()?);
    let mut freshet = Freshet::start(&run_arguments(&kafka.brokers(), &topic, &database))?;
    for _ in 0..times(1, 30) {
        let filling = fill(&kafka, &topic, choices.random())?;
        goes_on(&mut freshet, &mut database)?;
        filling.kill()?;
        kafka.kill()?;
        freshet.run_for(Duration::from_millis(choices.random_range(1_000..2_000)))?;
        kafka.restart()?;
    }
    let filling = fill(&kafka, &topic, choices.random())?;
    goes_on(&mut freshet, &mut database)?;
    filling.kill()?;
    freshet.terminate()?.success()?;
    finish(&kafka, &topic, &mut database)
}

/// What Postgres cannot do for a while, and can again; each logged once.
fn must_outlast(
    freshet: &mut Freshet,
    database: &mut Database,
    begin: impl FnOnce(&mut Database) -> Result<()>,
    end: impl FnOnce(&mut Database) -> Result<()>,
) -> Result<()> {
    goes_on(freshet, database)?;
    let (began, _) = outages(freshet)?;
    begin(database)?;
    freshet.until_told_times(began + 1, AWAY, TIMEOUT)?;
    end(database)?;
    goes_on(freshet, database)?;
    let told = outages(freshet)?;
    ensure!(told == (began + 1, began + 1), "not one line per outage:\n{}", freshet.errors()?);
    Ok(())
}

#[test]
fn the_disk_is_full() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let server = Postgres::start()?;
    let Some(disk) = Disk::mount(server.home(), 64)? else { return Ok(()) };
    let (mut choices, topic, mut database) = (choices(), new_topic(kafka, 4)?, Database::create_in(&server)?);
    disk.hold(&mut database)?;
    let filling = fill(kafka, &topic, choices.random())?;
    let mut freshet = Freshet::start(&run_arguments(&kafka.brokers(), &topic, &database))?;
    // A session that Postgres ends then is not had again before there is room: it writes a cache as it begins.
    let sessions_end = |database: &mut Database| {
        disk.fill_and_forget_cache()?;
        let others = "pid <> pg_backend_pid() AND datname = current_database()";
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}");
        Ok(database.client.batch_execute(&end)?)
    };
    let refused =
        || -> Result<usize> { Ok(std::fs::read_to_string(server.log())?.matches("could not write init file").count()) };
    for _ in 0..times(1, 5) {
        must_outlast(&mut freshet, &mut database, |_| disk.fill(), |_| disk.free())?;
        let before = refused()?;
        must_outlast(&mut freshet, &mut database, sessions_end, |_| {
            until("a session that is refused", || Ok(refused()? > before))?;
            disk.free()
        })?;
    }
    freshet.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn statements_are_refused_for_a_while() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let server = Postgres::start()?;
    let (mut choices, topic, mut database) = (choices(), new_topic(kafka, 4)?, Database::create_in(&server)?);
    let filling = fill(kafka, &topic, choices.random())?;
    let mut freshet = Freshet::start(&run_arguments(&kafka.brokers(), &topic, &database))?;
    let set = |value: &'static str| move |database: &mut Database| Ok(database.client.batch_execute(value)?);
    // As on a standby, or by an operator who wants the tables to stand still.
    let on = "ALTER SYSTEM SET default_transaction_read_only = on";
    let off = "SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only";
    let reloaded = |command: &'static str| {
        move |database: &mut Database| {
            command.split("; ").try_for_each(|command| database.client.batch_execute(command))?;
            Ok(database.client.batch_execute("SELECT pg_reload_conf()")?)
        }
    };
    must_outlast(&mut freshet, &mut database, reloaded(on), reloaded(off))?;
    // An administrator cancels a commit that waits for a lock.
    let cancel = |database: &mut Database| {
        database.client.batch_execute("BEGIN; LOCK TABLE progress IN SHARE MODE")?;
        let cancel =
            "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'progress'::regclass";
        let deadline = Instant::now() + TIMEOUT;
        while database.client.query(cancel, &[])?.is_empty() {
            ensure!(Instant::now() < deadline, "the run never waited for the lock");
        }
        Ok(())
    };
    must_outlast(&mut freshet, &mut database, cancel, set("COMMIT"))?;
    // A writer that wants what the run holds, and holds what it wants; Postgres ends the one that waited first.
    let deadlock = |database: &mut Database| {
        let session = "SET deadlock_timeout = '10min'; BEGIN; SELECT FROM progress FOR UPDATE";
        database.client.batch_execute(session)?;
        let waits = "SELECT count(*) FROM pg_locks JOIN freshet_owner ON pid = backend_pid WHERE NOT granted";
        let deadline = Instant::now() + TIMEOUT;
        while database.client.query_one(waits, &[])?.get::<_, i64>(0) == 0 {
            ensure!(Instant::now() < deadline, "the run never waited for the lock");
        }
        Ok(database.client.batch_execute("SELECT FROM freshet_owner FOR UPDATE")?)
    };
    must_outlast(&mut freshet, &mut database, deadlock, set("ROLLBACK"))?;
    freshet.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn time_limits_of_others_stop_no_commit() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 4)?, Database::create()?);
    let name = database.url.rsplit('/').next().unwrap_or_default().to_owned();
    for limit in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
        database.client.batch_execute(&format!("ALTER DATABASE {name} SET {limit} = '250ms'"))?;
    }
    let filling = fill(kafka, &topic, 1)?;
    let mut freshet = Freshet::start(&run_arguments(&kafka.brokers(), &topic, &database))?;
    goes_on(&mut freshet, &mut database)?;
    // A statement that takes longer than that: it waits.
    database.client.batch_execute("BEGIN; LOCK TABLE country_views_daily IN SHARE MODE")?;
    freshet.run_for(Duration::from_millis(750))?;
    database.client.batch_execute("COMMIT")?;
    goes_on(&mut freshet, &mut database)?;
    ensure!(freshet.times_told(AWAY)? == 0, "a limit ended its session:\n{}", freshet.errors()?);
    freshet.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn a_full_queue_of_notices_fails_no_commit() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 4)?, Database::create()?);
    let filling = fill(kafka, &topic, 1)?;
    // What Postgres says of a queue that others have filled, without the 8 GB that it holds.
    let says = |database: &mut Database, usage: &str| {
        let function =
            "CREATE OR REPLACE FUNCTION pg_catalog.pg_notification_queue_usage() RETURNS float8 LANGUAGE sql";
        database.client.batch_execute(&format!("{function} AS 'SELECT {usage}::float8'"))
    };
    says(&mut database, "1")?;
    let mut freshet = Freshet::start(&run_arguments(&kafka.brokers(), &topic, &database))?;
    goes_on(&mut freshet, &mut database)?;
    goes_on(&mut freshet, &mut database)?;
    ensure!(freshet.times_told("queue of notices is full")? == 1, "not one line:\n{}", freshet.errors()?);
    says(&mut database, "0")?;
    freshet.until_told("has room again", TIMEOUT)?;
    freshet.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}
