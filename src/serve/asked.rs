//! What a request asks for: its parameters, understood or refused with a sentence.

use std::time::Duration;

use axum::extract::{FromRequestParts, Query as Parameters};
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use chrono::{Datelike, NaiveDate};
use serde::Deserialize;

use super::panels::Selection;
use super::refusal::Refusal;
use crate::reports::{CsvCells, NAMES, Query};

/// A text as long as the longest id of a product.
const LONGEST: usize = 1_024;
/// More rows than any report of the page has; who wants a whole table asks Postgres.
const MOST_ROWS: u32 = 10_000;

/// The parameters of all paths. An unknown one is refused: it would have been meant to change the answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    day: Option<String>,
    country: Option<String>,
    product: Option<String>,
    limit: Option<String>,
    format: Option<String>,
    csv_safe: Option<String>,
    q: Option<String>,
    partition: Option<String>,
    offset: Option<String>,
    timeout: Option<String>,
    /// `text/csv` is accepted.
    #[serde(skip)]
    accepts_csv: bool,
}

/// In what form an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Csv(CsvCells),
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked, Refusal> {
        let accepts = parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let accepts_csv = accepts.contains("text/csv");
        match Parameters::<Asked>::from_request_parts(parts, state).await {
            Ok(Parameters(asked)) => Ok(Asked { accepts_csv, ..asked }),
            Err(rejection) => Err(Refusal::bad_request(rejection.body_text())),
        }
    }
}

impl Asked {
    /// The report of this name.
    pub fn report(&self, name: &str) -> Result<Query, Refusal> {
        let day = self.day()?;
        Ok(match name {
            "top-products" => Query::TopProducts { day },
            "top-countries" if self.day.is_some() => Query::TopCountriesOfDay { day },
            "top-countries" => Query::TopCountries,
            "top-referrers" => Query::TopReferrers { day },
            "store-views" => Query::StoreViews { country: needed("country", self.country()?)? },
            "product-hours" => Query::ProductHours { product: needed("product", self.product()?)?, day },
            "browser-os-hours" => Query::BrowserOsHours { day },
            _ => return Err(Refusal::not_found(format!("there is no such report; there are {}", NAMES.join(", ")))),
        })
    }

    /// What a page is to show.
    pub fn selection(&self) -> Result<Selection, Refusal> {
        Ok(Selection { day: self.day()?, country: self.country()?, product: self.product()? })
    }

    /// How many rows are wanted at most.
    pub fn limit(&self, usual: u32) -> Result<u32, Refusal> {
        let limit = number("limit", self.limit.as_deref())?.unwrap_or(usual);
        if (1..=MOST_ROWS).contains(&limit) {
            Ok(limit)
        } else {
            Err(Refusal::bad_request(format!("limit is a number from 1 to {MOST_ROWS}")))
        }
    }

    /// The same for a report, which is whole by default.
    pub fn rows(&self) -> Result<u32, Refusal> {
        self.limit(MOST_ROWS)
    }

    /// How the id of a product begins.
    pub fn prefix(&self) -> Result<String, Refusal> {
        Ok(text("q", self.q.as_deref())?.unwrap_or_default())
    }

    pub fn form(&self) -> Result<Form, Refusal> {
        match given(self.format.as_deref()) {
            Some("csv") => Ok(Form::Csv(self.cells()?)),
            Some("json") => Ok(Form::Json),
            Some(_) => Err(Refusal::bad_request("format is json or csv")),
            None if self.accepts_csv => Ok(Form::Csv(self.cells()?)),
            None => Ok(Form::Json),
        }
    }

    /// A download is opened by a spreadsheet, so it is made for one unless somebody says otherwise.
    fn cells(&self) -> Result<CsvCells, Refusal> {
        match given(self.csv_safe.as_deref()) {
            None | Some("true") => Ok(CsvCells::Safe),
            Some("false") => Ok(CsvCells::Raw),
            Some(_) => Err(Refusal::bad_request("csv_safe is true or false")),
        }
    }

    /// The partition and offset of a record that is waited for.
    pub fn record(&self) -> Result<(i32, i64), Refusal> {
        let partition = number("partition", self.partition.as_deref())?;
        let offset = number("offset", self.offset.as_deref())?;
        Ok((needed("partition", partition)?, needed("offset", offset)?))
    }

    /// How long it is waited for.
    pub fn timeout(&self, usual: Duration, longest: Duration) -> Result<Duration, Refusal> {
        let Some(text) = given(self.timeout.as_deref()) else { return Ok(usual) };
        match humantime::parse_duration(text) {
            Ok(timeout) if timeout <= longest => Ok(timeout),
            _ => Err(Refusal::bad_request(format!("timeout is a time like 5s, of {} s at most", longest.as_secs()))),
        }
    }

    fn day(&self) -> Result<Option<NaiveDate>, Refusal> {
        match given(self.day.as_deref()).map(str::parse::<NaiveDate>) {
            None => Ok(None),
            // Postgres has days that are not of these years, and not all that there are here.
            Some(Ok(day)) if (1..=9999).contains(&day.year()) => Ok(Some(day)),
            Some(_) => Err(Refusal::bad_request("day is a day like 2020-06-04, of the years 0001 to 9999")),
        }
    }

    fn country(&self) -> Result<Option<String>, Refusal> {
        match text("country", self.country.as_deref())? {
            Some(country) if country.len() != 2 => Err(Refusal::bad_request("country is a code of two letters")),
            country => Ok(country.map(|country| country.to_ascii_uppercase())),
        }
    }

    fn product(&self) -> Result<Option<String>, Refusal> {
        text("product", self.product.as_deref())
    }
}

/// A parameter that is empty is not given.
fn given(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

fn needed<T>(name: &str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::bad_request(format!("{name} is needed")))
}

/// A text that Postgres can hold, which a zero would not be.
fn text(name: &str, value: Option<&str>) -> Result<Option<String>, Refusal> {
    match given(value) {
        Some(value) if value.len() > LONGEST || value.contains('\0') => {
            Err(Refusal::bad_request(format!("{name} is a text of at most {LONGEST} bytes, none of them zero")))
        }
        value => Ok(value.map(str::to_owned)),
    }
}

fn number<T: std::str::FromStr>(name: &str, value: Option<&str>) -> Result<Option<T>, Refusal> {
    let number = given(value).map(str::parse);
    number.transpose().map_err(|_| Refusal::bad_request(format!("{name} is a whole number")))
}
