//! What events are counted by.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::model::Count;
use crate::{Day, OTHERS, SharedStr, Text};

/// One thing that is counted, whatever the model: what stands in a row of a table of counts, or what only feeds others.
///
/// One flat type for all, so that one arrangement holds every count and a further report costs no code. `T` is the member: its
/// [`Text`], or a number inside the arrangement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key<T = Text> {
    /// What is counted, by its place in [`Model::counts`](crate::model::Model::counts).
    pub count: u16,
    /// The hour; 0 where it is none of the count's dimensions.
    pub hour: u8,
    /// The day; day 0 where it is none of them.
    pub day: Day,
    /// The texts of its fields, as [`join`] makes one of them.
    pub member: T,
}

/// U+0000, which no text in Postgres can hold.
pub(crate) const SEPARATOR: char = '\0';

/// The one text of several fields, in the order of [`Count::members`].
pub fn join<S: AsRef<str>>(parts: impl IntoIterator<Item = S>) -> String {
    let mut joined = String::new();
    join_into(&mut joined, parts.into_iter().map(Text::Other));
    joined
}

/// The same, put behind a text.
fn join_into<S: AsRef<str>>(joined: &mut String, parts: impl IntoIterator<Item = Text<S>>) {
    for (place, part) in parts.into_iter().enumerate() {
        if place > 0 {
            joined.push(SEPARATOR);
        }
        match part {
            Text::Other(text) => joined.push_str(text.as_ref()),
            // To a text nothing fails to be written.
            Text::Number(number) => drop(write!(joined, "{number}")),
        }
    }
}

/// The text of the field at this place among so many.
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

impl<T> Key<T> {
    /// The same key with another member, made of the one it has.
    pub(crate) fn map<U>(self, member: impl FnOnce(T) -> U) -> Key<U> {
        Key { count: self.count, hour: self.hour, day: self.day, member: member(self.member) }
    }

    /// The key that this one is rolled up in, of a coarser count.
    pub(crate) fn rolled_up(self, id: u16, count: &Count) -> Key<T> {
        let hour = if count.has_hour { self.hour } else { 0 };
        let day = if count.has_day { self.day } else { Day(0) };
        Key { count: id, hour, day, member: self.member }
    }
}

impl Count {
    /// What of a member of this count visitors can make up: the text that decides about its admission.
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

    /// What a member is counted as that is not admitted.
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
        assert_eq!(size_of::<Key<u32>>(), 12);
    }
}
