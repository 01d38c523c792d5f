//! `freshet run`: keeps the tables fresh.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use tracing::{debug, info};

use super::arguments::{RuleArgs, TopicArgs};
use crate::batch::{Progress, Totals};
use crate::engine::{self, Assignment, Engine};
use crate::failure::Failure;
use crate::sink::Sink;
use crate::source::{Bounds, Topic};

/// How often new partitions are looked for.
const WATCH_EVERY: Duration = Duration::from_secs(10);

/// Reads a topic and keeps the report tables fresh.
#[derive(Args, Clone, Debug)]
pub struct Run {
    /// The topic.
    #[command(flatten)]
    pub topic: TopicArgs,
    /// The Postgres database to write, as postgres://user:password@host:port/database.
    #[arg(long, env = "FRESHET_DATABASE_URL", hide_env_values = true)]
    pub database_url: postgres::Config,
    /// How many workers share the work, a thread each.
    #[arg(long, short, env = "FRESHET_WORKERS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// What decides about its records.
    #[command(flatten)]
    pub rules: RuleArgs,
    /// How often what was read is committed, while commits keep up.
    #[arg(long, env = "FRESHET_TICK", default_value = "50ms", value_parser = tick)]
    pub tick: Duration,
    /// Where to begin in a topic that these tables do not know.
    #[arg(long, env = "FRESHET_FROM", default_value = "earliest")]
    pub from: From,
    /// Stop once everything that is in the topic now is committed.
    #[arg(long, env = "FRESHET_UNTIL_END")]
    pub until_end: bool,
    /// Keep the value of each rejected record with it. It may hold personal data.
    #[arg(long, env = "FRESHET_KEEP_REJECTED_PAYLOAD")]
    pub keep_rejected_payload: bool,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// The first record that is there
    Earliest,
    /// The first record that comes after the start
    Latest,
}

fn tick(text: &str) -> Result<Duration, String> {
    let tick = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let allowed = Duration::from_millis(1)..=Duration::from_secs(60);
    if allowed.contains(&tick) { Ok(tick) } else { Err("expected 1ms to 60s".into()) }
}

impl Run {
    fn engine(&self) -> engine::Settings {
        engine::Settings {
            workers: usize::from(self.workers),
            tick: self.tick,
            keep_payload: self.keep_rejected_payload,
            until_end: self.until_end,
        }
    }
}

/// Runs until `stop` is set, or to the end of the topic with `--until-end`, or to the first error that no waiting
/// heals. On return without an error everything that was taken is in the tables.
pub fn run(args: &Run, stop: Arc<AtomicBool>) -> Result<()> {
    let (kafka, rules) = (args.topic.kafka(), args.rules.rules());
    let topic = Topic::connect(&kafka)?;
    let mut sink = Sink::open(&args.database_url, topic.name(), &args.rules.built_with(topic.name()))?;

    // The order matters: own the tables, then read them, then read on from where they stand.
    let (mut engine, batches, durable) = Engine::start(&args.engine(), &kafka, &rules, stop)?;
    sink.load(|row| engine.seed(row))?;
    let assignments = plan(&topic, sink.progress(), args.from)?;
    let new: Vec<_> = assignments.iter().map(|assignment| assignment.progress).collect();
    let new: Vec<_> = new.into_iter().filter(|p| !sink.progress().contains_key(&p.partition)).collect();
    sink.add_partitions(&new)?;
    let behind: i64 = assignments.iter().map(|a| a.end - a.progress.next_offset).sum();
    info!("reading {} partitions of topic '{}', {behind} records behind", assignments.len(), topic.name());

    let mut known: Vec<_> = assignments.iter().map(|assignment| assignment.progress.partition).collect();
    engine.begin(assignments)?;
    let result = engine.writer_result();
    thread::Builder::new().name("writer".into()).spawn(move || {
        let outcome = sink.write(&batches, |epoch| durable.reached(epoch));
        // Nobody listens any more if the process is about to end.
        let _ = result.send(outcome);
    })?;
    engine.wait(
        WATCH_EVERY,
        |engine| {
            if args.until_end { Ok(()) } else { add_new_partitions(&topic, &mut known, engine) }
        },
    )?;
    info!("everything that was read is committed");
    Ok(())
}

/// Where each partition of the topic is read from: where the tables stand, else as `from` says, or from its
/// beginning if only the partition is new.
fn plan(topic: &Topic, progress: &BTreeMap<i32, Progress>, from: From) -> Result<Vec<Assignment>> {
    let partitions = topic.partitions()?;
    if let Some(gone) = progress.keys().find(|partition| !partitions.contains(partition)) {
        bail!(lost(topic, &format!("the tables include partition {gone}, which the topic does not have")));
    }
    let mut assignments = Vec::new();
    for partition in partitions {
        let bounds = topic.bounds(partition)?;
        let progress = match progress.get(&partition) {
            Some(progress) => {
                check(topic, progress, bounds)?;
                *progress
            }
            None if progress.is_empty() && from == From::Latest => first(partition, bounds.high),
            None => first(partition, bounds.low),
        };
        assignments.push(Assignment { progress, end: bounds.high });
    }
    Ok(assignments)
}

/// Makes sure that the topic goes on where the tables stand: the next offset is there, and the last record that the
/// tables include is still the one before it, unless it is no longer kept.
fn check(topic: &Topic, progress: &Progress, bounds: Bounds) -> Result<()> {
    let Progress { partition, next_offset, last, .. } = progress;
    if !(bounds.low..=bounds.high).contains(next_offset) {
        let there = format!("offsets {} to {}", bounds.low, bounds.high);
        bail!(lost(topic, &format!("partition {partition} is to be read from offset {next_offset}, and has {there}")));
    }
    if let Some(last) = last.filter(|last| last.offset >= bounds.low)
        && topic.record(*partition, last.offset)?.is_some_and(|found| found != last)
    {
        let offset = last.offset;
        bail!(lost(topic, &format!("at offset {offset} of partition {partition} stands another record than was read")));
    }
    Ok(())
}

fn lost(topic: &Topic, what: &str) -> Failure {
    let advice = "was it made anew? Give --database-url an empty database to count it from its beginning";
    Failure::OffsetsLost(format!("topic '{}' does not go on where the tables stand: {what}; {advice}", topic.name()))
}

fn first(partition: i32, offset: i64) -> Progress {
    Progress { partition, first_offset: offset, next_offset: offset, totals: Totals::default(), last: None }
}

/// Has partitions read that the topic got since. One that cannot be asked for now is asked for again.
fn add_new_partitions(topic: &Topic, known: &mut Vec<i32>, engine: &Engine) -> Result<()> {
    let partitions = match topic.partitions() {
        Ok(partitions) => partitions,
        Err(error) => {
            debug!("new partitions cannot be looked for: {error:#}");
            return Ok(());
        }
    };
    for partition in partitions {
        if !known.contains(&partition) {
            let Ok(bounds) = topic.bounds(partition) else { continue };
            engine.assign(Assignment { progress: first(partition, bounds.low), end: bounds.high })?;
            known.push(partition);
            info!("reading partition {partition}, which is new");
        }
    }
    Ok(())
}
