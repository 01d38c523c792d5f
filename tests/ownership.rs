//! Who owns the tables: a living owner is never replaced, a dead one soon, and nobody else is harmed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use freshet_embedded::Postgres;
use postgres::{Client, NoTls};
use rustix::process::Signal;

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::{AWAY, Load, times};
use crate::support::{postgres, require_kafka};

#[test]
fn a_lost_session_deposes_no_owner() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut load = Load::start(kafka, postgres(), "")?;
    let arguments = load.arguments(kafka);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'freshet %'";
    for _ in 0..times(2, 20) {
        let second = Freshet::start(&arguments)?;
        let ended: i64 = load.database.client.query_one(end, &[])?.get(0);
        ensure!(ended > 0, "the owner has no session by this name");
        second.wait(TIMEOUT)?.refuses_with(3, &["instance"]).or_else(|error| {
            // It may have lost its own session, which is an error of a start.
            if format!("{error}").contains("terminating connection") { Ok(()) } else { Err(error) }
        })?;
        load.goes_on()?;
    }
    load.finish(kafka)
}

#[test]
fn a_restarted_postgres_deposes_no_owner() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut server = Postgres::start()?;
    let mut load = Load::start(kafka, &server, "")?;
    let arguments = load.arguments(kafka);
    for _ in 0..times(1, 20) {
        server.stop()?;
        server.restart()?;
        // As soon as it answers: the first may not have come back yet.
        Freshet::run(&arguments)?.refuses_with(3, &["instance"])?;
        load.database.reconnect()?;
        load.goes_on()?;
    }
    load.finish(kafka)
}

#[test]
fn a_locked_table_deposes_no_owner() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut load = Load::start(kafka, postgres(), "")?;
    let arguments = load.arguments(kafka);
    // As CREATE INDEX does, for longer than an owner may be silent.
    let (mut locking, locked) = (load.database.client.transaction()?, Instant::now());
    locking.batch_execute("LOCK TABLE country_views_daily IN SHARE MODE")?;
    while locked.elapsed() < Duration::from_secs(12) {
        Freshet::run(&arguments)?.refuses_with(3, &["instance"])?;
    }
    locking.commit()?;
    load.goes_on()?;
    ensure!(load.freshet.times_told(AWAY)? == 0, "it took a lock for an outage:\n{}", load.freshet.errors()?);
    load.finish(kafka)
}

#[test]
fn a_waiting_small_commit_locks_no_table() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut load = Load::start_at(10, kafka, postgres(), "")?;
    let (waiting, held) = (
        "SELECT pid, query FROM pg_locks JOIN pg_stat_activity USING (pid)
             WHERE NOT granted AND relation = 'freshet_owner'::regclass",
        "SELECT count(*) FROM pg_locks WHERE granted AND relation IS NOT NULL AND pid = $1",
    );
    let deadline = Instant::now() + TIMEOUT;
    let mut is_met = false;
    while !is_met {
        ensure!(Instant::now() < deadline, "no commit was a small one");
        // As the swap of a rebuild does, before it locks the other tables.
        let mut swap = load.database.client.transaction()?;
        swap.batch_execute("LOCK TABLE freshet_owner IN EXCLUSIVE MODE")?;
        let row = loop {
            ensure!(Instant::now() < deadline, "no commit waited");
            if let Some(row) = swap.query_opt(waiting, &[])? {
                break row;
            }
        };
        is_met = row.get::<_, &str>(1).starts_with("WITH \"the owner\"");
        let held: i64 = swap.query_one(held, &[&row.get::<_, i32>(0)])?.get(0);
        ensure!(!is_met || held == 0, "it holds locks on {held} tables");
        swap.commit()?;
        load.goes_on()?;
    }
    load.finish(kafka)
}

#[test]
fn a_small_commit_is_fenced_by_its_token() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    // So few that what has come while the run was stopped is a small commit.
    let mut load = Load::start_at(10, kafka, postgres(), "")?;
    let arguments = load.arguments(kafka);
    let (owner, partition) = ("freshet_owner WHERE true", "progress WHERE kafka_partition = 0");
    for (row, column, value, back, status, words) in [
        (owner, "generation", "generation + 1", "generation - 1", 1, "freshet_owner changed during a commit"),
        (owner, "commit_number", "commit_number + 1", "commit_number - 1", 1, "freshet_owner is not where"),
        (owner, "instance", "reverse(instance)", "reverse(instance)", 4, "another instance"),
        (partition, "next_offset", "next_offset + 1", "next_offset - 1", 1, "progress is not where"),
    ] {
        let deadline = Instant::now() + TIMEOUT;
        while !(stops_behind_a_small_commit(&mut load)? && is_set_in_place(&mut load, row, column, value, back)?) {
            ensure!(Instant::now() < deadline, "the place of {row} cannot be had again");
            load.freshet.signal(Signal::CONT)?;
            load.goes_on()?;
        }
        let consumed = load.database.consumed()?;
        load.freshet.signal(Signal::CONT)?;
        load.freshet.wait(TIMEOUT)?.refuses_with(status, &[words])?;
        // Commits of other partitions may come before.
        ensure!(row == partition || load.database.consumed()? == consumed, "it committed in spite of {value}");
        load.database.client.batch_execute(&set(row, column, back))?;
        load.freshet = Freshet::start(&arguments)?;
        load.goes_on()?;
    }
    load.finish(kafka)
}

fn stops_behind_a_small_commit(load: &mut Load) -> Result<bool> {
    load.freshet.signal(Signal::STOP)?;
    let query = "SELECT count(*) FROM pg_stat_activity JOIN freshet_owner ON pid = backend_pid
        WHERE state = 'idle' AND query LIKE 'WITH \"the owner\"%'";
    Ok(load.database.client.query_one(query, &[])?.get::<_, i64>(0) == 1)
}

/// Sets a column of a row, or puts it back unless the row then stands where it stood before. That takes some versions: each has
/// the first place of the page that is free.
fn is_set_in_place(load: &mut Load, row: &str, column: &str, value: &str, back: &str) -> Result<bool> {
    let client = &mut load.database.client;
    let before: String = client.query_one(&format!("SELECT ctid::text FROM {row}"), &[])?.get(0);
    client.batch_execute(&set(row, column, value))?;
    client.batch_execute(&format!("VACUUM {}", row.split(' ').next().unwrap_or_default()))?;
    for _ in 0..300 {
        let row = client.query_one(&format!("{} RETURNING ctid::text", set(row, column, column)), &[])?;
        if row.get::<_, String>(0) == before {
            return Ok(true);
        }
    }
    client.batch_execute(&set(row, column, back))?;
    Ok(false)
}

fn set(row: &str, column: &str, value: &str) -> String {
    format!("UPDATE {}", row.replace(" WHERE", &format!(" SET {column} = {value} WHERE")))
}

#[test]
fn a_killed_owner_is_followed_at_once() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut load = Load::start(kafka, postgres(), "")?;
    load.end(Signal::KILL)?;
    // A stranger's session, by the id and the start that the owner's had.
    let mut stranger = Client::connect(&load.database.url, NoTls)?;
    stranger.batch_execute(
        "UPDATE freshet_owner SET backend_pid = pg_backend_pid(), backend_start = (SELECT backend_start
             FROM pg_stat_activity WHERE pid = pg_backend_pid())",
    )?;
    let killed = Instant::now();
    load.freshet = Freshet::start(&load.arguments(kafka))?;
    load.freshet.until_told("its process is gone", TIMEOUT)?;
    ensure!(killed.elapsed() < Duration::from_secs(9), "it waited for a process that is gone");
    load.goes_on()?;
    stranger.batch_execute("SELECT 1").context("the stranger's session was ended")?;
    load.finish(kafka)
}

#[test]
fn a_copy_leaves_the_original_alone() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let server = Postgres::start_with(&[("fsync", "off")])?;
    let mut load = Load::start(kafka, &server, "")?;
    let name = load.database.url.rsplit('/').next().unwrap_or_default().to_owned();
    let copy = format!("{name}_copy");
    server.copy_database(&name, &copy)?;
    let arguments = load.arguments(kafka).replace(&load.database.url, &server.url_of(&copy));
    let mut run = Freshet::start(&arguments)?;
    run.until_told("a copy", TIMEOUT)?;
    run.until_told("reading", TIMEOUT)?;
    run.terminate()?.success()?;
    load.goes_on()?;
    ensure!(load.freshet.times_told(AWAY)? == 0, "the original lost its session:\n{}", load.freshet.errors()?);
    load.finish(kafka)
}

#[test]
fn a_start_names_who_holds_the_lock() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut load = Load::start(kafka, postgres(), "")?;
    load.end(Signal::TERM)?;
    let arguments = load.arguments(kafka);
    let mut holder = load.database.client.transaction()?;
    holder.batch_execute("SET LOCAL application_name = 'nightly backup'; SELECT FROM freshet_owner FOR UPDATE")?;
    load.freshet = Freshet::start(&arguments)?;
    load.freshet.until_told("waiting for a lock on freshet_owner: held by session", TIMEOUT)?;
    let errors = load.freshet.errors()?;
    ensure!(errors.contains("nightly backup"), "who holds it is not told:\n{errors}");
    holder.commit()?;
    load.goes_on()?;
    load.finish(kafka)
}
