//! What a page shows, as questions to the tables.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use chrono::NaiveDate;
use serde::Serialize;

use crate::reports::{Answer, Nothing, Position, Query, Record, Snapshot};

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

/// All that pages show, of one moment.
pub(super) struct Moment {
    pub position: Position,
    /// The current or latest day.
    pub day: Option<NaiveDate>,
    pub panels: HashMap<Selection, Vec<Panel>>,
}

/// Reads everything that is shown, each question once however many pages ask it.
pub(super) fn read(snapshot: &mut Snapshot<'_>, selections: &[Selection]) -> Result<Moment> {
    let (position, day) = (snapshot.position()?, snapshot.current_day()?);
    let mut known: HashMap<Query, Arc<str>> = HashMap::new();
    let mut panels = HashMap::new();
    for selection in selections {
        let mut shown = Vec::new();
        for (name, query) in selection.queries(selection.day.or(day)) {
            let text = match known.get(&query) {
                Some(text) => text.clone(),
                None => said(snapshot, name, &query)?,
            };
            known.insert(query, text.clone());
            shown.push((name, text));
        }
        panels.insert(selection.clone(), shown);
    }
    Ok(Moment { position, day, panels })
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Rows { panel: &'a str, title: &'a str, rows: Vec<Record<'a>> },
    Nothing { panel: &'a str, nothing: String },
}

fn said(snapshot: &mut Snapshot<'_>, panel: &str, query: &Query) -> Result<Arc<str>> {
    let text = match snapshot.read(query) {
        Ok(answer) => {
            let Answer { title, .. } = &answer;
            serde_json::to_string(&Shown::Rows { panel, title, rows: answer.records() })?
        }
        Err(error) if error.is::<Nothing>() => {
            serde_json::to_string(&Shown::Nothing { panel, nothing: error.to_string() })?
        }
        Err(error) => return Err(error),
    };
    Ok(text.into())
}
