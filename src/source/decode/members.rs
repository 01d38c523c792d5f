//! The few members of a record that the model reads, found without building the rest.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::Reason;
use super::paths::Paths;
use super::scan::scan;
use super::special::Special;

/// Objects and arrays may be nested this deep, the record itself being the first level.
pub(super) const MAX_DEPTH: usize = 127;

/// The members that are read as they stand in the record: checked JSON, not yet interpreted. By the slots of [`Paths`]; of a
/// repeated member, the last.
#[derive(Debug, PartialEq)]
pub(super) struct Members<'a>(SmallVec<[Option<Value<'a>>; 16]>);

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
    /// None yet.
    pub fn none(paths: &Paths) -> Self {
        Members(SmallVec::from_elem(None, paths.len()))
    }

    /// Finds the members of a record. All of it must be JSON, also what is not read.
    pub fn read(&mut self, payload: &'a [u8], paths: &Paths, special: &mut Special) -> Result<(), Reason> {
        if payload.is_empty() {
            return Err(Reason::Empty);
        }
        let text = simdutf8::basic::from_utf8(payload).map_err(|_| Reason::NotUtf8)?;
        special.look(payload);
        if scan(text, special, paths, &mut self.0).is_some() {
            return Ok(());
        }
        self.read_exactly(text, paths)?;
        // serde_json limits the depth of what it builds, not of what it passes over.
        if depth(payload) > MAX_DEPTH { Err(Reason::TooDeep) } else { Ok(()) }
    }

    /// The same for any text, by serde_json.
    #[inline(never)]
    pub fn read_exactly(&mut self, text: &'a str, paths: &Paths) -> Result<(), Reason> {
        self.0.fill(None);
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let read = deserializer.deserialize_map(MembersVisitor { paths, values: &mut self.0 });
        read.and_then(|()| deserializer.end()).map_err(|error| match error.classify() {
            Category::Data => Reason::NotAnObject,
            _ => Reason::NotJson,
        })
    }

    /// The member in this slot, if the record has it.
    #[inline]
    pub fn get(&self, slot: usize) -> Option<Value<'a>> {
        self.0[slot]
    }
}

struct MembersVisitor<'s, 'a> {
    paths: &'s Paths,
    values: &'s mut [Option<Value<'a>>],
}

impl<'de> Visitor<'de> for MembersVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Raw names, as one that is not read may be no text that Rust holds.
        while let Some(name) = map.next_key::<&RawValue>()? {
            match self.paths.slot_of_spelling(name.get()) {
                Some(slot) => self.values[slot] = Some(Value::from(map.next_value::<&RawValue>()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
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
