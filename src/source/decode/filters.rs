//! Which filters an event passes.

use dataflows::model::Model;
use dataflows::{FieldText, Text};

use super::Collections;

/// The filters of a model, each a bit by its place there; that of all views only if something is counted by it.
#[derive(Debug)]
pub(super) struct Filters {
    /// The types that count as views.
    views: Collections,
    /// Those that take the views.
    of_views: u128,
    /// Those that name types, by each type.
    of_types: Vec<(String, u128)>,
    /// Those that look at fields too: each one's bit, the fields, and the texts of which each must have one.
    of_fields: Vec<(u128, Vec<Wanted>)>,
}

type Wanted = (usize, Vec<Text<Box<str>>>);

impl Filters {
    /// Those of a model, with these views.
    pub fn new(model: &Model, views: Collections) -> Filters {
        // Without a type every event is a view.
        let views = if model.event.kind.is_none() { Collections::All } else { views };
        let used = model.counts.iter().fold(!1, |used, count| used | 1 << count.filter);
        let mut filters = Filters { views, of_views: 0, of_types: Vec::new(), of_fields: Vec::new() };
        for (place, filter) in model.filters.iter().enumerate() {
            let bit = used & 1 << place;
            match &filter.types {
                None => filters.of_views |= bit,
                Some(types) => types.iter().for_each(|name| filters.add_type(name, bit)),
            }
            let wanted =
                filter.fields.iter().map(|(field, values)| (*field, values.iter().map(|it| kept(it)).collect()));
            if bit != 0 && !filter.fields.is_empty() {
                filters.of_fields.push((bit, wanted.collect()));
            }
        }
        filters
    }

    fn add_type(&mut self, name: &str, bit: u128) {
        match self.of_types.iter_mut().find(|(known, _)| known == name) {
            Some((_, bits)) => *bits |= bit,
            None => self.of_types.push((name.to_owned(), bit)),
        }
    }

    /// Those that take events of this type.
    #[inline]
    pub fn taking(&self, kind: &str) -> u128 {
        let named = self.of_types.iter().find(|(name, _)| name == kind).map_or(0, |(_, bits)| *bits);
        if self.of_views != 0 && self.views.contain(kind) { named | self.of_views } else { named }
    }

    /// Of these, those that an event with these fields passes.
    #[inline]
    pub fn passed(&self, taking: u128, fields: &[Option<FieldText<'_>>]) -> u128 {
        let has = |(field, texts): &Wanted| {
            fields[*field].as_ref().is_some_and(|text| texts.iter().any(|wanted| wanted.borrowed() == text.borrowed()))
        };
        let failed = |(bit, wanted): &&(u128, Vec<Wanted>)| taking & bit != 0 && !wanted.iter().all(has);
        self.of_fields.iter().filter(failed).fold(taking, |passed, (bit, _)| passed & !bit)
    }
}

fn kept(text: &str) -> Text<Box<str>> {
    Text::<&str>::from(text).map(Box::from)
}
