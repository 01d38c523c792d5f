//! The few members of a record that the model reads, found without building the rest.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::Reason;
use super::paths::Paths;
use super::scan::scan;
use super::special::Special;

/// Objects and arrays may be nested this deep, the record itself being the first level.
pub(super) const MAX_DEPTH: usize = 127;

/// The members that are read as they stand in the record: checked JSON, not yet interpreted. By the slots of [`Paths`]; of a
/// repeated member, the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Members<'a, 's> {
    record: &'a str,
    places: &'s [Option<Place>],
}

/// Where in a record a value stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub from: usize,
    pub end: usize,
    /// It is surely a text without escapes.
    pub is_plain: bool,
}

/// A member's value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    /// As it is spelt.
    pub json: &'a str,
    /// It is surely a text without escapes.
    pub is_plain: bool,
}

/// Finds members, in the same memory for each record.
#[derive(Debug, Default)]
pub(super) struct Reader {
    special: Special,
    /// By the slots of [`Paths`].
    places: Vec<Option<Place>>,
}

impl Reader {
    /// Finds the members of a record. All of it must be JSON, also what is not read.
    pub fn read<'a>(&mut self, payload: &'a [u8], paths: &Paths) -> Result<Members<'a, '_>, Reason> {
        if payload.is_empty() {
            return Err(Reason::Empty);
        }
        let record = simdutf8::basic::from_utf8(payload).map_err(|_| Reason::NotUtf8)?;
        if self.scan(record, paths).is_none() {
            self.read_exactly(record, paths)?;
        }
        Ok(Members { record, places: &self.places })
    }

    /// The quick way, for most records.
    #[inline]
    pub fn scan<'a>(&mut self, record: &'a str, paths: &Paths) -> Option<Members<'a, '_>> {
        self.special.look(record.as_bytes());
        self.forget(paths);
        scan(record, &self.special, paths, &mut self.places)?;
        Some(Members { record, places: &self.places })
    }

    /// The same for any text, by serde_json.
    #[inline(never)]
    pub fn read_exactly<'a>(&mut self, record: &'a str, paths: &Paths) -> Result<Members<'a, '_>, Reason> {
        self.forget(paths);
        let mut deserializer = serde_json::Deserializer::from_str(record);
        let read = deserializer.deserialize_map(MembersVisitor { record, paths, places: &mut self.places });
        read.and_then(|()| deserializer.end()).map_err(|error| match error.classify() {
            Category::Data => Reason::NotAnObject,
            _ => Reason::NotJson,
        })?;
        // serde_json limits the depth of what it builds, not of what it passes over.
        if depth(record.as_bytes()) > MAX_DEPTH {
            return Err(Reason::TooDeep);
        }
        Ok(Members { record, places: &self.places })
    }

    fn forget(&mut self, paths: &Paths) {
        self.places.clear();
        self.places.resize_with(paths.len(), || None);
    }
}

impl<'a> Members<'a, '_> {
    /// The member in this slot, if the record has it.
    #[inline]
    pub fn get(&self, slot: usize) -> Option<Value<'a>> {
        let Place { from, end, is_plain } = self.places[slot]?;
        Some(Value { json: &self.record[from..end], is_plain })
    }
}

struct MembersVisitor<'s, 'a> {
    record: &'a str,
    paths: &'s Paths,
    places: &'s mut [Option<Place>],
}

impl MembersVisitor<'_, '_> {
    /// Where a value stands that serde_json lent from the record.
    fn place(&self, value: &RawValue) -> Place {
        let from = value.get().as_ptr().addr() - self.record.as_ptr().addr();
        Place { from, end: from + value.get().len(), is_plain: false }
    }
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
                Some(slot) => self.places[slot] = Some(self.place(map.next_value::<&RawValue>()?)),
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
