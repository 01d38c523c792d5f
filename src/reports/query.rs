//! The query of a report, and the title or the reason for no rows that answers it.

use anyhow::{Result, bail};
use chrono::NaiveDate;
use dataflows::model::{Dimension, Model, Report, TableRows, fields};

use super::form::{Form, ReportColumn};
use super::period::{Comparison, Period, Span, WrongPeriod};
use super::sql::{Asked, quoted};
use super::whole::Whole;
use super::{Cell, NoData, ReportRows, Snapshot};
use crate::terminal::safe;

/// Characters of a name in a title: it may be as long as an address.
const NAME_CHARS_MAX: usize = 60;

/// Which report to read, for which members and days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReportQuery {
    /// Its place in [`Model::reports`].
    pub report: usize,
    /// Which days.
    pub period: Period,
    /// The hour.
    pub hour: Option<i16>,
    /// Fields, and the member of each to filter by.
    pub members: Vec<(usize, String)>,
    /// The days to compare with, if any.
    pub compare: Option<Comparison>,
    /// Whether each row of a list has its share of all.
    pub has_share: bool,
    /// For a heat map: the only one of its fields to show.
    pub alone: Option<usize>,
    /// For a list: which rows of the whole list to read, instead of the first ones.
    pub whole: Option<Whole>,
}

impl ReportQuery {
    /// A report with these values, spelled as in the tables. A report of all days becomes its daily report, if it has one and
    /// a day is asked for.
    pub fn new(model: &Model, report: usize, period: Period, values: Vec<(Dimension, String)>) -> Result<ReportQuery> {
        let mut query = ReportQuery { report, period, ..ReportQuery::default() };
        for (dimension, value) in values {
            match dimension {
                Dimension::Day => {}
                Dimension::Hour => query.hour = Some(value.parse()?),
                Dimension::Field(field) => query.members.push((field, value)),
            }
        }
        if let Some(daily) = model.reports[report].daily.filter(|_| matches!(period, Period::Day(_))) {
            query.report = daily;
        }
        Ok(query)
    }

    /// These columns, without other fields if only one is to be shown.
    pub(super) fn narrowed(&self, mut columns: Vec<ReportColumn>) -> Vec<ReportColumn> {
        if let Some(alone) = self.alone {
            columns.retain(|column| match column {
                ReportColumn::Dimension(Dimension::Field(field)) | ReportColumn::Name(field) => *field == alone,
                _ => true,
            });
        }
        columns
    }

    pub(super) fn answer(&self, tables: &mut Snapshot<'_>, limit: Option<i64>) -> Result<ReportRows> {
        let day = match self.period {
            Period::Latest => None,
            Period::Day(day) => Some(day),
            Period::Range(range) => {
                let span = range.span(tables)?;
                return self.over(tables, Some(span), limit);
            }
        };
        let model = tables.model.clone();
        let report = &model.reports[self.report];
        let (form, table) = (Form::new(&model, report), &model.tables[report.table]);
        let of_all = Asked::new(&model, table);
        let mut asked = Asked { day, hour: self.hour, members: &self.members, limit, ..of_all };
        if !super::over::is_of_days(form, report) {
            asked.day = None;
        } else if let Form::Hours(_) = form
            && !self.members.is_empty()
        {
            let own: Vec<_> = self.members.iter().filter(|(field, _)| form.has(*field)).cloned().collect();
            asked.day = Some(day_of_hours(tables, &Asked { members: &own, ..asked })?);
        } else if asked.day.is_none() {
            asked.day = Some(tables.current_day()?.ok_or_else(nothing)?);
        }
        if !self.is_own(&model) {
            if self.compare.is_some() && asked.day.is_none() {
                let what = format!("{} is over all days; give the first of those to compare as from", report.name);
                bail!(WrongPeriod(what));
            }
            return self.over(tables, asked.day.map(Span::day), limit);
        }
        let columns = tables.with_given_names(self.narrowed(super::columns(&model, report)))?;
        let sql = match self.alone {
            Some(field) => asked.alone(field, &columns),
            None => asked.report(form, &columns),
        };
        let mut answer = tables.rows(String::new(), &sql.text, &sql.parameters())?;
        if answer.rows.is_empty() {
            bail!(no_rows(tables, &asked)?);
        }
        self.describe(&mut answer, &asked, &columns);
        self.share(tables, &mut answer, &asked)?;
        Ok(answer)
    }

    /// Adds the title to the rows, and which columns it covers.
    pub(super) fn describe(&self, answer: &mut ReportRows, asked: &Asked<'_>, columns: &[ReportColumn]) {
        answer.said = (0..columns.len()).filter(|place| asked.says(columns[*place])).collect();
        answer.named = (0..columns.len()).filter(|place| matches!(columns[*place], ReportColumn::Name(_))).collect();
        answer.title = self.title(asked, columns, answer);
    }

    /// The declared title, and the chosen values.
    fn title(&self, asked: &Asked<'_>, columns: &[ReportColumn], answer: &ReportRows) -> String {
        let model = asked.model;
        let mut title = titled(model, self.report).title.clone();
        if let Some(field) = self.alone {
            title += &format!(", by {} alone", model.fields[field].label);
        }
        let name = |field: usize| {
            let place = columns.iter().position(|column| *column == ReportColumn::Name(field))?;
            match answer.rows.first()?.get(place)? {
                Cell::Text(name) => Some(name),
                _ => None,
            }
        };
        let member = |(field, value): &(usize, String)| match name(*field).filter(|name| *name != value) {
            Some(name) => format!("{} ({})", value.escape_debug(), safe(name, NAME_CHARS_MAX)),
            None => value.escape_debug().to_string(),
        };
        let mut chosen: Vec<_> = self.members.iter().map(member).collect();
        chosen.extend(asked.hour.map(|hour| format!("{hour:02}:00")));
        asked.title(&title, &chosen)
    }
}

impl Asked<'_> {
    /// The title of something, with the chosen values and days.
    pub(super) fn title(&self, of: &str, chosen: &[String]) -> String {
        let when = match (self.day, self.span) {
            (Some(day), _) => day.to_string(),
            (None, Some(span)) => span.to_string(),
            (None, None) => "all days".into(),
        };
        let compared = self.compared.map(|before| format!(", compared with {before}")).unwrap_or_default();
        match chosen {
            [] => format!("{of} of {when}{compared}"),
            chosen => format!("{of}: {}, {when}{compared}", chosen.join(", ")),
        }
    }

    /// Whether a column is the same in all rows, as the query selects one value.
    fn says(&self, column: ReportColumn) -> bool {
        match column {
            ReportColumn::Dimension(Dimension::Day) => self.day.is_some(),
            ReportColumn::Dimension(Dimension::Hour) => self.hour.is_some(),
            ReportColumn::Dimension(Dimension::Field(field)) | ReportColumn::Name(field) => {
                self.members.iter().any(|(other, _)| *other == field)
            }
            _ => false,
        }
    }
}

/// The report whose title a report has: a daily report has that of its report of all days.
pub fn titled(model: &Model, report: usize) -> &Report {
    let of_all_days = model.reports.iter().find(|other| other.daily == Some(report));
    of_all_days.unwrap_or(&model.reports[report])
}

pub(super) fn nothing() -> NoData {
    let hint = "`freshet check` says what would be, and of which kinds of events";
    NoData { is_everything: true, ..NoData::new("nothing is counted yet", hint.to_owned()) }
}

/// The day of the hours of a member: the one that is asked for, if the member has views then, or else its last one.
fn day_of_hours(tables: &mut Snapshot<'_>, asked: &Asked<'_>) -> Result<NaiveDate> {
    let anytime = Asked { day: None, ..*asked };
    let Some(last) = day_of(tables, "max", &anytime)? else { bail!(no_member(tables, asked)?) };
    if asked.day.is_none() || day_of(tables, "min", asked)?.is_some() {
        return Ok(asked.day.unwrap_or(last));
    }
    let first = day_of(tables, "min", &anytime)?.unwrap_or(last);
    let what = format!("there are no views of {}{}", asked.chosen(), asked.on());
    bail!(NoData::then(what, "its views", (first, last)))
}

/// The first or the last day with rows of the query.
fn day_of(tables: &mut Snapshot<'_>, function: &str, of: &Asked<'_>) -> Result<Option<NaiveDate>> {
    let mut sql = super::sql::Sql::default();
    let filter = of.filter(&mut sql);
    let query = format!("SELECT {function}(day) FROM {} {filter}", quoted(of.table));
    tables.value(&query, &sql.parameters())
}

/// The first and the last day with rows of the query.
pub(super) fn first_and_last(tables: &mut Snapshot<'_>, of: &Asked<'_>) -> Result<Option<(NaiveDate, NaiveDate)>> {
    Ok(day_of(tables, "min", of)?.zip(day_of(tables, "max", of)?))
}

/// The first and the last day with views of any kind.
pub(super) fn days_with_views(tables: &mut Snapshot<'_>) -> Result<Option<(NaiveDate, NaiveDate)>> {
    let dates = "SELECT day FROM dim_date ORDER BY day";
    let first: Option<NaiveDate> = tables.value(&format!("{dates} LIMIT 1"), &[])?;
    let last: Option<NaiveDate> = tables.value(&format!("{dates} DESC LIMIT 1"), &[])?;
    Ok(first.zip(last))
}

/// Why a report has no rows.
pub(super) fn no_rows(tables: &mut Snapshot<'_>, asked: &Asked<'_>) -> Result<NoData> {
    let Some(days) = days_with_views(tables)? else { return Ok(nothing()) };
    match asked.on().as_str() {
        _ if !asked.members.is_empty() => no_member(tables, asked),
        "" => Ok(nothing()),
        on => {
            let what = format!("there is nothing of this kind{on}");
            Ok(NoData::then(what, "the days with views", days))
        }
    }
}

/// The reason that a member has no views, and where to find others.
fn no_member(tables: &mut Snapshot<'_>, asked: &Asked<'_>) -> Result<NoData> {
    let model = asked.model;
    let what = format!("there are no views of {}{}", asked.chosen(), asked.on());
    let Some((field, _)) = asked.members.first() else { return Ok(nothing()) };
    if model.fields[*field].kind.is_closed() {
        let known = tables.known(*field)?;
        return Ok(NoData::new(what, (!known.is_empty()).then(|| format!("there are views of {known}"))));
    }
    let is_ranked = |report: &&Report| match model.tables[report.table].rows {
        TableRows::Ranking(ranking) => model.rankings[ranking].of == *field,
        TableRows::Count(_) => {
            report.limit.is_some() && fields(model.dimensions_of(&model.tables[report.table])).eq([*field])
        }
        TableRows::Members(_) => false,
    };
    let hint = model.reports.iter().find(is_ranked);
    Ok(NoData::new(what, hint.map(|report| format!("`freshet report {}` names some that have", report.name))))
}

impl Asked<'_> {
    /// The days, as the end of a sentence.
    pub(super) fn on(&self) -> String {
        match (self.day, self.span) {
            (Some(day), _) => format!(" on {day}"),
            (None, Some(Span { from, to })) if from == to => format!(" on {from}"),
            (None, Some(Span { from, to })) => format!(" from {from} to {to}"),
            (None, None) => String::new(),
        }
    }

    /// The chosen members, as a part of a sentence.
    pub(super) fn chosen(&self) -> String {
        let member = |(field, value): &(usize, String)| {
            format!("{} '{}'", self.model.fields[*field].label, value.escape_debug())
        };
        self.members.iter().map(member).collect::<Vec<_>>().join(" and ")
    }
}
