//! The few members of a record that the model reads, found without building the rest.

use super::exact;
use super::paths::{Inside, Name, Paths, Ways};
use super::scan::Scanner;
use super::structural::StructuralIndex;
use super::{Reason, Scalar};

/// Objects and arrays may be nested this deep, the record itself being the first level.
pub(super) const DEPTH_MAX: usize = 127;

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
    pub form: Form,
}

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// It is a text without escapes.
    Plain,
    /// It may be anything.
    Any,
    /// It stands in the way to a member: it would have to be an object, or an array of pairs.
    Blocking,
}

/// Where a member is found, and what it is called.
#[derive(Debug)]
pub(super) struct Source {
    slot: usize,
    /// Those that are tried after it.
    others: Vec<usize>,
    pub name: String,
}

/// Where the values stand that were found so far, by their slots.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<Option<Place>>);

/// What a member's value is entered as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Entered {
    Object,
    Pairs,
    Not,
}

/// Finds members, in memory that is reused for each record.
#[derive(Debug, Default)]
pub(super) struct Reader {
    structural: StructuralIndex,
    places: Places,
    is_exact: bool,
}

impl Source {
    /// Where a model's member is found.
    pub fn new(member: &dataflows::model::Member, paths: &mut Paths) -> Source {
        let mut slots = member.ways.iter().map(|way| paths.add(way));
        // The model names one way or more.
        Source { slot: slots.next().unwrap_or_default(), others: slots.collect(), name: member.to_string() }
    }

    /// Whether both are found in the same way.
    pub fn is_same(&self, other: &Source) -> bool {
        (self.slot, &self.others) == (other.slot, &other.others)
    }
}

impl Places {
    fn reset(&mut self, paths: &Paths) {
        self.0.clear();
        self.0.resize_with(paths.len(), || None);
    }

    /// Notes a value, over what its slot had before.
    #[inline]
    pub fn set(&mut self, slot: usize, place: Option<Place>) {
        if let Some(at) = self.0.get_mut(slot) {
            *at = place;
        }
    }

    /// Forgets what an earlier member of this name had inside.
    pub fn forget(&mut self, inside: &Inside) {
        for slot in inside.object.iter().chain(&inside.pairs).flat_map(|ways| &ways.slots) {
            self.set(*slot, None);
        }
    }

    /// Notes the value of a member that was perhaps entered. Ways that need another type of value here are blocked,
    /// unless it is nothing.
    pub fn leave(&mut self, name: &Name, inside: &Inside, entered: Entered, record: &[u8], place: Place) {
        let is_blocking = |ways: &&Ways, as_what| entered != as_what && !ways.slots.is_empty();
        let object = inside.object.as_ref().filter(|ways| is_blocking(ways, Entered::Object));
        let pairs = inside.pairs.as_ref().filter(|ways| is_blocking(ways, Entered::Pairs));
        if (object.is_some() || pairs.is_some()) && !is_nothing(record.get(place.from..place.end).unwrap_or_default()) {
            for slot in object.iter().chain(&pairs).flat_map(|ways| &ways.slots) {
                self.set(*slot, Some(Place { form: Form::Blocking, ..place }));
            }
        }
        if let Some(slot) = name.slot {
            self.set(slot, Some(place));
        }
    }
}

/// Whether this is how producers spell that there is no object: null, false, "" or an empty array.
fn is_nothing(json: &[u8]) -> bool {
    match json {
        b"null" | b"false" | b"\"\"" => true,
        [b'[', inside @ .., b']'] => inside.iter().all(u8::is_ascii_whitespace),
        _ => false,
    }
}

impl Reader {
    /// One that never takes the fast path.
    pub fn exact() -> Reader {
        Reader { is_exact: true, ..Reader::default() }
    }

    /// Finds the members of a record. All of it must be JSON, also what is not read.
    #[inline]
    pub fn read(&mut self, record: &str, paths: &Paths) -> Result<(), Reason> {
        self.scan(record, paths).map_or_else(|| self.read_exactly(record, paths), Ok)
    }

    /// Finds the members of a value inside of the record that was looked at last. It is JSON.
    pub fn inside<'a>(&mut self, record: &'a str, place: Place, paths: &Paths) -> Result<Members<'a, '_>, Reason> {
        self.places.reset(paths);
        // Its depth was checked with the whole record.
        let found = Scanner::new(record, &self.structural, paths).members(place.from, &mut self.places);
        if found.is_none() || self.is_exact {
            self.places.reset(paths);
            exact::read(record, &record[place.from..place.end], paths, &mut self.places)?;
        }
        Ok(self.members(record))
    }

    /// Where the events stand in the array that stands here. The record must be JSON.
    pub fn elements(&mut self, record: &str, array: &str) -> Result<Vec<Place>, Reason> {
        self.structural.index(record.as_bytes());
        let elements = exact::elements(record, array)?;
        exact::check_depth(record)?;
        Ok(elements)
    }

    /// What was read last, of this record.
    #[inline]
    pub fn members<'a>(&self, record: &'a str) -> Members<'a, '_> {
        Members { record, places: &self.places.0 }
    }

    /// How many members the record has that was read last, with those that are not read.
    pub fn count(&self, record: &str, paths: &Paths) -> Result<usize, Reason> {
        Scanner::new(record, &self.structural, paths).count().map_or_else(|| exact::count(record), Ok)
    }

    /// The fast path, for most records.
    #[inline]
    pub fn scan(&mut self, record: &str, paths: &Paths) -> Option<()> {
        self.structural.index(record.as_bytes());
        self.places.reset(paths);
        Scanner::new(record, &self.structural, paths).record(&mut self.places).filter(|()| !self.is_exact)
    }

    /// The same for any text, by serde_json.
    #[inline(never)]
    pub fn read_exactly(&mut self, record: &str, paths: &Paths) -> Result<(), Reason> {
        self.places.reset(paths);
        exact::read(record, record, paths, &mut self.places)?;
        // serde_json limits the depth of what it builds, not of what it passes over.
        exact::check_depth(record)
    }

    /// Where the value in this slot stands.
    pub fn place(&self, slot: usize) -> Option<Place> {
        *self.places.0.get(slot)?
    }
}

impl<'a> Members<'a, '_> {
    /// What a member holds: the first of its ways at whose end there is something else than null.
    #[inline(always)]
    pub fn get(&self, source: &Source) -> Result<Scalar<'a>, Reason> {
        if source.others.is_empty() { self.at(source.slot, source) } else { self.first(source) }
    }

    #[inline(always)]
    fn at(&self, slot: usize, source: &Source) -> Result<Scalar<'a>, Reason> {
        let Some(Place { from, end, form }) = self.places[slot] else { return Ok(Scalar::Null) };
        Scalar::read(&self.record[from..end], form, &source.name)
    }

    #[inline(never)]
    fn first(&self, source: &Source) -> Result<Scalar<'a>, Reason> {
        let slots = [source.slot].into_iter().chain(source.others.iter().copied());
        let mut found = slots.map(|slot| self.at(slot, source));
        found.find(|found| *found != Ok(Scalar::Null)).unwrap_or(Ok(Scalar::Null))
    }
}

#[cfg(test)]
impl<'a> Members<'a, '_> {
    /// What is in all slots.
    pub fn all(&self) -> Vec<Option<(&'a str, bool)>> {
        let value = |place: &Place| (&self.record[place.from..place.end], place.form == Form::Blocking);
        self.places.iter().map(|place| place.as_ref().map(value)).collect()
    }
}
