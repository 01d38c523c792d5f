//! Who owns the tables: a living owner is never replaced, a dead one soon, and nobody else is harmed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use freshet_embedded::Postgres;
use postgres::{Client, NoTls};
use rustix::process::Signal;

use crate::support::freshet::{Freshet, PATIENCE};
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
        second.wait(PATIENCE)?.refuses_with(3, &["instance"]).or_else(|error| {
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
    load.freshet.until_told("its process is gone", PATIENCE)?;
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
    run.until_told("a copy", PATIENCE)?;
    run.until_told("reading", PATIENCE)?;
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
    load.freshet.until_told("waiting for a lock on freshet_owner: held by session", PATIENCE)?;
    let errors = load.freshet.errors()?;
    ensure!(errors.contains("nightly backup"), "who holds it is not told:\n{errors}");
    holder.commit()?;
    load.goes_on()?;
    load.finish(kafka)
}
