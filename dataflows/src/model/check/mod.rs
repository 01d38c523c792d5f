//! From what a file declares to a model that can be run: names become places, and what is wrong is said with its place.
//! What cannot work is refused here, so that nothing behind it needs to look again.

mod counts;
mod dimensions;
mod fields;
mod reports;

use std::ops::Range;

use toml::Spanned;

use super::error::ModelError;
use super::file::{Event, File};
use super::{Dimensions, EventShape, Filter, Model};
use crate::key::COUNTS_MAX;

/// The most fields that a report may group by, beside day and hour.
pub(crate) const MEMBERS_MAX: usize = 4;
/// The most reports. More would be no declaration any more; and what [`Event::passes`](crate::Event::passes) holds, and a
/// key's number of its count, have room for them.
const REPORTS_MAX: usize = 100;
// Beside those of reports there are some that only dimensions are told by.
const _: () = assert!(REPORTS_MAX + 8 <= COUNTS_MAX);
/// The most fields.
const FIELDS_MAX: usize = 64;

/// The model that a file declares.
pub(super) fn model(declared: &File, text: &str, file: &str) -> Result<Model, ModelError> {
    let mut checked = Checked { text, file, model: begun(text) };
    checked.event(&declared.event)?;
    checked.fields(&declared.fields)?;
    checked.declarations(&declared.report)?;
    checked.names(declared)?;
    checked.counts(&declared.report)?;
    checked.rankings(&declared.report)?;
    checked.dimensions(&declared.dimensions)?;
    checked.apart_from_lookups(&declared.fields)?;
    checked.reports(&declared.report)?;
    Ok(checked.model)
}

/// The model before anything is looked at.
fn begun(text: &str) -> Model {
    Model {
        text: text.into(),
        event: EventShape { kind: String::new(), views: Vec::new(), local_time: None, time_stamp: None, page: None },
        fields: Vec::new(),
        filters: vec![Filter { types: None, fields: Vec::new() }],
        counts: Vec::new(),
        rankings: Vec::new(),
        dimensions: Dimensions::default(),
        tables: Vec::new(),
        reports: Vec::new(),
    }
}

/// What is checked so far.
struct Checked<'a> {
    text: &'a str,
    file: &'a str,
    model: Model,
}

type Checks<T> = Result<T, ModelError>;

impl Checked<'_> {
    fn error<T>(&self, span: Range<usize>, what: impl Into<String>) -> Checks<T> {
        Err(ModelError::at(self.file, self.text, span, what))
    }

    /// What is wrong with a value, at its place.
    fn at<T>(&self, span: Range<usize>, checked: Result<T, String>) -> Checks<T> {
        checked.or_else(|what| self.error(span, what))
    }

    /// That something is as it must be.
    fn ensure(&self, holds: bool, span: Range<usize>, what: impl Into<String>) -> Checks<()> {
        if holds { Ok(()) } else { self.error(span, what) }
    }

    fn event(&mut self, declared: &Spanned<Event>) -> Checks<()> {
        let (span, event) = (declared.span(), declared.get_ref());
        for member in [Some(&event.kind), event.local_time.as_ref(), event.time_stamp.as_ref(), event.page.as_ref()] {
            member.map_or(Ok(()), |member| self.path(member))?;
        }
        let has_time = event.local_time.is_some() || event.time_stamp.is_some();
        self.ensure(has_time, span, "an event needs a time; add local_time = \"…\" or time_stamp = \"…\"")?;
        let views = event.views.get_ref();
        self.ensure(!views.is_empty(), event.views.span(), "no type counts; name at least one, or \"all\"")?;
        for view in views {
            let name = view.get_ref();
            let is_name = !name.is_empty() && name.trim() == name && !name.contains([',', '\0']);
            self.ensure(is_name, view.span(), "a type without commas or blanks around it is expected")?;
            let is_alone = !name.eq_ignore_ascii_case("all") || views.len() == 1;
            self.ensure(is_alone, view.span(), "\"all\" takes every type; leave the others out")?;
        }
        let name = |name: &Option<Spanned<String>>| name.as_ref().map(|name| name.get_ref().clone());
        self.model.event = EventShape {
            kind: event.kind.get_ref().clone(),
            views: views.iter().map(|view| view.get_ref().clone()).collect(),
            local_time: name(&event.local_time),
            time_stamp: name(&event.time_stamp),
            page: name(&event.page),
        };
        Ok(())
    }

    /// The name of a member of a record. A dot is kept for the way into objects.
    fn path(&self, path: &Spanned<String>) -> Checks<()> {
        let name = path.get_ref();
        let is_name = !name.is_empty() && !name.contains('.') && !name.contains(char::is_control);
        let what = format!("{name:?} is no member of a record; name one, not inside of another");
        self.ensure(is_name, path.span(), what)
    }
}
