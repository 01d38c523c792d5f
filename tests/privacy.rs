//! What is kept of visitors: nothing of the members that are about them, and of ids and URLs what the settings say.

use std::path::Path;

use ::freshet::source::decode::{self, Decoder};
use anyhow::{Context, Result, ensure};
use freshet_embedded::Kafka;
use proptest::prelude::*;
use serde_json::json;

use crate::support::defaults::{decoded, rules, text_of};
use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::http::get;
use crate::support::topic::{Record, write};
use crate::support::urls::Referrers;
use crate::support::verdict::{Rules, Verdict, judge};
use crate::support::{Database, new_topic, recompute, require_kafka, run_and_compare, run_arguments};

/// Members that no report uses, each with a value that is seen nowhere else.
const VISITOR: &str = r#""email_address":"marker@visitor.example","email":"marker%40visitor.example","ip":"203.0.113.77",
    "device_id":"marker-device","user_id_db":"marker-user","_id":"marker-id","user_agent":"marker/1.0","resolution":"marker",
    "option":[{"email":"marker@visitor.example"}]"#;

/// All that a table or a page must not have of them.
const MARKERS: [&str; 2] = ["marker", "203.0.113.77"];

/// What of them is somebody's.
const PERSONAL: [&str; 4] = ["visitor.example", "203.0.113.77", "marker-device", "marker-user"];

const PATHS: [&str; 12] = [
    "/",
    "/metrics",
    "/api/status",
    "/api/days",
    "/api/countries",
    "/api/products",
    "/api/reports/top-products",
    "/api/reports/top-countries",
    "/api/reports/top-referrers",
    "/api/reports/store-views?country=DE",
    "/api/reports/product-hours?product=ring-of-the-test",
    "/api/reports/browser-os-hours",
];

/// A topic with a record of these members, and more.
fn topic_of(kafka: &Kafka, records: &[String]) -> Result<String> {
    let topic = new_topic(kafka, 1)?;
    let records: Vec<_> = records.iter().map(|record| Record::new(0, record.as_str())).collect();
    write(&kafka.brokers(), &topic, &records)?;
    Ok(topic)
}

fn event(members: &str) -> String {
    format!(r#"{{"collection":"view_product_detail","local_time":"2020-06-04 08:15:27",{members}}}"#)
}

/// Every table and view, as one text.
fn everything(database: &mut Database) -> Result<String> {
    let query = "SELECT quote_ident(relname) FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = 'public'::regnamespace";
    let names = database.client.query(query, &[])?;
    ensure!(names.len() > 20, "only {} tables and views", names.len());
    let mut all = String::new();
    for name in names.iter().map(|row| row.get::<_, String>(0)) {
        let rows = format!("SELECT coalesce(string_agg(it::text, ' '), '') FROM {name} it");
        all += &database.client.query_one(&rows, &[])?.get::<_, String>(0);
    }
    Ok(all)
}

fn must_have_no_marker(what: &str, text: &str) -> Result<()> {
    must_have_none_of(&MARKERS, what, text)
}

fn must_have_none_of(markers: &[&str], what: &str, text: &str) -> Result<()> {
    let found = markers.iter().find_map(|marker| text.find(marker).map(|at| text[..at].lines().count()));
    ensure!(found.is_none(), "{what} has a marker in line {found:?}:\n{text}");
    Ok(())
}

#[test]
fn members_about_visitors_are_kept_nowhere() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let good =
        r#""product_id":"ring-of-the-test","store_id":6,"referrer_url":"https://a.de/","current_url":"https://b.de/x""#;
    let topic = topic_of(
        kafka,
        &[
            event(&format!("{VISITOR},{good}")),
            event(&format!(r#"{VISITOR},{good},"collection":"checkout""#)),
            event(&format!(r#"{VISITOR},{good},"local_time":"marker""#)),
            event(&format!(r#"{VISITOR},{good},"product_id":["marker"]"#)),
            format!("{{{VISITOR}"),
            "marker@visitor.example".to_owned(),
        ],
    )?;
    let mut database = Database::create()?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let log = ("RUST_LOG", Path::new("freshet=trace"));
    let mut run = Freshet::start_in(&[log], &format!("{arguments} --http 127.0.0.1:0"))?;
    run.until("all is counted", TIMEOUT, || Ok(database.consumed()? == 6))?;
    run.until_told("page: http://", TIMEOUT)?;
    let told = run.errors()?;
    let url = told.split_once("page: ").and_then(|(_, rest)| rest.split_whitespace().next()).context("an address")?;
    for path in PATHS {
        let answer = get(&format!("{}{path}", url.trim_end_matches('/')))?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text);
        must_have_no_marker(path, &answer.text)?;
    }
    must_have_no_marker("the log", &run.terminate()?.exits_with(0)?)?;
    let tables = everything(&mut database)?;
    ensure!(tables.contains("ring-of-the-test") && tables.contains("local_time is not"), "{tables}");
    must_have_no_marker("a table", &tables)?;
    let check = format!("check --brokers {} --topic {topic}", kafka.brokers());
    // It shows values of all members as examples, but none that is somebody's.
    must_have_none_of(&PERSONAL, "a check", &Freshet::prints(&check)?)
}

#[test]
fn addresses_in_ids_and_urls_follow_settings() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let members = [
        r#""referrer_url":"https://mail.de/read?to=marker@visitor.example&x=1""#,
        r#""referrer_url":"https://mail.de/marker%2540visitor.example/x#marker＠visitor.example""#,
        r#""referrer_url":"https://marker:secret@visitor.example/""#,
        r#""referrer_url":"mailto:marker@visitor.example""#,
        r#""product_id":"marker@visitor.example","current_url":"https://b.de/marker%252540visitor.example""#,
        r#""product_id":"ring","current_url":"https://b.de/ring;jsessionid=marker""#,
        r#""store_id":"marker%40visitor.example","current_url":"https://b.de/?marker@visitor.example""#,
    ];
    let topic = topic_of(kafka, &members.map(event))?;
    let kept_by = |flags: &str, referrers, mask_emails| -> Result<String> {
        let rules = Rules { referrers, mask_emails, ..Rules::default() };
        let oracle = recompute(&kafka.brokers(), &topic, rules)?;
        everything(&mut run_and_compare(&kafka.brokers(), &topic, flags, &oracle)?)
    };
    let full = kept_by("", Referrers::Full, false)?;
    ensure!(full.contains("https://mail.de/read?to=marker@visitor.example&x=1"), "it is not kept as it came: {full}");
    ensure!(!full.contains("b.de/"), "a page names its visitor: {full}");
    let no_query = kept_by("--referrers no-query", Referrers::NoQuery, false)?;
    ensure!(no_query.contains("https://mail.de/read") && !no_query.contains("to="), "{no_query}");
    for (flags, referrers) in [
        ("--mask-emails", Referrers::Full),
        ("--mask-emails=true --referrers no-query", Referrers::NoQuery),
        ("--mask-emails true --referrers host", Referrers::Host),
    ] {
        let masked = kept_by(flags, referrers, true)?;
        ensure!(masked.contains("mail.de") && masked.contains("(e-mail)"), "{flags}: {masked}");
        must_have_no_marker(flags, &masked)?;
    }
    let database = Database::create()?;
    let run = run_arguments(&kafka.brokers(), &topic, &database);
    Freshet::run(&format!("{run} --until-end --mask-emails"))?.success()?;
    let explain = run.replacen("run", "explain referrer_views_daily --day 2020-06-04 --referrer (e-mail)", 1);
    let records = Freshet::prints(&explain)?;
    ensure!(records.contains("0\t3\t") && records.contains("1 records, as many"), "{records}");
    Ok(())
}

/// Texts with many at signs in them, and some that are no texts for Postgres.
fn text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "@",
        "@",
        "＠",
        "﹫",
        "%40",
        "%2540",
        "%25252540",
        "%2525252540",
        "%EF%BC%A0",
        "%ef%25B9%ab",
        "%2F",
        "%3f",
        "%",
        "25",
        "40",
        "a",
        "b",
        "é",
        "/",
        "?",
        "#",
        "&",
        "=",
        ";",
        ",",
        " ",
        "\t",
        "\\",
        ":",
        "://",
        "https://",
        "x-y://",
        ".de",
        ":80",
        "\u{a0}",
        "A",
        "7",
        "\u{f000}",
        "\0",
    ]);
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, ..ProptestConfig::default() })]

    #[test]
    fn the_decoder_leaves_out_what_the_oracle_does(product in text(), referrer in text(), long in any::<bool>()) {
        let tail = if long { "q".repeat(2_048) } else { String::new() };
        let members = json!({"product_id": product, "referrer_url": referrer + &tail}).to_string();
        let record = event(&members[1..members.len() - 1]);
        let kept = [
            (decode::Referrers::Full, Referrers::Full),
            (decode::Referrers::NoQuery, Referrers::NoQuery),
            (decode::Referrers::Host, Referrers::Host),
        ];
        for ((of_decoder, referrers), mask_emails) in kept.into_iter().flat_map(|kept| [(kept, false), (kept, true)]) {
            let redaction = decode::Redaction { referrers: of_decoder, mask_emails };
            let mut decoder = Decoder::new(decode::Rules { redaction, ..rules() });
            let decoded = decoded(&mut decoder, Some(record.as_bytes()), None, |outcome| match outcome {
                decode::Outcome::Counted(event) => Some(["product_id", "referrer_url"].map(|field| text_of(event, field))),
                _ => None,
            });
            let judged = match judge(&Rules { referrers, mask_emails, ..Rules::default() }, None, Some(record.as_bytes())) {
                Verdict::Counted(event) => Some([event.product, event.referrer]),
                _ => None,
            };
            prop_assert_eq!(decoded, judged, "{:?} {} {}", referrers, mask_emails, record);
        }
    }
}
