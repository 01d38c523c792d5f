//! `--dedup`: of the copies of an id within the span the first in the topic counts, whatever order they come in.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::DateTime;
use freshet_embedded::Kafka;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::support::cluster::Cluster;
use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::{choices, must_hold_together};
use crate::support::oracle::Oracle;
use crate::support::topic::{Record, write};
use crate::support::verdict::{Rules, Verdict, judge};
use crate::support::{Database, new_topic, require_kafka, run_arguments, tables_arguments};

const PARTITIONS: i32 = 3;
/// In seconds.
const SPAN: i64 = 6 * 3_600;

/// The time of an event, and where it stands.
type Timed = (i64, (i32, i64));

/// What a topic holds, as its partitions have it.
#[derive(Default)]
pub struct Written {
    pub partitions: BTreeMap<i32, Vec<Record>>,
    /// Whether copies count.
    pub copies_count: bool,
    /// The ids of events that were forgotten.
    pub forgotten: BTreeSet<String>,
}

impl Written {
    /// Events of four days one after the other, of which every fourth is a copy of another: perhaps in another partition, with
    /// another product, at another time, far too late, or of an id that is none.
    pub fn more(&mut self, events: i64, random: &mut StdRng, begun: &mut i64) -> Vec<Record> {
        let mut written = Vec::new();
        for _ in 0..events {
            *begun += random.random_range(0..120);
            let number = if random.random_ratio(1, 4) { *begun - random.random_range(0..20_000) } else { *begun };
            let id = match random.random_range(0..20) {
                0 => "\"\"".to_owned(),
                1 => "null".to_owned(),
                2 => "\"undefined\"".to_owned(),
                3..6 => (number % 1_000).to_string(),
                _ => format!("\"event-{}\"", number / 7),
            };
            let late = if random.random_ratio(1, 10) { random.random_range(0..2 * SPAN) } else { 0 };
            let time = 1_590_969_600 + *begun - late;
            let store = random.random_range(0..3);
            // Some products and hosts only copies have.
            let product = if random.random_ratio(1, 20) { *begun } else { random.random_range(0..12) };
            let value = format!(
                r#"{{"collection":"view_product_detail","local_time":"{}","id":{id},"product_id":"{product}","store_id":"{store}",
                    "current_url":"https://shop.{}/ring-{product}.html","referrer_url":"https://from-{product}.example/"}}"#,
                DateTime::from_timestamp(time, 0).unwrap_or_default().format("%Y-%m-%d %H:%M:%S"),
                ["de", "fr"][store % 2],
            );
            let partition = random.random_range(0..PARTITIONS);
            let timestamp = Some((1_590_969_600 + *begun) * 1_000);
            let record = Record { partition, timestamp, value: Some(value.into_bytes()) };
            self.partitions.entry(partition).or_default().push(record.clone());
            written.push(record);
        }
        written
    }

    /// How many records there are.
    pub fn records(&self) -> i64 {
        self.partitions.values().map(|records| records.len() as i64).sum()
    }

    /// The rule of docs/records.md, to the letter.
    fn copies(&self) -> BTreeSet<(i32, i64)> {
        if self.copies_count {
            return BTreeSet::new();
        }
        let mut by_id: BTreeMap<String, Vec<Timed>> = BTreeMap::new();
        for (partition, records) in &self.partitions {
            let mut newest = i64::MIN;
            for (offset, Record { timestamp, value, .. }) in (0..).zip(records) {
                let Verdict::Counted(event) = judge(&Rules::default(), *timestamp, value.as_deref()) else { continue };
                let time = event.time.and_utc().timestamp();
                if time < newest.saturating_sub(SPAN) {
                    continue;
                }
                newest = newest.max(time.min(timestamp.unwrap_or_default() / 1_000));
                let Some(id) = id(value.as_deref()) else { continue };
                by_id.entry(id).or_default().push((time, (*partition, offset)));
            }
        }
        let is_copy = |(time, place): &Timed, of_id: &[Timed]| {
            of_id.iter().any(|(other, before)| before < place && (other - time).abs() < SPAN)
        };
        let of_id = |of_id: &Vec<Timed>| {
            of_id.iter().filter(|event| is_copy(event, of_id)).map(|(_, place)| *place).collect::<Vec<_>>()
        };
        by_id.values().flat_map(of_id).collect()
    }

    pub fn oracle(&self, rules: Rules) -> Oracle {
        let (copies, mut oracle) = (self.copies(), Oracle::new(rules.clone()));
        for (partition, records) in &self.partitions {
            oracle.bounds(*partition, 0, records.len() as i64);
            for (offset, record) in (0..).zip(records) {
                let is_counted =
                    || matches!(judge(&rules, record.timestamp, record.value.as_deref()), Verdict::Counted(_));
                if id(record.value.as_deref()).is_some_and(|id| self.forgotten.contains(&id)) && is_counted() {
                    oracle.add_forgotten(*partition, offset);
                } else if copies.contains(&(*partition, offset)) {
                    oracle.add_copy(*partition, offset);
                } else {
                    oracle.add(*partition, offset, record.timestamp, record.value.as_deref());
                }
            }
        }
        oracle.keep_days();
        oracle
    }
}

/// By which copies are known.
pub fn id(value: Option<&[u8]>) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(value?).ok()?;
    match &value["id"] {
        serde_json::Value::String(id) if !id.is_empty() => Some(id.clone()),
        serde_json::Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

pub fn verify(kafka: &Kafka, topic: &str, database: &Database) -> Result<()> {
    let arguments = format!("verify {}", tables_arguments(&kafka.brokers(), topic, &database.url));
    let output = Command::new(env!("CARGO_BIN_EXE_freshet")).args(arguments.split_whitespace()).output()?;
    let said = String::from_utf8([output.stdout, output.stderr].concat())?;
    ensure!(output.status.success() && said.contains("Everything agrees"), "{said}");
    Ok(())
}

#[test]
fn an_id_counts_once_through_kills() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut random = choices();
    let (topic, mut database) = (new_topic(kafka, PARTITIONS)?, Database::create()?);
    let arguments = run_arguments(&kafka.brokers(), &topic, &database) + " --dedup 6h";
    let (mut written, mut begun) = (Written::default(), 0);
    for round in 0..8 {
        let records = written.more(700, &mut random, &mut begun);
        write(&kafka.brokers(), &topic, &records)?;
        let workers = random.random_range(1..=3);
        if round % 2 == 1 {
            let arguments = format!("{arguments} --workers {workers} --until-end");
            for process in Cluster::start(random.random_range(1..=3), &arguments)?.wait()? {
                process.success()?;
            }
            database.must_equal(&written.oracle(Rules::default()), &topic)?;
            continue;
        }
        let before = database.consumed()?;
        let mut freshet = Freshet::start(&format!("{arguments} --workers {workers} --tick 5ms"))?;
        freshet.until("it commits", TIMEOUT, || Ok(database.consumed()? > before))?;
        freshet.run_for(Duration::from_millis(random.random_range(0..60)))?;
        freshet.kill()?;
        must_hold_together(&mut database)?;
    }
    ensure!(written.copies().len() > 300, "hardly a copy");
    verify(kafka, &topic, &database)
}

#[test]
fn ids_that_are_not_named_are_asked_for() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, database) = (new_topic(kafka, 1)?, Database::create()?);
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    Freshet::run(&format!("{arguments} --reports nginx --dedup 24h"))?.refuses_with(2, &["--dedup", "id"])?;
    let errors = Freshet::run(&format!("{arguments} --dedup 10ms"))?.exits_with(2)?;
    ensure!(errors.contains("whole seconds"), "{errors}");
    let wrong = Freshet::run(&format!("{arguments} --dedup 49h --retain 2d"))?;
    wrong.refuses_with(2, &["--dedup", "--retain"])?;
    Freshet::run(&format!("{arguments} --until-end"))?.success()?;
    let rebuild = arguments.replacen("run", "rebuild", 1);
    Freshet::run(&format!("{rebuild} --reports nginx --dedup 24h"))?.refuses_with(2, &["--dedup", "id"])?;
    Freshet::run(&format!("{arguments} --until-end --dedup 24h"))?.refuses_with(6, &["without --dedup", "rebuild"])
}
