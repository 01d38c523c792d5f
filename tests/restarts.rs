//! Kills and stops at random moments, with the worker count changing, while the topic is being filled.

use std::time::Duration;

use anyhow::{Result, ensure};
use rand::RngExt;

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::{choices, fill, finish, must_hold_together, times};
use crate::support::{Database, new_topic, require_kafka, run_arguments};

#[test]
fn kills_at_random_moments() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut choices = choices();
    let topic = new_topic(kafka, 4)?;
    let mut database = Database::create()?;
    let filling = fill(kafka, &topic, choices.random())?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let (mut kills, mut advanced, mut consumed) = (0, 0, 0);
    while kills < times(6, 200) {
        let workers = choices.random_range(1..=3);
        let mut freshet = Freshet::start(&format!("{arguments} --workers {workers}"))?;
        // Half of the kills come blindly, also amid a start; the others at some moment after a commit.
        if kills % 2 == 1 {
            freshet.until("it commits", TIMEOUT, || Ok(database.consumed()? > consumed))?;
        }
        freshet.run_for(Duration::from_millis(choices.random_range(1..400)))?;
        freshet.kill()?;
        kills += 1;
        must_hold_together(&mut database)?;
        let now = database.consumed()?;
        ensure!(now >= consumed, "{now} records after {consumed}: something was taken back");
        advanced += u64::from(now > consumed);
        consumed = now;
    }
    println!("{kills} kills, the tables advanced before {advanced} of them, {consumed} records in");
    ensure!(advanced * 2 >= kills, "hardly a kill fell into work");
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
    for _ in 0..times(3, 60) {
        let workers = choices.random_range(1..=3);
        let before = database.consumed()?;
        let mut freshet = Freshet::start(&format!("{arguments} --workers {workers}"))?;
        freshet.until("it commits", TIMEOUT, || Ok(database.consumed()? > before))?;
        freshet.run_for(Duration::from_millis(choices.random_range(1..400)))?;
        freshet.terminate()?.success()?;
        must_hold_together(&mut database)?;
    }
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}
