//! What a page shows, as questions to the tables.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use chrono::NaiveDate;
use serde::Serialize;

use super::refusal::Refusal;
use crate::reports::{Answer, Nothing, Position, Query, Record, Snapshot};

/// A list on a page has so many rows at most; nobody reads more.
const ROWS: u32 = 100;

/// What a page was asked to show. Pages that show the same share everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Selection {
    /// The day; without one the current or latest one, whichever that is by then.
    pub day: Option<NaiveDate>,
    /// The country whose stores are shown.
    pub country: Option<String>,
    /// The product whose hours are shown.
    pub product: Option<String>,
}

impl Selection {
    /// The panels by name. Without a day there is nothing yet.
    fn queries(&self, day: Option<NaiveDate>) -> Vec<(&'static str, Query)> {
        let mut queries = vec![
            ("top-products", Query::TopProducts { day }),
            ("top-countries", Query::TopCountries),
            ("top-countries-daily", Query::TopCountriesOfDay { day }),
            ("top-referrers", Query::TopReferrers { day }),
            ("browser-hours", Query::BrowserHours { day }),
            ("os-hours", Query::OsHours { day }),
        ];
        queries.extend(self.country.clone().map(|country| ("store-views", Query::StoreViews { country })));
        queries.extend(self.product.clone().map(|product| ("product-hours", Query::ProductHours { product, day })));
        queries
    }
}

/// A panel's name, and what it shows as JSON.
pub(super) type Panel = (&'static str, Arc<str>);

/// What is to be shown, or why it cannot be read, as a sentence.
type Said<T> = Result<T, Arc<str>>;

/// All that pages show, of one moment.
pub(super) struct Moment {
    pub position: Position,
    /// The current or latest day.
    pub day: Option<NaiveDate>,
    pub panels: HashMap<Selection, Said<Vec<Panel>>>,
}

/// Reads everything that is shown, each question once however many pages ask it. One that cannot be answered is the trouble
/// of those pages alone.
pub(super) fn read(snapshot: &mut Snapshot<'_>, selections: &[Selection]) -> Result<Moment> {
    let (position, day) = (snapshot.position()?, snapshot.current_day()?);
    let (mut known, mut panels) = (HashMap::new(), HashMap::new());
    for selection in selections {
        panels.insert(selection.clone(), read_panels(snapshot, selection, day, &mut known)?);
    }
    Ok(Moment { position, day, panels })
}

fn read_panels(
    snapshot: &mut Snapshot<'_>,
    selection: &Selection,
    day: Option<NaiveDate>,
    known: &mut HashMap<Query, Said<Arc<str>>>,
) -> Result<Said<Vec<Panel>>> {
    let mut panels = Vec::new();
    for (name, query) in selection.queries(selection.day.or(day)) {
        let said = match known.get(&query) {
            Some(said) => said.clone(),
            None => said(snapshot, name, &query)?,
        };
        known.insert(query, said.clone());
        match said {
            Ok(text) => panels.push((name, text)),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(panels))
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Rows { panel: &'a str, title: &'a str, rows: Vec<Record<'a>> },
    Nothing { panel: &'a str, nothing: String },
}

/// A list is cut; of hours all are needed for their sums, and they have no more names than our rules give.
fn most(query: &Query) -> Option<u32> {
    matches!(query, Query::StoreViews { .. }).then_some(ROWS)
}

fn said(snapshot: &mut Snapshot<'_>, panel: &str, query: &Query) -> Result<Said<Arc<str>>> {
    let text = match snapshot.read(query, most(query)) {
        Ok(answer) => {
            let Answer { title, .. } = &answer;
            serde_json::to_string(&Shown::Rows { panel, title, rows: answer.records() })?
        }
        Err(error) if error.is::<Nothing>() => {
            serde_json::to_string(&Shown::Nothing { panel, nothing: error.to_string() })?
        }
        // If the session is still there, it was the question.
        Err(error) => match snapshot.recover() {
            Ok(()) => return Ok(Err(Refusal::from(error).message().into())),
            Err(_) => return Err(error),
        },
    };
    Ok(Ok(text.into()))
}
