//! A partition's log is cut below what the tables include, as by an unclean leader election or an old copy of a disk.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use freshet_embedded::Kafka;
use rustix::process::Signal;

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::times;
use crate::support::topic::{Record, write};
use crate::support::{Database, new_topic, require_kafka, run_arguments};

const EVENT: &str = r#"{"collection":"view_product_detail","local_time":"2020-06-04 8:15:27","product_id":"1"}"#;

/// A Kafka of its own whose one partition had 100 records when its disk was copied, 200 since, all of them counted.
struct Cut {
    kafka: Kafka,
    topic: String,
    database: Database,
}

impl Cut {
    fn prepare() -> Result<Cut> {
        let home = std::env::var_os("FRESHET_KAFKA_HOME").context("FRESHET_KAFKA_HOME")?;
        let mut kafka = Kafka::start(Path::new(&home))?;
        let (topic, mut database) = (new_topic(&kafka, 1)?, Database::create()?);
        write(&kafka.brokers(), &topic, &vec![Record::new(0, EVENT); 100])?;
        kafka.stop()?;
        kafka.keep_logs()?;
        kafka.restart()?;
        write(&kafka.brokers(), &topic, &vec![Record::new(0, EVENT); 100])?;
        let arguments = run_arguments(&kafka.brokers(), &topic, &database);
        Freshet::run(&format!("{arguments} --until-end"))?.success()?;
        ensure!(database.consumed()? == 200, "{} records", database.consumed()?);
        Ok(Cut { kafka, topic, database })
    }

    fn arguments(&self) -> String {
        run_arguments(&self.kafka.brokers(), &self.topic, &self.database)
    }

    /// The second hundred is gone, and the partition has a later leader epoch.
    fn truncate(&mut self) -> Result<()> {
        self.kafka.stop()?;
        self.kafka.restore_logs()?;
        self.kafka.restart()?;
        self.kafka.restart()
    }

    fn write(&self, count: usize) -> Result<()> {
        write(&self.kafka.brokers(), &self.topic, &vec![Record::new(0, EVENT); count])
    }

    fn gaps_are(&mut self, right: &[(i64, i64)]) -> Result<()> {
        let rows =
            self.database.client.query("SELECT from_offset, to_offset, reason FROM gaps ORDER BY noted_at", &[])?;
        let gaps: Vec<(i64, i64)> = rows.iter().map(|gap| (gap.get(0), gap.get(1))).collect();
        ensure!(gaps == right, "{gaps:?}");
        ensure!(rows.iter().all(|gap| gap.get::<_, String>(2) == "truncated"), "another reason");
        Ok(())
    }
}

#[test]
fn truncated_log_at_start_counts_nothing_twice() -> Result<()> {
    if require_kafka().is_none() {
        return Ok(());
    }
    let mut cut = Cut::prepare()?;
    cut.truncate()?;
    let arguments = format!("{} --until-end", cut.arguments());
    Freshet::run(&arguments)?.refuses_with(5, &["truncated", &cut.topic])?;
    let arguments = format!("{arguments} --on-lost-offsets earliest");
    Freshet::run(&arguments)?.success()?;
    ensure!(cut.database.consumed()? == 200, "{} records", cut.database.consumed()?);
    cut.write(10)?;
    Freshet::run(&arguments)?.success()?;
    ensure!(cut.database.consumed()? == 210, "{} records", cut.database.consumed()?);
    cut.gaps_are(&[(200, 100)])
}

#[test]
fn truncated_log_while_running_counts_nothing_twice() -> Result<()> {
    if require_kafka().is_none() {
        return Ok(());
    }
    let mut cut = Cut::prepare()?;
    let mut freshet = Freshet::start(&format!("{} --on-lost-offsets earliest", cut.arguments()))?;
    freshet.until_told("reading 1 partitions", TIMEOUT)?;
    cut.truncate()?;
    freshet.until("the gap is noted", TIMEOUT, || Ok(cut.database.rows_of("gaps")? == 1))?;
    cut.write(10)?;
    freshet.until("it goes on", TIMEOUT, || Ok(cut.database.consumed()? == 210))?;
    freshet.terminate()?.success()?;
    cut.gaps_are(&[(200, 100)])
}

/// An idle run sleeps through it all: only the leader epoch of its last record, of an earlier run, can tell.
#[test]
fn log_truncated_and_refilled_ends_idle_run() -> Result<()> {
    if require_kafka().is_none() {
        return Ok(());
    }
    for _ in 0..times(1, 5) {
        let mut cut = Cut::prepare()?;
        let freshet = {
            let mut freshet = Freshet::start(&cut.arguments())?;
            freshet.until_told("reading 1 partitions", TIMEOUT)?;
            freshet
        };
        freshet.signal(Signal::STOP)?;
        cut.truncate()?;
        cut.write(200)?;
        freshet.signal(Signal::CONT)?;
        freshet.wait(TIMEOUT)?.refuses_with(5, &["truncated", &cut.topic])?;
        ensure!(cut.database.consumed()? == 200, "{} records", cut.database.consumed()?);
        let arguments = format!("{} --until-end --on-lost-offsets earliest", cut.arguments());
        Freshet::run(&arguments)?.success()?;
        // The 100 behind what was counted.
        ensure!(cut.database.consumed()? == 300, "{} records", cut.database.consumed()?);
        cut.gaps_are(&[(200, 200)])?;
    }
    Ok(())
}
