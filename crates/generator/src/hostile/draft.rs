//! An event taken to pieces, so that a case can change one of them.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use serde_json::value::RawValue;

/// The members of an event, each value as JSON.
pub struct Draft {
    /// Names as they stand between their quotes, so that a case can write them with escapes.
    members: Vec<(String, String)>,
}

impl Draft {
    /// Takes an ordinary event to pieces.
    pub(super) fn new(event: &str) -> Self {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(event).unwrap_or_default();
        Self { members: members.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect() }
    }

    /// The day before an ordinary event, but not before `first`, as `local_time` and as `time_stamp` in seconds.
    pub(super) fn eve(&self, first: NaiveDate) -> Option<(String, String)> {
        let value =
            |member: &str| self.members.iter().find(|(name, _)| name == member).map(|(_, value)| value.as_str());
        let day: NaiveDate = value("local_time")?.get(1..11)?.parse().ok()?;
        let stamp: i64 = value("time_stamp")?.get(..10)?.parse().ok()?;
        let eve = day.checked_sub_days(Days::new(1))?.max(first);
        Some((eve.to_string(), (stamp - (day - eve).num_seconds()).to_string()))
    }

    /// With this value (as JSON) for the member, in its old place.
    pub(super) fn with(mut self, member: &str, value: &str) -> Self {
        match self.members.iter_mut().find(|(name, _)| name == member) {
            Some((_, old)) => *old = value.to_owned(),
            None => self.members.push((member.to_owned(), value.to_owned())),
        }
        self
    }

    /// With one more member at the end, even if it is there already.
    pub(super) fn and(mut self, member: &str, value: &str) -> Self {
        self.members.push((member.to_owned(), value.to_owned()));
        self
    }

    /// With one more member at the beginning, even if it is there already.
    pub(super) fn after(mut self, member: &str, value: &str) -> Self {
        self.members.insert(0, (member.to_owned(), value.to_owned()));
        self
    }

    /// Without this member.
    pub(super) fn without(mut self, member: &str) -> Self {
        self.members.retain(|(name, _)| name != member);
        self
    }

    /// As compact JSON.
    pub(super) fn json(&self) -> String {
        let members: Vec<String> = self.members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    /// As the value of a Kafka record.
    pub(super) fn bytes(self) -> Option<Vec<u8>> {
        Some(self.json().into_bytes())
    }
}

/// A JSON text of `length` times `part`.
pub(super) fn long(part: &str, length: usize) -> String {
    format!("\"{}\"", part.repeat(length))
}

/// Arrays in each other, `levels` deep.
pub(super) fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}
