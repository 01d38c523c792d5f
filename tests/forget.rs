//! `freshet forget`: events leave every table for good, while a run goes on, and stay out of all that comes after.

use std::time::Duration;

use anyhow::{Result, ensure};
use rand::RngExt;

use crate::dedup::{Written, id, verify};
use crate::support::freshet::{Finished, Freshet, TIMEOUT};
use crate::support::load::{choices, must_hold_together};
use crate::support::proxy::{Cut, Proxy};
use crate::support::topic::{Record, write};
use crate::support::verdict::Rules;
use crate::support::{Database, new_topic, postgres, require_kafka, run_arguments, tables_arguments, until};

const PARTITIONS: i32 = 3;
const GIVEN_UP: &str = "freshet forget asked for the tables";

/// The ids of events, all or of a product, as they were written.
fn ids(written: &Written, product: Option<&str>) -> Vec<String> {
    let is_wanted = |record: &&Record| {
        let value: Option<serde_json::Value> = serde_json::from_slice(record.value.as_deref().unwrap_or_default()).ok();
        value.is_some_and(|value| product.is_none_or(|product| value["product_id"] == product))
    };
    let records = written.partitions.values().flatten().filter(is_wanted);
    records.filter_map(|record| id(record.value.as_deref())).collect()
}

fn forget(tables: &str, what: &str) -> Result<Finished> {
    Freshet::run(&format!("forget {tables} {what}"))
}

#[test]
fn forgotten_events_stay_out() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let all = Rules { retain: Some(30), skip_bots: true, ..Rules::default() };
    for (rules, flags) in [(Rules::default(), ""), (all, " --dedup 6h --retain 30d --skip-bots")] {
        let (mut random, mut begun) = (choices(), 0);
        let (topic, mut database) = (new_topic(kafka, PARTITIONS)?, Database::create()?);
        let run = run_arguments(&kafka.brokers(), &topic, &database) + flags + " --keep-rejected-payload";
        let tables = &tables_arguments(&kafka.brokers(), &topic, &database.url);
        let mut written = Written { copies_count: flags.is_empty(), ..Written::default() };
        write(&kafka.brokers(), &topic, &written.more(900, &mut random, &mut begun))?;
        let rejected = r#"{"collection":"view_product_detail","id":"an-id","time_stamp":"never"}"#;
        let rejected = Record { timestamp: Some(1_590_969_600_000), ..Record::new(0, rejected) };
        written.partitions.entry(0).or_default().push(rejected.clone());
        write(&kafka.brokers(), &topic, &[rejected])?;
        let mut freshet = Freshet::start(&format!("{run} --workers 2"))?;
        freshet.until("all is counted", TIMEOUT, || Ok(database.consumed()? == written.records()))?;
        forget(tables, "--where product_id=3 --dry-run")?.refuses_with(1, &["have no id"])?;
        forget(tables, "--id nobody")?.refuses_with(1, &["1 of 1 ids"])?;
        ensure!(database.rows_of("forgotten")? == 0 && freshet.times_told(GIVEN_UP)? == 0, "something was forgotten");

        let some: Vec<_> = ids(&written, None).into_iter().step_by(7).collect();
        forget(tables, &format!("--id {} an-id", some.join(" ")))?.success()?;
        written.forgotten.extend(some.into_iter().chain(["an-id".into()]));
        freshet.until_told(GIVEN_UP, TIMEOUT)?;
        database.must_equal(&written.oracle(rules.clone()), &topic)?;
        ensure!(database.number("SELECT count(payload) FROM rejected_records")? == 0, "a payload has a forgotten id");

        write(&kafka.brokers(), &topic, &written.more(300, &mut random, &mut begun))?;
        freshet.until("it goes on", TIMEOUT, || Ok(database.consumed()? == written.records()))?;
        database.must_equal(&written.oracle(rules.clone()), &topic)?;
        forget(tables, "--where product_id=3 --from 2020-05-31 --to 2020-06-30")?.refuses_with(1, &["have no id"])?;
        written.forgotten.extend(ids(&written, Some("3")));
        database.must_equal(&written.oracle(rules.clone()), &topic)?;
        ensure!(database.rows_of("forgotten")? == written.forgotten.len() as i64, "some ids are not remembered");
        freshet.until_told_times(2, GIVEN_UP, TIMEOUT)?;
        freshet.terminate()?.success()?;
        verify(kafka, &topic, &database)?;
        Freshet::run(&format!("explain country_views {tables} --country DE"))?.success()?;
        Freshet::run(&format!("{} --workers 2", run.replacen("run", "rebuild", 1)))?.success()?;
        database.reconnect()?;
        database.must_equal(&written.oracle(rules.clone()), &topic)?;
        verify(kafka, &topic, &database)?;
    }
    Ok(())
}

#[test]
fn a_killed_forget_did_all_or_nothing() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (mut random, mut begun) = (choices(), 0);
    let (topic, mut database) = (new_topic(kafka, PARTITIONS)?, Database::create()?);
    let run = run_arguments(&kafka.brokers(), &topic, &database) + " --dedup 6h --tick 5ms";
    let tables = &tables_arguments(&kafka.brokers(), &topic, &database.url);
    let mut written = Written::default();
    let mut freshet = Freshet::start(&run)?;
    freshet.until("there are tables", TIMEOUT, || Ok(database.partitions().is_ok_and(|number| number == 3)))?;
    for _ in 0..6 {
        write(&kafka.brokers(), &topic, &written.more(200, &mut random, &mut begun))?;
        let some: Vec<_> = ids(&written, None).into_iter().step_by(11).collect();
        let mut killed = Freshet::start(&format!("forget {tables} --id {}", some.join(" ")))?;
        let asked = "SELECT count(asked_by) FROM freshet_heartbeat";
        until("it asks, or has ended", || Ok(database.number(asked)? > 0 || killed.has_ended()?))?;
        freshet.run_for(Duration::from_millis(random.random_range(0..3_000)))?;
        drop(killed);
        must_hold_together(&mut database)?;
        forget(tables, &format!("--id {}", some.join(" ")))?.success()?;
        written.forgotten.extend(some);
        freshet.until("it goes on", TIMEOUT, || Ok(database.consumed()? == written.records()))?;
        database.must_equal(&written.oracle(Rules::default()), &topic)?;
    }
    freshet.terminate()?.success()
}

/// The commits of the run and of the forget are cut off, before and after they happen, and the workers change.
#[test]
fn all_options_hold_through_faults() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (mut random, mut begun) = (choices(), 0);
    let (topic, mut database, proxy) = (new_topic(kafka, PARTITIONS)?, Database::create()?, Proxy::start(postgres())?);
    let run = run_arguments(&kafka.brokers(), &topic, &database).replace(&database.url, &proxy.url(&database.url));
    let run = run + " --dedup 6h --retain 30d --skip-bots --tick 5ms";
    let tables = &tables_arguments(&kafka.brokers(), &topic, &proxy.url(&database.url));
    let rules = Rules { retain: Some(30), skip_bots: true, ..Rules::default() };
    let mut written = Written::default();
    let (mut cuts, cut) = (0, [Cut::Request, Cut::Answer]);
    for round in 0..4 {
        let mut freshet = Freshet::start(&format!("{run} --workers {}", 1 + round % 3))?;
        for _ in 0..2 {
            write(&kafka.brokers(), &topic, &written.more(100, &mut random, &mut begun))?;
            freshet.until("all is counted", TIMEOUT, || {
                Ok(database.consumed().is_ok_and(|consumed| consumed == written.records()))
            })?;
            proxy.cut_after("UPDATE freshet_owner", cut[round % 2]);
            cuts += 1;
            write(&kafka.brokers(), &topic, &written.more(100, &mut random, &mut begun))?;
            freshet.until("the cut", TIMEOUT, || Ok(proxy.cuts() == cuts))?;
        }
        let some: Vec<_> = ids(&written, None).into_iter().step_by(13).collect();
        proxy.cut_after("INSERT INTO forgotten", cut[round % 2]);
        cuts += 1;
        forget(tables, &format!("--id {}", some.join(" ")))?.success()?;
        ensure!(proxy.cuts() == cuts, "the commit of the forget was not cut off");
        written.forgotten.extend(some);
        freshet.until("it goes on", TIMEOUT, || Ok(database.consumed()? == written.records()))?;
        database.must_equal(&written.oracle(rules.clone()), &topic)?;
        if round % 2 == 0 { drop(freshet) } else { freshet.terminate()?.success()? }
    }
    verify(kafka, &topic, &database)
}

#[test]
fn what_kafka_no_longer_has_is_said() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 1)?, Database::create()?);
    let (run, tables) =
        (run_arguments(&kafka.brokers(), &topic, &database), tables_arguments(&kafka.brokers(), &topic, &database.url));
    let view = |id: &str| {
        let value = format!(
            r#"{{"collection":"view_product_detail","local_time":"2020-06-04 08:00:00","id":"{id}","product_id":"1"}}"#
        );
        Record::new(0, value)
    };
    write(&kafka.brokers(), &topic, &["gone", "here", "there"].map(view))?;
    Freshet::run(&format!("{run} --until-end"))?.success()?;
    kafka.delete_records(&topic, 0, 1)?;
    forget(&tables, "--id here")?.success()?;
    forget(&tables, "--id gone")?.refuses_with(1, &["1 of 1 ids", "offsets 0 to 0 of partition 0"])?;
    forget(&tables, "--where product_id=1")?
        .refuses_with(1, &["offsets 0 to 0 of partition 0", "stay in the tables"])?;
    ensure!(
        database.number("SELECT sum(views)::bigint FROM product_views_hourly")? == 1,
        "what is gone cannot be found"
    );
    Ok(())
}

#[test]
fn what_cannot_be_forgotten_is_refused() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, database) = (new_topic(kafka, 1)?, Database::create()?);
    let run = run_arguments(&kafka.brokers(), &topic, &database);
    let tables = &tables_arguments(&kafka.brokers(), &topic, &database.url);
    forget(tables, "--id 1")?.refuses_with(1, &["no tables"])?;
    Freshet::run(&format!("{run} --until-end"))?.success()?;
    forget(tables, "--where colour=red")?.refuses_with(2, &["no field 'colour'", "product_id"])?;
    for wrong in
        ["", "--where colour", "--id 1 --where product_id=1", "--id 1 --from 2020-01-01", "--where a=b --to now"]
    {
        forget(tables, wrong)?.exits_with(2)?;
    }
    let (nginx, other) = (Database::create()?, new_topic(kafka, 1)?);
    let run = run_arguments(&kafka.brokers(), &other, &nginx);
    Freshet::run(&format!("{run} --reports nginx --until-end"))?.success()?;
    let tables = &tables_arguments(&kafka.brokers(), &other, &nginx.url);
    forget(tables, "--id 1")?.refuses_with(2, &["ids", "do not name"])
}
