//! The parameters of a request, parsed or refused with a message.

use std::time::Duration;

use axum::extract::{FromRequestParts, Query as Parameters};
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use chrono::{Datelike, NaiveDate};
use dataflows::model::{Dimension, FieldKind, Model};

use super::catalogue::{default_name, filtered_fields};
use super::error::ApiError;
use super::panels::Selection;
use crate::reports::{
    Comparison, CsvCells, Parameter, Period, ReportQuery, TrendQuery, Whole, chosen_fields, has_whole, is_list,
    parameters, sites,
};

/// Bytes of a text: the longest id.
const TEXT_BYTES_MAX: usize = 1_024;
/// Bytes of an address.
const URL_BYTES_MAX: usize = 8_192;
/// Rows of an answer: more than any report of the page has; a whole table is better read from Postgres.
pub(super) const ROWS_MAX: u32 = 10_000;

/// The parameters for the form of an answer.
pub(super) const FORM: [&str; 2] = ["format", "csv_safe"];
/// The parameters for the days of a report.
pub(super) const RANGE: [&str; 2] = ["from", "to"];
/// The parameter for the days to compare with.
const COMPARE: &str = "compare";
/// The parameters for rows of a whole list.
pub(super) const WHOLE: [&str; 3] = ["all", "offset", "q"];
/// The parameters that group a list of addresses by host.
pub(super) const SITES: [&str; 2] = ["group", "of_host"];
/// The parameters of a list of members.
pub(super) const LIST: [&str; 4] = ["q", "limit", "format", "csv_safe"];

/// The parameters of a request. One that its path does not have is refused: the client expects it to change the answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    given: Vec<(String, String)>,
    /// `text/csv` is accepted.
    accepts_csv: bool,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Csv(CsvCells),
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Params, ApiError> {
        let accepts = parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let accepts_csv = accepts.contains("text/csv");
        match Parameters::<Vec<(String, String)>>::from_request_parts(parts, state).await {
            Ok(Parameters(given)) => Ok(Params { given, accepts_csv }),
            Err(rejection) => Err(ApiError::bad_request(rejection.body_text())),
        }
    }
}

impl Params {
    /// Refuses parameters other than these, and duplicates.
    pub fn must_be_of(&self, known: &[&str]) -> Result<(), ApiError> {
        for (place, (name, _)) in self.given.iter().enumerate() {
            let name = name.as_str();
            if !known.contains(&name) {
                let (name, known) = (name.escape_debug(), known.join(", "));
                return Err(ApiError::bad_request(format!("there is no parameter '{name}' here; there are {known}")));
            }
            if self.given[..place].iter().any(|(other, _)| other == name) {
                return Err(ApiError::bad_request(format!("{name} is given twice")));
            }
        }
        Ok(())
    }

    /// The query for the report of this name.
    pub fn report(&self, model: &Model, name: &str) -> Result<ReportQuery, ApiError> {
        let Some(report) = model.reports.iter().position(|report| report.name == name) else {
            let names: Vec<_> = model.reports.iter().map(|report| report.name.as_str()).collect();
            return Err(ApiError::not_found(format!("there is no such report; there are {}", names.join(", "))));
        };
        let parameters = parameters(model, &model.reports[report]);
        let labels = parameters.iter().map(|parameter| model.dimension_label(parameter.dimension));
        let share = is_list(&model.reports[report]).then_some("share");
        let whole = WHOLE.into_iter().filter(|_| has_whole(model, &model.reports[report]));
        let hosts = SITES.into_iter().filter(|_| sites(model, &model.reports[report]).is_some());
        let known = labels.chain(RANGE).chain([COMPARE, "limit"]).chain(share).chain(whole).chain(hosts).chain(FORM);
        self.must_be_of(&known.collect::<Vec<_>>())?;
        let mut values = Vec::new();
        for Parameter { dimension, is_needed } in parameters.into_iter().filter(|it| it.dimension != Dimension::Day) {
            match self.value(model, dimension)? {
                Some(value) => values.push((dimension, value)),
                None if is_needed => {
                    return Err(ApiError::bad_request(format!("{} is needed", model.dimension_label(dimension))));
                }
                None => {}
            }
        }
        let query = ReportQuery::new(model, report, self.period()?, values)?;
        let has_share = self.flag("share")?.unwrap_or(false);
        Ok(ReportQuery { compare: self.compare()?, has_share, whole: self.whole()?, ..query })
    }

    /// The query for all views by time.
    pub fn trend(&self, model: &Model) -> Result<TrendQuery, ApiError> {
        if !TrendQuery::default().can_be_answered(model) {
            return Err(ApiError::no_route());
        }
        let fields = TrendQuery::filters(model);
        let labels = fields.iter().map(|field| model.fields[*field].label.as_str());
        self.must_be_of(&["day", COMPARE].into_iter().chain(RANGE).chain(labels).chain(FORM).collect::<Vec<_>>())?;
        Ok(TrendQuery { period: self.period()?, members: self.members(model, fields)?, compare: self.compare()? })
    }

    /// What a page should show.
    pub fn selection(&self, model: &Model) -> Result<Selection, ApiError> {
        let (fields, chosen) = (filtered_fields(model), chosen_fields(model));
        let names: Vec<_> = chosen.iter().map(|field| (*field, default_name(model, *field))).collect();
        let labels = fields.iter().map(|field| model.fields[*field].label.as_str());
        let labels = labels.chain(names.iter().map(|(_, name)| name.as_str()));
        self.must_be_of(&["day", COMPARE].into_iter().chain(RANGE).chain(labels).collect::<Vec<_>>())?;
        let mut defaults = Vec::new();
        for (field, name) in &names {
            defaults.extend(self.member(model, *field, name)?.map(|value| (*field, value)));
        }
        let (filters, compare) = (self.members(model, fields)?, self.compare()?);
        Ok(Selection { period: self.period()?, filters, defaults, compare })
    }

    /// The members that are given of these fields.
    fn members(&self, model: &Model, fields: Vec<usize>) -> Result<Vec<(usize, String)>, ApiError> {
        let mut members = Vec::new();
        for field in fields {
            members.extend(self.value(model, Dimension::Field(field))?.map(|value| (field, value)));
        }
        Ok(members)
    }

    /// What the days are compared with.
    fn compare(&self) -> Result<Option<Comparison>, ApiError> {
        let Some(given) = self.given(COMPARE) else { return Ok(None) };
        match Comparison::NAMES.into_iter().find(|(name, _)| *name == given) {
            Some((_, comparison)) => Ok(Some(comparison)),
            None => Err(ApiError::bad_request("compare is previous or weekday")),
        }
    }

    /// Which rows of a whole list are wanted; none if it is the first ones alone.
    fn whole(&self) -> Result<Option<Whole>, ApiError> {
        let (offset, sought) = (self.number("offset")?, self.sought()?.trim().to_owned());
        let by_host = match self.given("group") {
            None => false,
            Some("host") => true,
            Some(_) => return Err(ApiError::bad_request("group is host")),
        };
        let host = self.text("of_host", TEXT_BYTES_MAX)?;
        let whole = Whole { offset: offset.unwrap_or_default(), sought, by_host, host, ..Whole::default() };
        let is_more = offset.is_some() || whole != Whole::default();
        Ok((is_more || self.flag("all")?.unwrap_or(false)).then_some(whole))
    }

    /// Which counts of rejected records are wanted: of which day and reason, and how many.
    pub fn rejected(&self) -> Result<(Option<NaiveDate>, Option<String>, u32), ApiError> {
        self.must_be_of(&["day", "reason", "limit"].into_iter().chain(FORM).collect::<Vec<_>>())?;
        Ok((self.day("day")?, self.text("reason", TEXT_BYTES_MAX)?, self.rows()?))
    }

    /// How many rows are wanted at most.
    pub fn limit(&self, usual: u32) -> Result<u32, ApiError> {
        let limit = self.number("limit")?.unwrap_or(usual);
        if (1..=ROWS_MAX).contains(&limit) {
            Ok(limit)
        } else {
            Err(ApiError::bad_request(format!("limit is a number from 1 to {ROWS_MAX}")))
        }
    }

    /// The same for a report, which has no smaller default.
    pub fn rows(&self) -> Result<u32, ApiError> {
        self.limit(ROWS_MAX)
    }

    /// The beginning or name to search members by.
    pub fn sought(&self) -> Result<String, ApiError> {
        Ok(self.text("q", TEXT_BYTES_MAX)?.unwrap_or_default())
    }

    pub fn form(&self) -> Result<Form, ApiError> {
        match self.given("format") {
            Some("csv") => Ok(Form::Csv(self.cells()?)),
            Some("json") => Ok(Form::Json),
            Some(_) => Err(ApiError::bad_request("format is json or csv")),
            None if self.accepts_csv => Ok(Form::Csv(self.cells()?)),
            None => Ok(Form::Json),
        }
    }

    /// A download is often opened in a spreadsheet, so it is made safe for one by default.
    fn cells(&self) -> Result<CsvCells, ApiError> {
        Ok(if self.flag("csv_safe")?.unwrap_or(true) { CsvCells::Safe } else { CsvCells::Raw })
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let flag = self.given(name).map(str::parse);
        flag.transpose().map_err(|_| ApiError::bad_request(format!("{name} is true or false")))
    }

    /// The partition and offset of the record to wait for.
    pub fn record(&self) -> Result<(i32, i64), ApiError> {
        self.must_be_of(&["partition", "offset", "timeout"])?;
        let needed = |name: &str| ApiError::bad_request(format!("{name} is needed"));
        let (partition, offset) = (self.number("partition")?, self.number("offset")?);
        Ok((partition.ok_or_else(|| needed("partition"))?, offset.ok_or_else(|| needed("offset"))?))
    }

    /// How long to wait for it.
    pub fn timeout(&self, usual: Duration, longest: Duration) -> Result<Duration, ApiError> {
        let Some(text) = self.given("timeout") else { return Ok(usual) };
        match humantime::parse_duration(text) {
            Ok(timeout) if timeout <= longest => Ok(timeout),
            _ => Err(ApiError::bad_request(format!("timeout is a time like 5s, of {} s at most", longest.as_secs()))),
        }
    }

    /// The value of a dimension, as tables have it.
    fn value(&self, model: &Model, dimension: Dimension) -> Result<Option<String>, ApiError> {
        let label = model.dimension_label(dimension);
        let wrong = |what: &str| Err(ApiError::bad_request(format!("{label} is {what}")));
        let field = match dimension {
            Dimension::Field(field) => field,
            Dimension::Hour => {
                return match self.number::<u8>(label)? {
                    Some(24..) => wrong("a number from 0 to 23"),
                    hour => Ok(hour.map(|hour| hour.to_string())),
                };
            }
            Dimension::Day => return Ok(self.day(label)?.map(|day| day.to_string())),
        };
        self.member(model, field, label)
    }

    /// The member of a field under some name.
    fn member(&self, model: &Model, field: usize, name: &str) -> Result<Option<String>, ApiError> {
        let wrong = |what: &str| Err(ApiError::bad_request(format!("{name} is {what}")));
        let kind = &model.fields[field].kind;
        let longest = if *kind == FieldKind::Url { URL_BYTES_MAX } else { TEXT_BYTES_MAX };
        match (kind, self.text(name, longest)?) {
            (kind, Some(code)) if kind.is_country() && code.len() != 2 => wrong("a code of two letters"),
            (kind, Some(code)) if kind.is_country() => Ok(Some(code.to_ascii_uppercase())),
            (FieldKind::Boolean, Some(value)) if !["true", "false"].contains(&value.as_str()) => wrong("true or false"),
            (_, value) => Ok(value),
        }
    }

    /// Which days are asked about.
    fn period(&self) -> Result<Period, ApiError> {
        let [from, to] = RANGE.map(|name| self.day(name));
        Ok(Period::new(self.day("day")?, from?, to?).map_err(anyhow::Error::from)?)
    }

    fn day(&self, name: &str) -> Result<Option<NaiveDate>, ApiError> {
        match self.given(name).map(str::parse::<NaiveDate>) {
            None => Ok(None),
            // Only these years fit both Postgres and this program.
            Some(Ok(day)) if (1..=9999).contains(&day.year()) => Ok(Some(day)),
            Some(_) => {
                Err(ApiError::bad_request(format!("{name} is a day like 2020-06-04, of the years 0001 to 9999")))
            }
        }
    }

    /// The value of a parameter; an empty one counts as not given.
    fn given(&self, name: &str) -> Option<&str> {
        let given = self.given.iter().find(|(other, _)| other == name);
        given.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A text that Postgres can hold: without a zero byte.
    fn text(&self, name: &str, longest: usize) -> Result<Option<String>, ApiError> {
        match self.given(name) {
            Some(value) if value.len() > longest || value.contains('\0') => {
                Err(ApiError::bad_request(format!("{name} is a text of at most {longest} bytes, none of them zero")))
            }
            value => Ok(value.map(str::to_owned)),
        }
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let number = self.given(name).map(str::parse);
        number.transpose().map_err(|_| ApiError::bad_request(format!("{name} is a whole number")))
    }
}
