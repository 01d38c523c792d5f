//! The members that records have: how many have each, what it holds, and what it may be for.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use dataflows::model::Way;
use serde_json::Value;

use super::example;

/// Depth to which records are entered, and members that are distinguished: beyond that, names are data.
const DEPTH_MAX: usize = 8;
const MEMBERS_MAX: usize = 400;
/// Events after which members that fewer than one in a hundred has make room for others.
const ROUND_EVENTS: u64 = 100;
/// Distinct values that are kept of a member, and characters of each.
const VALUES_MAX: usize = 60;
const VALUE_CHARS_MAX: usize = 120;
/// Values that are shown of a member.
const EXAMPLES_MAX: usize = 3;

/// What a member holds, over all records.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    /// How many records have it.
    pub records: u64,
    /// How often it was of each JSON type, by the type's name.
    pub types: BTreeMap<&'static str, u64>,
    /// How often it was a timestamp, and how often a date and time without a zone.
    pub moments: u64,
    pub local_times: u64,
    /// How often it was a URL, a user agent, a code of two capitals.
    pub urls: u64,
    pub agents: u64,
    pub codes: u64,
    /// How often it was the path of a URL.
    pub paths: u64,
    /// How often a URL had each parameter.
    pub parameters: BTreeMap<String, u64>,
    /// How often it was each scalar, of the first distinct ones.
    pub values: BTreeMap<String, u64>,
    pub has_more_values: bool,
    /// Bytes of the longest text.
    pub longest: usize,
    pub examples: Vec<String>,
}

/// The members of some events.
#[derive(Clone, Debug, Default)]
pub(super) struct Survey {
    pub events: u64,
    pub members: BTreeMap<Way, Member>,
}

impl Survey {
    /// Adds an event.
    pub fn add(&mut self, event: &Value) {
        if self.members.len() >= MEMBERS_MAX && self.events.is_multiple_of(ROUND_EVENTS) {
            self.members.retain(|_, member| member.records * 100 >= self.events);
        }
        self.events += 1;
        self.enter(&Way::default(), event, 1);
    }

    fn enter(&mut self, way: &Way, value: &Value, depth: usize) {
        match value {
            Value::Object(members) if depth <= DEPTH_MAX && members.len() <= MEMBERS_MAX => {
                for (name, value) in members {
                    let names = [way.names.as_slice(), std::slice::from_ref(name)].concat();
                    self.visit(&Way { names, key: None }, value, depth);
                }
            }
            Value::Array(elements) => {
                for (key, value) in elements.iter().filter_map(pair) {
                    self.visit(&Way { key: Some(key.to_owned()), ..way.clone() }, value, DEPTH_MAX);
                }
            }
            _ => {}
        }
    }

    fn visit(&mut self, way: &Way, value: &Value, depth: usize) {
        if self.members.len() >= MEMBERS_MAX && !self.members.contains_key(way) {
            return;
        }
        self.members.entry(way.clone()).or_default().add(&way.to_string(), value);
        self.enter(way, value, depth + 1);
    }

    /// The members as they are shown.
    pub fn findings(&self) -> Vec<super::findings::Member> {
        let member = |(way, member): (&Way, &Member)| {
            let mut types: Vec<_> = member.types.iter().collect();
            types.sort_by_key(|(_, times)| Reverse(**times));
            super::findings::Member {
                member: way.to_string(),
                records: member.records,
                share: self.share(member),
                types: types.into_iter().map(|(name, _)| (*name).to_owned()).collect(),
                examples: member.examples.clone(),
            }
        };
        self.members.iter().map(member).collect()
    }

    /// The share of events that have this member.
    pub fn share(&self, member: &Member) -> f64 {
        member.records as f64 / self.events.max(1) as f64
    }
}

/// Key and value of an element of an array of pairs; a value of several types is the one that is not null.
fn pair(element: &Value) -> Option<(&str, &Value)> {
    let (key, value) = (element.get("key")?.as_str()?, element.get("value")?);
    let typed = ["string_value", "int_value", "float_value", "double_value"];
    let of_type = typed.iter().filter_map(|name| value.get(name)).find(|value| !value.is_null());
    Some((key, of_type.unwrap_or(value)))
}

impl Member {
    fn add(&mut self, name: &str, value: &Value) {
        self.records += 1;
        *self.types.entry(type_of(value)).or_default() += 1;
        match time_of(value, name) {
            Some(Time::Moment) => self.moments += 1,
            Some(Time::Local) => self.local_times += 1,
            None => {}
        }
        if let Value::String(text) = value {
            self.longest = self.longest.max(text.len());
            self.agents += u64::from(text.starts_with("Mozilla/"));
            self.paths += u64::from(text.starts_with('/'));
            self.codes += u64::from(text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()));
            if is_url(text) {
                self.urls += 1;
                self.note_parameters(text);
            }
        }
        if let Value::String(_) | Value::Number(_) | Value::Bool(_) = value {
            self.note(value);
        }
        let example = example::show(name, value);
        if self.examples.len() < EXAMPLES_MAX && !self.examples.contains(&example) {
            self.examples.push(example);
        }
    }

    fn note(&mut self, value: &Value) {
        let mut text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.truncate(text.floor_char_boundary(VALUE_CHARS_MAX));
        if self.values.len() < VALUES_MAX || self.values.contains_key(&text) {
            *self.values.entry(text).or_default() += 1;
        } else {
            self.has_more_values = true;
        }
    }

    fn note_parameters(&mut self, url: &str) {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        for name in query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name).take(20) {
            if name.starts_with("utm_") {
                *self.parameters.entry(name.to_owned()).or_default() += 1;
            }
        }
    }

    /// How often it was of this type.
    pub fn of_type(&self, name: &str) -> u64 {
        self.types.get(name).copied().unwrap_or(0)
    }

    /// Whether nearly all of its values are of a kind that occurred this often.
    pub fn is_mostly(&self, times: u64) -> bool {
        let there = self.records - self.of_type("null");
        there > 0 && times * 10 >= there * 9
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "whole number",
        Value::String(_) => "text",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_url(text: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme)))
}

/// The kinds of times: with a zone, or without.
enum Time {
    Moment,
    Local,
}

/// The kind of time that a value may be. A number is one only if the member's name says so: an id may be as large.
fn time_of(value: &Value, member: &str) -> Option<Time> {
    let name = member.to_lowercase();
    let is_called_so =
        ["time", "stamp", "date", "_at", "created", "msec", "when"].iter().any(|word| name.contains(word))
            || matches!(name.rsplit('.').next(), Some("ts" | "t" | "at"));
    let text = value.as_str().map(str::trim);
    let number = value.as_f64().or_else(|| text?.parse().ok());
    if let Some(number) = number {
        // From 2000 to 2100, in seconds, milliseconds or microseconds.
        let is_epoch = [1.0, 1e3, 1e6].iter().any(|unit| (946_684_800.0..4_102_444_800.0).contains(&(number / unit)));
        return (is_epoch && is_called_so).then_some(Time::Moment);
    }
    let bytes = text?.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is_date = [0, 1, 2, 3, 5, 6, 8, 9].into_iter().all(is_digit) && bytes[4] == b'-' && bytes[7] == b'-';
    if !is_date || !matches!(bytes.get(10), Some(b'T' | b't' | b' ')) || !is_digit(11) {
        return None;
    }
    let has_zone = bytes[11..].iter().any(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-'));
    Some(if has_zone { Time::Moment } else { Time::Local })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_found_wherever_they_are() {
        let mut survey = Survey::default();
        survey.add(&json!({
            "timestamp": "2020-06-04T08:15:27Z",
            "context": {"page": {"url": "https://a.example/b?utm_source=c"}, "a.b": 7},
            "params": [{"key": "title", "value": {"string_value": "Home", "int_value": null}}, {"key": "n", "value": 1}],
            "tags": ["a", "b"],
        }));
        survey.add(&json!({"timestamp": "1591258527", "tags": null}));
        let spelt: Vec<_> = survey.members.keys().map(Way::to_string).collect();
        assert_eq!(
            spelt,
            [
                "context",
                "context.\"a.b\"",
                "context.page",
                "context.page.url",
                "params",
                "params[n]",
                "params[title]",
                "tags",
                "timestamp"
            ]
        );
        let of = |name: &str| survey.members.iter().find(|(way, _)| way.to_string() == name).expect("a member").1;
        assert_eq!((of("timestamp").moments, of("timestamp").records), (2, 2));
        assert_eq!(of("params[title]").examples, ["Home"]);
        assert_eq!(of("context.page.url").parameters, BTreeMap::from([("utm_source".to_owned(), 1)]));
        assert_eq!(of("tags").types, BTreeMap::from([("array", 1), ("null", 1)]));
    }

    /// Whatever a record holds, the survey stays small.
    #[test]
    fn a_hostile_record_makes_no_large_survey() {
        let mut survey = Survey::default();
        let deep = (0..100).fold(json!(1), |inner, at| json!({ format!("a{at}"): inner }));
        let wide: serde_json::Map<_, _> = (0..100_000).map(|at| (format!("m{at}"), json!("x".repeat(1_000)))).collect();
        survey.add(&deep);
        survey.add(&wide.into());
        (0..1_000).for_each(|at| survey.add(&json!({"v": format!("{at}{}", "é".repeat(500))})));
        let wide: serde_json::Map<_, _> = (0..MEMBERS_MAX).map(|at| (format!("m{at}"), json!(at))).collect();
        survey.add(&wide.into());
        survey.add(&json!({"late": 1}));
        assert!(survey.members.len() == MEMBERS_MAX && survey.members.keys().all(|way| way.path() != "late"));
        (0..2 * ROUND_EVENTS).for_each(|_| survey.add(&json!({"late": 1})));
        assert!(survey.members.keys().any(|way| way.path() == "late"), "names that are data keep out the others");
        assert!(survey.members.keys().all(|way| way.names.len() <= DEPTH_MAX));
        assert!(
            survey
                .members
                .values()
                .all(|it| it.values.len() <= VALUES_MAX && it.values.keys().all(|v| v.len() <= VALUE_CHARS_MAX))
        );
    }
}
