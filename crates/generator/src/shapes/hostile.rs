//! Records that break careless consumers, in shapes other than the shop's. Each case spoils an ordinary event: the bytes, or a
//! member wherever that shape has it. The fates hold for the models of these names, and default settings.

use serde_json::Value;

use super::Shape;
use crate::hostile::Fate::{self, Counted, Ignored, Rejected};

/// One hostile case.
pub struct Case {
    /// What is odd about it.
    pub name: &'static str,
    /// How it must be treated.
    pub fate: Fate,
    change: Change,
}

/// How a case changes an event.
enum Change {
    /// The record is rebuilt from the event's JSON.
    Build(fn(&str) -> Option<Vec<u8>>),
    /// A member gets this JSON as its value.
    Put(Place, &'static str),
    /// A member gets a text with this many further letters.
    Long(Place, &'static str, usize),
    /// The member, or the top-level one that it is in, also occurs at the beginning, with this JSON.
    Before(Place, &'static str),
}

/// What a member is for.
#[derive(Clone, Copy)]
enum Place {
    Type,
    Time,
    Page,
    Agent,
    /// An object on the way to other members.
    Way,
}

impl Place {
    /// Where a shape has it, as a JSON pointer; none if the shape does not have it.
    fn path(self, shape: Shape) -> Option<&'static str> {
        let [kind, time, page, agent, way] = match shape {
            Shape::Glamira => [None; 5],
            Shape::Segment => [
                Some("/type"),
                Some("/timestamp"),
                Some("/context/page/url"),
                Some("/context/userAgent"),
                Some("/context"),
            ],
            Shape::Snowplow => [Some("/event"), Some("/derived_tstamp"), Some("/page_url"), Some("/useragent"), None],
            Shape::Posthog => {
                [Some("/event"), Some("/timestamp"), Some("/properties/$current_url"), None, Some("/properties")]
            }
            Shape::Ga4 => {
                let page = Some("/event_params/0/value/string_value");
                [Some("/event_name"), Some("/event_timestamp"), page, None, Some("/geo")]
            }
            // The request there is no URL.
            Shape::Nginx => [None, Some("/time_iso8601"), None, Some("/http_user_agent"), None],
        };
        match self {
            Place::Type => kind,
            Place::Time => time,
            Place::Page => page,
            Place::Agent => agent,
            Place::Way => way,
        }
    }
}

/// A placeholder for JSON that serde_json cannot represent.
const MARK: &str = "\u{1}mark";

impl Case {
    /// Whether this case applies to a shape.
    fn is_of(&self, shape: Shape) -> bool {
        match self.change {
            Change::Build(_) => true,
            Change::Put(place, _) | Change::Long(place, ..) | Change::Before(place, _) => place.path(shape).is_some(),
        }
    }

    /// The record that this case makes of an ordinary event; none is Kafka's null value.
    pub(crate) fn spoil(&self, event: &str, shape: Shape) -> Option<Vec<u8>> {
        match self.change {
            Change::Build(build) => build(event),
            Change::Put(place, value) => put(event, place.path(shape)?, value),
            Change::Long(place, start, length) => {
                put(event, place.path(shape)?, &format!("\"{start}{}\"", "x".repeat(length)))
            }
            Change::Before(place, value) => {
                let name = place.path(shape)?.split('/').nth(1)?;
                begun(event, &format!("{{\"{name}\":{value},"))
            }
        }
    }
}

fn put(event: &str, pointer: &str, json: &str) -> Option<Vec<u8>> {
    let mut event: Value = serde_json::from_str(event).ok()?;
    *event.pointer_mut(pointer)? = MARK.into();
    let mark = Value::from(MARK).to_string();
    Some(event.to_string().replacen(&mark, json, 1).into_bytes())
}

/// The event with something before its first member.
fn begun(event: &str, start: &str) -> Option<Vec<u8>> {
    Some(event.replacen('{', start, 1).into_bytes())
}

/// The event with something after its end.
fn ended(event: &str, end: &[u8]) -> Option<Vec<u8>> {
    Some([event.as_bytes(), end].concat())
}

/// The event with one more member, which nobody uses.
fn with_unused(event: &str, json: &str) -> Option<Vec<u8>> {
    begun(event, &format!("{{\"unused\":{json},"))
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

const fn build(name: &'static str, fate: Fate, build: fn(&str) -> Option<Vec<u8>>) -> Case {
    Case { name, fate, change: Change::Build(build) }
}

const fn at(place: Place, name: &'static str, fate: Fate, value: &'static str) -> Case {
    Case { name, fate, change: Change::Put(place, value) }
}

const fn before(place: Place, name: &'static str, fate: Fate, value: &'static str) -> Case {
    Case { name, fate, change: Change::Before(place, value) }
}

const fn long(place: Place, name: &'static str, fate: Fate, start: &'static str, length: usize) -> Case {
    Case { name, fate, change: Change::Long(place, start, length) }
}

/// Case number `turn` of a shape; after the last one they begin again.
pub(crate) fn case(shape: Shape, turn: usize) -> Option<&'static Case> {
    cases(shape).cycle().nth(turn % cases(shape).count().max(1))
}

/// All cases of a shape, in a fixed order.
pub fn cases(shape: Shape) -> impl Iterator<Item = &'static Case> + Clone {
    CASES.iter().filter(move |case| case.is_of(shape))
}

#[rustfmt::skip]
static CASES: &[Case] = &[
    build("null value", Rejected, |_| None),
    build("empty value", Rejected, |_| Some(Vec::new())),
    build("byte 0xFF", Rejected, |event| Some([b"\xff", event.as_bytes()].concat())),
    build("UTF-16", Rejected, |event| Some(event.encode_utf16().flat_map(u16::to_le_bytes).collect())),
    build("truncated", Rejected, |event| Some(event.as_bytes()[..event.len() / 2].to_vec())),
    build("garbage behind", Rejected, |event| ended(event, b"x")),
    build("two objects", Rejected, |event| Some(event.repeat(2).into_bytes())),
    build("not JSON at all", Rejected, |_| Some(b"<html><body>502 Bad Gateway</body></html>".to_vec())),
    build("single quotes", Rejected, |event| Some(event.replace('"', "'").into_bytes())),
    build("top level number", Rejected, |_| Some(b"42".to_vec())),
    build("top level null", Rejected, |_| Some(b"null".to_vec())),
    build("the event as a JSON text", Rejected, |event| Some(Value::from(event).to_string().into_bytes())),
    build("empty object", Rejected, |_| Some(b"{}".to_vec())),
    build("NaN", Rejected, |event| with_unused(event, "NaN")),
    build("bare line break in a text", Rejected, |event| with_unused(event, "\"a\nb\"")),
    build("nesting of 200 levels, unused", Rejected, |event| with_unused(event, &nested(199))),
    build("nesting of 100 levels, unused", Counted, |event| with_unused(event, &nested(99))),
    build("huge double, unused", Counted, |event| with_unused(event, "1e999")),
    build("record of 200 KB", Counted, |event| with_unused(event, &format!("\"{}\"", "0123456789".repeat(20_000)))),
    build("10,000 members", Counted, |event| with_unused(event, &(0..10_000).fold("0".into(), |all: String, at| format!("{all},\"u{at}\":0")))),
    build("white space around", Counted, |event| Some(format!(" \t\r\n{event}\n ").into_bytes())),
    at(Place::Type, "type null", Rejected, "null"),
    at(Place::Type, "type empty", Rejected, "\"\""),
    at(Place::Type, "type a number", Rejected, "7"),
    at(Place::Type, "type an array", Rejected, "[\"page\"]"),
    at(Place::Type, "type with a lone surrogate", Rejected, r#""\udfff""#),
    at(Place::Type, "type unknown", Ignored, "\"nothing that counts\""),
    before(Place::Type, "type twice, last is right", Counted, "7"),
    at(Place::Time, "time no time", Rejected, "\"yesterday\""),
    at(Place::Time, "time an array", Rejected, "[2020]"),
    at(Place::Time, "time an object", Rejected, "{}"),
    at(Place::Time, "time with a lone surrogate", Rejected, r#""\ud800""#),
    at(Place::Time, "time before the year 2000", Rejected, "\"1999-12-31T23:59:59Z\""),
    at(Place::Time, "time in the future", Rejected, "\"2400-01-01T00:00:00Z\""),
    at(Place::Time, "time of the 30th of February", Rejected, "\"2020-02-30T00:00:00Z\""),
    before(Place::Time, "time twice, last is right", Counted, "\"yesterday\""),
    at(Place::Page, "page null", Counted, "null"),
    at(Place::Page, "page empty", Counted, "\"\""),
    at(Place::Page, "page no URL", Counted, "\"about:blank\""),
    at(Place::Page, "page in capitals", Counted, "\"HTTPS://WWW.GLAMIRA.DE/Rings/\""),
    at(Place::Page, "page escaped", Counted, r#""https:\/\/www.glamira.d\u0065\/ring""#),
    at(Place::Page, "page with a lone surrogate", Rejected, r#""https://www.glamira.de/\ud83d""#),
    long(Place::Page, "page with a path of 2 KB", Rejected, "https://www.glamira.de/", 2_000),
    before(Place::Page, "page on a way that is there twice, last is right", Counted, "7"),
    at(Place::Agent, "user agent null", Counted, "null"),
    at(Place::Agent, "user agent a number", Counted, "5.0"),
    at(Place::Agent, "user agent an object", Counted, "{}"),
    at(Place::Agent, "user agent with a lone surrogate", Rejected, r#""Mozilla/5.0 \udead""#),
    at(Place::Way, "way through a number", Rejected, "7"),
    at(Place::Way, "way through a text", Rejected, "\"{}\""),
    at(Place::Way, "way through an array", Rejected, "[7]"),
    at(Place::Way, "way through an empty array", Counted, "[]"),
    at(Place::Way, "way through null", Counted, "null"),
    at(Place::Way, "way through an empty object", Counted, "{}"),
    long(Place::Agent, "user agent of 5 KB", Counted, "Mozilla/5.0 (Linux; Android 10; ", 5_000),
];
