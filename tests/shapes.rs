//! Events of other shapes than the default: ways into objects, formats of times, envelopes; and what is wrong with them.

use std::sync::Arc;
use std::time::Duration;

use dataflows::model::Model;
use freshet::source::decode::{Clock, Decoder, Outcome, Rules};

use crate::support::defaults::rules;

/// The Kafka timestamp of the records: 2020-06-05, in milliseconds.
const TIMESTAMP: Option<i64> = Some(1_591_315_200_000);

const FIELDS: &str = r#"
[fields]
url = { path = "context.page.url", kind = "text", lower = true }
source = { path = ["properties.\"utm.source\"", "campaign.source"], kind = "text", or = "Unknown" }
place = { path = "event_params", key = "page_location", kind = "id" }
land = { path = "geo.country", kind = "country-code" }
[[report]]
table = "views_by_source"
by = ["day", "hour", "source"]
"#;

/// Rules by this `[event]`, and the fields above.
fn of(event: &str) -> Rules {
    let model = Model::parse(&format!("[event]\n{event}\n{FIELDS}"), "test").expect("a model");
    let views = model.event.views.join(",").parse().expect("a list");
    Rules { model: Arc::new(model), views, ..rules() }
}

/// What becomes of each event: day, hour and fields, or `ignored`, or why it is rejected.
fn outcomes(rules: &Rules, record: &[u8], timestamp: Option<i64>) -> Vec<String> {
    let mut outcomes = Vec::new();
    Decoder::new(rules.clone()).decode(Some(record), timestamp, |outcome| {
        outcomes.push(match outcome {
            Outcome::Counted(event) => {
                let fields = event.fields.iter().map(|text| text.as_ref().map_or("-".into(), ToString::to_string));
                format!("{} {} {}", event.day.0, event.hour, fields.collect::<Vec<_>>().join(" "))
            }
            Outcome::Ignored(kind) => format!("ignored {kind}"),
            Outcome::Bot => "bot".into(),
            Outcome::Forgotten(_) => "forgotten".into(),
            Outcome::Rejected(reason) => reason.to_string(),
        });
    });
    outcomes
}

const TYPED: &str = "type = \"event\"\nviews = [\"page\"]\ntime_stamp = \"at\"";

#[test]
fn a_way_goes_into_objects_and_pairs() {
    let rules = of(TYPED);
    let no_way =
        |member: &str| format!("{member} is not there: a member on the way to it is neither an object nor nothing");
    let source = "properties.\"utm.source\" or campaign.source";
    let cases = [
        ("", "- Unknown - ZZ".to_owned()),
        (r#""context":{"page":{"url":"/A","x":{"url":1}},"url":2}"#, "/a Unknown - ZZ".into()),
        (r#""context":{"page":{"url":"/A"}},"context":{"page":null}"#, "- Unknown - ZZ".into()),
        (r#""context":{"page":{"url":"/a"}},"context":{"page":{"url":"/b"}}"#, "/b Unknown - ZZ".into()),
        (r#""context":{"pag\u0065":{"\u0075rl":"/\u0062"}}"#, "/b Unknown - ZZ".into()),
        (r#""context":null"#, "- Unknown - ZZ".into()),
        (r#""context":[ ],"properties":"","campaign":false"#, "- Unknown - ZZ".into()),
        (r#""context":"page""#, no_way("context.page.url")),
        (r#""context":{"page":[{"url":"/a"}]}"#, no_way("context.page.url")),
        (r#""context":{"page":{"url":{}}}"#, "url is not a text".into()),
        (r#""context":{"page":{"url":"\ud800"}}"#, "context.page.url holds half of a surrogate pair".into()),
        (r#""properties":{"utm.source":"a"},"campaign":{"source":"b"}"#, "- a - ZZ".into()),
        (r#""properties":{"utm.source":null},"campaign":{"source":"b"}"#, "- b - ZZ".into()),
        (r#""properties":{"utm.source":""},"campaign":{"source":"b"}"#, "- Unknown - ZZ".into()),
        (r#""campaign":{"source":"b"}"#, "- b - ZZ".into()),
        (r#""properties":7,"campaign":{"source":"b"}"#, no_way(source)),
        (r#""event_params":[{"key":"x","value":1},{"key":"page_location","value":7}]"#, "- Unknown 7 ZZ".into()),
        (
            r#""event_params":[{"value":{"string_value":null,"int_value":"8"},"key":"page_location"},3,{"key":[]}]"#,
            "- Unknown 8 ZZ".into(),
        ),
        (r#""event_params":[{"key":"page_locatio\u006e","value":{"double_value":9.0}}]"#, "- Unknown 9 ZZ".into()),
        (r#""event_params":[{"key":"page_location","value":7},{"key":"page_location"}]"#, "- Unknown - ZZ".into()),
        (r#""event_params":{"page_location":7}"#, no_way("event_params[page_location]")),
        (r#""geo":{"country":"de"}"#, "- Unknown - DE".into()),
        (r#""geo":{"country":"Germany"}"#, "- Unknown - ZZ".into()),
    ];
    for (members, expected) in cases {
        let comma = if members.is_empty() { "" } else { "," };
        let record = format!(r#"{{"event":"page","at":1591258527{comma}{members}}}"#);
        let expected = if expected.contains(" is ") || expected.contains("holds") {
            expected
        } else {
            format!("18417 8 {expected}")
        };
        assert_eq!(outcomes(&rules, record.as_bytes(), TIMESTAMP), [expected], "{members}");
    }
}

#[test]
fn a_time_is_read_as_it_is_spelt() {
    let time_zone = "Europe/Berlin".parse().expect("a zone");
    // The member, what it holds, and the hours by the visitor's clock and in Berlin, or the reason.
    let bad = "local is not a date and time like 2020-06-04 08:15:27";
    let none = "there is no event time: local is empty and at is no time";
    let cases = [
        ("local", r#""2020-06-04 08:15:27""#, Ok([8, 8])),
        ("local", r#""2020-06-04T08:15:27.123456789Z""#, Ok([8, 10])),
        ("local", r#""2020-06-04T08:15:27-07:00""#, Ok([8, 17])),
        ("local", r#""1591258527""#, Ok([8, 10])),
        ("local", "1591258527", Err(bad)),
        ("local", r#""2020-06-04 8:15:27.5-0930""#, Ok([8, 19])),
        ("local", r#""2020-06-04T08:15:27+24:00""#, Err(bad)),
        ("local", r#""2020-06-04T08:15:27+02:60""#, Err(bad)),
        ("local", r#""2020-06-04T08:15:27+2""#, Err(bad)),
        ("local", r#""2020-06-04T08:15:27ZZ""#, Err(bad)),
        ("local", r#""+1591258527""#, Err(bad)),
        ("at", "1591258527", Ok([8, 10])),
        ("at", "1591258527.9", Ok([8, 10])),
        ("at", "1.591258527e9", Ok([8, 10])),
        ("at", "1591258527123", Ok([8, 10])),
        ("at", r#""1591258527123456""#, Ok([8, 10])),
        ("at", r#""1591258527.0""#, Ok([8, 10])),
        ("at", r#""2020-06-04 08:15:27""#, Ok([8, 10])),
        ("at", r#""2020-06-04T08:15:27+0530""#, Ok([8, 4])),
        ("at", r#""yesterday""#, Err(none)),
        ("at", "true", Err(none)),
    ];
    let rules = of("local_time = \"local\"\ntime_stamp = \"at\"");
    for (member, spelling, expected) in cases {
        for (place, clock) in [Clock::LocalTime, Clock::TimeStamp].into_iter().enumerate() {
            let rules = Rules { clock, time_zone, ..rules.clone() };
            let record = format!(r#"{{"{member}":{spelling}}}"#);
            let expected = match expected {
                Ok(hours) => format!("18417 {} - Unknown - ZZ", hours[place]),
                Err(reason) => reason.to_owned(),
            };
            assert_eq!(outcomes(&rules, record.as_bytes(), TIMESTAMP), [expected], "{spelling} {clock:?}");
        }
    }
    for (format, right, wrong) in [
        ("date-time", r#""2020-06-04 08:15:27""#, r#""2020-06-04T08:15:27Z""#),
        ("rfc3339", r#""2020-06-04T08:15:27Z""#, "1591258527"),
        ("seconds", "1591258527", r#""2020-06-04 08:15:27""#),
        ("milliseconds", r#""1591258527000""#, "1591258527"),
        ("microseconds", "1591258527000000", "1591258527000"),
    ] {
        let rules = of(&format!("time_stamp = \"at\"\ntime_format = \"{format}\""));
        let outcome = |spelling: &str| outcomes(&rules, format!(r#"{{"at":{spelling}}}"#).as_bytes(), TIMESTAMP);
        assert_eq!(outcome(right), ["18417 8 - Unknown - ZZ"], "{format}");
        assert!(!outcome(wrong)[0].starts_with("18417"), "{format}: {wrong}");
    }
}

#[test]
fn the_timestamp_of_the_record_bounds_the_time() {
    let rules = Rules { max_future: Duration::ZERO, ..of("time_stamp = \"at\"") };
    let outcome = |at: i64, timestamp| outcomes(&rules, format!(r#"{{"at":{at}}}"#).as_bytes(), timestamp).remove(0);
    assert_eq!(outcome(1_591_258_527, TIMESTAMP), "18417 8 - Unknown - ZZ");
    assert_eq!(outcome(1_591_315_201, TIMESTAMP), "the event time is too far after the Kafka timestamp of the record");
    let in_seconds = "the Kafka timestamp of the record is before the year 2000: it must be in milliseconds";
    assert_eq!(outcome(1_591_258_527, Some(1_591_315_200)), in_seconds);
    assert_eq!(outcome(4_102_444_799, None), "47481 23 - Unknown - ZZ");
    let unbounded = "the event time is after the year 2099, and the record has no Kafka timestamp";
    assert_eq!(outcome(4_102_444_800, None), unbounded);
}

#[test]
fn an_envelope_is_taken_off() {
    let event = r#"{"event":"page","at":1591258527}"#;
    let counted = "18417 8 - Unknown - ZZ".to_owned();
    let registry = |number: &[u8], event: &str| [number, event.as_bytes()].concat();
    let connect = format!(r#"{{"schema":{{"type":"struct"}},"payload":{event}}}"#);
    let missing = || "event is missing, empty or not a text".to_owned();
    for (envelope, record, expected) in [
        ("auto", event.as_bytes().to_vec(), counted.clone()),
        ("auto", registry(b"\0\0\0\0\x07", event), counted.clone()),
        ("auto", connect.clone().into_bytes(), counted.clone()),
        ("auto", registry(b"\0\0\0\0\x07", &connect), counted.clone()),
        ("auto", connect.replacen('{', r#"{"more":1,"#, 1).into_bytes(), missing()),
        ("auto", br#"{"schema":null,"payload":null}"#.to_vec(), missing()),
        ("auto", registry(b"\0\0\0\x07", event), "the value is not a JSON object".into()),
        ("none", connect.clone().into_bytes(), missing()),
        ("none", registry(b"\0\0\0\0\x07", event), "the value is not JSON".into()),
        ("payload", connect.replacen('{', r#"{"more":1,"#, 1).into_bytes(), counted.clone()),
        ("payload", event.as_bytes().to_vec(), "there is no object in the member payload".into()),
        ("confluent-json", registry(b"\0\0\0\0\x07", event), counted),
        (
            "confluent-json",
            event.as_bytes().to_vec(),
            "the value does not begin with the five bytes that a schema registry puts there".into(),
        ),
    ] {
        let rules = of(&format!("{TYPED}\nenvelope = \"{envelope}\""));
        assert_eq!(outcomes(&rules, &record, TIMESTAMP), [expected], "{envelope} {}", String::from_utf8_lossy(&record));
    }
}

#[test]
fn events_of_an_array_are_judged_singly() {
    let rules = of(&format!("{TYPED}\nenvelope = \"array\""));
    let outcome = |record: &str| outcomes(&rules, record.as_bytes(), TIMESTAMP);
    let counted = "18417 8 - Unknown - ZZ";
    let (good, other) = (r#"{"event":"page","at":1591258527}"#, r#"{"\u0065vent":"cart","at":1591258527}"#);
    assert_eq!(outcome(&format!("[{good},{other}, {good}]")), [counted, "ignored cart", counted]);
    assert_eq!(
        outcome(&format!("[{good},{{\"at\":1}},{good},7]")),
        [counted, counted, "an event of the array: event is missing, empty or not a text"]
    );
    assert_eq!(outcome("[]"), [""; 0]);
    assert_eq!(outcome(good), ["there is no array of events"]);
    assert_eq!(outcome(&format!("[{good},]")), ["the value is not JSON"], "not one of them");
    assert_eq!(outcome("[7]"), ["an event of the array: the value is not a JSON object"]);
    let deep = format!("[{}1{}]", "[".repeat(127), "]".repeat(127));
    assert_eq!(outcome(&deep), ["the value is nested deeper than 127 levels"]);
    let many = format!("[{}]", vec![r#"{"event":"page","at":1591258527}"#; 100_000].join(","));
    assert_eq!(outcome(&many).len(), 100_000);

    let rules = of(&format!("{TYPED}\nenvelope = \"array\"\narray = \"data.batch\""));
    let outcome = |record: &str| outcomes(&rules, record.as_bytes(), TIMESTAMP);
    assert_eq!(outcome(&format!(r#"{{"data":{{"batch":[{good}]}},"x":[]}}"#)), [counted]);
    assert_eq!(outcome(r#"{"data":{}}"#), ["there is no array of events in data.batch"]);
    assert_eq!(outcome("[]"), ["the value is not a JSON object"]);
}
