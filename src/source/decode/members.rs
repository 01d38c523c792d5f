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
    /// The member of this name, given as it is spelt in JSON; none, if it is not used.
    pub fn of(name: &[u8]) -> Option<Member> {
        // Length and first letter tell nearly all apart: one comparison is left where there would be eight.
        let (spelling, member): (&[u8], _) = match (name.len(), name[1]) {
            (12, b'c') => (b"\"collection\"", Member::Collection),
            (12, b'l') => (b"\"local_time\"", Member::LocalTime),
            (12, b't') => (b"\"time_stamp\"", Member::TimeStamp),
            (12, b'p') => (b"\"product_id\"", Member::ProductId),
            (10, b's') => (b"\"store_id\"", Member::StoreId),
            (14, b'r') => (b"\"referrer_url\"", Member::ReferrerUrl),
            (13, b'c') => (b"\"current_url\"", Member::CurrentUrl),
            (12, b'u') => (b"\"user_agent\"", Member::UserAgent),
            _ => return Member::of_escaped(name),
        };
        if name == spelling { Some(member) } else { Member::of_escaped(name) }
    }

    /// The same for a name that is spelt with escapes, if this is one.
    fn of_escaped(name: &[u8]) -> Option<Member> {
        // The shortest is "store_id" with one letter as \uXXXX: most names need not be looked through.
        if name.len() < 15 || memchr::memchr(b'\\', name).is_none() {
            return None;
        }
        let name: String = serde_json::from_slice(name).ok()?;
        if name.contains(['"', '\\']) { None } else { Member::of(format!("\"{name}\"").as_bytes()) }
    }
}

/// The used members as they stand in the record: checked JSON in UTF-8, not yet interpreted. Of a repeated member, the
/// last.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Members<'a>([Option<&'a [u8]>; 8]);

impl<'a> Members<'a> {
    /// Finds the members of a record. All of it must be JSON, also what is not used.
    pub fn parse(payload: &'a [u8], special: &mut Special) -> Result<Self, Reason> {
        if payload.is_empty() {
            return Err(Reason::Empty);
        }
        special.look(payload);
        let scanned = scan(payload, special);
        match scanned {
            Some(members) if special.is_ascii() => return Ok(members),
            _ => {}
        }
        let text = std::str::from_utf8(payload).map_err(|_| Reason::NotUtf8)?;
        if let Some(members) = scanned {
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
    pub fn get(&self, member: Member) -> Option<&'a str> {
        // Never an error, as the whole record was checked; and cheap, as few members are looked at.
        self.0[member as usize].and_then(|json| std::str::from_utf8(json).ok())
    }

    /// Sets a member, over what it was before.
    pub fn set(&mut self, member: Member, json: &'a [u8]) {
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
            match Member::of(name.get().as_bytes()) {
                Some(member) => members.set(member, map.next_value::<&RawValue>()?.get().as_bytes()),
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
