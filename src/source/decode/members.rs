//! The few members of a record that the reports use, found without building the rest.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::Reason;
use super::scan::scan;
use super::special::Special;

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
    /// The member of this name; none, if it is not used.
    #[inline]
    pub fn of(name: &[u8]) -> Option<Member> {
        // Length and first letter tell nearly all apart: one comparison is left where there would be eight, and of a
        // known length, which takes two instructions.
        match (name.len(), name.first()?) {
            (10, b'c') => is(name, b"collection").then_some(Member::Collection),
            (10, b'l') => is(name, b"local_time").then_some(Member::LocalTime),
            (10, b't') => is(name, b"time_stamp").then_some(Member::TimeStamp),
            (10, b'p') => is(name, b"product_id").then_some(Member::ProductId),
            (8, b's') => is(name, b"store_id").then_some(Member::StoreId),
            (12, b'r') => is(name, b"referrer_url").then_some(Member::ReferrerUrl),
            (11, b'c') => is(name, b"current_url").then_some(Member::CurrentUrl),
            (10, b'u') => is(name, b"user_agent").then_some(Member::UserAgent),
            _ => None,
        }
    }

    /// The same for a name as it is spelt in JSON, perhaps with escapes.
    fn of_spelling(name: &str) -> Option<Member> {
        match name.as_bytes() {
            [b'"', plain @ .., b'"'] if !plain.contains(&b'\\') => Member::of(plain),
            // One that Rust does not hold, for half a surrogate pair, is not used.
            _ => Member::of(serde_json::from_str::<String>(name).ok()?.as_bytes()),
        }
    }
}

#[inline]
fn is<const N: usize>(name: &[u8], spelling: &[u8; N]) -> bool {
    name.first_chunk() == Some(spelling)
}

/// The used members as they stand in the record: checked JSON, not yet interpreted. Of a repeated member, the last.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Members<'a>([Option<Value<'a>>; 8]);

/// A member's value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    /// As it is spelt.
    pub json: &'a str,
    /// It is surely a text without escapes.
    pub is_plain: bool,
}

/// Whatever is known of the spelling.
impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl<'a> From<&'a RawValue> for Value<'a> {
    fn from(value: &'a RawValue) -> Self {
        Value { json: value.get(), is_plain: false }
    }
}

impl<'a> Members<'a> {
    /// Finds the members of a record. All of it must be JSON, also what is not used.
    pub fn parse(payload: &'a [u8], special: &mut Special) -> Result<Self, Reason> {
        if payload.is_empty() {
            return Err(Reason::Empty);
        }
        let text = simdutf8::basic::from_utf8(payload).map_err(|_| Reason::NotUtf8)?;
        special.look(payload);
        if let Some(members) = scan(text, special) {
            return Ok(members);
        }
        let members = Members::parse_exactly(text)?;
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
    pub fn get(&self, member: Member) -> Option<Value<'a>> {
        self.0[member as usize]
    }

    /// Sets a member, over what it was before.
    pub fn set(&mut self, member: Member, value: Value<'a>) {
        self.0[member as usize] = Some(value);
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
            match Member::of_spelling(name.get()) {
                Some(member) => members.set(member, Value::from(map.next_value::<&RawValue>()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(members)
    }
}

/// How deep valid JSON is nested.
fn depth(json: &[u8]) -> usize {
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
