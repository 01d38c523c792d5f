//! An event as the counts see it.

use std::borrow::Cow;

use crate::{Day, EventId, Text};

/// An event of a type that some report counts, reduced to what the model reads from it. Texts borrow from the record where
/// they can.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// The day of the event.
    pub day: Day,
    /// Its hour, 0 to 23.
    pub hour: u8,
    /// Its time in seconds since 1970-01-01, on the clock that day and hour are of.
    pub time: i64,
    /// Its id, if copies are to be found and it has one.
    pub id: Option<EventId>,
    /// The filters that it passes: the bit of each one's place in [`Model::filters`](crate::model::Model::filters).
    pub passes: u128,
    /// The fields, in the order of [`Model::fields`](crate::model::Model::fields); none where it has no value, so that it does
    /// not count in reports by that field.
    pub fields: Vec<Option<FieldText<'a>>>,
    /// The page that it happened on, as the record spells it; it may be no URL at all.
    pub page: Option<Cow<'a, str>>,
}

/// The text of a field. It holds no U+0000.
pub type FieldText<'a> = Text<Cow<'a, str>>;

impl Event<'_> {
    /// Whether it passes the filter at this place.
    pub fn is_passed(&self, filter: usize) -> bool {
        self.passes >> filter & 1 == 1
    }
}
