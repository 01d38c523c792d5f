//! An event as the texts of the tables' columns.

use std::borrow::Cow;

use dataflows::Event;
use dataflows::model::Dimension;

use crate::source::decode::date;

/// The texts of one event.
pub struct Texts<'a> {
    day: String,
    hour: String,
    fields: Vec<Option<Cow<'a, str>>>,
}

impl<'a> Texts<'a> {
    /// The texts of this event.
    pub fn new(event: &'a Event<'_>) -> Self {
        Texts {
            day: date(event.day).to_string(),
            hour: event.hour.to_string(),
            fields: event.fields.iter().map(|field| Some(field.as_ref()?.to_str())).collect(),
        }
    }

    /// The text of a dimension; none if the event has none, and so is not counted by it.
    pub fn get(&self, dimension: Dimension) -> Option<&str> {
        match dimension {
            Dimension::Day => Some(&self.day),
            Dimension::Hour => Some(&self.hour),
            Dimension::Field(field) => self.fields[field].as_deref(),
        }
    }

    /// Whether the event has all of these dimensions.
    pub fn has(&self, by: &[Dimension]) -> bool {
        by.iter().all(|dimension| self.get(*dimension).is_some())
    }
}
