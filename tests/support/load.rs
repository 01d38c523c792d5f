//! A topic that fills while something happens to its reader.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use freshet_embedded::{Kafka, Postgres};
use hdrhistogram::Histogram;
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;

use super::freshet::{Freshet, TIMEOUT};
use super::oracle::{Oracle, broken_rules};
use super::soak::is_soak;
use super::topic::read;
use super::verdict::Rules;
use super::{Database, new_topic, run_arguments, until};

/// How the log speaks of the beginning of an outage of Postgres, and of its end.
pub const AWAY: &str = "trying again until it works";
pub const BACK: &str = "Postgres works again";

/// So many records a second fill a topic.
const RATE: u32 = 3_000;

/// A run's random choices; `FRESHET_TEST_SEED` repeats one.
pub fn choices() -> StdRng {
    let given = std::env::var("FRESHET_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    println!("repeat this run with FRESHET_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// How often something is repeated: so often in every test run, and so often in a soak (`FRESHET_SOAK=1`).
pub fn times(count: u64, in_a_soak: u64) -> u64 {
    if is_soak() { in_a_soak } else { count }
}

/// A run that keeps up with a topic that fills.
pub struct Load {
    pub topic: String,
    pub database: Database,
    pub freshet: Freshet,
    filling: Freshet,
}

impl Load {
    /// In a new database of this server, with these further arguments.
    pub fn start(kafka: &Kafka, server: &Postgres, further: &str) -> Result<Load> {
        Load::start_at(RATE, kafka, server, further)
    }

    /// With so many records a second.
    pub fn start_at(rate: u32, kafka: &Kafka, server: &Postgres, further: &str) -> Result<Load> {
        let (topic, mut database) = (new_topic(kafka, 4)?, Database::create_in(server)?);
        let filling = fill_at(rate, kafka, &topic, choices().random())?;
        let arguments = run_arguments(&kafka.brokers(), &topic, &database);
        let mut freshet = Freshet::start(&format!("{arguments} {further}"))?;
        goes_on(&mut freshet, &mut database)?;
        Ok(Load { topic, database, freshet, filling })
    }

    /// What a second run of the same would be started with.
    pub fn arguments(&self, kafka: &Kafka) -> String {
        run_arguments(&kafka.brokers(), &self.topic, &self.database)
    }

    /// Waits until the tables include more than they did.
    pub fn goes_on(&mut self) -> Result<()> {
        goes_on(&mut self.freshet, &mut self.database)
    }

    /// Ends the run, until there is another one.
    pub fn end(&mut self, signal: Signal) -> Result<()> {
        self.freshet.signal(signal)?;
        until("the run ends", || self.freshet.has_ended())
    }

    /// Ends all of it in order, lets the rest be counted, and compares.
    pub fn finish(mut self, kafka: &Kafka) -> Result<()> {
        self.freshet.terminate()?.success()?;
        self.filling.kill()?;
        finish(kafka, &self.topic, &mut self.database)
    }
}

/// Fills a topic until it is killed, slowly enough for the tables to keep up with it between two interruptions.
pub fn fill(kafka: &Kafka, topic: &str, seed: u64) -> Result<Freshet> {
    fill_at(RATE, kafka, topic, seed)
}

/// The same with so many records a second.
pub fn fill_at(rate: u32, kafka: &Kafka, topic: &str, seed: u64) -> Result<Freshet> {
    println!("events generated with --seed {seed}");
    let to = format!("--brokers {} --topic {topic} --partitions 4", kafka.brokers());
    Freshet::start(&format!("generate {to} --rate {rate} --seed {seed} --hostile 0.002"))
}

/// Lets the rest be counted, and compares.
pub fn finish(kafka: &Kafka, topic: &str, database: &mut Database) -> Result<()> {
    let arguments = run_arguments(&kafka.brokers(), topic, database);
    Freshet::run(&format!("{arguments} --workers 2 --until-end"))?.success()?;
    let mut oracle = Oracle::new(Rules::default());
    let records = read(&kafka.brokers(), topic, &mut oracle)?;
    ensure!(database.consumed()? == records, "not at the end of the topic");
    database.must_equal(&oracle, topic)
}

/// The tables must agree with each other and with progress, whatever moment this is.
pub fn must_hold_together(database: &mut Database) -> Result<()> {
    if database.partitions()? > 0 {
        let broken = broken_rules(&mut database.client)?;
        ensure!(broken.is_empty(), "{}", broken.join("\n"));
    }
    Ok(())
}

/// Waits until the tables include more than they did.
pub fn goes_on(freshet: &mut Freshet, database: &mut Database) -> Result<()> {
    let before = database.consumed()?;
    freshet.until("it goes on", TIMEOUT, || Ok(database.consumed()? > before))?;
    must_hold_together(database)
}

/// How long at most, in microseconds, the records of each commit were on their way: none of them is older than the
/// last one of its partition before them.
pub fn freshness(session: &mut Client, is_over: &AtomicBool) -> Result<Histogram<u64>> {
    session.batch_execute("LISTEN freshet")?;
    let (mut last, mut ages) = (BTreeMap::new(), Histogram::new(3)?);
    while !is_over.load(Ordering::Relaxed) {
        session.notifications().timeout_iter(Duration::from_secs(1)).next()?;
        let rows = session.query("SELECT kafka_partition, last_offset, last_timestamp FROM progress", &[])?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros() as i64;
        for row in rows {
            let (Some(offset), Some(timestamp)) = (row.get::<_, Option<i64>>(1), row.get::<_, Option<i64>>(2)) else {
                continue;
            };
            match last.insert(row.get::<_, i32>(0), (offset, timestamp)) {
                Some((before, timestamp)) if before < offset => ages.record((now - timestamp * 1_000).max(0) as u64)?,
                _ => {}
            }
        }
    }
    Ok(ages)
}
