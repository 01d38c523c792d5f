//! What becomes of a record: the contract's sections 2 and 3, a line for each case.

use std::time::Duration;

use dataflows::{Day, Event};
use freshet::source::decode::{Clock, Collections, Decoder, Outcome, Reason, Rules};
use freshet_generator::hostile::{self, Fate};
use proptest::prelude::*;

use crate::support::defaults::{decoded, rules, text_of};

/// The Kafka timestamp of all records here: 2020-06-04 12:00:00 UTC, in milliseconds.
const TIMESTAMP: i64 = 1_591_272_000_000;

/// The outcome as one short text: `ignored`, `rejected: …`, or
/// `day hour product store referrer country browser os`, with `-` for none.
fn outcome(rules: &Rules, payload: &[u8], timestamp: Option<i64>) -> String {
    let mut decoder = Decoder::new(rules.clone());
    decoded(&mut decoder, Some(payload), timestamp, |outcome| match outcome {
        Outcome::Ignored(_) => "ignored".into(),
        Outcome::Bot | Outcome::Forgotten(_) => "left out".into(),
        Outcome::Rejected(reason) => format!("rejected: {reason}"),
        Outcome::Counted(event) => {
            let text = |field: &str| text_of(event, field).unwrap_or("-".into());
            [
                event.day.0.to_string(),
                event.hour.to_string(),
                text("product_id"),
                text("store_id"),
                text("referrer_url"),
                text("country"),
                format!("{}/{}", text("browser"), text("os")),
            ]
            .join(" ")
        }
    })
}

/// A good record with these members, as JSON, added behind the others: so they win.
fn with(members: &str) -> Vec<u8> {
    let comma = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{"collection":"view_product_detail","local_time":"2020-06-04 08:15:27","time_stamp":1591258527,"product_id":"85","store_id":"6","referrer_url":"https://g.co/","current_url":"https://www.glamira.de/x?y"{comma}{members}}}"#
    )
    .into_bytes()
}

fn decided(members: &str) -> String {
    outcome(&rules(), &with(members), Some(TIMESTAMP))
}

/// Which part of a counted view a case is about.
fn part(members: &str, index: usize) -> String {
    let decided = decided(members);
    if decided.starts_with("rejected") || decided == "ignored" {
        return decided;
    }
    decided.splitn(7, ' ').nth(index).expect("seven parts").to_owned()
}

fn rejected(reason: Reason) -> String {
    format!("rejected: {reason}")
}

fn no_collection() -> String {
    "rejected: collection is missing, empty or not a text".into()
}

fn bad_local_time() -> String {
    "rejected: local_time is not a date and time like 2020-06-04 08:15:27".into()
}

fn no_time() -> String {
    "rejected: there is no event time: local_time is empty and time_stamp is no time".into()
}

#[test]
fn a_good_record_counts() {
    assert_eq!(decided(""), "18417 8 85 6 https://g.co/ DE Unknown/Unknown");
    let spaced = [b" \n\t".as_slice(), &with(""), b"\r\n "].concat();
    assert_eq!(outcome(&rules(), &spaced, Some(TIMESTAMP)), decided(""));
}

#[test]
fn rule_1_only_json_objects_count() {
    let nested =
        |levels: usize| format!(r#"{{"collection":"other","x":{}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
    let closing_in_text = format!(r#"{{"collection":"other","x":"{}"}}"#, "[\\\"{".repeat(200));
    let cases: Vec<(Vec<u8>, String)> = vec![
        (b"".into(), rejected(Reason::Empty)),
        (b"  ".into(), rejected(Reason::NotJson)),
        (b"\xff{}".into(), rejected(Reason::NotUtf8)),
        (b"{\"collection\":\"other\",\"x\":\"\xc3\x28\"}".into(), rejected(Reason::NotUtf8)),
        (b"{\"collection\":\"other\"".into(), rejected(Reason::NotJson)),
        (b"{\"collection\":\"other\"} x".into(), rejected(Reason::NotJson)),
        (b"{\"collection\":\"other\",}".into(), rejected(Reason::NotJson)),
        (b"{'collection':'other'}".into(), rejected(Reason::NotJson)),
        (b"{\"collection\":\"other\",\"x\":NaN}".into(), rejected(Reason::NotJson)),
        (b"{\"collection\":\"other\",\"x\":01}".into(), rejected(Reason::NotJson)),
        (b"{\"collection\":\"other\",\"x\":\"a\nb\"}".into(), rejected(Reason::NotJson)),
        (b"{\"collection\":\"other\",\"x\":\"\\q\"}".into(), rejected(Reason::NotJson)),
        ("\u{feff}{\"collection\":\"other\"}".into(), rejected(Reason::NotJson)),
        (b"{\"collection\":\"other\",\"x\":1e999}".into(), "ignored".into()),
        (b"[]".into(), rejected(Reason::NotAnObject)),
        (b"\"view_product_detail\"".into(), rejected(Reason::NotAnObject)),
        (b"null".into(), rejected(Reason::NotAnObject)),
        (b"7".into(), rejected(Reason::NotAnObject)),
        (nested(100).into(), "ignored".into()),
        (nested(127).into(), "ignored".into()),
        (nested(128).into(), rejected(Reason::TooDeep)),
        (nested(100_000).into(), rejected(Reason::TooDeep)),
        (closing_in_text.into(), "ignored".into()),
    ];
    for (payload, expected) in cases {
        let shown: String = String::from_utf8_lossy(&payload).chars().take(60).collect();
        assert_eq!(outcome(&rules(), &payload, Some(TIMESTAMP)), expected, "{shown}");
    }
    decoded(&mut Decoder::new(rules()), None, None, |outcome| assert_eq!(outcome, Outcome::Rejected(Reason::Empty)));
}

#[test]
fn rule_2_a_record_needs_a_collection() {
    for collection in ["null", "\"\"", "7", "true", "[]", "{}"] {
        assert_eq!(decided(&format!(r#""collection":{collection}"#)), no_collection(), "{collection}");
    }
    assert_eq!(outcome(&rules(), b"{}", None), no_collection());
    assert_eq!(decided(r#""collection":"\ud800""#), rejected(Reason::LoneSurrogate { member: "collection".into() }));
}

#[test]
fn the_views_decide_what_is_ignored() {
    let bad = r#""collection":"checkout","local_time":7,"product_id":true,"store_id":"\ud800""#;
    assert_eq!(decided(bad), "ignored", "an ignored record is not examined past its collection");
    assert_eq!(decided(r#""collection":"View_product_detail""#), "ignored");
    let counts = |views: &str, collection: &str| {
        let rules = Rules { views: views.parse().expect("a list"), ..rules() };
        outcome(&rules, &with(&format!(r#""collection":"{collection}""#)), Some(TIMESTAMP)) != "ignored"
    };
    assert!(counts("a, checkout", "checkout") && counts("all", "checkout") && counts("all", "all"));
    assert!(!counts("a,b", "view_product_detail"));
    assert!(",".parse::<Collections>().is_err());
}

#[test]
fn members_are_found_however_they_are_spelt() {
    assert_eq!(part(r#""product_id":"86""#, 2), "86", "the last of a repeated member wins");
    assert_eq!(part(r#""product_id":"86","product_id":null"#, 2), "-");
    assert_eq!(part(r#""product\u005fid":"86""#, 2), "86");
    assert_eq!(part(r#""product_id":"8\u0036\ud83d\ude00""#, 2), "86😀");
    assert_eq!(part(r#""x":{"product_id":"86"}"#, 2), "85", "only members of the record itself");
    assert_eq!(part(r#""x":"\ud800","email":{},"ip":1e999"#, 2), "85", "unused members are not looked at");
}

/// Day and hour of a good record with these members, or why it is rejected.
fn time(members: &str) -> String {
    let decided = decided(members);
    if decided.starts_with("rejected") { decided } else { decided.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ") }
}

#[test]
fn rule_4_the_local_time() {
    let good = [
        ("2020-06-04 08:15:27", "18417 8"),
        ("2020-06-04 8:15:27", "18417 8"),
        ("2020-06-04T08:15:27", "18417 8"),
        ("2020-06-04 08:15:27.5", "18417 8"),
        ("2020-06-04 08:15:27.123456789123", "18417 8"),
        ("2020-06-04 23:59:59", "18417 23"),
        ("2020-06-04 0:00:00", "18417 0"),
        ("2020-02-29 08:15:27", "18321 8"),
        ("2000-01-01 00:00:00", "10957 0"),
    ];
    for (text, expected) in good {
        assert_eq!(time(&format!(r#""local_time":"{text}""#)), expected, "{text}");
    }
    let bad = [
        "2020-06-04",
        "2020-06-04 08:15",
        "2020-6-04 08:15:27",
        "2020-06-4 08:15:27",
        "2020-06-04 08:5:27",
        "2020-06-04 08:15:7",
        "2020-06-04 24:00:00",
        "2020-06-04 08:60:27",
        "2020-06-04 08:15:60",
        "2019-02-29 08:15:27",
        "2020-13-04 08:15:27",
        "2020-00-04 08:15:27",
        "2020-06-31 08:15:27",
        "2020-06-04  8:15:27",
        "2020-06-04 08:15:27.",
        "2020-06-04 08:15:27 ",
        " 2020-06-04 08:15:27",
        "2020/06/04 08:15:27",
        "+020-06-04 08:15:27",
        "2020-06-04 -8:15:27",
        "2020-06-04t08:15:27",
        "2020-06-04 008:15:27",
        "20200-06-04 08:15:27",
        "2020-06-04 ٠٨:15:27",
        "x",
    ];
    for text in bad {
        assert_eq!(time(&format!(r#""local_time":"{text}""#)), bad_local_time(), "{text}");
    }
    for json in ["7", "1591258527", "true", "false", "[]", "{}"] {
        assert_eq!(time(&format!(r#""local_time":{json}"#)), bad_local_time(), "{json}");
    }
}

#[test]
fn rule_3_without_local_time_the_time_stamp() {
    let stamps = [
        ("1591258527", "18417 8"),
        ("1591258527123", "18417 8"),
        ("100000000000", "rejected: the event time is too far after the Kafka timestamp of the record"),
        ("946684800000", "10957 0"),
        ("1591258527123456", "18417 8"),
        ("\"1591258527\"", "18417 8"),
        ("\"2020-06-04T08:15:27+02:00\"", "18417 8"),
        ("1591258527.0", "18417 8"),
        ("1.591258527e9", "18417 8"),
        ("1e9", "11574 1"),
        ("-1591258527123", "rejected: the event time is before the year 2000"),
        ("0", "rejected: the event time is before the year 2000"),
    ];
    for (stamp, expected) in stamps {
        for empty in ["null", "\"\""] {
            let members = format!(r#""local_time":{empty},"time_stamp":{stamp}"#);
            assert_eq!(time(&members), expected, "{members}");
        }
    }
    for stamp in ["null", "\"now\"", "\"\"", "1e99", "true", "[]", "99999999999999999999"] {
        let members = format!(r#""local_time":"","time_stamp":{stamp}"#);
        assert_eq!(time(&members), no_time(), "{members}");
        assert_eq!(time(&format!(r#""time_stamp":{stamp}"#)), "18417 8", "not needed");
    }
}

#[test]
fn rule_5_the_event_time_is_plausible() {
    let at = |local: &str, timestamp| outcome(&rules(), &with(&format!(r#""local_time":"{local}""#)), timestamp);
    assert_eq!(at("1999-12-31 23:59:59", Some(TIMESTAMP)), rejected(Reason::TooOld));
    assert!(at("2020-06-05 12:00:00", Some(TIMESTAMP)).starts_with("18418 12"));
    assert_eq!(at("2020-06-05 12:00:01", Some(TIMESTAMP)), rejected(Reason::TooNew));
    assert_eq!(at("2020-06-05 12:00:00.001", Some(TIMESTAMP)), rejected(Reason::TooNew));
    assert_eq!(at("2020-06-04 12:00:00", Some(TIMESTAMP / 1000)), rejected(Reason::OldTimestamp));
    assert!(at("2099-12-31 23:59:59", None).starts_with("47481 23"));
    assert_eq!(at("2100-01-01 00:00:00", None), rejected(Reason::TooNewForAny));
    let narrow = Rules { max_future: Duration::ZERO, ..rules() };
    let late = with(r#""local_time":"2020-06-04 12:00:01""#);
    assert_eq!(outcome(&narrow, &late, Some(TIMESTAMP)), rejected(Reason::TooNew));
    let beyond = with(r#""local_time":null,"time_stamp":9223372036854775807"#);
    assert_eq!(outcome(&rules(), &beyond, None), rejected(Reason::TooNewForAny));
    assert_eq!(outcome(&rules(), &beyond, Some(i64::MAX)), rejected(Reason::TooNew));
}

#[test]
fn rules_6_and_7_the_ids() {
    let long = |bytes: usize| format!("\"{}\"", "a".repeat(bytes));
    for (member, index) in [("product_id", 2), ("store_id", 3)] {
        let member_name = if index == 2 { "product_id" } else { "store_id" };
        let bad = rejected(Reason::BadId { field: member_name.into() });
        let too_long = rejected(Reason::TooLong { field: member_name.into(), limit: 1024 });
        let cases = [
            ("\"85\"", "85"),
            ("\"007\"", "007"),
            ("\"A-1\"", "A-1"),
            ("85", "85"),
            ("85.0", "85"),
            ("1e3", "1000"),
            ("-5", "-5"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("1e19", "10000000000000000000"),
            ("null", "-"),
            ("false", "-"),
            ("\"\"", "-"),
            ("true", &bad),
            ("{}", &bad),
            ("[\"85\"]", &bad),
            ("85.5", &bad),
            ("1e999", &bad),
            ("1e-1", &bad),
            ("18446744073709551616", &bad),
            ("18446744073709551616.0", &bad),
            ("-9223372036854775809", &bad),
            ("1e20", &bad),
            (&long(1025), &too_long),
        ];
        for (json, expected) in cases {
            assert_eq!(part(&format!(r#""{member}":{json}"#), index), expected, "{member}: {json:.40}");
        }
        assert_eq!(part(&format!(r#""{member}":{}"#, long(1024)), index), "a".repeat(1024));
        assert_eq!(decided(&format!(r#""{member}":"a\u0000b""#)), rejected(Reason::Nul { field: member_name.into() }));
        assert_eq!(
            decided(&format!(r#""{member}":"\udc00""#)),
            rejected(Reason::LoneSurrogate { member: member.into() })
        );
    }
    let cases = [
        ("\"x\"", "x"),
        ("\"12\"", "12"),
        ("null", "-"),
        ("false", "-"),
        ("\"\"", "-"),
        ("7", "rejected: referrer_url is not a text"),
        ("true", "rejected: referrer_url is not a text"),
        ("[]", "rejected: referrer_url is not a text"),
        ("{}", "rejected: referrer_url is not a text"),
        (
            &long(2_049),
            "rejected: referrer_url is longer than 2048 bytes, and nothing or still longer without its query",
        ),
        ("\"a\\u0000\"", "rejected: referrer_url holds the character U+0000, which Postgres cannot store"),
    ];
    for (json, expected) in cases {
        assert_eq!(part(&format!(r#""referrer_url":{json}"#), 4), expected, "{json:.40}");
    }
    assert_eq!(part(&format!(r#""referrer_url":{}"#, long(2_048)), 4).len(), 2_048);
}

#[test]
fn the_country_is_that_of_the_domain() {
    let cases = [
        ("https://www.glamira.de/x", "DE"),
        ("http://www.glamira.co.uk", "GB"),
        ("https://www.glamira.com.au/?a#b", "AU"),
        ("https://shop.eu/", "EU"),
        ("https://www.glamira.com/", "ZZ"),
        ("https://shop.africa/", "ZZ"),
        ("https://www.glamira.DE/", "DE"),
        ("HTTPS://WWW.GLAMIRA.FR", "FR"),
        ("https://www.glamira.de.", "DE"),
        ("https://www.glamira.de../", "ZZ"),
        ("https://www..de/", "ZZ"),
        ("https://.de/", "ZZ"),
        ("https://de/", "ZZ"),
        ("https://user:pass@www.glamira.it:8443/x", "IT"),
        ("https://www.glamira.es\\x", "ES"),
        ("ftp://www.glamira.de/", "ZZ"),
        ("file:///C:/shop.de", "ZZ"),
        ("www.glamira.de", "ZZ"),
        ("//www.glamira.de", "ZZ"),
        ("http://127.0.0.1/", "ZZ"),
        ("http://[::1]/", "ZZ"),
        ("https://xn--mnchen-3ya.de/", "DE"),
        ("https://münchen.de/", "DE"),
        ("https://a.рф/", "ZZ"),
        ("https://www.glamira.xx/", "ZZ"),
        ("https://www.glamira.su/", "ZZ"),
        ("https:www.glamira.de", "DE"),
        ("", "ZZ"),
        ("  https://www.glamira.nl/ ", "NL"),
        ("https://www.glamira.uk", "GB"),
        ("https://www.glamira.gb", "GB"),
    ];
    for (url, expected) in cases {
        let json = serde_json::to_string(url).expect("a text");
        assert_eq!(part(&format!(r#""current_url":{json}"#), 5), expected, "{url}");
    }
    for json in ["null", "7", "true", "[]"] {
        assert_eq!(part(&format!(r#""current_url":{json}"#), 5), "ZZ", "{json}");
    }
}

#[test]
fn a_file_maps_domains_to_countries() {
    let countries = Some(".com,US\n.glamira.com,ZZ\nwww.glamira.com,DE\nshop.de,AT".parse().expect("good lines"));
    let rules = Rules { countries, ..rules() };
    let cases = [
        ("https://www.glamira.com/x", "DE"),
        ("https://WWW.glamira.com.:8443", "DE"),
        ("https://me@stage.glamira.com", "ZZ"),
        ("http://glamira.com?x", "ZZ"),
        ("https://notglamira.com/", "US"),
        ("https://shop.de/", "AT"),
        ("https://www.shop.de/", "DE"),
        ("https://www.shop.fr/", "FR"),
        ("ftp://www.glamira.com/", "ZZ"),
        ("https://com/", "ZZ"),
        ("https://a..com/", "ZZ"),
        ("https://.com/", "ZZ"),
    ];
    for (url, expected) in cases {
        let decided = outcome(&rules, &with(&format!(r#""current_url":"{url}""#)), Some(TIMESTAMP));
        assert_eq!(decided.split(' ').nth(5), Some(expected), "{url}");
    }
}

#[test]
fn browser_and_system_are_woothees() {
    let cases = [
        (
            "\"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/83.0.4103.61 Safari/537.36\"",
            "Chrome/Windows 10",
        ),
        (
            "\"Mozilla/5.0 (iPhone; CPU iPhone OS 13_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1 Mobile/15E148 Safari/604.1\"",
            "Safari/iPhone",
        ),
        ("\"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)\"", "facebook/Unknown"),
        ("\"?\"", "Unknown/Unknown"),
        ("\"\"", "Unknown/Unknown"),
        ("null", "Unknown/Unknown"),
        ("7", "Unknown/Unknown"),
        ("{}", "Unknown/Unknown"),
    ];
    for (json, expected) in cases {
        assert_eq!(part(&format!(r#""user_agent":{json}"#), 6), expected, "{json}");
    }
}

#[test]
fn the_time_stamp_is_read_in_its_zone() {
    let time_zone = "Europe/Berlin".parse().expect("a zone");
    let rules = Rules { clock: Clock::TimeStamp, time_zone, ..rules() };
    let time = |members: &str| {
        let decided = outcome(&rules, &with(members), Some(TIMESTAMP));
        decided.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(time(r#""time_stamp":1591258527"#), "18417 10", "summer");
    assert_eq!(time(r#""time_stamp":1577836800"#), "18262 1", "winter");
    assert_eq!(time(r#""time_stamp":1591315200"#), "18418 2", "tomorrow, there");
    assert_eq!(time(r#""time_stamp":null"#), "18417 8", "local_time as it stands, if there is nothing else");
    assert_eq!(outcome(&rules, &with(r#""local_time":"x""#), Some(TIMESTAMP)), bad_local_time());
}

#[test]
fn a_day_is_counted_from_1970() {
    decoded(&mut Decoder::new(rules()), Some(&with("")), Some(TIMESTAMP), |outcome| {
        assert!(matches!(outcome, Outcome::Counted(Event { day: Day(18_417), .. })));
    });
}

#[test]
fn every_hostile_case_meets_its_fate() {
    for case in hostile::cases() {
        let payload = case.spoil(std::str::from_utf8(&with("")).expect("text"));
        let mut decoder = Decoder::new(rules());
        let fate = decoded(&mut decoder, payload.as_deref(), Some(TIMESTAMP), |outcome| match outcome {
            Outcome::Counted(_) => Fate::Counted,
            Outcome::Ignored(_) | Outcome::Bot | Outcome::Forgotten(_) => Fate::Ignored,
            Outcome::Rejected(reason) => {
                assert_ne!(reason, Reason::Panicked, "{}", case.name);
                Fate::Rejected
            }
        });
        assert!(case.fate == Fate::Open && fate != Fate::Ignored || fate == case.fate, "{}: {fate:?}", case.name);
    }
}

/// Any bytes, and good records with bytes changed, inserted and cut.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = prop::collection::vec(any::<u8>(), 0..200);
    let edit = (
        any::<prop::sample::Index>(),
        prop_oneof![any::<u8>(), prop::sample::select(br#""\{}[]:,0u"#.to_vec())],
        0..3u8,
    );
    let mutated = prop::collection::vec(edit, 0..6).prop_map(|edits| {
        let mut payload = with(r#""user_agent":"Mozilla/5.0","x":[1,{"y":null}]"#);
        for (at, byte, how) in edits {
            let at = at.index(payload.len());
            match how {
                0 => payload[at] = byte,
                1 => payload.insert(at, byte),
                _ => payload.truncate(at.max(1)),
            }
        }
        payload
    });
    prop_oneof![any_bytes, mutated]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_have_one_storable_outcome(payload in payload(), timestamp in any::<Option<i64>>()) {
        let mut decoder = Decoder::new(rules());
        let first = decoded(&mut decoder, Some(&payload), timestamp, |outcome| {
            match &outcome {
                Outcome::Counted(event) => {
                    prop_assert!(event.fields.iter().flatten().all(|text| !text.to_str().contains('\0')));
                    prop_assert!(event.hour < 24 && event.day.0 >= 10_957);
                }
                Outcome::Ignored(collection) => prop_assert_ne!(*collection, "view_product_detail"),
                Outcome::Bot | Outcome::Forgotten(_) => prop_assert!(false, "nobody leaves any out"),
                Outcome::Rejected(reason) => prop_assert_ne!(reason, &Reason::Panicked),
            }
            Ok(format!("{outcome:?}"))
        })?;
        // The same record decides the same when it comes again.
        prop_assert_eq!(first, decoded(&mut decoder, Some(&payload), timestamp, |outcome| format!("{outcome:?}")));
    }
}
