//! Tables of an older version: a start of the newer one counts them again, and goes on with them.

use anyhow::{Context, Result, ensure};
use freshet_embedded::Kafka;
use postgres::{Client, NoTls};
use rand::RngExt;

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::http::get;
use crate::support::load::{choices, fill_at, finish, goes_on};
use crate::support::{Database, new_topic, require_kafka, run_arguments, until};

/// As an older version would have left them: some columns are missing, a table counts something else, and nobody needs to be able
/// to load them.
const OLDER: &str = "UPDATE freshet_settings SET value = value::int - 1 WHERE name = 'tables-version';
    DELETE FROM freshet_settings WHERE name IN ('definitions', 'mask-emails');
    INSERT INTO freshet_settings VALUES ('gone-since', 'yes');
    ALTER TABLE progress DROP COLUMN expired, DROP COLUMN newest_day;
    ALTER TABLE product_views_hourly DROP CONSTRAINT product_views_hourly_views_check; UPDATE product_views_hourly SET views = 0";

const NEXT: &str = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'freshet%'";

fn built(kafka: &Kafka) -> Result<(String, Database, String)> {
    let (topic, database) = (new_topic(kafka, 4)?, Database::create()?);
    let to = format!("--brokers {} --topic {topic} --partitions 4", kafka.brokers());
    Freshet::run(&format!("generate {to} --events 3000 --seed 1 --hostile 0.02"))?.success()?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    Freshet::run(&format!("{arguments} --until-end"))?.success()?;
    Ok((topic, database, arguments))
}

#[test]
fn they_are_rebuilt_while_people_read_them() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database, arguments) = built(kafka)?;
    database.client.batch_execute(OLDER)?;
    let filling = fill_at(300, kafka, &topic, choices().random())?;
    let mut reading = Client::connect(&database.url, NoTls)?;
    reading.batch_execute("SET application_name = 'nightly'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")?;
    let mut freshet = Freshet::start(&format!("{arguments} --standby --http 127.0.0.1:0"))?;
    freshet.until_told("(nightly) reads the tables as they were before", TIMEOUT)?;
    let old = "SELECT count(*) FROM report_product_hours WHERE views > 0";
    ensure!(database.number(old)? == 0 && database.consumed()? == 3_000, "the old tables were written");
    // A supervisor sees that it lives.
    let log = freshet.errors()?;
    let page = log.rsplit("page: ").next().and_then(|rest| rest.split_whitespace().next()).context("no page")?;
    let (health, ready) = (get(&format!("{page}healthz"))?, get(&format!("{page}readyz"))?);
    ensure!(
        (health.status, ready.status) == (200, 503) && log.matches("page: ").count() == 2,
        "{health:?} {ready:?}:\n{log}"
    );
    let report = get(&format!("{page}api/reports/top-products"))?;
    ensure!(report.status == 503, "{report:?} {ready:?}");
    // A second one waits for the first, without any part in it; or says that it is under way.
    Freshet::run(&arguments)?.refuses_with(3, &["a rebuild of these tables is under way"])?;
    let mut second = Freshet::start(&format!("{arguments} --standby"))?;
    second.until_told("standing by: another instance rebuilds the tables", TIMEOUT)?;
    ensure!(reading.query_one(old, &[])?.get::<_, i64>(0) == 0, "the old tables are not what they were");
    reading.batch_execute("COMMIT")?;
    freshet.until("the swap", TIMEOUT, || Ok(database.number(old)? > 0))?;
    // Whichever is sooner goes on with them.
    let is_owned = "standing by: another instance owns the tables";
    until("one stands by", || Ok(freshet.times_told(is_owned)? + second.times_told(is_owned)? == 1)).with_context(
        || format!("{}\n{}", freshet.errors().unwrap_or_default(), second.errors().unwrap_or_default()),
    )?;
    goes_on(&mut freshet, &mut database)?;
    ensure!(freshet.times_told("of an older version")? == 1, "not one line:\n{}", freshet.errors()?);
    freshet.terminate()?.success()?;
    goes_on(&mut second, &mut database)?;
    second.terminate()?.success()?;
    filling.kill()?;
    ensure!(database.number(NEXT)? == 0, "the schema of the new tables is still there");
    finish(kafka, &topic, &mut database)
}

#[test]
fn what_is_lost_with_them_is_asked_for() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database, arguments) = built(kafka)?;
    let set = |database: &mut Database, change: &str| {
        let update = format!("UPDATE freshet_settings SET value = value::int {change} WHERE name = 'decode-version'");
        database.client.batch_execute(&update)
    };
    set(&mut database, "+ 1")?;
    Freshet::run(&format!("{arguments} --until-end"))?.refuses_with(6, &["another version", "freshet rebuild"])?;
    set(&mut database, "- 2")?;
    // Other settings than those are nobody's wish.
    Freshet::run(&format!("{arguments} --views all --until-end"))?.refuses_with(6, &["another version"])?;
    kafka.delete_records(&topic, 0, 3)?;
    Freshet::run(&format!("{arguments} --until-end"))?
        .refuses_with(5, &["partition 0 can be counted from offset 3, not from 0", "freshet rebuild --accept-gap"])?;
    ensure!(database.number(NEXT)? == 0 && database.consumed()? == 3_000, "something was changed");
    Freshet::run(&format!("{} --accept-gap", arguments.replacen("run", "rebuild", 1)))?.success()?;
    finish(kafka, &topic, &mut database)
}
