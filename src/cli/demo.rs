//! `freshet demo`: everything on this machine, with live events.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::TimeDelta;
use clap::Args;
use dataflows::model::{Model, ReadyMade};
use freshet_generator::Shape;

use super::arguments::{PageArgs, database_url};
use super::generate::shapes;
use super::reports::ReportsArgs;
use crate::demo::{self, Settings};

/// Show everything on this machine: events, broker, database and reports.
///
/// Starts a broker inside the program, a private Postgres in a temporary directory, a producer of events, and the same `run`
/// as in production. Needs the Postgres binaries alone, and leaves nothing behind.
#[derive(Args, Clone, Debug)]
pub struct Demo {
    /// Days of history to load first, as 14d; 0 for none
    #[arg(long, value_name = "TIME", default_value = "14d", value_parser = days)]
    history: u32,
    /// Live events per second
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    rate: u32,
    /// Time to run after the history, as 30s [default: until Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    time: Option<Duration>,
    /// Worker threads
    #[arg(long, short, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// Share of hostile records, 0 to 1
    #[arg(long, default_value_t = 0.01)]
    hostile: f64,
    /// Kafka brokers to use instead of the one inside the program; the events stay there
    #[arg(long)]
    brokers: Option<String>,
    /// Where the page is
    #[command(flatten)]
    page: PageArgs,
    /// What is counted of the events
    #[command(flatten)]
    reports: ReportsArgs,
    /// Shape of the events [default: that of --reports, if the model is built in]
    #[arg(long, value_parser = shapes())]
    shape: Option<Shape>,
    /// Topic to write and read
    #[arg(long, default_value = "product_view")]
    topic: String,
    /// Postgres database to use instead of a private one; the tables stay there
    ///
    /// They go on only with the same --brokers, and then without further history.
    #[arg(long, hide_env_values = true, value_parser = database_url)]
    database_url: Option<String>,
}

/// Whole days, at most a year.
fn days(text: &str) -> Result<u32, String> {
    let time = humantime::parse_duration(text).ok().and_then(|time| TimeDelta::from_std(time).ok());
    let days =
        time.filter(|time| *time == TimeDelta::days(time.num_days())).and_then(|time| time.num_days().try_into().ok());
    days.filter(|days| *days <= 366).ok_or_else(|| "expected whole days, as 14d, up to 366d; or 0".into())
}

/// The shape of the events that a model reads; for a file of the user's, the shop's.
fn shape_of(model: &Model) -> Shape {
    ReadyMade::with_text_of(model).and_then(|model| model.name.parse().ok()).unwrap_or_default()
}

/// Runs until `stop` is set or the time is over.
pub fn run(args: &Demo, stop: &Arc<AtomicBool>) -> Result<()> {
    ensure!((0.0..=1.0).contains(&args.hostile), "--hostile is a share: a number from 0 to 1");
    let model = args.reports.model();
    let settings = Settings {
        history: args.history,
        rate: args.rate,
        time: args.time,
        workers: args.workers,
        hostile: args.hostile,
        brokers: args.brokers.clone(),
        http: args.page.http,
        topic: args.topic.clone(),
        database_url: args.database_url.clone(),
        shape: args.shape.unwrap_or_else(|| shape_of(&model)),
        model,
    };
    demo::run(&settings, stop)
}
