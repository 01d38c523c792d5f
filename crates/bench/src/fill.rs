//! Filling a topic with generated events.

use anyhow::{Result, ensure};
use freshet_generator::{self as events, Generator, Publisher, Span};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::env::{BenchEnv, Topic};
use super::{Settings, bar, reader};

/// Creates the topic and fills it with this many records.
pub(super) fn fill(settings: &Settings, env: &BenchEnv, topic: &Topic, records: u64) -> Result<()> {
    let span = Span::Days { start: "2020-06-01".parse()?, days: 3, events: records };
    let mut generator = Generator::new(events::Settings { seed: settings.seed, hostile: 0.0, span });
    let mut publisher = publisher(settings, env, topic, &[("compression.type", "lz4")])?;
    let mut chance = StdRng::seed_from_u64(settings.seed);
    let hot = generator.record().payload;
    let bar = bar(records, "filling the topic {wide_bar} {human_pos}/{human_len} records, {per_sec}")?;
    for _ in 0..records {
        // Drawn even if unused, so that the other records are the same without a hot key.
        let record = generator.record().payload;
        publisher.send(if chance.random_bool(settings.hot) { hot.as_deref() } else { record.as_deref() })?;
        bar.inc(1);
    }
    publisher.finish()?;
    bar.finish_and_clear();
    let there = reader::count(topic.client(), &topic.name)?;
    ensure!(there == records, "the broker keeps {there} of {records} records: ask for fewer with --records");
    Ok(())
}

/// A publisher to the topic, with these settings of its own.
pub(super) fn publisher(settings: &Settings, env: &BenchEnv, topic: &Topic, own: &[(&str, &str)]) -> Result<Publisher> {
    let own = own.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let properties: Vec<_> = settings.properties.iter().cloned().chain(own).collect();
    let publisher = Publisher::open(&env.broker.brokers(), &topic.name, settings.partitions, &properties)?;
    topic.created.set(true);
    Ok(publisher)
}
