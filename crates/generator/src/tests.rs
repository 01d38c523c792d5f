//! What users of the generator rely on.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, Utc};
use serde_json::Value;
use serde_json::value::RawValue;

use super::hostile::{Fate, cases};
use super::shops::SHOPS;
use super::user_agents::{BOT, population};
use super::*;

const EVENTS: usize = 200_000;
const START: NaiveDate = NaiveDate::from_ymd_opt(2020, 6, 1).unwrap();

fn generator(seed: u64, hostile: f64) -> Generator {
    Generator::new(Settings { seed, hostile, span: Span::Days { start: START, days: 3, events: EVENTS as u64 } })
}

/// The ordinary events of seed 1, made once for all tests.
static ORDINARY: LazyLock<Vec<String>> = LazyLock::new(|| {
    generator(1, 0.0).take(EVENTS).map(|record| String::from_utf8(record.payload.unwrap()).unwrap()).collect()
});

/// The text of a member. To parse every event as JSON would take most of the tests' time.
fn text<'a>(event: &'a str, member: &str) -> &'a str {
    let (_, rest) = event.split_once(&format!("\"{member}\":\"")).unwrap_or_else(|| panic!("no {member} in {event}"));
    rest.split('"').next().unwrap()
}

fn counts(member: &str) -> HashMap<&'static str, usize> {
    ORDINARY.iter().fold(HashMap::new(), |mut counts, event| {
        *counts.entry(text(event, member)).or_insert(0) += 1;
        counts
    })
}

fn share(count: usize) -> f64 {
    count as f64 / EVENTS as f64
}

#[test]
fn the_seed_decides_every_byte() {
    let records = |seed| generator(seed, 0.2).take(2_000).collect::<Vec<_>>();
    assert_eq!(records(7), records(7));
    assert_ne!(records(7), records(8));
}

/// A digest of what seed 1 gives, so that neither an update of rand nor another machine changes it unnoticed.
#[test]
fn seed_1_gives_what_it_always_gave() {
    assert_eq!(xxhash_rust::xxh3::xxh3_64(ORDINARY[..1_000].concat().as_bytes()), 15_264_939_544_662_534_185);
}

#[test]
fn events_have_the_size_of_real_ones() {
    let mean = share(ORDINARY.iter().map(String::len).sum());
    assert!((790.0..=910.0).contains(&mean), "{mean} bytes");
}

#[test]
fn collections_have_their_shares() {
    let total: u64 = COLLECTIONS.iter().map(|collection| collection.events).sum();
    assert_eq!(total, 41_432_473, "as many as in the real topic");
    let counts = counts("collection");
    for collection in &COLLECTIONS {
        let wanted = collection.events as f64 / total as f64;
        let found = share(counts.get(collection.name).copied().unwrap_or(0));
        // Five standard deviations.
        let tolerance = 5.0 * (wanted / EVENTS as f64).sqrt();
        assert!((found - wanted).abs() < tolerance, "{}: {found}, not {wanted}", collection.name);
    }
}

#[test]
fn shops_have_their_shares() {
    assert_eq!(SHOPS.iter().map(|shop| shop.share).sum::<u64>(), 10_000);
    let counts = counts("store_id");
    assert_eq!(counts.len(), SHOPS.len());
    for shop in &SHOPS[..10] {
        let (wanted, found) = (shop.share as f64 / 10_000.0, share(counts[shop.id.to_string().as_str()]));
        assert!((found - wanted).abs() < 0.1 * wanted, "{}: {found}, not {wanted}", shop.host);
    }
}

#[test]
fn every_event_is_complete() {
    let texts =
        ["_id", "ip", "user_agent", "resolution", "user_id_db", "device_id", "api_version", "referrer_url", "id"];
    for json in &ORDINARY[..20_000] {
        let event: Value = serde_json::from_str(json).unwrap();
        assert!(texts.into_iter().all(|member| event[member].is_string()), "{event}");
        assert!(event["time_stamp"].is_i64() && event.get("show_recommendation").is_some(), "{event}");
        assert!(event.get("email_address").or(event.get("email")).is_some_and(Value::is_string), "{event}");
        let host = event["current_url"].as_str().and_then(|url| url.split('/').nth(2)).unwrap();
        let shop = SHOPS.iter().find(|shop| event["store_id"].as_str() == Some(&shop.id.to_string())).unwrap();
        assert!([shop.host, "stage.glamira.de", ""].contains(&host), "{event}");
        if event["collection"] == "view_product_detail" {
            assert!(event["product_id"].as_str().is_some_and(|id| id.parse::<u32>().is_ok()), "{event}");
            assert!(event["option"].is_array() && event["recommendation"].is_boolean(), "{event}");
        }
    }
}

#[test]
fn some_events_are_late_or_oddly_written() {
    let (mut late, mut short, mut newest) = (0, 0, NaiveDateTime::MIN);
    for event in ORDINARY.iter() {
        let written = text(event, "local_time");
        let time = NaiveDateTime::parse_from_str(written, "%Y-%m-%d %H:%M:%S").unwrap();
        assert!((START - Days::new(3)..START + Days::new(3)).contains(&time.date()));
        short += usize::from(written.len() == "2020-06-04 8:15:27".len());
        late += usize::from(time < newest);
        newest = newest.max(time);
    }
    assert!((0.009..0.011).contains(&share(late)), "{late} late");
    assert!((0.005..0.03).contains(&share(short)), "{short} short");
}

/// Of records that count, by the day of their `local_time` where they have one.
fn counted_days(span: Span) -> Vec<NaiveDate> {
    let counted = |name| cases().any(|case| Some(case.name) == name && case.fate == Fate::Counted);
    let records = Generator::new(Settings { seed: 1, hostile: 0.5, span }).take(2 * cases().count());
    let records = records.filter(|record| record.case.is_none() || counted(record.case));
    let event = |record: Record| serde_json::from_slice::<Value>(&record.payload?).ok();
    let day = |event: Value| event["local_time"].as_str()?.get(..10)?.parse().ok();
    records.filter_map(event).filter_map(day).collect()
}

#[test]
fn hostile_records_add_no_day() {
    let days = counted_days(Span::Days { start: START, days: 3, events: 400 });
    assert!(days.len() > 100 && days.iter().all(|day| *day < START + Days::new(3)), "{days:?}");
    let until: DateTime<Utc> = "2026-11-28T01:00:00Z".parse().unwrap();
    let days = counted_days(Span::Past { days: 14, until, events: 400 });
    let first = until.date_naive() - Days::new(14);
    let expected = first..=until.date_naive();
    assert!(days.len() > 100 && days.iter().all(|day| expected.contains(day)), "{days:?}");
}

#[test]
fn the_past_fills_every_hour_until_now() {
    let until: DateTime<Utc> = "2026-11-28T13:20:00Z".parse().unwrap();
    let span = Span::Past { days: 14, until, events: 20_000 };
    let sent: Vec<_> =
        Generator::new(Settings { seed: 1, hostile: 0.0, span }).take(20_000).map(|it| it.sent).collect();
    assert!(sent.is_sorted());
    assert_eq!(DateTime::from_timestamp(sent[0], 0).unwrap().to_rfc3339(), "2026-11-14T00:00:00+00:00");
    let last = until.timestamp() - sent[sent.len() - 1];
    assert!((0..120).contains(&last), "{last} s before now");
    let hours: HashSet<_> = sent.iter().map(|sent| sent / 3_600).collect();
    assert_eq!(hours.len(), 14 * 24 + 14);
    let on = |day: &str| {
        let midnight = day.parse::<NaiveDate>().unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp();
        sent.iter().filter(|&&sent| (midnight..midnight + 86_400).contains(&sent)).count()
    };
    assert!(on("2026-11-22") > on("2026-11-24"), "a Sunday is busier than a Tuesday");
}

#[test]
fn visitors_are_as_varied_as_real_ones() {
    let (agents, referrers) = (counts("user_agent"), counts("referrer_url"));
    let above_the_bot = agents.values().filter(|&&count| count > agents[BOT]).count();
    assert_eq!(above_the_bot, 1, "the bot is the second most frequent user agent");
    assert!((0.08..0.10).contains(&share(referrers[""])), "{} without a referrer", referrers[""]);
    // By Heaps' law the 207,500 user agents of 41 million real events would be some 15,000 to 20,000 here.
    assert!((12_000..25_000).contains(&agents.len()), "{} user agents", agents.len());
    assert!(referrers.len() > EVENTS / 3, "{} referrers", referrers.len());
}

#[test]
fn user_agents_are_as_many_as_real() {
    let distinct = population();
    assert!((200_000..=215_000).contains(&distinct), "{distinct}");
}

#[test]
fn every_hostile_case_occurs() {
    let names: HashSet<_> = cases().map(|case| case.name).collect();
    assert_eq!(names.len(), cases().count(), "no name stands twice");
    let occurred: HashSet<_> = generator(1, 0.5).take(3 * names.len()).filter_map(|record| record.case).collect();
    assert_eq!(occurred, names);
}

/// serde_json, which is not what made the records, must be able to read those that are to be counted or ignored.
#[test]
fn what_is_not_rejected_is_a_json_object() {
    let is_view = |event: &&String| event.contains("\"view_product_detail\"");
    let view = ORDINARY.iter().find(is_view).unwrap();
    for case in cases().filter(|case| matches!(case.fate, Fate::Counted | Fate::Ignored)) {
        let payload = case.spoil(view).unwrap();
        // A schema registry's five bytes are no JSON, what is behind them is.
        let json = payload.strip_prefix(b"\0").map_or(&*payload, |rest| &rest[4..]);
        let parsed: Result<HashMap<String, Box<RawValue>>, _> = serde_json::from_slice(json);
        assert!(parsed.is_ok(), "{}: {parsed:?}", case.name);
    }
}

/// The models' own test reads these events in full; here they are JSON, and every case occurs.
#[test]
fn every_shape_has_hostile_cases() {
    for shape in Shape::ALL.into_iter().filter(|shape| *shape != Shape::default()) {
        let span = Span::Days { start: START, days: 3, events: 2_000 };
        let of = |hostile| Generator::of_shape(shape, Settings { seed: 1, hostile, span });
        for record in of(0.0).take(2_000) {
            let event: Value = serde_json::from_slice(&record.payload.unwrap()).unwrap();
            assert!(event.is_object(), "{shape}: {event}");
        }
        let names: HashSet<_> = shapes::hostile::cases(shape).map(|case| case.name).collect();
        let occurred: HashSet<_> = of(1.0).take(2 * names.len()).filter_map(|record| record.case).collect();
        assert_eq!(occurred, names, "{shape}");
    }
}
