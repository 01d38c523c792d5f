//! From what a file declares to a model that can be run: names become indexes, and every error has its place in the
//! file. What cannot work is refused here, so that nothing downstream checks again.

mod counts;
mod dimensions;
mod event;
mod fields;
mod reports;

use std::ops::Range;

use super::error::ModelError;
use super::file::File;
use super::{Dimensions, Envelope, EventShape, Filter, Model, TimeFormat};
use crate::key::COUNTS_MAX;

/// The most fields that a report may group by, beside day and hour.
pub(crate) const MEMBERS_MAX: usize = 4;
/// The most reports. More would be no declaration any more; and what [`Event::passes`](crate::Event::passes) holds, and a
/// key's number of its count, have room for them.
const REPORTS_MAX: usize = 100;
// Besides those of reports there are some that only dimensions need.
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
    checked.days_kept(&declared.report)?;
    checked.dimensions(&declared.dimensions)?;
    checked.apart_from_lookups(&declared.fields)?;
    checked.reports(&declared.report)?;
    Ok(checked.model)
}

/// The model before anything is checked.
fn begun(text: &str) -> Model {
    Model {
        text: text.into(),
        event: EventShape {
            kind: None,
            views: Vec::new(),
            local_time: None,
            time_stamp: None,
            time_format: TimeFormat::Auto,
            page: None,
            id: None,
            envelope: Envelope::Auto,
        },
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

    /// An error unless this holds.
    fn ensure(&self, holds: bool, span: Range<usize>, what: impl Into<String>) -> Checks<()> {
        if holds { Ok(()) } else { self.error(span, what) }
    }
}
