//! Kills and stops at random moments, with the worker count changing, while the topic is being filled.

mod support;

use std::time::Duration;

use ::freshet::embedded::Kafka;
use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use support::freshet::{Freshet, PATIENCE};
use support::oracle::{Oracle, broken_rules};
use support::topic::read;
use support::verdict::Rules;
use support::{Database, new_topic, require_kafka, run_arguments};

/// A run's random choices; `FRESHET_TEST_SEED` repeats one.
fn choices() -> StdRng {
    let given = std::env::var("FRESHET_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    println!("repeat this run with FRESHET_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// Fills a topic until it is killed, slowly enough for the tables to keep up with it between two interruptions.
fn fill(kafka: &Kafka, topic: &str, seed: u64) -> Result<Freshet> {
    println!("events generated with --seed {seed}");
    let to = format!("--brokers {} --topic {topic} --partitions 4", kafka.brokers());
    Freshet::start(&format!("generate {to} --rate 3000 --seed {seed} --hostile 0.02"))
}

/// Lets the rest be counted, and compares.
fn finish(kafka: &Kafka, topic: &str, database: &mut Database) -> Result<()> {
    let arguments = run_arguments(&kafka.brokers(), topic, database);
    Freshet::run(&format!("{arguments} --workers 2 --until-end"))?.success()?;
    let mut oracle = Oracle::new(Rules::default());
    let records = read(&kafka.brokers(), topic, &mut oracle)?;
    ensure!(database.consumed()? == records, "not at the end of the topic");
    database.must_equal(&oracle, topic)
}

fn must_hold_together(database: &mut Database) -> Result<()> {
    if database.partitions()? > 0 {
        let broken = broken_rules(&mut database.client)?;
        ensure!(broken.is_empty(), "{}", broken.join("\n"));
    }
    Ok(())
}

#[test]
fn kills_at_random_moments() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut choices = choices();
    let topic = new_topic(kafka, 4)?;
    let mut database = Database::create()?;
    let filling = fill(kafka, &topic, choices.random())?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let (mut kills, mut advanced, mut consumed) = (0, 0, 0);
    while kills < 24 {
        let workers = choices.random_range(1..=3);
        let mut freshet = Freshet::start(&format!("{arguments} --workers {workers}"))?;
        // Half of the kills come blindly, also amid a start; the others at some moment after a commit.
        if kills % 2 == 1 {
            freshet.until("it commits", PATIENCE, || Ok(database.consumed()? > consumed))?;
        }
        freshet.run_for(Duration::from_millis(choices.random_range(1..400)))?;
        freshet.kill()?;
        kills += 1;
        must_hold_together(&mut database)?;
        let now = database.consumed()?;
        ensure!(now >= consumed, "{now} records after {consumed}: something was taken back");
        advanced += i32::from(now > consumed);
        consumed = now;
    }
    println!("{kills} kills, the tables advanced before {advanced} of them, {consumed} records in");
    ensure!(advanced >= 12, "hardly a kill fell into work");
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn stops_in_order_at_random_moments() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut choices = choices();
    let topic = new_topic(kafka, 4)?;
    let mut database = Database::create()?;
    let filling = fill(kafka, &topic, choices.random())?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    for _ in 0..6 {
        let workers = choices.random_range(1..=3);
        let before = database.consumed()?;
        let mut freshet = Freshet::start(&format!("{arguments} --workers {workers}"))?;
        freshet.until("it commits", PATIENCE, || Ok(database.consumed()? > before))?;
        freshet.run_for(Duration::from_millis(choices.random_range(1..400)))?;
        freshet.terminate()?.success()?;
        must_hold_together(&mut database)?;
    }
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}
