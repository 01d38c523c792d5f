//! Keeping up: records published at a rate, and how long after its Kafka timestamp each can be seen in Postgres.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail, ensure};
use freshet_generator::{self as events, Generator, Publisher, Span};
use hdrhistogram::Histogram;
use postgres::Client;
use rdkafka::Message;

use super::catch_up::{log_bytes, running};
use super::env::{BenchEnv, Topic};
use super::fill::publisher;
use super::process::{Process, Program};
use super::report::{Freshness, Load};
use super::{Pace, Settings, bar, machine, reader};

/// How often `progress` is read.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Shortest sleep: shorter waits add up first, as a sleep is not more exact than this.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// Time of publishing before the measurement: connections are opened, and memory is touched for the first time.
const WARM_UP_FOR: Duration = Duration::from_secs(1);

/// How long what was published may take to be seen.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(60);

impl Pace {
    /// How many records are published in all.
    pub(super) fn records(&self) -> u64 {
        self.count(WARM_UP_FOR) + self.count(self.time)
    }

    fn count(&self, time: Duration) -> u64 {
        (self.rate * time.as_secs_f64()).ceil() as u64
    }
}

/// Measures one program, with the first of the settings' workers and views.
pub(super) fn measure(settings: &Settings, pace: Pace, env: &BenchEnv, program: &Program) -> Result<Freshness> {
    let (workers, views) = (settings.first_workers()?, settings.views.first().context("there are no views")?);
    let topic = env.topic(&format!("fresh_{}", program.name), settings)?;
    let database = env.database(&format!("fresh_{}", program.name))?;
    // A record is stamped when it is handed over, so the time that it then lingers would count against the program.
    let publisher = publisher(settings, env, &topic, &[("linger.ms", "1")])?;
    let mut command = running(program, settings, env, &topic, workers);
    command.env("FRESHET_DATABASE_URL", &database.url).args(["--views", views]);
    let process = Process::start(&mut command)?;

    let (watch, mut session, server) = (&Watch::default(), database.connect()?, database.connect()?);
    let server = Server { session: server, watching: machine::backend(&mut session) };
    let (published, seen) = thread::scope(|scope| {
        let watcher = scope.spawn(move || watch.follow(&mut session));
        let broker = env.broker.process();
        let published = Feed { pace, publisher, process, broker, server, watch, watcher: &watcher }.publish(settings);
        watch.over.store(true, Ordering::Relaxed);
        let seen = watcher.join().map_err(|_| anyhow!("the thread that watches panicked"))?;
        published.and_then(|published| Ok((published, seen?)))
    })?;

    let (delays, moves) = delays(&topic, &seen, published.begin)?;
    let milliseconds = |micros: u64| micros as f64 / 1e3;
    Ok(Freshness {
        program: program.name,
        workers,
        views: views.clone(),
        rate: pace.rate,
        records: delays.len(),
        published_per_second: delays.len() as f64 / published.seconds,
        p50_ms: milliseconds(delays.value_at_quantile(0.5)),
        p99_ms: milliseconds(delays.value_at_quantile(0.99)),
        max_ms: milliseconds(delays.max()),
        commits_per_second: moves as f64 / published.seconds,
        wal_bytes_per_commit: published.wal_bytes as f64 / moves as f64,
        busy: published.busy,
        idle: published.idle,
    })
}

/// The server that the program writes to.
struct Server {
    session: Client,
    /// The process of the watching session, whose cost is our own.
    watching: Option<u32>,
}

/// Publishes to a running program.
struct Feed<'a, 'scope> {
    pace: Pace,
    publisher: Publisher,
    process: Process,
    broker: Option<u32>,
    server: Server,
    watch: &'a Watch,
    watcher: &'a ScopedJoinHandle<'scope, Result<Seen>>,
}

/// What is known once everything is published and seen.
struct Published {
    /// When the measured part began, in microseconds since 1970.
    begin: i64,
    /// How long it took.
    seconds: f64,
    /// What Postgres logged meanwhile.
    wal_bytes: i64,
    busy: Load,
    /// The load without records; none unless it was asked for.
    idle: Load,
}

/// Seconds of CPU that were used so far.
struct Used {
    moment: Instant,
    program: Option<f64>,
    postgres: Option<f64>,
    broker: Option<f64>,
}

impl Feed<'_, '_> {
    fn publish(mut self, settings: &Settings) -> Result<Published> {
        let settings = events::Settings { seed: settings.seed, hostile: 0.0, span: Span::Live };
        let mut generator = Generator::new(settings);
        let (warm_up, measured) = (self.pace.count(WARM_UP_FOR), self.pace.count(self.pace.time));
        self.send(&mut generator, warm_up)?;
        self.until_seen(warm_up)?;

        let (begin, log, before) = (micros()?, log_bytes(&mut self.server.session)?, self.used());
        self.send(&mut generator, measured)?;
        let (seconds, busy) = (before.moment.elapsed().as_secs_f64(), self.since(&before));
        self.until_seen(warm_up + measured)?;
        let wal_bytes = log_bytes(&mut self.server.session)? - log;
        let idle = self.idle();
        self.process.stop()?;
        Ok(Published { begin, seconds, wal_bytes, busy, idle })
    }

    /// Sends each record when it is due.
    fn send(&mut self, generator: &mut Generator, records: u64) -> Result<()> {
        let bar = bar(records, "publishing {wide_bar} {human_pos}/{human_len} records, {per_sec}")?;
        let begin = Instant::now();
        for index in 0..records {
            let moment = begin + Duration::from_secs_f64(index as f64 / self.pace.rate);
            let wait = moment.saturating_duration_since(Instant::now());
            if wait >= WAIT_MIN {
                self.publisher.wait(wait)?;
            }
            self.publisher.send(generator.record().payload.as_deref())?;
            bar.inc(1);
        }
        self.publisher.wait(Duration::ZERO)?;
        bar.finish_and_clear();
        Ok(())
    }

    /// Waits until this many records can be seen in Postgres.
    fn until_seen(&mut self, records: u64) -> Result<()> {
        let deadline = Instant::now() + COMMIT_TIMEOUT;
        while self.watch.records.load(Ordering::Relaxed) < records {
            self.process.must_run()?;
            if self.watcher.is_finished() {
                bail!("Postgres does not answer the session that watches");
            }
            let seen = self.watch.records.load(Ordering::Relaxed);
            ensure!(
                Instant::now() < deadline,
                "{seen} of {records} records could be seen after {} s: try a lower --rate",
                COMMIT_TIMEOUT.as_secs()
            );
            self.publisher.wait(POLL_INTERVAL)?;
        }
        Ok(())
    }

    /// The load without records.
    fn idle(&mut self) -> Load {
        if self.pace.idle.is_zero() {
            return Load::default();
        }
        let before = self.used();
        thread::sleep(self.pace.idle);
        self.since(&before)
    }

    fn used(&mut self) -> Used {
        Used {
            moment: Instant::now(),
            program: machine::cpu(self.process.id()),
            postgres: machine::postgres_cpu_without(&mut self.server.session, self.server.watching),
            broker: self.broker.and_then(machine::cpu),
        }
    }

    fn since(&mut self, before: &Used) -> Load {
        let after = self.used();
        let seconds = (after.moment - before.moment).as_secs_f64();
        let percent = |after: Option<f64>, before| Some(100.0 * (after? - before?) / seconds);
        Load {
            cpu_percent: percent(after.program, before.program),
            postgres_cpu_percent: percent(after.postgres, before.postgres),
            broker_cpu_percent: percent(after.broker, before.broker),
        }
    }
}

/// For each partition, the times in microseconds since 1970 at which a new `next_offset` was seen.
type Seen = BTreeMap<i32, Vec<(i64, i64)>>;

/// Polls `progress`.
#[derive(Default)]
struct Watch {
    /// How many records can be seen.
    records: AtomicU64,
    over: AtomicBool,
}

impl Watch {
    fn follow(&self, client: &mut Client) -> Result<Seen> {
        let mut seen = Seen::new();
        let exists = "SELECT to_regclass('progress') IS NOT NULL";
        while !client.query_one(exists, &[])?.get::<_, bool>(0) {
            if self.over.load(Ordering::Relaxed) {
                return Ok(seen);
            }
            thread::sleep(POLL_INTERVAL);
        }
        let progress = client.prepare("SELECT kafka_partition, next_offset FROM progress")?;
        while !self.over.load(Ordering::Relaxed) {
            let rows = client.query(&progress, &[])?;
            let now = micros()?;
            for row in &rows {
                let (partition, next): (i32, i64) = (row.get(0), row.get(1));
                let moves = seen.entry(partition).or_default();
                if moves.last().is_none_or(|(_, last)| *last < next) {
                    moves.push((now, next));
                }
            }
            let records: i64 = rows.iter().map(|row| row.get::<_, i64>(1)).sum();
            self.records.store(records.unsigned_abs(), Ordering::Relaxed);
            thread::sleep(POLL_INTERVAL);
        }
        Ok(seen)
    }
}

/// How long each record since `begin` took to be seen, in microseconds, and in how many commits.
fn delays(topic: &Topic, seen: &Seen, begin: i64) -> Result<(Histogram<u64>, usize)> {
    let partitions: Vec<i32> = seen.keys().copied().collect();
    let mut delays = Histogram::<u64>::new(3)?;
    reader::read(topic.client(), &topic.name, &partitions, |record| {
        let written = record.timestamp().to_millis().unwrap_or(-1) * 1_000;
        // To the millisecond, as Kafka's timestamps are.
        if written >= begin - begin % 1_000 {
            let moves = seen.get(&record.partition()).context("a partition that was not seen")?;
            let at = moves.partition_point(|(_, next)| *next <= record.offset());
            let (moment, _) = moves.get(at).context("a record that was not seen")?;
            delays.record((moment - written).max(0).unsigned_abs())?;
        }
        Ok(())
    })?;
    ensure!(!delays.is_empty(), "no record was published: give a higher --rate or a longer --for");
    let mut moments: Vec<i64> = seen.values().flatten().map(|(moment, _)| *moment).filter(|it| *it > begin).collect();
    moments.sort_unstable();
    moments.dedup();
    Ok((delays, moments.len()))
}

/// This machine's clock, by which the producer stamps its records as well.
fn micros() -> Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
    Ok(i64::try_from(now.as_micros())?)
}
