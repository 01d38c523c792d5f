//! Reports that are taken out of the file: their tables stay as they were, until somebody says that they go; all others go on.

use std::fs;

use anyhow::{Result, ensure};
use dataflows::Model;
use freshet_embedded::Kafka;
use postgres::Client;
use tempfile::NamedTempFile;

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::finish;
use crate::support::{Database, new_topic, require_kafka, run_arguments, unique};

/// A report beside the six.
const SEVENTH: &str = r#"
[[report]]
name = "browser-days"
about = "Views by day and browser"
table = "browser_views_daily"
by = ["day", "browser"]
"#;

const SEVENTH_DIFFERS: &str = "SELECT count(*) FROM (
    SELECT day, browser, sum(views) FROM browser_os_views_hourly GROUP BY day, browser EXCEPT SELECT * FROM browser_views_daily) AS it";

/// What is in a table and in its views, and whether there is one.
const SEVENTH_ROWS: &str = "SELECT md5(string_agg(it::text, ' ')) || (SELECT count(*) FROM report_browser_days)
        || (SELECT count(*) FROM fact_browser_views WHERE year > 0)
    FROM (SELECT * FROM browser_views_daily ORDER BY day, browser) AS it";

fn text(client: &mut Client, query: &str) -> Result<String> {
    Ok(client.query_one(query, &[])?.get(0))
}

/// The relations and functions of the schema, but for indexes.
fn objects(client: &mut Client) -> Result<Vec<String>> {
    let query =
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
        UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE 'freshet%' ORDER BY 1";
    Ok(client.query(query, &[])?.iter().map(|row| row.get(0)).collect())
}

/// The default file with more text behind it, and without the lines that have some words and the reports of some tables.
fn file(more: &str, lines: &[&str], tables: &[&str]) -> Result<NamedTempFile> {
    let text = Model::builtin().text.clone() + more;
    let is_left = |report: &&str| !tables.iter().any(|table| report.contains(&format!("table = \"{table}\"")));
    let reports: Vec<_> = text.split("[[report]]").filter(is_left).collect();
    let text = reports.join("[[report]]");
    let text = text.lines().filter(|line| !lines.iter().any(|words| line.starts_with(words)));
    let file = NamedTempFile::new()?;
    fs::write(file.path(), text.collect::<Vec<_>>().join("\n"))?;
    Ok(file)
}

struct Shop<'a> {
    kafka: &'a Kafka,
    topic: String,
    database: Database,
}

impl Shop<'_> {
    fn new(kafka: &Kafka) -> Result<Shop<'_>> {
        Ok(Shop { kafka, topic: new_topic(kafka, 4)?, database: Database::create()? })
    }

    fn arguments(&self, command: &str, file: &NamedTempFile) -> String {
        let arguments = run_arguments(&self.kafka.brokers(), &self.topic, &self.database);
        format!("{} --reports {}", arguments.replacen("run", command, 1), file.path().display())
    }

    fn generate(&self, seed: u32) -> Result<()> {
        let to = format!("--brokers {} --topic {} --partitions 4", self.kafka.brokers(), self.topic);
        Freshet::run(&format!("generate {to} --events 3000 --seed {seed} --hostile 0.02"))?.success()
    }

    /// Runs with this file to the end of the topic; returns its log.
    fn run(&self, file: &NamedTempFile, further: &str) -> Result<String> {
        Freshet::run(&format!("{} --until-end {further}", self.arguments("run", file)))?.exits_with(0)
    }

    fn must_verify(&self, file: &NamedTempFile) -> Result<()> {
        let verdict = Freshet::prints(&self.arguments("verify", file))?;
        ensure!(verdict.contains("Everything agrees"), "{verdict}");
        Ok(())
    }
}

#[test]
fn an_unneeded_table_stays_until_dropped() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (mut shop, seven, six) = (Shop::new(kafka)?, file(SEVENTH, &[], &[])?, file("", &[], &[])?);
    shop.generate(1)?;
    shop.run(&seven, "")?;
    let before = text(&mut shop.database.client, SEVENTH_ROWS)?;
    let client = &mut shop.database.client;
    client.batch_execute(
        "INSERT INTO dim_date VALUES ('1999-01-01'); INSERT INTO browser_views_daily VALUES ('1999-01-01', 'x', 1)",
    )?;
    let with_a_day_of_its_own = text(client, SEVENTH_ROWS)?;
    shop.generate(2)?;
    for _ in 0..2 {
        let log = shop.run(&six, "")?;
        let told: Vec<_> = log.lines().filter(|line| line.contains("browser_views_daily")).collect();
        ensure!(told.len() == 1 && told[0].contains("--drop-removed"), "not one line:\n{log}");
    }
    let client = &mut shop.database.client;
    let now = text(client, SEVENTH_ROWS)?;
    ensure!(now[..32] == with_a_day_of_its_own[..32], "the table was written");
    let about = text(client, "SELECT obj_description('browser_views_daily'::regclass)")?;
    ensure!(about.starts_with("Views by day and browser (no longer written: as it was at commit "), "{about}");
    client.batch_execute("DELETE FROM browser_views_daily WHERE day = '1999-01-01'")?;
    ensure!(text(client, SEVENTH_ROWS)? == before, "it is not readable as it was");
    ensure!(
        shop.database.number("SELECT count(*) FROM dim_date WHERE day = '1999-01-01'")? == 0,
        "a day that nothing counts"
    );
    shop.must_verify(&six)?;
    finish(kafka, &shop.topic, &mut shop.database)?;

    // A report that comes back does not take the old table for a fresh one.
    shop.generate(3)?;
    let mut freshet = Freshet::start(&shop.arguments("run", &seven))?;
    freshet.until_told("the tables have all reports of the file", TIMEOUT)?;
    freshet.until_told_times(3, "reading", TIMEOUT)?;
    freshet.terminate()?.success()?;
    let log = shop.run(&seven, "")?;
    ensure!(!log.contains("--drop-removed"), "{log}");
    ensure!(shop.database.number(SEVENTH_DIFFERS)? == 0, "the seventh report is not exact");
    let about = text(&mut shop.database.client, "SELECT obj_description('browser_views_daily'::regclass)")?;
    ensure!(about == "Views by day and browser", "{about}");
    shop.must_verify(&seven)?;

    // Once more, and then it goes.
    let client = &mut shop.database.client;
    client.batch_execute("CREATE SCHEMA mine; CREATE VIEW mine.browsers AS SELECT * FROM fact_browser_views")?;
    shop.run(&six, "")?;
    Freshet::run(&format!("{} --drop-removed --until-end", shop.arguments("run", &six)))?
        .refuses_with(6, &["view mine.browsers depends on view fact_browser_views", "drop"])?;
    shop.database.client.batch_execute("DROP SCHEMA mine CASCADE")?;
    let log = shop.run(&six, "--drop-removed")?;
    ensure!(!log.contains("browser_views_daily"), "{log}");
    let client = &mut shop.database.client;
    ensure!(
        !objects(client)?.iter().any(|name| name.contains("browser_views") || name.contains("browser_days")),
        "it is there"
    );
    ensure!(shop.database.number("SELECT count(*) FROM freshet_settings WHERE name = 'kept'")? == 0, "it is listed");
    finish(kafka, &shop.topic, &mut shop.database)
}

#[test]
fn a_rebuild_takes_what_is_kept_along() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (mut shop, role) = (Shop::new(kafka)?, unique("reader"));
    let six = file("", &[], &[])?;
    let four = file("", &["referrer = "], &["top_referrers", "referrer_views_daily"])?;
    // Countries of all days are the sum of what goes here.
    let three = file(
        "",
        &["referrer = ", "daily = "],
        &["top_referrers", "referrer_views_daily", "country_views_daily", "top_countries", "store_views_daily"],
    )?;
    shop.generate(1)?;
    shop.run(&six, "")?;
    let all = objects(&mut shop.database.client)?;
    shop.run(&four, "")?;
    let kept = "SELECT (SELECT md5(string_agg(it::text, ' ')) FROM (SELECT * FROM report_top_referrers) AS it)
        || (SELECT md5(string_agg(it::text, ' ')) FROM (SELECT * FROM fact_referrer_views ORDER BY day, referrer_url) AS it)";
    let client = &mut shop.database.client;
    client.batch_execute(&format!("CREATE ROLE {role}; GRANT SELECT ON fact_referrer_views TO {role}"))?;
    let before = text(client, kept)?;
    shop.generate(2)?;
    // The dimension of stores stays declared, without its count: that file is no good.
    Freshet::run(&shop.arguments("run", &three))?.refuses_with(2, &["store"])?;
    let three = file(
        "",
        &["referrer = ", "daily = ", "store = "],
        &["top_referrers", "referrer_views_daily", "country_views_daily", "top_countries", "store_views_daily"],
    )?;
    shop.run(&three, "")?;
    shop.must_verify(&three)?;
    let log =
        Freshet::run(&format!("{} --time-zone Europe/Berlin", shop.arguments("rebuild", &three)))?.exits_with(0)?;
    ensure!(!log.contains("is gone"), "{log}");
    let client = &mut shop.database.client;
    ensure!(objects(client)? == all, "{:?}, not {all:?}", objects(client)?);
    ensure!(text(client, kept)? == before, "what is kept is not what it was");
    let may = format!("SELECT has_table_privilege('{role}', 'fact_referrer_views', 'SELECT')");
    ensure!(client.query_one(&may, &[])?.get::<_, bool>(0), "the grants are gone");
    let about = text(
        client,
        "SELECT obj_description('dim_store'::regclass) || col_description('fact_store_views'::regclass, 1)",
    )?;
    ensure!(about.matches("no longer written").count() == 1, "{about}");
    let log = shop.run(&three, "--time-zone Europe/Berlin")?;
    for table in ["top_referrers", "dim_referrer", "dim_store", "top_countries"] {
        ensure!(log.contains(&format!("{table} (commit ")), "{table} is not logged:\n{log}");
    }
    shop.must_verify(&three)?;
    Freshet::run(&format!("{} --drop-removed --time-zone UTC", shop.arguments("rebuild", &three)))?.success()?;
    let left = objects(&mut shop.database.client)?;
    let is_gone = |name: &str| !left.iter().any(|it| it == name);
    ensure!(
        ["dim_store", "dim_referrer", "referrer_host", "report_top_referrers"].into_iter().all(is_gone),
        "{left:?}"
    );
    let log = shop.run(&three, "")?;
    ensure!(!log.contains("--drop-removed"), "{log}");
    shop.must_verify(&three)
}

#[test]
fn removing_a_needed_report_takes_a_rebuild() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let totals = "\n[[report]]\ntable = \"product_views\"\nby = [\"product_id\"]\n";
    let sales =
        "\n[[report]]\ntable = \"sales_daily\"\nby = [\"day\"]\nwhere = { collection = \"checkout_success\" }\n";
    let mut shop = Shop::new(kafka)?;
    let all = file(&format!("{totals}{sales}"), &[], &[])?;
    shop.generate(1)?;
    shop.run(&all, "")?;
    for (lines, tables, words) in [
        (
            &["product = "][..],
            &["product_views_hourly", "product_views_daily", "top_products"][..],
            "product_views is the sum of product_views_hourly",
        ),
        (&["referrer", "referrer_url"], &["top_referrers", "referrer_views_daily"], "the field referrer_url decides"),
    ] {
        let file = file(&format!("{totals}{sales}"), lines, tables)?;
        let log = Freshet::run(&format!("{} --until-end", shop.arguments("run", &file)))?.exits_with(6)?;
        ensure!(log.contains(words) && log.contains("freshet rebuild"), "{words}:\n{log}");
        shop.must_verify(&all)?;
    }
    // What no other report counts goes on to count as it did, until a rebuild.
    let without_sales = file(totals, &[], &[])?;
    ensure!(shop.run(&without_sales, "")?.contains("table sales_daily is no longer written"), "it is not logged");
    shop.generate(2)?;
    shop.run(&without_sales, "--workers 2")?;
    shop.must_verify(&without_sales)?;
    let counted = |shop: &mut Shop<'_>| shop.database.number("SELECT sum(counted)::bigint FROM progress");
    let before = counted(&mut shop)?;
    Freshet::run(&shop.arguments("rebuild", &without_sales))?.success()?;
    ensure!(counted(&mut shop)? < before, "sales still count after a rebuild");
    ensure!(shop.run(&without_sales, "")?.contains("table sales_daily is no longer written"), "it is not logged");
    shop.must_verify(&without_sales)
}

#[test]
fn a_start_fills_in_derived_tables() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (mut shop, added) = (Shop::new(kafka)?, ["product_views_daily", "top_countries"]);
    let (all, before) = (file("", &[], &[])?, file("", &["daily = "], &added)?);
    shop.generate(1)?;
    shop.run(&before, "")?;
    // Once there is no such table, and once one that nobody wrote for a while.
    for seed in [2, 3] {
        shop.generate(seed)?;
        let log = shop.run(&all, "--workers 2")?;
        ensure!(!log.contains("counting them"), "a recount:\n{log}");
        ensure!(!log.contains("--drop-removed"), "it is not written:\n{log}");
        shop.must_verify(&all)?;
        finish(kafka, &shop.topic, &mut shop.database)?;
        ensure!(shop.run(&before, "")?.contains("product_views_daily (commit "), "it is written");
        shop.generate(10 + seed)?;
        shop.run(&before, "")?;
    }
    Ok(())
}
