//! `freshet verify` and `freshet explain` of reports that are not the built-in ones: right tables pass, and a wrong row is
//! found in each kind of table and in each kind of view.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use tempfile::NamedTempFile;

use crate::support::cases::WRITTEN;
use crate::support::freshet::Freshet;
use crate::support::topic::{Record, write};
use crate::support::{Database, new_topic, require_kafka, run_arguments};

/// Three dimensions; a filter; a ranking by hour and one by a field; sums; a limit; texts found by a digest; no dimension
/// but days.
const REPORTS: &str = r#"
[event]
type = "collection"
views = ["view_product_detail"]
local_time = "local_time"

[fields]
item = { path = "product_id", kind = "id" }
source = { path = "referrer_url", kind = "url" }
nation = { path = "current_url", kind = "country" }
campaign = { path = "current_url", kind = "query", parameter = "utm_campaign" }

[[report]]
name = "campaign-hours"
table = "campaign_views_hourly"
by = ["day", "hour", "campaign"]

[[report]]
name = "top-campaigns"
table = "top_campaigns_hourly"
top = { count = 2, of = "campaign", by = ["day", "hour"] }

[[report]]
name = "carts"
table = "carts_daily"
by = ["day", "nation", "item", "campaign"]
days = "all"
where = { collection = "add_to_cart_action" }

[[report]]
name = "nations"
table = "nation_views"
by = ["nation", "item"]
limit = 3

[[report]]
name = "top-items"
table = "top_items"
top = { count = 2, of = "item", by = ["nation"] }

[[report]]
name = "sources"
table = "source_views"
by = ["source"]

[[report]]
name = "german-days"
table = "german_views_daily"
by = ["day", "item"]
where = { nation = ["DE"] }
"#;

/// Views, and every third event something put into the cart.
fn records() -> Vec<Record> {
    let event = |at: usize| {
        let collection = ["view_product_detail", "view_product_detail", "add_to_cart_action", "other"][at % 4];
        let (day, hour, item, campaign) = (1 + at % 3, at % 5, at % 23, at % 11);
        let nation = ["de", "fr", "at"][at / 7 % 3];
        format!(
            r#"{{"collection":"{collection}","local_time":"2020-06-0{day} {hour:02}:00:00","product_id":"{item}",
                "current_url":"https://shop.{nation}/?utm_campaign=c{campaign}","referrer_url":"https://from.example/{}"}}"#,
            at % 5,
        )
    };
    let record = |at| Record { timestamp: Some(WRITTEN), ..Record::new((at % 3) as i32, event(at)) };
    (0..1_200).map(record).collect()
}

/// What is done, and what must be said of it.
const TAMPERINGS: [(&str, &str); 14] = [
    (
        "UPDATE campaign_views_hourly SET views = views + 1 WHERE day = '2020-06-01' AND hour = 3 AND campaign = 'c3'",
        "day 2020-06-01, hour 3, campaign c3: the table has",
    ),
    (
        "DELETE FROM carts_daily WHERE ctid = (SELECT min(ctid) FROM carts_daily WHERE campaign = 'c2')",
        "campaign c2: the table has no row, recounted",
    ),
    ("INSERT INTO nation_views VALUES ('DE', 'none', 7)", "nation DE, item none: the table has 7 views, recounted 0"),
    (
        "UPDATE top_campaigns_hourly SET campaign = 'none' WHERE day = '2020-06-02' AND hour = 0 AND rank = 1",
        "day 2020-06-02, hour 0, rank 1: the table has campaign none",
    ),
    (
        "DELETE FROM top_items WHERE nation = 'AT' AND rank = 2",
        "nation AT, rank 2: the table has nothing, recounted item",
    ),
    ("UPDATE source_views SET source_digest = '\\x00' WHERE source LIKE '%/1'", "(under a wrong digest): the table has"),
    ("UPDATE german_views_daily SET views = 1 WHERE item = '5' AND day = '2020-06-03'", "german_views_daily differs"),
    ("INSERT INTO dim_date (day) VALUES ('2019-01-01')", "day 2019-01-01: the table has a row, recounted none"),
    (
        "UPDATE dim_country SET country_name = 'Elsewhere' WHERE country = 'FR'",
        "country FR: the table has country_name Elsewhere, recounted country_name France",
    ),
    (
        "CREATE OR REPLACE VIEW report_day AS SELECT max(day) - 1 AS day FROM dim_date",
        "report_day differs:\n  day 2020-06-02: the view has this row",
    ),
    (
        "CREATE OR REPLACE VIEW report_german_days AS SELECT day, item, views FROM german_views_daily WHERE item <> '7'",
        "day 2020-06-01, item 7, views 4: the view has no such row",
    ),
    (
        "CREATE OR REPLACE VIEW report_carts AS SELECT nation, nation AS nation_name, item, campaign, views FROM carts_daily",
        "report_carts differs:\n  nation AT, nation_name AT, item",
    ),
    ("DROP VIEW report_sources", "the view has the columns none, not source, views"),
    (
        "CREATE OR REPLACE VIEW report_top_items AS SELECT nation, nation::text COLLATE \"C\" AS nation_name, rank, item, views
            FROM top_items WHERE rank = 1",
        "report_top_items differs",
    ),
];

#[test]
fn every_kind_of_table_and_view_is_audited() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database, file) = (new_topic(kafka, 3)?, Database::create()?, NamedTempFile::new()?);
    fs::write(file.path(), REPORTS)?;
    write(&kafka.brokers(), &topic, &records())?;
    let arguments =
        format!("{} --reports {}", run_arguments(&kafka.brokers(), &topic, &database), file.path().display());
    Freshet::run(&format!("{arguments} --until-end --workers 2"))?.success()?;
    let freshet = |arguments: &str| -> Result<(Option<i32>, String)> {
        let output = Command::new(env!("CARGO_BIN_EXE_freshet")).args(arguments.split_whitespace()).output()?;
        Ok((output.status.code(), String::from_utf8([output.stdout, output.stderr].concat())?))
    };
    let verify = || freshet(&arguments.replacen("run", "verify", 1));
    let (status, said) = verify()?;
    ensure!(status == Some(0) && said.contains("Everything agrees"), "{said}");

    let explain = |what: &str| freshet(&format!("{} {what}", arguments.replacen("run", "explain", 1)));
    for what in [
        "carts --day 2020-06-03 --nation de --item 2",
        "campaign_views_hourly --day 2020-06-01 --hour 3",
        "sources --source https://from.example/1",
        "german-days --day 2020-06-02",
    ] {
        let (status, said) = explain(what)?;
        let counted = said.lines().count() > 1 && said.contains("records, as many as the table has views");
        ensure!(status == Some(0) && counted, "{what}: {said}");
    }
    let row = database.client.query_one("SELECT item, views FROM top_items WHERE nation = 'FR' AND rank = 2", &[])?;
    let (item, views): (String, i64) = (row.get(0), row.get(1));
    let (status, said) = explain(&format!("top-items --nation fr --item {item}"))?;
    ensure!(status == Some(0) && said.contains(&format!("{views} records, as many")), "{said}");
    for (what, words) in [
        ("top-items --nation FR", "top-items needs --item"),
        ("campaign-hours --hour 3", "campaign-hours needs --day"),
        ("sources --day 2020-06-01", "--day says nothing about sources"),
        ("top_products", "[possible values: "),
    ] {
        let (status, said) = explain(what)?;
        ensure!(status == Some(2) && said.contains(words), "{what}: {said}");
    }

    for (tampering, _) in TAMPERINGS {
        database.client.batch_execute(tampering)?;
    }
    let (status, said) = verify()?;
    ensure!(status == Some(1) && said.contains("differ from the recount"), "{said}");
    for (tampering, words) in TAMPERINGS {
        ensure!(said.contains(words), "{tampering}: {said}");
    }
    Ok(())
}
