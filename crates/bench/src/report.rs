//! The measurements: the same figures for the table and for the machine-readable form.

use std::time::SystemTime;

use anyhow::Result;
use serde::Serialize;

use super::Settings;
use super::env::BenchEnv;
use super::machine::Machine;
use super::workers::Workers;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The machine, the versions and the settings.
    #[serde(flatten)]
    pub described: Described,
    /// Catching up with a topic that is full.
    pub catch_up: Option<CatchUp>,
    /// Keeping up with a topic that is written to.
    pub freshness: Vec<Freshness>,
    /// Restarting.
    pub restarts: Vec<Restart>,
    /// What an epoch costs by the size of the state.
    pub epochs: Vec<Epochs>,
}

/// The machine, the versions and the settings.
#[derive(Debug, Serialize)]
pub struct Described {
    /// In UTC.
    pub date: String,
    pub machine: Machine,
    pub versions: Versions,
    pub settings: Chosen,
}

/// The versions of the parts.
#[derive(Debug, Serialize)]
pub struct Versions {
    pub freshet: &'static str,
    /// Its build profile: `dist` is that of releases, `release` and `debug` are slower.
    pub profile: &'static str,
    pub librdkafka: String,
    pub postgres: String,
    pub broker: String,
}

/// The settings, without what may be secret.
#[derive(Debug, Serialize)]
pub struct Chosen {
    pub partitions: i32,
    /// The share of the records to catch up with that are one event.
    pub hot: f64,
    pub compression: &'static str,
    pub seed: u64,
    pub runs: usize,
    /// The program's own, if none.
    pub tick: Option<String>,
    pub dedup: Option<String>,
    pub retain: Option<String>,
    /// The names of librdkafka's properties.
    pub properties: Vec<String>,
    /// The other program's path.
    pub against: Option<String>,
    /// And those of the peers.
    pub peers: Vec<String>,
}

/// Catching up.
#[derive(Debug, Serialize)]
pub struct CatchUp {
    /// How many records the topic held.
    pub records: u64,
    /// Reading alone, for each number of workers.
    pub drains: Vec<Summary>,
    /// `freshet run --until-end`.
    pub variants: Vec<Summary>,
}

/// One variant, over all its runs.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// `this`, `against`, `drain`, or a peer's file name without its extension.
    pub program: String,
    /// How many processes are a cluster; of a drain always 1.
    pub processes: u16,
    /// `--workers`, of each process.
    pub workers: u16,
    /// `--views`; none for a drain.
    pub views: Option<String>,
    /// How many records each run consumed.
    pub consumed: u64,
    /// From the start of the process to its end.
    pub records_per_second: Spread,
    /// Of the process, user and system.
    pub cpu_micros_per_record: Spread,
    /// The median `cpu_micros_per_record` of drains with as many workers.
    pub cpu_of_drains: f64,
    /// Of the process; none if the machine does not report it.
    pub peak_memory_bytes: Option<Spread>,
    /// Inserted and updated.
    pub rows_per_record: Option<Spread>,
    /// Of Postgres's write-ahead log.
    pub wal_bytes_per_record: Option<Spread>,
    /// Of all processes of Postgres; none where it is not on this machine.
    pub postgres_cpu_micros_per_record: Option<Spread>,
    /// What the processes of a cluster send each other; none for one process.
    pub sent_bytes_per_record: Option<Spread>,
}

/// The figures of one run, per record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub records_per_second: f64,
    pub cpu_micros: f64,
    pub peak_memory: Option<f64>,
    pub written: Option<Written>,
    pub sent_bytes: Option<f64>,
}

/// The work of Postgres for one run, per record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub rows: f64,
    pub wal_bytes: f64,
    pub cpu_micros: Option<f64>,
}

/// A figure over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// None if there are no values.
    pub(super) fn new(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Spread { median, least, most })
    }
}

/// Keeping up.
#[derive(Debug, Serialize)]
pub struct Freshness {
    /// `this` or `against`.
    pub program: &'static str,
    pub workers: u16,
    pub views: String,
    /// What was asked for.
    pub rate: f64,
    /// What was published.
    pub records: u64,
    pub published_per_second: f64,
    /// From a record's Kafka timestamp until it is seen in Postgres.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Changes of `progress` that were seen.
    pub commits_per_second: f64,
    /// Bytes of Postgres's write-ahead log for each of them.
    pub wal_bytes_per_commit: f64,
    /// While records were published.
    pub busy: Load,
    /// After that, without records.
    pub idle: Load,
}

/// CPU in percent of a core; none if the machine does not report it.
#[derive(Debug, Default, Serialize)]
pub struct Load {
    /// Of the process.
    pub cpu_percent: Option<f64>,
    /// Of Postgres, without the session that watches.
    pub postgres_cpu_percent: Option<f64>,
    /// Of the broker; none unless it is one of our own.
    pub broker_cpu_percent: Option<f64>,
}

/// Restarting with large tables.
#[derive(Debug, Serialize)]
pub struct Restart {
    /// `this` or `against`.
    pub program: &'static str,
    pub workers: u16,
    /// How many counts the tables held.
    pub counts: u32,
    /// From the start of the process to its first commit of a record.
    pub seconds: f64,
    /// Memory of the whole process after that commit.
    pub held_bytes_per_count: Option<f64>,
    /// Its peak until the end.
    pub peak_bytes_per_count: Option<f64>,
}

/// Epochs that each change the same number of products, out of few or many.
#[derive(Debug, Serialize)]
pub struct Epochs {
    /// `this` or `against`.
    pub program: &'static str,
    pub workers: u16,
    /// How many products the day has.
    pub products: u32,
    /// How many of them are viewed in an epoch, once each.
    pub changed: u32,
    /// How many epochs there were.
    pub epochs: u32,
    /// Of the process, for one epoch; none if the machine does not report it.
    pub cpu_ms: Option<f64>,
    /// Of all processes of Postgres; none where it is not on this machine.
    pub postgres_cpu_ms: Option<f64>,
}

impl Described {
    pub(super) fn new(settings: &Settings, env: &BenchEnv) -> Result<Described> {
        Ok(Described {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            machine: Machine::this(),
            versions: Versions {
                freshet: env!("CARGO_PKG_VERSION"),
                profile: env!("FRESHET_PROFILE"),
                librdkafka: rdkafka::util::get_rdkafka_version().1,
                postgres: env.server.described()?,
                broker: env.broker.described(),
            },
            settings: Chosen {
                partitions: settings.partitions,
                hot: settings.hot,
                compression: "lz4",
                seed: settings.seed,
                runs: settings.runs,
                tick: settings.tick.map(|tick| humantime::format_duration(tick).to_string()),
                dedup: settings.dedup.clone(),
                retain: settings.retain.clone(),
                properties: settings.properties.iter().map(|(name, _)| name.clone()).collect(),
                against: settings.against.as_ref().map(|path| path.display().to_string()),
                peers: settings.peers.iter().map(|path| path.display().to_string()).collect(),
            },
        })
    }
}

impl Summary {
    /// The summary of the runs of one variant; none if there was none. Ratios are to the median CPU of `drains`.
    pub(super) fn new(
        (program, workers, views): (String, Workers, Option<String>),
        consumed: u64,
        runs: &[Figures],
        drains: &[Figures],
    ) -> Option<Summary> {
        let cpu = Spread::new(runs.iter().map(|run| run.cpu_micros))?;
        let written =
            |value: fn(&Written) -> f64| Spread::new(runs.iter().filter_map(|run| run.written.as_ref().map(value)));
        Some(Summary {
            program,
            processes: workers.processes,
            workers: workers.of_each,
            views,
            consumed,
            records_per_second: Spread::new(runs.iter().map(|run| run.records_per_second))?,
            cpu_micros_per_record: cpu,
            cpu_of_drains: cpu.median / Spread::new(drains.iter().map(|run| run.cpu_micros))?.median,
            sent_bytes_per_record: Spread::new(runs.iter().filter_map(|run| run.sent_bytes)),
            peak_memory_bytes: Spread::new(runs.iter().filter_map(|run| run.peak_memory)),
            rows_per_record: written(|written| written.rows),
            wal_bytes_per_record: written(|written| written.wal_bytes),
            postgres_cpu_micros_per_record: Spread::new(
                runs.iter().filter_map(|run| run.written.and_then(|written| written.cpu_micros)),
            ),
        })
    }
}
