//! Events combined into counts, before the dataflow sees them.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashSet};
use indexmap::IndexMap;
use indexmap::map::raw_entry_v1::{RawEntryApiV1, RawEntryMut};
use smallvec::SmallVec;

use crate::dimensions::{DimensionUpdate, Interest, UpdateDedup};
use crate::event::FieldText;
use crate::key::member_of;
use crate::model::{Count, MEMBERS_MAX, Model};
use crate::{Day, Event, EventPosition, Key, SharedStr, Text};

/// The events that one worker took in one epoch, counted by key, and what they say of members.
///
/// Differential would sort every record to find equal ones; hash maps in front of it leave one update per distinct key and
/// epoch.
#[derive(Debug)]
pub struct PreAggregator {
    model: Arc<Model>,
    /// The texts of each field in this epoch, so that a key is a few numbers whatever the model.
    texts: Vec<FieldTexts>,
    /// The numbers of an event's texts; a reused buffer.
    numbers: Vec<u32>,
    /// Whether the texts are of an epoch that was drained.
    is_drained: bool,
    counts: Vec<Tallies>,
    /// Those that may turn out to be copies.
    retained: Retained,
    bytes: usize,
    dedup: UpdateDedup,
}

/// Events of an epoch that can be taken back, as parallel lists.
#[derive(Debug, Default)]
struct Retained {
    positions: Vec<EventPosition>,
    times: Vec<u32>,
    passes: Vec<u128>,
    /// For each event the numbers of its texts.
    numbers: Vec<u32>,
}

/// The events of one count.
#[derive(Debug)]
struct Tallies {
    shape: KeyShape,
    /// A map of its own for each count, so that one with few keys stays close together in the processor's cache.
    ///
    /// In the order in which the keys came, in which their texts stand in memory too: so a walk through them reads
    /// memory sequentially, all the way to the database.
    by_key: IndexMap<EpochKey, Tally, DefaultHashBuilder>,
}

/// How the keys of a count are made: what of the model is needed for each event, close together.
#[derive(Debug)]
struct KeyShape {
    filter: usize,
    /// The bits of day and hour that the count has.
    time: u32,
    members: SmallVec<[usize; MEMBERS_MAX]>,
}

/// What events are counted by, as numbers that hold for an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct EpochKey {
    /// Day and hour.
    time: u32,
    members: [u32; MEMBERS_MAX],
}

impl Hash for EpochKey {
    /// Most counts have one field or none, so that one word is enough.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [first, second, third, fourth] = self.members.map(u64::from);
        state.write_u64(u64::from(self.time) << 32 | first);
        if self.members[1..] != [0; MEMBERS_MAX - 1] {
            state.write_u64(second << 32 | third);
            state.write_u64(fourth);
        }
    }
}

/// An hour of a day takes this many bits.
const HOUR_BITS: u32 = 5;
const HOUR_MASK: u32 = (1 << HOUR_BITS) - 1;

/// Day and hour as one number.
fn time(day: Day, hour: u8) -> u32 {
    (day.0 as u32) << HOUR_BITS | u32::from(hour)
}

impl KeyShape {
    fn new(count: &Count) -> Self {
        let bits = |has_them, bits| if has_them { bits } else { 0 };
        let time = bits(count.has_day, !HOUR_MASK) | bits(count.has_hour, HOUR_MASK);
        KeyShape { filter: count.filter, time, members: SmallVec::from_slice(&count.members) }
    }

    /// The key of an event at this time whose fields have these numbers; none if it lacks one that is counted by.
    #[inline]
    fn key(&self, time: u32, numbers: &[u32]) -> Option<EpochKey> {
        let mut key = EpochKey { time: time & self.time, members: [0; MEMBERS_MAX] };
        for (member, field) in key.members.iter_mut().zip(&self.members) {
            *member = numbers[*field];
            if *member == FieldTexts::NONE {
                return None;
            }
        }
        Some(key)
    }
}

/// The texts of one field, numbered as they come.
#[derive(Debug, Default)]
struct FieldTexts {
    texts: IndexMap<Text, (), DefaultHashBuilder>,
    /// Places of texts that came lately, by what [`recent`] makes of them: most fields have few values, and comparing
    /// one text is cheaper than hashing it.
    recent: [u32; RECENT_TEXTS],
}

/// Texts of a field that are found without hashing.
const RECENT_TEXTS: usize = 32;

/// Where a text is looked for among the recent ones.
#[inline]
fn recent(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last()).map_or(0, |(first, last)| usize::from(first ^ last.rotate_left(3)));
    (ends + bytes.len()) % RECENT_TEXTS
}

impl FieldTexts {
    /// A whole number below this stands for itself; from here on they are places.
    const FIRST_PLACE: u32 = 1 << 31;
    /// No text.
    const NONE: u32 = u32::MAX;

    /// The number of a text; adds to `bytes` what is kept of a new one.
    #[inline]
    fn number(&mut self, text: Option<&FieldText<'_>>, bytes: &mut usize) -> u32 {
        let text = match text {
            None => return Self::NONE,
            Some(Text::Number(number)) if *number < u64::from(Self::FIRST_PLACE) => return *number as u32,
            Some(text) => text.borrowed(),
        };
        let slot = if let Text::Other(text) = text { recent(text) } else { 0 };
        let lately = self.recent[slot];
        if self.texts.get_index(lately as usize).is_some_and(|(known, ())| known.borrowed() == text) {
            return Self::FIRST_PLACE + lately;
        }
        let (hash, next) = (self.texts.hasher().hash_one(text), self.texts.len());
        let place = match self.texts.raw_entry_mut_v1().from_hash(hash, |known| known.borrowed() == text) {
            RawEntryMut::Occupied(known) => known.index(),
            RawEntryMut::Vacant(place) => {
                let text = text.map(SharedStr::from);
                *bytes += size_of::<(u64, Text)>() + text.bytes();
                place.insert_hashed_nocheck(hash, text, ());
                next
            }
        };
        // An epoch is full, and drained, long before there are so many.
        self.recent[slot] = place as u32;
        Self::FIRST_PLACE + place as u32
    }

    fn text(&self, number: u32) -> Text<&SharedStr> {
        match number.checked_sub(Self::FIRST_PLACE) {
            Some(place) => self.texts.get_index(place as usize).expect("a number that was given out").0.as_ref(),
            None => Text::Number(u64::from(number)),
        }
    }
}

impl Retained {
    fn clear(&mut self) {
        let Retained { positions, times, passes, numbers } = self;
        positions.clear();
        times.clear();
        passes.clear();
        numbers.clear();
    }
}

/// How often a key was counted, in 40 bits, and what else its events are looked at for.
#[derive(Clone, Copy, Debug)]
struct Tally(u64);

impl Tally {
    const ONE: u64 = 1 << Interest::BITS;

    fn new(interest: Interest) -> Self {
        Tally(u64::from(interest.number()))
    }

    fn total(self) -> i64 {
        (self.0 >> Interest::BITS) as i64
    }

    fn interest(self) -> Interest {
        Interest::from_number((self.0 % Tally::ONE) as u32)
    }

    fn set_interest(&mut self, interest: Interest) {
        self.0 = self.0 - self.0 % Tally::ONE + u64::from(interest.number());
    }
}

/// A map that was once large is shrunk when its entries fill less than this share of it, as clearing a map costs its
/// capacity.
const SPARSE_SHARE: usize = 16;

impl PreAggregator {
    /// Holds nothing yet, for one of this many workers, which share the memory of the update dedup.
    pub fn new(model: Arc<Model>, workers: usize) -> Self {
        let tallies = |count| Tallies { shape: KeyShape::new(count), by_key: IndexMap::default() };
        let counts = model.counts[model.counted()].iter().map(tallies).collect();
        let texts = model.fields.iter().map(|_| FieldTexts::default()).collect();
        let dedup = UpdateDedup::new(model.dimensions, workers);
        let numbers = vec![FieldTexts::NONE; model.fields.len()];
        let retained = Retained::default();
        PreAggregator { model, texts, numbers, is_drained: false, counts, retained, bytes: 0, dedup }
    }

    /// Counts one event under every key that it has, and notes what it says of members.
    pub fn add(&mut self, event: &Event<'_>) {
        if std::mem::take(&mut self.is_drained) {
            self.texts.iter_mut().for_each(|field| field.texts.clear());
            self.retained.clear();
        }
        let PreAggregator { texts, numbers, counts, bytes, dedup, .. } = self;
        for ((number, texts), text) in numbers.iter_mut().zip(texts).zip(&event.fields) {
            *number = texts.number(text.as_ref(), bytes);
        }
        let time = time(event.day, event.hour);
        for (id, Tallies { shape, by_key }) in counts.iter_mut().enumerate() {
            if !event.is_passed(shape.filter) {
                continue;
            }
            let Some(key) = shape.key(time, numbers) else { continue };
            let hash = by_key.hasher().hash_one(key);
            let tally = match by_key.raw_entry_mut_v1().from_key_hashed_nocheck(hash, &key) {
                RawEntryMut::Occupied(known) => known.into_mut(),
                RawEntryMut::Vacant(place) => {
                    *bytes += size_of::<(u64, EpochKey, Tally)>() + size_of::<Key>();
                    let interest = dedup.interest(id, event);
                    place.insert_hashed_nocheck(hash, key, Tally::new(interest)).1
                }
            };
            tally.0 += Tally::ONE;
            let interest = tally.interest();
            if interest.is_on() {
                tally.set_interest(dedup.look(interest, event));
            }
        }
    }

    /// Keeps what the event that was added last is counted by, until an event is added after the epoch was drained.
    pub fn retain(&mut self, event: &Event<'_>, position: EventPosition) {
        let Retained { positions, times, passes, numbers } = &mut self.retained;
        positions.push(position);
        times.push(time(event.day, event.hour));
        passes.push(event.passes);
        numbers.extend(&self.numbers);
        self.bytes += size_of::<(EventPosition, u32, u128)>() + size_of_val(self.numbers.as_slice());
    }

    /// Calls `each` with every key that these events of the drained epoch were counted under, and removes from
    /// `positions` those that were retained.
    pub fn take_back(&self, positions: &mut HashSet<EventPosition>, mut each: impl FnMut(Key)) {
        let Retained { positions: retained, times, passes, numbers } = &self.retained;
        let (fields, mut joined) = (self.numbers.len(), String::new());
        for (place, position) in retained.iter().enumerate() {
            if positions.is_empty() {
                return;
            }
            if !positions.remove(position) {
                continue;
            }
            let numbers = &numbers[place * fields..(place + 1) * fields];
            for (id, Tallies { shape, .. }) in self.counts.iter().enumerate() {
                if passes[place] >> shape.filter & 1 == 1
                    && let Some(key) = shape.key(times[place], numbers)
                {
                    each(whole(id, &self.model.counts[id], key, &self.texts, &mut joined));
                }
            }
        }
    }

    /// Approximate memory of what came since the last drain, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.dedup.fresh_bytes()
    }

    /// From now on, days before these expire, by count: their events say nothing of members any more, and all others
    /// say again what they have said. All must have been drained.
    pub fn keep_from(&mut self, first: Vec<Day>) {
        self.dedup.keep_from(first);
    }

    /// Takes what was counted, each key once, and the updates of members, and starts over.
    pub fn drain(&mut self) -> (impl Iterator<Item = (Key, i64)>, Vec<DimensionUpdate>) {
        (self.bytes, self.is_drained) = (0, true);
        let PreAggregator { model, texts, counts, dedup, .. } = self;
        for Tallies { by_key, .. } in counts.iter_mut() {
            if by_key.capacity() > SPARSE_SHARE * by_key.len() {
                by_key.shrink_to_fit();
            }
        }
        let (model, texts) = (&*model, &*texts);
        // All are drained at once, even if the caller drops the iterator.
        let drained: Vec<_> = counts.iter_mut().map(|counts| counts.by_key.drain(..)).collect();
        let counts = drained.into_iter().zip(&model.counts).enumerate().flat_map(move |(id, (drained, count))| {
            let mut joined = String::new();
            drained.map(move |(key, tally)| (whole(id, count, key, texts, &mut joined), tally.total()))
        });
        (counts, dedup.drain())
    }
}

/// A key with its texts; `joined` is a buffer.
fn whole(id: usize, count: &Count, key: EpochKey, texts: &[FieldTexts], joined: &mut String) -> Key {
    let members = count.members.iter().zip(&key.members);
    let member = member_of(joined, members.map(|(field, number)| texts[*field].text(*number)));
    let (day, hour) = (Day(key.time as i32 >> HOUR_BITS), (key.time & HOUR_MASK) as u8);
    Key { count: id as u16, hour, day, member }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_out_once_in_order() {
        let model = Model::builtin();
        let fields = model.fields.len();
        let mut events = PreAggregator::new(model, 1);
        let numbers = (0..1_000_u64).map(|n| n * 7_919 % 1_000);
        for number in numbers.clone().chain(numbers.clone()) {
            let fields = (0..fields).map(|field| (field == 0).then_some(Text::Number(number))).collect();
            events.add(&Event { day: Day(0), hour: 0, time: 0, id: None, passes: 1, fields, page: None });
        }
        let counts = events.drain().0.filter_map(|(key, total)| match key.member {
            Text::Number(number) => Some((number, total)),
            Text::Other(_) => None,
        });
        assert!(counts.eq(numbers.map(|number| (number, 2))));
    }
}
