//! The harness against itself: the oracle against the contract, and what it reads against what was written.

use anyhow::{Result, ensure};
use postgres::{Client, NoTls};

use crate::support::cases::{WRITTEN, cases};
use crate::support::dimensions::{name, page};
use crate::support::oracle::Oracle;
use crate::support::reports::wrong_reports;
use crate::support::topic::{Record, offsets, read, write, write_transaction};
use crate::support::urls::{Referrers, host, masked};
use crate::support::verdict::{Clock, Rules, Verdict, Views, judge};
use crate::support::{new_topic, postgres, require_kafka};

const EVENT: &str = r#"{"collection":"view_product_detail","local_time":"2020-06-04 8:15:27","product_id":"1","store_id":6,
    "current_url":"https://shop.example/ring-viktor.html?alloy=x","referrer_url":"https://from.example/"}"#;

#[test]
fn the_oracle_judges_as_the_contract_says() {
    let rules = Rules::default();
    for (value, expect) in cases() {
        let verdict = judge(&rules, Some(WRITTEN), value.as_deref());
        let text: String =
            value.as_deref().map(String::from_utf8_lossy).unwrap_or_default().chars().take(300).collect();
        assert!(expect.holds(&verdict), "{text}: {verdict:?}, not {expect:?}");
    }
}

#[test]
fn the_other_settings_are_followed() {
    let zone = "Europe/Berlin".parse().expect("a time zone");
    let rules = Rules { views: Views::All, clock: Clock::TimeStamp, time_zone: zone, ..Rules::default() };
    let time = |json: &str| match judge(&rules, Some(WRITTEN), Some(json.as_bytes())) {
        Verdict::Counted(event) => event.time.to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(time(r#"{"collection":"checkout","time_stamp":1591258527}"#), "2020-06-04 10:15:27");
    assert_eq!(
        time(r#"{"collection":"c","time_stamp":1591258527,"local_time":"2020-01-01 0:00:00"}"#),
        "2020-06-04 10:15:27"
    );
    assert_eq!(time(r#"{"collection":"c","time_stamp":1580515200}"#), "2020-02-01 01:00:00");
    assert_eq!(time(r#"{"collection":"c","time_stamp":"x","local_time":"2020-01-01 0:00:00"}"#), "2020-01-01 00:00:00");
    assert_eq!(time(r#"{"collection":"c","time_stamp":1591258527,"local_time":"soon"}"#), "Rejected(4)");
    assert_eq!(time(r#"{"collection":"c","time_stamp":null}"#), "Rejected(3)");
}

#[test]
fn the_oracle_reads_addresses_as_the_definitions_say() {
    for (url, expected) in [
        ("https://WWW.Google.DE:443/search", Some("www.google.de")),
        ("https://google.com@evil.example/@x", Some("evil.example")),
        (r"x://evil.example:\@google.com", Some("evil.example")),
        ("http://[::1]", Some("[::1]")),
        ("mailto:x://a.b", None),
        ("https:///", None),
    ] {
        assert_eq!(host(url).as_deref(), expected, "{url}");
    }
    for (url, expected) in [
        ("https://www.glamira.fr/glamira-pendant-viktor.html?alloy=x", Some(Some("glamira pendant viktor"))),
        ("HTTP://a.b#@", Some(None)),
        ("https://a.b/c%C3%A9+%zz%/?", Some(Some("cé %zz%"))),
        ("https://a.b/%ff", Some(None)),
        ("https://a.b/.html", Some(Some(".html"))),
        ("https://a.b/x.longer", Some(Some("x.longer"))),
        ("https://a@b/", None),
        ("https://a.b/%40", None),
        ("https://a.b/%252540", None),
        ("https://a.b/%2525252541", None),
        ("https://a.b/100%25", Some(Some("100%"))),
        ("https://a.b/me＠c", None),
        ("https://a.b/me%ef%bc%a0c", None),
        ("https://a.b/c;JsessionId=1", None),
        ("https://a.b/c%3bjsessionid%3d1", None),
        ("ftp://a.b/", None),
    ] {
        let page = page(url).map(|page| name(&page));
        assert_eq!(page.as_ref().map(|name| name.as_deref()), expected, "{url}");
    }
}

#[test]
fn the_oracle_leaves_out_visitors() {
    for (url, expected) in [
        ("https://me:x@A.b:80/c?d#e", [Some("https://me:x@A.b:80/c"), Some("https://a.b")]),
        ("?x", [None, None]),
        ("me@a.b x://c.d", [Some("me@a.b x://c.d"), None]),
    ] {
        let kept = [Referrers::NoQuery, Referrers::Host].map(|referrers| referrers.kept(url));
        assert_eq!(kept.each_ref().map(Option::as_deref), expected, "{url}");
    }
    for (text, expected) in [
        ("https://a.b/?m=me@c.d&n=%40&o=me%2540c.d#me＠c", "https://a.b/?m=(e-mail)&n=%40&o=(e-mail)#(e-mail)"),
        ("https://me:x@a.b:80/@c/d@", "https://(e-mail)/@c/d@"),
        ("me%252525252540c.d %E4@ a%2F@b", "(e-mail) %E4@ a%2F@b"),
    ] {
        assert_eq!(masked(text), expected, "{text}");
    }
}

#[test]
fn differing_tables_are_found() -> Result<()> {
    let mut client = Client::connect(&postgres().url(), NoTls)?;
    client.batch_execute(TABLES)?;
    let mut oracle = Oracle::new(Rules::default());
    assert_eq!(wrong_reports(&mut client, "Europe/Berlin")?, Vec::<String>::new());
    oracle.bounds(0, 0, 3);
    for (offset, value) in [(0, EVENT), (1, EVENT), (2, "nonsense")] {
        oracle.add(0, offset, Some(WRITTEN), Some(value.as_bytes()));
    }
    assert_eq!(oracle.differences(&mut client, "t")?, Vec::<String>::new());
    for (change, table) in [
        ("UPDATE product_views_hourly SET views = 3", "product_views_hourly"),
        ("DELETE FROM top_countries", "top_countries"),
        (
            "INSERT INTO rejected_records SELECT topic, 1, 7, reason, rejected_at FROM rejected_records",
            "rejected_records",
        ),
        ("UPDATE rejected_hourly SET hour = 'epoch'", "by hours since 1970 {0: 1}"),
        ("UPDATE rejected_hourly SET only_counted = 1", "one without"),
        ("DELETE FROM rejected_hourly", "counted by hour and reason"),
        ("UPDATE progress SET next_offset = 4", "next_offset"),
        ("UPDATE progress SET ignored = 1", "consumed is the sum"),
        ("UPDATE rejected_records SET reason = ''", "reason"),
        ("UPDATE store_views_daily SET store_id = '7'", "store_views_daily"),
        ("UPDATE dim_date SET iso_week = 24", "dim_date"),
        ("UPDATE dim_product SET name = NULL", "dim_product"),
        ("UPDATE dim_product SET url_day = '2020-06-05'", "seen when"),
        ("UPDATE dim_store SET first_day = '2020-06-05'", "not after"),
        ("UPDATE dim_browser_os SET category = 'pc'", "dim_browser_os"),
        ("UPDATE dim_referrer SET kind = 'own site'", "expected \"other\""),
        ("INSERT INTO dim_referrer VALUES ('a.example', 'other')", "describes what is counted"),
        ("DELETE FROM dim_referrer", "has its row in dim_referrer"),
        ("UPDATE page_hosts SET waiting = NULL", "page_hosts"),
        ("INSERT INTO product_names VALUES ('1', 'ring', 1, 'https://a.de/ring', '2020-06-04')", "product_names"),
    ] {
        client.batch_execute(change)?;
        let differences = oracle.differences(&mut client, "t")?;
        assert!(differences.iter().any(|line| line.contains(table)), "{change}: {differences:?}");
        client.batch_execute(TABLES)?;
    }
    client
        .batch_execute("CREATE OR REPLACE VIEW report_product_hours AS SELECT * FROM product_views_hourly LIMIT 0")?;
    assert_eq!(wrong_reports(&mut client, "UTC")?, ["report_product_hours: 0 surplus rows, 1 missing"]);
    Ok(())
}

/// Just the columns that the contract names, with what two views and a bad record make of them.
const TABLES: &str = "
    DROP SCHEMA public CASCADE; CREATE SCHEMA public;
    CREATE TABLE product_views_hourly AS SELECT '1' product_id, date '2020-06-04' AS day, 8::smallint AS hour, 2::bigint views;
    CREATE TABLE product_views_daily AS SELECT date '2020-06-04' AS day, '1' product_id, 2::bigint views;
    CREATE TABLE country_views_daily AS SELECT date '2020-06-04' AS day, 'ZZ' country, 2::bigint views;
    CREATE TABLE referrer_views_daily AS SELECT date '2020-06-04' AS day, 'https://from.example/' referrer_url, 2::bigint views;
    CREATE TABLE store_views_daily AS SELECT date '2020-06-04' AS day, 'ZZ' country, '6' store_id, 2::bigint views;
    CREATE TABLE browser_os_views_hourly AS
        SELECT date '2020-06-04' AS day, 8::smallint AS hour, 'Unknown' browser, 'Unknown' os, 2::bigint views;
    CREATE TABLE top_products AS SELECT date '2020-06-04' AS day, 1::smallint AS rank, '1' product_id, 2::bigint views;
    CREATE TABLE top_countries AS SELECT date '2020-06-04' AS day, 1::smallint AS rank, 'ZZ' country, 2::bigint views;
    CREATE TABLE top_referrers AS
        SELECT date '2020-06-04' AS day, 1::smallint AS rank, 'https://from.example/' referrer_url, 2::bigint views;
    CREATE TABLE dim_date AS SELECT date '2020-06-04' AS day, 2020 AS year, 2 quarter, 6 AS month, 2020 iso_year,
        23 iso_week, 4 weekday, false is_weekend;
    CREATE TABLE dim_product AS SELECT '1' product_id, 'ring viktor' AS name, 'https://shop.example/ring-viktor.html' url,
        date '2020-06-04' url_day, date '2020-06-04' first_day, date '2020-06-04' last_day;
    CREATE TABLE dim_store AS
        SELECT '6' store_id, 'ZZ' country, date '2020-06-04' first_day, date '2020-06-04' last_day;
    CREATE TABLE dim_browser_os AS SELECT 'Unknown' browser, 'Unknown' os, 'unknown' category;
    CREATE TABLE dim_referrer AS SELECT 'from.example' host, 'other' kind;
    CREATE TABLE product_names (product_id text, name text, views smallint, url text, first_day date);
    CREATE TABLE page_hosts AS SELECT 'shop.example' host, 2::smallint views,
        E'1\\thttps://shop.example/ring-viktor.html\\t2\\t18417' waiting;
    CREATE FUNCTION referrer_host(url text) RETURNS text LANGUAGE sql AS 'SELECT substring(url FROM ''://([^/]+)'')';
    CREATE TABLE rejected_records AS SELECT 't' topic, 0 kafka_partition, 2::bigint kafka_offset, 'not JSON' reason,
        now() rejected_at, NULL::bytea payload;
    CREATE TABLE rejected_hourly AS SELECT timestamptz '2020-06-05 08:00:00Z' AS hour, 'not JSON' reason,
        1::bigint records, 0::bigint only_counted;
    CREATE TABLE progress AS SELECT 't' topic, 0 kafka_partition, 0::bigint first_offset, 3::bigint next_offset,
        3::bigint consumed, 2::bigint counted, 0::bigint ignored, 0::bigint duplicate, 1::bigint rejected,
        0::bigint expired, 0::bigint bot, 0::bigint forgotten, null::date newest_day;
    CREATE TABLE freshet_settings (name text, value text);
    CREATE VIEW report_top_products AS SELECT * FROM top_products;
    CREATE VIEW report_top_countries AS SELECT rank, country, 'Unknown' country_name, views FROM top_countries;
    CREATE VIEW report_top_countries_daily AS SELECT * FROM report_top_countries;
    CREATE VIEW report_top_referrers AS SELECT * FROM top_referrers;
    CREATE VIEW report_store_views AS SELECT country, 'Unknown' country_name, store_id, views FROM store_views_daily;
    CREATE VIEW report_product_hours AS SELECT * FROM product_views_hourly;
    CREATE VIEW report_browser_os_hours AS SELECT * FROM browser_os_views_hourly;";

#[test]
fn a_topic_is_read_as_it_was_written() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 2)?;
    let timed = Record { timestamp: Some(WRITTEN), ..Record::new(0, EVENT) };
    let empty = Record { value: None, ..Record::new(1, "") };
    write(&kafka.brokers(), &topic, &[timed, empty])?;
    write_transaction(&kafka.brokers(), &topic, "committed", &[Record::new(1, EVENT)], true)?;
    write_transaction(&kafka.brokers(), &topic, "aborted", &[Record::new(1, EVENT)], false)?;
    let mut oracle = Oracle::new(Rules::default());
    assert_eq!(read(&kafka.brokers(), &topic, &mut oracle)?, 3);
    assert_eq!(oracle.rejected(), 1);
    // One record; one record, one committed with its marker, one aborted with its marker.
    let ends: Vec<i64> = offsets(&kafka.brokers(), &topic)?.values().map(|(_, end)| *end).collect();
    assert_eq!(ends, [1, 5]);
    kafka.add_partitions(&topic, 3)?;
    assert_eq!(offsets(&kafka.brokers(), &topic)?.len(), 3);
    kafka.delete_records(&topic, 1, 2)?;
    assert_eq!(offsets(&kafka.brokers(), &topic)?[&1], (2, 5));
    kafka.delete_topic(&topic)?;
    ensure!(offsets(&kafka.brokers(), &topic)?.is_empty(), "the topic is still there");
    Ok(())
}

#[test]
fn a_broker_keeps_its_port_and_its_records() -> Result<()> {
    if require_kafka().is_none() {
        return Ok(());
    }
    let home = std::env::var("FRESHET_KAFKA_HOME")?;
    let mut kafka = freshet_embedded::Kafka::start(home.as_ref())?;
    let brokers = kafka.brokers();
    kafka.create_topic("kept", 1)?;
    write(&brokers, "kept", &[Record::new(0, EVENT)])?;
    for crash in [false, true] {
        if crash {
            kafka.kill()?
        } else {
            kafka.stop()?
        }
        kafka.restart()?;
        assert_eq!(kafka.brokers(), brokers);
        assert_eq!(read(&brokers, "kept", &mut Oracle::new(Rules::default()))?, 1);
    }
    Ok(())
}
