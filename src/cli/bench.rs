//! `freshet bench`: what the program costs on this machine. And the hidden `bench-drain`, its baseline.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use dataflows::DaysKept;
use freshet_bench::{self as bench, CHANGED, Pace, Settings, Workers};

use super::arguments::database_url;
use crate::database;
use crate::source::decode::Collections;
use crate::source::{self, Property};

/// Measure throughput, freshness and cost on this machine.
///
/// Fills a topic of its own, then runs `freshet run --until-end` into databases of its own, in turns with a bare consumer of
/// the topic; with --rate also measures freshness. Prints records/s, CPU and memory, and the work of Postgres. Removes its
/// topics and databases at the end.
#[derive(Args, Clone)]
pub struct Bench {
    /// Kafka brokers: comma-separated host:port pairs [default: an Apache Kafka started from --kafka-home]
    #[arg(long, env = "FRESHET_BROKERS")]
    pub brokers: Option<String>,
    /// Directory of Apache Kafka, as target/kafka after `make setup` [default: librdkafka's in-process broker, which takes
    /// few records]
    #[arg(long, env = "FRESHET_KAFKA_HOME")]
    pub kafka_home: Option<PathBuf>,
    /// Postgres server to create databases on: postgres://user:password@host:port/database [default: one started from the
    /// installed binaries]
    #[arg(long, env = "FRESHET_DATABASE_URL", hide_env_values = true, value_parser = database_url)]
    pub database_url: Option<String>,
    /// Records to catch up with [default: 1000000, or what the in-process broker takes]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub records: Option<u64>,
    /// Partitions of the topic
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    pub partitions: i32,
    /// Share of the records to catch up with that are one event again and again: a hot key
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share)]
    pub hot: f64,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Comma-separated numbers of workers, or processes x workers like 2x1; freshness is measured with the first
    #[arg(long, short, env = "FRESHET_WORKERS", value_delimiter = ',', default_value = "1,2")]
    pub workers: Vec<Workers>,
    /// Collections to count, as for `run`; can be repeated, freshness is measured with the first [default:
    /// view_product_detail, and all]
    #[arg(long, env = "FRESHET_VIEWS")]
    pub views: Vec<Collections>,
    /// Runs of each variant; 0 for freshness alone
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(..=1_000))]
    pub runs: u16,
    /// --tick of `run` [default: its own]
    #[arg(long, env = "FRESHET_TICK", value_parser = humantime::parse_duration)]
    pub tick: Option<Duration>,
    /// --dedup of `run` [default: off]
    #[arg(long, env = "FRESHET_DEDUP", value_name = "TIME", value_parser = super::arguments::span)]
    pub dedup: Option<Duration>,
    /// --retain of `run` [default: off]
    #[arg(long, env = "FRESHET_RETAIN", value_name = "DAYS")]
    pub retain: Option<DaysKept>,
    /// Also measure freshness, at these comma-separated records per second
    ///
    /// Needs a real Kafka: the in-process broker hands records over some hundred ms late.
    #[arg(long, value_parser = positive, value_delimiter = ',')]
    pub rate: Vec<f64>,
    /// Time to measure freshness
    #[arg(long = "for", default_value = "20s", value_parser = humantime::parse_duration, requires = "rate")]
    pub time: Duration,
    /// Time to measure idle CPU afterwards; 0s for none
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, requires = "rate")]
    pub idle: Duration,
    /// Also measure time and memory of a restart on this many counts
    #[arg(long, value_name = "COUNTS", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub restart: Option<u32>,
    /// Also measure epochs that change 10,000 of this many products; comma-separated
    #[arg(long, value_name = "PRODUCTS", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(i64::from(CHANGED)..=100_000_000))]
    pub products: Vec<u32>,
    /// Another freshet program to compare with, in turns
    #[arg(long, value_name = "PATH")]
    pub against: Option<PathBuf>,
    /// A program of another kind that keeps some of the same tables, to compare with in turns, as those in benches/peers; can be repeated
    #[arg(long = "peer", value_name = "PATH")]
    pub peers: Vec<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
    /// librdkafka property of all clients; can be repeated, in the environment one per line
    #[arg(short = 'X', env = "FRESHET_X", hide_env_values = true, value_name = "NAME=VALUE", value_delimiter = '\n')]
    pub properties: Vec<Property>,
}

/// Take every record of a topic and do nothing with it: what `bench` compares with.
#[derive(Args)]
pub struct BenchDrain {
    /// Kafka brokers
    #[arg(long)]
    brokers: String,
    /// The topic
    #[arg(long)]
    topic: String,
    /// How many threads share it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// How many records there are
    #[arg(long)]
    records: u64,
    /// A librdkafka property
    #[arg(short = 'X', env = "FRESHET_X", hide_env_values = true, value_delimiter = '\n')]
    properties: Vec<Property>,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("a number greater than 0 is needed".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a number from 0 to 1 is needed".to_owned())
}

impl Bench {
    fn settings(&self) -> Settings {
        let views = match self.views.as_slice() {
            [] => vec!["view_product_detail".to_owned(), Collections::All.to_string()],
            views => views.iter().map(Collections::to_string).collect(),
        };
        Settings {
            brokers: self.brokers.clone(),
            kafka_home: self.kafka_home.clone(),
            database_url: self.database_url.clone(),
            connect: |url| database::connect(&url.parse()?),
            records: self.records,
            partitions: self.partitions,
            hot: self.hot,
            seed: self.seed,
            workers: self.workers.clone(),
            views,
            runs: usize::from(self.runs),
            tick: self.tick,
            dedup: self.dedup.map(|span| humantime::format_duration(span).to_string()),
            retain: self.retain.map(|retain| retain.to_string()),
            properties: self.properties.iter().map(|it| (it.name.clone(), it.value.clone())).collect(),
            against: self.against.clone(),
            peers: self.peers.clone(),
            freshness: self.rate.iter().map(|rate| Pace { rate: *rate, time: self.time, idle: self.idle }).collect(),
            counts: self.restart,
            products: self.products.iter().copied().collect(),
        }
    }
}

/// Measures, and prints the results.
pub fn run(args: &Bench) -> Result<()> {
    let report = bench::run(&args.settings())?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report).context("the report as JSON")?);
        return Ok(());
    }
    bench::print(&report)
}

/// Drains a topic.
pub fn drain(args: BenchDrain) -> Result<()> {
    let BenchDrain { brokers, topic, workers, records, properties } = args;
    // A program that polls for one record after the other is faster if librdkafka fetches many ahead.
    let ahead = ["queued.min.messages=20000", "fetch.queue.backoff.ms=10"].map(str::parse);
    let properties: Vec<Property> = ahead.into_iter().flatten().chain(properties).collect();
    let consumer = source::Settings::new(&brokers, &topic, &properties).consumer();
    bench::drain(&bench::Drain { consumer, topic, workers, records })
}
