//! Days that leave the tables: what is kept is what the kept days give, whatever came late, whatever was killed, and however many
//! workers there were; and `verify` and `explain` know it.

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::{Days, NaiveDate};
use rand::RngExt;
use tempfile::NamedTempFile;

use crate::support::cluster::Cluster;
use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::{choices, must_hold_together};
use crate::support::topic::{Record, write};
use crate::support::verdict::Rules;
use crate::support::{Database, new_topic, recompute, require_kafka, run_arguments, tables_arguments};

/// `--retain`, and so many days there are in all.
const KEPT: i64 = 7;
const DAYS: u64 = 16;
const PARTITIONS: i32 = 3;

fn day(at: u64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2020, 6, 1).expect("a date") + Days::new(at)
}

fn view(partition: i32, day: NaiveDate, at: usize) -> Record {
    let (product, store, country) = (at % 7, at % 3, ["de", "fr", "at"][at % 3]);
    // Some products and hosts are of a day alone, others of all.
    let (own, source) = (if at.is_multiple_of(2) { day.to_string() } else { "always".into() }, at % 4);
    Record::new(
        partition,
        format!(
            r#"{{"collection":"view_product_detail","local_time":"{day} {:02}:15:00","product_id":"{product}-{own}",
                "store_id":{store},"current_url":"https://shop.{country}/","referrer_url":"https://{own}-{source}.example/x",
                "user_agent":"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/83.0 Safari/537.36"}}"#,
            at % 24
        ),
    )
}

/// What is written on a day: by one partition in time, by others days behind, and events of days around the edge.
fn written_on(at: u64) -> Vec<Record> {
    let behind = |partition: i32| day(at.saturating_sub(4 * u64::from(partition.unsigned_abs())));
    let in_time = (0..PARTITIONS).flat_map(|partition| (0..40).map(move |at| view(partition, behind(partition), at)));
    let late = (0..PARTITIONS).flat_map(|partition| {
        let days =
            [1, 6, 7, 8, 9, 15].into_iter().filter_map(move |days| behind(partition).checked_sub_days(Days::new(days)));
        days.zip(0..).map(move |(day, at)| view(partition, day, at))
    });
    in_time.chain(late).collect()
}

#[test]
fn two_weeks_of_kills_and_late_events() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic, mut choices) = (kafka.brokers(), new_topic(kafka, PARTITIONS)?, choices());
    let mut database = Database::create()?;
    let arguments = format!("{} --retain {KEPT}d", run_arguments(&brokers, &topic, &database));
    let mut written = 0;
    for at in 0..DAYS {
        let records = written_on(at);
        write(&brokers, &topic, &records)?;
        written += records.len() as i64;
        let (processes, workers) = (choices.random_range(1..=2), choices.random_range(1..=2));
        let mut cluster = Cluster::start(processes, &format!("{arguments} --workers {workers}"))?;
        if at % 3 == 0 {
            cluster.until("all is counted", || Ok(database.consumed()? == written))?;
        }
        cluster.processes[0].run_for(Duration::from_millis(choices.random_range(1..200)))?;
        // All of them at once, perhaps before they have found each other.
        drop(cluster);
        must_hold_together(&mut database)?;
    }
    for process in Cluster::start(2, &format!("{arguments} --until-end"))?.wait()? {
        process.success()?;
    }
    let oracle = recompute(&brokers, &topic, Rules { retain: Some(KEPT), ..Rules::default() })?;
    ensure!(oracle.expired() > 50 && oracle.counted() > 1_000, "{} expired", oracle.expired());
    database.must_equal(&oracle, &topic)?;
    let days: String = database.client.query_one("SELECT min(day) || ' ' || max(day) FROM dim_date", &[])?.get(0);
    ensure!(days == format!("{} {}", day(DAYS - 1 - KEPT as u64), day(DAYS - 1)), "the tables have {days}");
    let tables = tables_arguments(&brokers, &topic, &database.url);
    Freshet::run(&format!("verify {tables}"))?.success()?;
    let kept = day(DAYS - 3);
    Freshet::run(&format!("explain country_views_daily {tables} --day {kept} --country DE"))?.success()?;
    Freshet::run(&format!("explain country_views {tables} --country DE"))?.success()?;
    // As when it was killed while days were leaving.
    let back =
        "INSERT INTO country_views_daily VALUES ('2020-06-02', 'DE', 1); INSERT INTO dim_date VALUES ('2020-06-02');
        UPDATE country_views SET views = views + 1 WHERE country = 'DE'";
    database.client.batch_execute(back)?;
    Freshet::run(&format!("verify {tables}"))?.refuses_with(1, &["1 rows", "not left the tables yet"])?;
    Freshet::run(&format!("{arguments} --until-end"))?.success()?;
    database.must_equal(&oracle, &topic)?;
    database.client.execute("UPDATE country_views_daily SET views = views + 1 WHERE day = $1", &[&kept])?;
    Freshet::run(&format!("verify {tables}"))?.refuses_with(1, &["differ"])?;
    // Settings that tables are built with.
    let run = run_arguments(&brokers, &topic, &database);
    let other = format!("{run} --retain 8d --until-end");
    Freshet::run(&other)?.refuses_with(6, &["built with --retain 7d, not 8d", "freshet rebuild"])?;
    Freshet::run(&format!("{run} --until-end"))?.refuses_with(6, &["built with --retain 7d", "freshet rebuild"])?;
    Freshet::run(&other.replacen("run", "rebuild", 1).replace(" --until-end", ""))?.success()?;
    Freshet::run(&other)?.success()?;
    let longer = recompute(&brokers, &topic, Rules { retain: Some(8), ..Rules::default() })?;
    database.reconnect()?;
    database.must_equal(&longer, &topic)?;
    for days in ["0d", "7", "36h", "0.5d", "never"] {
        Freshet::run(&format!("{run} --retain {days}"))?.exits_with(2)?;
    }
    Ok(())
}

#[test]
fn reports_keep_days_of_their_own() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(kafka, PARTITIONS)?, Database::create()?);
    let mut file = NamedTempFile::new()?;
    file.write_all(
        br#"
        [event]
        type = "collection"
        views = ["view_product_detail"]
        local_time = "local_time"
        [fields]
        item = { path = "product_id", kind = "id" }
        nation = { path = "current_url", kind = "country" }
        [[report]]
        table = "item_hours"
        by = ["day", "hour", "item"]
        retain = "3d"
        [[report]]
        table = "nation_days"
        by = ["day", "nation"]
        [[report]]
        table = "nation_views"
        by = ["nation"]
        [[report]]
        table = "german_items"
        by = ["item"]
        where = { nation = "DE" }
        "#,
    )?;
    for at in 0..DAYS {
        write(&brokers, &topic, &written_on(at))?;
    }
    let reports = format!("--reports {}", file.path().display());
    let run =
        format!("{} {reports} --retain {KEPT}d --workers 2 --until-end", run_arguments(&brokers, &topic, &database));
    Freshet::run(&run)?.success()?;
    for (table, kept) in [("item_hours", 3), ("nation_days", KEPT as u64)] {
        let first: NaiveDate = database.client.query_one(&format!("SELECT min(day) FROM {table}"), &[])?.get(0);
        ensure!(first == day(DAYS - 1 - kept), "{table} begins on {first}");
    }
    Freshet::run(&run.replacen("run", "verify", 1).replace(&format!("--retain {KEPT}d --workers 2 --until-end"), ""))?
        .success()?;
    // As many days as before, and more of one report.
    let longer = std::fs::read_to_string(file.path())?.replace("3d", "4d");
    std::fs::write(file.path(), longer)?;
    let words = ["item_hours counts by day, hour, item, of 4 days in the file", "of 3 days in the tables"];
    let told = Freshet::run(&run)?.exits_with(6)?;
    ensure!(words.iter().all(|word| told.contains(word)), "{told}");
    Ok(())
}

#[test]
fn attributes_of_members_that_left_are_believed() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(kafka, PARTITIONS)?, Database::create()?);
    let to = format!("--brokers {brokers} --topic {topic} --partitions {PARTITIONS}");
    Freshet::run(&format!("generate {to} --events 40000 --days 10 --hostile 0.02"))?.success()?;
    let arguments = format!("{} --views all --retain 2d", run_arguments(&brokers, &topic, &database));
    for (workers, until) in [(2, 5_000), (1, 20_000)] {
        let mut freshet = Freshet::start(&format!("{arguments} --workers {workers}"))?;
        freshet.until("it goes on", TIMEOUT, || Ok(database.consumed()? > until))?;
        freshet.kill()?;
    }
    Freshet::run(&format!("{arguments} --workers 3 --until-end"))?.success()?;
    let verify =
        format!("verify {to} --database-url {}", database.url).replace(&format!(" --partitions {PARTITIONS}"), "");
    Freshet::run(&verify)?.success()?;
    must_hold_together(&mut database)?;
    ensure!(database.rows_of("product_names")? > 0, "no page gave a name");
    // A page that is not of the name, and a host that no referrer has.
    database.client.batch_execute("UPDATE dim_product SET name = name || ' x' WHERE name IS NOT NULL")?;
    Freshet::run(&verify)?.refuses_with(1, &["differ"])
}
