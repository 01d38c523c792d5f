//! What events are counted by.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::model::Count;
use crate::{Day, OTHERS, SharedStr, Text};

/// One thing that is counted, whatever the model: what stands in a row of a table of counts, or what only feeds others.
///
/// One flat type for all, so that one arrangement holds every count and a further report costs no code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// What is counted, by its place in [`Model::counts`](crate::model::Model::counts).
    pub count: u16,
    /// The hour; 0 where it is none of the count's dimensions.
    pub hour: u8,
    /// The day; day 0 where it is none of them.
    pub day: Day,
    /// The texts of its fields, made one by [`join`].
    pub member: Text,
}

/// A [`Key`] with its member as a number, in 64 bits, so that sorting and merging keys compares words:
///
/// | count | day | hour | member |
/// |---|---|---|---|
/// | 7 | 22 | 5 | 30 |
///
/// A model has at most [`COUNTS_MAX`] counts, the days of events lie between the years 1999 and 9999 (those of 22 bits between 0
/// and 11483), and the interner gives numbers of 30 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct PackedKey(u64);

/// Counts that a [`PackedKey`] can tell apart.
pub(crate) const COUNTS_MAX: usize = 1 << COUNT_BITS;

const COUNT_BITS: u32 = 7;
const DAY_BITS: u32 = 22;
/// The first day of the year 0.
const FIRST_DAY: i32 = -719_528;
const HOUR_BITS: u32 = 5;
const HOUR_MAX: u8 = (1 << HOUR_BITS) - 1;
/// The bits of a member's number.
pub(crate) const MEMBER_BITS: u32 = 30;

impl PackedKey {
    /// Packs a key, with the number that `number` gives its member.
    pub fn new(key: Key, number: impl FnOnce(Text) -> u32) -> Self {
        PackedKey::pack(key.count, key.day, key.hour, number(key.member))
    }

    fn pack(count: u16, day: Day, hour: u8, member: u32) -> Self {
        let day = day.0.wrapping_sub(FIRST_DAY) as u32 & ((1 << DAY_BITS) - 1);
        let head = u64::from(count) << DAY_BITS | u64::from(day);
        PackedKey((head << HOUR_BITS | u64::from(hour)) << MEMBER_BITS | u64::from(member))
    }

    /// All possible keys of this count, restricted to this day and hour where they are given.
    pub fn range(count: u16, day: Option<Day>, hour: Option<u8>) -> RangeInclusive<PackedKey> {
        let end = |day: Day, hour, member| PackedKey::pack(count, day, hour, member);
        let [(first, first_hour), (last, last_hour)] = match (day, hour) {
            (Some(day), Some(hour)) => [(day, hour); 2],
            (Some(day), None) => [(day, 0), (day, HOUR_MAX)],
            (None, _) => [(Day(FIRST_DAY), 0), (Day(FIRST_DAY - 1), HOUR_MAX)],
        };
        end(first, first_hour, 0)..=end(last, last_hour, (1 << MEMBER_BITS) - 1)
    }

    /// What is counted, by its place in [`Model::counts`](crate::model::Model::counts).
    pub fn count(self) -> usize {
        (self.0 >> (DAY_BITS + HOUR_BITS + MEMBER_BITS)) as usize
    }

    pub fn day(self) -> Day {
        let day = (self.0 >> (HOUR_BITS + MEMBER_BITS)) as i32 & ((1 << DAY_BITS) - 1);
        Day(day + FIRST_DAY)
    }

    pub fn hour(self) -> u8 {
        (self.0 >> MEMBER_BITS) as u8 & ((1 << HOUR_BITS) - 1)
    }

    /// The number of its member.
    pub fn member(self) -> u32 {
        self.0 as u32 & ((1 << MEMBER_BITS) - 1)
    }

    /// The key, with the member that its number stands for.
    pub fn unpacked(self, member: Text) -> Key {
        Key { count: self.count() as u16, hour: self.hour(), day: self.day(), member }
    }

    /// The key of a coarser count that this one rolls up into.
    pub fn rolled_up(self, id: u16, count: &Count) -> PackedKey {
        let day = if count.has_day { self.day() } else { Day(0) };
        let hour = if count.has_hour { self.hour() } else { 0 };
        PackedKey::pack(id, day, hour, self.member())
    }
}

/// U+0000, which no text in Postgres can hold.
pub(crate) const SEPARATOR: char = '\0';

/// Several fields as one text, in the order of [`Count::members`].
pub fn join<S: AsRef<str>>(parts: impl IntoIterator<Item = S>) -> String {
    let mut joined = String::new();
    join_into(&mut joined, parts.into_iter().map(Text::Other));
    joined
}

/// The same, appended to a text.
fn join_into<S: AsRef<str>>(joined: &mut String, parts: impl IntoIterator<Item = Text<S>>) {
    for (place, part) in parts.into_iter().enumerate() {
        if place > 0 {
            joined.push(SEPARATOR);
        }
        match part {
            Text::Other(text) => joined.push_str(text.as_ref()),
            // Writing to a `String` never fails.
            Text::Number(number) => drop(write!(joined, "{number}")),
        }
    }
}

/// The text of the field at this place, in a member of this many fields.
pub(crate) fn part<S: AsRef<str>>(member: &Text<S>, fields: usize, place: usize) -> Text<&str> {
    match member.borrowed() {
        Text::Other(joined) if fields > 1 => Text::from(spelled(joined, place)),
        member => member,
    }
}

/// The same of several fields, as the joined text spells it.
pub(crate) fn spelled(joined: &str, place: usize) -> &str {
    joined.split(SEPARATOR).nth(place).unwrap_or_default()
}

/// The member with these texts, of no field, of one or of several; `joined` is a buffer.
pub(crate) fn member_of<S: AsRef<str> + Into<SharedStr>>(
    joined: &mut String,
    mut texts: impl ExactSizeIterator<Item = Text<S>>,
) -> Text {
    if texts.len() > 1 {
        joined.clear();
        join_into(joined, texts);
        return Text::Other(SharedStr::from(joined.as_str()));
    }
    texts.next().map_or(Text::Number(0), |text| text.map(S::into))
}

impl Count {
    /// The part of a member that visitors can make up: it decides about the member's admission.
    pub(crate) fn open_part<'a>(&self, member: &'a Text) -> Text<Cow<'a, str>> {
        match (self.open.as_slice(), self.members.len()) {
            (_, 1) => member.borrowed().map(Cow::Borrowed),
            ([place], fields) => part(member, fields, *place).map(Cow::Borrowed),
            (places, fields) => {
                let mut open = String::new();
                join_into(&mut open, places.iter().map(|place| part(member, fields, *place)));
                Text::Other(Cow::Owned(open))
            }
        }
    }

    /// Whether a member stands for those that were not admitted.
    pub(crate) fn is_others(&self, member: &Text) -> bool {
        let is_others = |place: &usize| part(member, self.members.len(), *place) == Text::Other(OTHERS);
        !self.open.is_empty() && self.open.iter().all(is_others)
    }

    /// What a member that is not admitted is counted as.
    pub(crate) fn others(&self, member: &Text) -> Text {
        let fields = self.members.len();
        let of = |place| {
            if self.open.contains(&place) {
                Cow::Borrowed(OTHERS)
            } else {
                Cow::Owned(part(member, fields, place).to_string())
            }
        };
        if fields == 1 { Text::from(OTHERS) } else { Text::Other(SharedStr::from(join((0..fields).map(of)))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_small() {
        // Of these, as many leave the pre-aggregation of an epoch as there are keys in it.
        assert_eq!(size_of::<Key>(), 24);
        // And of these, millions are held.
        assert_eq!(size_of::<PackedKey>(), 8);
    }

    #[test]
    fn a_key_survives_packing_into_64_bits() {
        let most = Key { count: 127, hour: 23, day: Day(2_932_896), member: Text::Number(0) };
        let least = Key { count: 0, hour: 0, day: Day(FIRST_DAY), member: Text::Number(0) };
        for (key, member) in [(most, (1 << MEMBER_BITS) - 1), (least, 0)] {
            let packed = PackedKey::new(key.clone(), |_| member);
            assert_eq!((packed.member(), packed.unpacked(Text::Number(0))), (member, key));
        }
    }

    #[test]
    fn a_range_holds_exactly_its_keys() {
        let days = [FIRST_DAY, -1, 0, 18_417, 2_932_896].map(Day);
        let keys = || {
            (0..3).flat_map(|count| days.map(|day| (count, day))).flat_map(|(count, day)| {
                [0, 7, 23]
                    .into_iter()
                    .flat_map(move |hour| [0, (1 << MEMBER_BITS) - 1].map(|member| (count, day, hour, member)))
            })
        };
        for (day, hour) in [(None, None), (Some(Day(0)), None), (Some(Day(0)), Some(7))] {
            let range = PackedKey::range(1, day, hour);
            for key @ (count, of_day, of_hour, member) in keys() {
                let is_in =
                    count == 1 && day.is_none_or(|day| day == of_day) && hour.is_none_or(|hour| hour == of_hour);
                assert_eq!(range.contains(&PackedKey::pack(count, of_day, of_hour, member)), is_in, "{key:?}");
            }
        }
    }
}
