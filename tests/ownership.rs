//! Who owns the tables: a living owner is never replaced, a dead one soon, and nobody else is harmed.

use std::time::{Duration, Instant};

use ::freshet::embedded::{Kafka, Postgres};
use anyhow::{Context, Result, ensure};
use postgres::{Client, NoTls};
use rand::RngExt;

use crate::support::freshet::{Freshet, PATIENCE};
use crate::support::load::{AWAY, choices, fill, finish, goes_on, times};
use crate::support::{Database, new_topic, postgres, require_kafka, run_arguments};

/// A run that keeps up with a topic that fills.
fn running(kafka: &Kafka, server: &Postgres) -> Result<(String, Freshet, Database, Freshet)> {
    let (topic, mut database) = (new_topic(kafka, 4)?, Database::create_in(server)?);
    let filling = fill(kafka, &topic, choices().random())?;
    let mut freshet = Freshet::start(&run_arguments(&kafka.brokers(), &topic, &database))?;
    goes_on(&mut freshet, &mut database)?;
    Ok((topic, filling, database, freshet))
}

#[test]
fn a_lost_session_deposes_no_owner() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, filling, mut database, mut first) = running(kafka, postgres())?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'freshet %'";
    for _ in 0..times(2, 20) {
        let second = Freshet::start(&arguments)?;
        let ended: i64 = database.client.query_one(end, &[])?.get(0);
        ensure!(ended > 0, "the owner has no session by this name");
        second.wait(PATIENCE)?.refuses_with(3, &["instance"]).or_else(|error| {
            // It may have lost its own session, which is an error of a start.
            if format!("{error}").contains("terminating connection") { Ok(()) } else { Err(error) }
        })?;
        goes_on(&mut first, &mut database)?;
    }
    first.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn a_restarted_postgres_deposes_no_owner() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut server = Postgres::start()?;
    let (topic, filling, mut database, mut first) = running(kafka, &server)?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    for _ in 0..times(1, 20) {
        server.stop()?;
        server.restart()?;
        // As soon as it answers: the first may not have come back yet.
        Freshet::run(&arguments)?.refuses_with(3, &["instance"])?;
        database.reconnect()?;
        goes_on(&mut first, &mut database)?;
    }
    first.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn a_locked_table_deposes_no_owner() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, filling, mut database, mut first) = running(kafka, postgres())?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    // As CREATE INDEX does, for longer than an owner may be silent.
    let (mut locking, locked) = (database.client.transaction()?, Instant::now());
    locking.batch_execute("LOCK TABLE country_views_daily IN SHARE MODE")?;
    while locked.elapsed() < Duration::from_secs(12) {
        Freshet::run(&arguments)?.refuses_with(3, &["instance"])?;
    }
    locking.commit()?;
    goes_on(&mut first, &mut database)?;
    ensure!(first.times_told(AWAY)? == 0, "it took a lock for an outage:\n{}", first.errors()?);
    first.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn a_killed_owner_is_followed_at_once() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, filling, mut database, first) = running(kafka, postgres())?;
    first.kill()?;
    // A stranger's session, by the id and the start that the owner's had.
    let mut stranger = Client::connect(&database.url, NoTls)?;
    stranger.batch_execute(
        "UPDATE freshet_owner SET backend_pid = pg_backend_pid(), backend_start = (SELECT backend_start
             FROM pg_stat_activity WHERE pid = pg_backend_pid())",
    )?;
    let killed = Instant::now();
    let mut second = Freshet::start(&run_arguments(&kafka.brokers(), &topic, &database))?;
    second.until_told("its process is gone", PATIENCE)?;
    goes_on(&mut second, &mut database)?;
    ensure!(killed.elapsed() < Duration::from_secs(9), "it waited for a process that is gone");
    stranger.batch_execute("SELECT 1").context("the stranger's session was ended")?;
    second.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn a_copy_leaves_the_original_alone() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let server = Postgres::start_with(&[("fsync", "off")])?;
    let (topic, filling, mut database, mut original) = running(kafka, &server)?;
    let name = database.url.rsplit('/').next().unwrap_or_default().to_owned();
    let copy = format!("{name}_copy");
    server.copy_database(&name, &copy)?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database).replace(&database.url, &server.url_of(&copy));
    let mut run = Freshet::start(&arguments)?;
    run.until_told("a copy", PATIENCE)?;
    run.until_told("reading", PATIENCE)?;
    run.terminate()?.success()?;
    goes_on(&mut original, &mut database)?;
    ensure!(original.times_told(AWAY)? == 0, "the original lost its session:\n{}", original.errors()?);
    original.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn a_start_names_who_holds_the_lock() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, filling, mut database, first) = running(kafka, postgres())?;
    first.terminate()?.success()?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let mut holder = database.client.transaction()?;
    holder.batch_execute("SET LOCAL application_name = 'nightly backup'; SELECT FROM freshet_owner FOR UPDATE")?;
    let mut second = Freshet::start(&arguments)?;
    second.until_told("waiting for a lock on freshet_owner: held by session", PATIENCE)?;
    ensure!(second.times_told("nightly backup")? > 0, "who holds it is not told:\n{}", second.errors()?);
    holder.commit()?;
    goes_on(&mut second, &mut database)?;
    second.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}
