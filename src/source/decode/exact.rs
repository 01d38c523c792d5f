//! The exact path through a record: serde_json's, for what the fast path does not decide.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::Reason;
use super::members::{DEPTH_MAX, Entered, Form, Place, Places};
use super::paths::{Name, Node, Paths};
use super::scan::{KEY, VALUE, VALUES};

/// Finds the members of an object that is the record or stands in it.
pub(super) fn read(record: &str, object: &str, paths: &Paths, places: &mut Places) -> Result<(), Reason> {
    Exact { record, paths, places }.object(object, paths.event()).map_err(reason)
}

/// How many members an object has.
pub(super) fn count(object: &str) -> Result<usize, Reason> {
    let mut count = 0;
    each_member(object, |_| Some(()), |(), _| count += 1).map_err(reason)?;
    Ok(count)
}

/// Where the elements of an array stand, that is the record or stands in it.
pub(super) fn elements(record: &str, array: &str) -> Result<Vec<Place>, Reason> {
    let mut elements = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(array);
    let element = |value: &RawValue| elements.push(place(record, value.get()));
    let read = deserializer.deserialize_seq(Elements(element)).and_then(|()| deserializer.end());
    read.map(|()| elements).map_err(|error| match reason(error) {
        Reason::NotAnObject => Reason::NoArray { member: None },
        other => other,
    })
}

fn reason(error: serde_json::Error) -> Reason {
    match error.classify() {
        Category::Data => Reason::NotAnObject,
        _ => Reason::NotJson,
    }
}

/// Where a value stands that is borrowed from the record.
fn place(record: &str, value: &str) -> Place {
    let from = value.as_ptr().addr() - record.as_ptr().addr();
    Place { from, end: from + value.len(), form: Form::Any }
}

type Read<T> = Result<T, serde_json::Error>;

struct Exact<'a, 's> {
    record: &'a str,
    paths: &'s Paths,
    places: &'s mut Places,
}

impl<'a> Exact<'a, '_> {
    /// An object, whose members are looked up in this node.
    fn object(&mut self, object: &'a str, node: &Node) -> Read<()> {
        let mut found = Vec::new();
        each_member(object, |name| node.find_spelling(name), |name, value| found.push((name, value)))?;
        found.into_iter().try_for_each(|(name, value)| self.member(name, value))
    }

    fn member(&mut self, name: &Name, value: &'a str) -> Read<()> {
        let place = place(self.record, value);
        let Some(inside) = &name.inside else {
            if let Some(slot) = name.slot {
                self.places.set(slot, Some(place));
            }
            return Ok(());
        };
        self.places.forget(inside);
        let entered = match (value.as_bytes()[0], &inside.object, &inside.pairs) {
            (b'{', Some(ways), _) => {
                self.object(value, self.paths.node(ways))?;
                Entered::Object
            }
            (b'[', _, Some(ways)) => {
                self.pairs(value, self.paths.node(ways))?;
                Entered::Pairs
            }
            _ => Entered::Not,
        };
        self.places.leave(name, inside, entered, self.record.as_bytes(), place);
        Ok(())
    }

    /// An array of pairs.
    fn pairs(&mut self, array: &'a str, keys: &Node) -> Read<()> {
        let mut pairs = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_str(array);
        deserializer.deserialize_seq(Elements(|value: &'a RawValue| pairs.push(value.get())))?;
        for pair in pairs.into_iter().filter(|pair| pair.starts_with('{')) {
            let mut pair_of = [None; 2];
            each_member(pair, |name| place_in(&[KEY, VALUE], name), |at, value| pair_of[at] = Some(value))?;
            let [key, value] = pair_of;
            let slot = key.filter(|key| key.starts_with('"')).and_then(|key| keys.find_spelling(key)?.slot);
            if let Some(slot) = slot {
                let value = value.map_or(Ok(None), |value| self.value_of_pair(value))?;
                self.places.set(slot, value);
            }
        }
        Ok(())
    }

    /// The value of a pair: itself, or of an object of typed values the first that is not null.
    fn value_of_pair(&self, value: &'a str) -> Read<Option<Place>> {
        if !value.starts_with('{') {
            return Ok(Some(place(self.record, value)));
        }
        let mut values = [None; VALUES.len()];
        each_member(value, |name| place_in(&VALUES, name), |at, value| values[at] = Some(value))?;
        let value = values.into_iter().flatten().find(|value| *value != "null");
        Ok(value.map(|value| place(self.record, value)))
    }
}

/// The place among these of a name as it is spelt in JSON.
fn place_in(names: &[&[u8]], spelling: &str) -> Option<usize> {
    let name: String = serde_json::from_str(spelling).ok()?;
    names.iter().position(|known| *known == name.as_bytes())
}

/// Calls `member` for each member that is `wanted` by its name, as spelt: that may be no text that Rust can hold.
fn each_member<'a, W>(
    object: &'a str,
    wanted: impl FnMut(&str) -> Option<W>,
    member: impl FnMut(W, &'a str),
) -> Read<()> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    deserializer.deserialize_map(Each(wanted, member)).and_then(|()| deserializer.end())
}

struct Each<F, M>(F, M);

impl<'de, W, F: FnMut(&str) -> Option<W>, M: FnMut(W, &'de str)> Visitor<'de> for Each<F, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<&RawValue>()? {
            match self.0(name.get()) {
                Some(wanted) => self.1(wanted, map.next_value::<&RawValue>()?.get()),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct Elements<F>(F);

impl<'de, F: FnMut(&'de RawValue)> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            self.0(element);
        }
        Ok(())
    }
}

/// An error if valid JSON is nested too deep.
pub(super) fn check_depth(json: &str) -> Result<(), Reason> {
    if depth(json.as_bytes()) > DEPTH_MAX { Err(Reason::TooDeep) } else { Ok(()) }
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
