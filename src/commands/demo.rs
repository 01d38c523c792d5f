//! `freshet demo`: the whole of it on this machine, moving.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;

use super::arguments::{PageArgs, database_url};
use crate::demo::{self, Settings};

/// See it move: events, a broker, a database and the reports, all on this machine, nothing left behind.
#[derive(Args, Clone, Debug)]
pub struct Demo {
    /// Events per second
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    rate: u32,
    /// For how long, like 30s [default: until Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    time: Option<Duration>,
    /// How many workers share the work
    #[arg(long, short, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// Share of records, from 0 to 1, that are hostile
    #[arg(long, default_value_t = 0.01)]
    hostile: f64,
    /// Use these brokers instead of librdkafka's in-process one; the events stay there
    #[arg(long)]
    brokers: Option<String>,
    /// Where the page is
    #[command(flatten)]
    page: PageArgs,
    /// The topic
    #[arg(long, default_value = "product_view")]
    topic: String,
    /// Use this database instead of a private one; the tables stay there, and go on only with the same --brokers
    #[arg(long, hide_env_values = true, value_parser = database_url)]
    database_url: Option<String>,
}

/// Runs until `stop` is set or the time is over.
pub fn run(args: &Demo, stop: &Arc<AtomicBool>) -> Result<()> {
    ensure!((0.0..=1.0).contains(&args.hostile), "--hostile is a share: a number from 0 to 1");
    let settings = Settings {
        rate: args.rate,
        time: args.time,
        workers: args.workers,
        hostile: args.hostile,
        brokers: args.brokers.clone(),
        http: args.page.http,
        topic: args.topic.clone(),
        database_url: args.database_url.clone(),
    };
    demo::run(&settings, stop)
}
