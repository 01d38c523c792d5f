//! The few members of a record that the reports use, found without building the rest.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::Reason;
use super::scan::scan;

/// Objects and arrays may be nested this deep, the record itself being the first level.
pub(super) const MAX_DEPTH: usize = 127;

/// A member that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Collection,
    LocalTime,
    TimeStamp,
    ProductId,
    StoreId,
    ReferrerUrl,
    CurrentUrl,
    UserAgent,
}

impl Member {
    /// The member of this name, given as it is spelt in JSON; none, if it is not used.
    pub fn of(name: &str) -> Option<Member> {
        // Length and first letter tell nearly all apart: one comparison is left where there would be eight.
        let (spelling, member) = match (name.len(), name.as_bytes()[1]) {
            (12, b'c') => ("\"collection\"", Member::Collection),
            (12, b'l') => ("\"local_time\"", Member::LocalTime),
            (12, b't') => ("\"time_stamp\"", Member::TimeStamp),
            (12, b'p') => ("\"product_id\"", Member::ProductId),
            (10, b's') => ("\"store_id\"", Member::StoreId),
            (14, b'r') => ("\"referrer_url\"", Member::ReferrerUrl),
            (13, b'c') => ("\"current_url\"", Member::CurrentUrl),
            (12, b'u') => ("\"user_agent\"", Member::UserAgent),
            _ => return Member::of_escaped(name),
        };
        if name == spelling { Some(member) } else { Member::of_escaped(name) }
    }

    /// The same for a name that is spelt with escapes, if this is one.
    fn of_escaped(name: &str) -> Option<Member> {
        // The shortest is "store_id" with one letter as \uXXXX: most names need not be looked through.
        if name.len() < 15 || !name.as_bytes().contains(&b'\\') {
            return None;
        }
        let name: String = serde_json::from_str(name).ok()?;
        if name.contains(['"', '\\']) { None } else { Member::of(&format!("\"{name}\"")) }
    }
}

/// The used members as they stand in the record: checked JSON, not yet interpreted. Of a repeated member, the last.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Members<'a>([Option<&'a str>; 8]);

impl<'a> Members<'a> {
    /// Finds the members of a record. All of it must be JSON, also what is not used.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Reason> {
        if payload.is_empty() {
            return Err(Reason::Empty);
        }
        // Once for the whole record: serde_json then need not check text by text.
        let text = std::str::from_utf8(payload).map_err(|_| Reason::NotUtf8)?;
        let members = scan(text).map_or_else(|| Members::parse_exactly(text), Ok)?;
        // serde_json limits the depth of what it builds, not of what it passes over.
        if depth(payload) > MAX_DEPTH { Err(Reason::TooDeep) } else { Ok(members) }
    }

    /// The same for any text, by serde_json.
    pub fn parse_exactly(text: &'a str) -> Result<Self, Reason> {
        serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Data => Reason::NotAnObject,
            _ => Reason::NotJson,
        })
    }

    /// A member, if the record has it.
    pub fn get(&self, member: Member) -> Option<&'a str> {
        self.0[member as usize]
    }

    /// Sets a member, over what it was before.
    pub fn set(&mut self, member: Member, json: &'a str) {
        self.0[member as usize] = Some(json);
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(|members: Members<'de>| members)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        // Raw names, as one that is not used may be no text that Rust holds.
        while let Some(name) = map.next_key::<&RawValue>()? {
            match Member::of(name.get()) {
                Some(member) => members.set(member, map.next_value::<&RawValue>()?.get()),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(members)
    }
}

/// How deep valid JSON is nested.
fn depth(json: &[u8]) -> usize {
    let opening = memchr::memchr2_iter(b'{', b'[', json).take(MAX_DEPTH + 1).count();
    if opening <= MAX_DEPTH {
        return opening; // An upper bound, and nearly always enough.
    }
    let (mut deepest, mut open, mut in_text, mut escaped) = (0, 0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => open += 1,
            b'}' | b']' if !in_text => open -= 1,
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}
