//! What Freshet costs on this machine, measured from outside: the real program, in processes of its own.
//!
//! ```text
//! Set-up: broker, Postgres ─┬─ fill a topic ─► rounds of ┬─ drain it, do nothing ─┐
//!                          │                            ├─ run --until-end ──────┤
//!                          │                            └─ a peer ───────────────┴─► Summary ──┐
//!                          ├─ run; publish at a rate, watch `progress` ────────────► Freshness ┤
//!                          ├─ fill a table, run again ─────────────────────────────► Restart ──┤
//!                          └─ run; view products of many, epoch after epoch ───────► Epochs ───┴─► Report ─► print
//! ```
//!
//! The rounds alternate all variants, so that a busy moment of the machine hits each of them alike. It knows the
//! program's flags, the table `progress` and one of counts, and nothing about the inside.

mod catch_up;
mod drain;
mod env;
mod epochs;
mod fill;
mod freshness;
mod machine;
mod peer;
mod process;
mod reader;
mod report;
mod restart;
mod table;
mod workers;

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use postgres::Client;

pub use drain::{Drain, drain};
pub use epochs::CHANGED;
pub use report::Report;
pub use table::print;
pub use workers::Workers;

use env::BenchEnv;
use peer::Peer;
use process::Program;
use report::Described;

/// Opens a session from a connection string.
pub type Connect = fn(&str) -> Result<Client>;

/// What to measure.
#[derive(Clone)]
pub struct Settings {
    /// Brokers that run already.
    pub brokers: Option<String>,
    /// Where Apache Kafka is, to start one.
    pub kafka_home: Option<PathBuf>,
    /// A Postgres server that runs already, where databases may be created.
    pub database_url: Option<String>,
    /// Opens a session with Postgres as the measured program does. Its error never shows the password.
    pub connect: Connect,
    /// Records of the topic that is caught up with; as many as the broker takes, up to a million, if none.
    pub records: Option<u64>,
    /// Its partitions.
    pub partitions: i32,
    /// The share of these records that are one event again and again, from 0 to 1.
    pub hot: f64,
    /// The same seed gives the same records.
    pub seed: u64,
    /// How many workers, one variant each.
    pub workers: Vec<Workers>,
    /// `--views` of the program, one variant each.
    pub views: Vec<String>,
    /// How often each variant runs.
    pub runs: usize,
    /// `--tick` of the program.
    pub tick: Option<Duration>,
    /// `--dedup` of the program.
    pub dedup: Option<String>,
    /// `--retain` of the program.
    pub retain: Option<String>,
    /// librdkafka's properties, for all clients.
    pub properties: Vec<(String, String)>,
    /// Another `freshet` to compare with.
    pub against: Option<PathBuf>,
    /// Another program that keeps some of the same tables.
    pub peers: Vec<PathBuf>,
    /// How freshness is measured, once for each pace.
    pub freshness: Vec<Pace>,
    /// How many counts the tables hold when a restart is measured, if it is.
    pub counts: Option<u32>,
    /// Numbers of products of which an epoch changes [`CHANGED`], one measurement each.
    pub products: BTreeSet<u32>,
}

impl Settings {
    /// The first number of workers, for measurements of a single process.
    fn first_workers(&self) -> Result<u16> {
        let first = self.workers.first().context("there are no workers")?;
        ensure!(
            first.processes == 1,
            "of {first} workers only --runs can be measured: give first those of one process"
        );
        Ok(first.of_each)
    }
}

/// How freshness is measured.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Records per second.
    pub rate: f64,
    /// For how long they are published.
    pub time: Duration,
    /// For how long nothing is published after that.
    pub idle: Duration,
}

/// Measures everything that is asked for.
pub fn run(settings: &Settings) -> Result<Report> {
    ensure!(
        settings.runs > 0
            || !settings.freshness.is_empty()
            || settings.counts.is_some()
            || !settings.products.is_empty(),
        "--runs 0 leaves nothing to measure: give --rate, --restart or --products as well, to measure that alone"
    );
    ensure!(settings.peers.is_empty() || settings.runs > 0, "--peer is measured by its runs, and --runs 0 leaves none");
    let programs = Program::all(settings.against.as_deref())?;
    let peers = settings.peers.iter().map(|path| Peer::at(path)).collect::<Result<Vec<_>>>()?;
    let env = BenchEnv::set(settings)?;
    let described = Described::new(settings, &env)?;
    let catch_up = if settings.runs > 0 { Some(catch_up::measure(settings, &env, &programs, &peers)?) } else { None };
    let (mut freshness, mut restarts, mut epochs) = (Vec::new(), Vec::new(), Vec::new());
    for program in &programs {
        for pace in &settings.freshness {
            freshness.push(freshness::measure(settings, *pace, &env, program)?);
        }
        if let Some(counts) = settings.counts {
            restarts.push(restart::measure(settings, counts, &env, program)?);
        }
        for products in &settings.products {
            epochs.push(epochs::measure(settings, *products, &env, program)?);
        }
    }
    Ok(Report { described, catch_up, freshness, restarts, epochs })
}

/// A progress bar on standard error, if that is a terminal.
fn bar(length: u64, template: &str) -> Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    Ok(ProgressBar::new(length).with_style(ProgressStyle::with_template(template).context("the progress bar")?))
}
