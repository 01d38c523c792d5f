//! Restarting: how long until the tables change again, and how much memory the process holds, by the number of counts in the
//! tables.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use freshet_generator::{self as events, Generator, Publisher, Span};
use postgres::Client;

use super::catch_up::running;
use super::env::BenchEnv;
use super::fill::publisher;
use super::process::{Process, Program};
use super::report::Restart;
use super::{Settings, machine};

/// Records that create the tables, before they are filled.
const FIRST_RECORDS: usize = 100;
/// How often `progress` is read: reading costs Postgres something, and is measured too.
const POLL_INTERVAL: Duration = Duration::from_millis(25);
/// How long a start may take.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(600);

/// Fills a table at once, which by events would take minutes: hours of products that were never seen, each a count of its own.
const FILL: &str = "INSERT INTO product_views_hourly (product_id, day, hour, views)
    SELECT (1000000 + n / 24)::text, date '2020-06-01', n % 24, 1 + n % 7 FROM generate_series(0, $1::bigint - 1) AS n";

/// Measures one program, with the first of the settings' workers.
pub(super) fn measure(settings: &Settings, counts: u32, env: &BenchEnv, program: &Program) -> Result<Restart> {
    let workers = settings.first_workers()?;
    let topic = env.topic(&format!("again_{}", program.name), settings)?;
    let database = env.database(&format!("again_{}", program.name))?;
    let mut generator = Generator::new(events::Settings { seed: settings.seed, hostile: 0.0, span: Span::Live });
    let mut send = |records| -> Result<()> {
        let mut publisher: Publisher = publisher(settings, env, &topic, &[])?;
        (0..records).try_for_each(|_| publisher.send(generator.record().payload.as_deref()))?;
        publisher.finish()
    };
    let mut command = running(program, settings, env, &topic, workers);
    command.env("FRESHET_DATABASE_URL", &database.url);

    send(FIRST_RECORDS)?;
    let mut process = Process::start(&mut command)?;
    let mut session = until_consumed(FIRST_RECORDS, &mut process, || database.connect())?;
    process.stop()?;
    session.execute(FILL, &[&i64::from(counts)])?;

    // The first start writes the rows that follow from the filled ones, as days and rankings.
    send(1)?;
    let mut process = Process::start(&mut command)?;
    until_consumed(FIRST_RECORDS + 1, &mut process, || database.connect())?;
    process.stop()?;
    session.batch_execute("CHECKPOINT").context("only a superuser may ask for a checkpoint")?;

    send(1)?;
    let started = Instant::now();
    let mut process = Process::start(&mut command)?;
    until_consumed(FIRST_RECORDS + 2, &mut process, || database.connect())?;
    let seconds = started.elapsed().as_secs_f64();
    let held = machine::memory(process.id());
    let cost = process.stop()?;
    let of_one = |bytes: u64| bytes as f64 / f64::from(counts);
    Ok(Restart {
        program: program.name,
        workers,
        counts,
        seconds,
        held_bytes_per_count: held.map(of_one),
        peak_bytes_per_count: cost.peak_memory.map(of_one),
    })
}

/// Waits until the tables include this many records, and returns the session that saw it.
pub(super) fn until_consumed(
    records: usize,
    process: &mut Process,
    connect: impl FnOnce() -> Result<Client>,
) -> Result<Client> {
    let (mut session, deadline) = (connect()?, Instant::now() + CATCH_UP_TIMEOUT);
    let exists = "SELECT to_regclass('progress') IS NOT NULL";
    let consumed = "SELECT coalesce(sum(consumed), 0)::bigint FROM progress";
    loop {
        let there: bool = session.query_one(exists, &[])?.get(0);
        let seen: i64 = if there { session.query_one(consumed, &[])?.get(0) } else { 0 };
        if seen.unsigned_abs() >= records as u64 {
            return Ok(session);
        }
        process.must_run()?;
        ensure!(Instant::now() < deadline, "{seen} of {records} records after {} s", CATCH_UP_TIMEOUT.as_secs());
        thread::sleep(POLL_INTERVAL);
    }
}
