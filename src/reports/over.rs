//! A report over several days: sums of a counted table, and never of a ranking, which has only the first of each day.
//!
//! ```text
//! ranking, sums of all days ─► ranked anew    list ─► the sums    hours ─► a row for each day, of few days for each hour
//! ```

use anyhow::{Result, bail};
use dataflows::model::{Count, Dimension, Model, Report, Table, fields};

use super::catalogue::counts;
use super::form::{Form, ReportColumn};
use super::period::{Span, WrongPeriod};
use super::sql::Asked;
use super::{NoData, ReportQuery, ReportRows, Snapshot};

/// Where the sums over several days come from.
pub(super) struct Source<'a> {
    pub table: &'a Table,
    /// What rows are told apart by beside their days.
    pub fields: Vec<usize>,
}

/// The fields that a report's rows are told apart by, and which events it counts.
fn counted<'a>(model: &'a Model, form: Form<'a>) -> (Vec<usize>, usize) {
    match form {
        Form::Places(ranking) => {
            (fields(&ranking.by).chain([ranking.of]).collect(), model.counts[ranking.count].filter)
        }
        Form::Most(count, _) | Form::Hours(count) | Form::HeatMap(count) | Form::List(count) => {
            (fields(&count.by).collect(), count.filter)
        }
    }
}

impl<'a> Source<'a> {
    /// The smallest table that counts the report's fields by day, also by hour if that is wanted. One by hour is no good
    /// unless some days, or some of these members, stand together in it: all of it would have to be read.
    fn of(model: &'a Model, form: Form<'a>, members: &[(usize, String)], is_hourly: bool) -> Option<Source<'a>> {
        let (wanted, filter) = counted(model, form);
        let has_all = |count: &Count| {
            // No event is without one of these, so none is missing in the sum over them.
            let is_harmless = |field: usize| wanted.contains(&field) || model.fields[field].kind.is_never_missing();
            wanted.iter().all(|field| count.by.contains(&Dimension::Field(*field)))
                && fields(&count.by).all(is_harmless)
        };
        let access = |count: &Count| match count.by.first() {
            Some(Dimension::Field(first)) if members.iter().any(|(field, _)| field == first) => 0,
            Some(Dimension::Day) => 1,
            _ => 2,
        };
        let is_good = |(count, _): &(&Count, &Table)| {
            let can_be_read = !count.has_hour || access(count) < 2;
            let has_times = count.has_day && (count.has_hour || !is_hourly);
            count.filter == filter && has_times && has_all(count) && can_be_read
        };
        let best =
            counts(model).filter(is_good).min_by_key(|(count, _)| (access(count), count.has_hour, count.by.len()));
        best.map(|(_, table)| Source { table, fields: wanted })
    }
}

/// Whether a report can be given over several days.
pub fn is_over_days(model: &Model, report: &Report) -> bool {
    let form = Form::of(model, report);
    let needed = super::parameters(model, report).into_iter().filter(|parameter| parameter.is_needed);
    let members: Vec<_> =
        fields(&needed.map(|it| it.dimension).collect::<Vec<_>>()).map(|it| (it, String::new())).collect();
    Source::of(model, form, &members, false).is_some()
}

/// The columns of a report over several days, of few days by the hour.
pub fn columns_over(model: &Model, report: &Report, is_hourly: bool) -> Vec<ReportColumn> {
    let form = Form::of(model, report);
    let has = |column: &ReportColumn| match (form, column) {
        (Form::Hours(_) | Form::HeatMap(_), ReportColumn::Dimension(Dimension::Hour)) => is_hourly,
        (Form::Hours(_) | Form::HeatMap(_), _) => true,
        (_, column) => !matches!(column, ReportColumn::Dimension(Dimension::Day | Dimension::Hour)),
    };
    super::columns(model, report).into_iter().filter(has).collect()
}

impl ReportQuery {
    /// What the report says of all these days together.
    pub(super) fn over(&self, tables: &mut Snapshot<'_>, span: Span, limit: Option<i64>) -> Result<ReportRows> {
        let model = tables.model.clone();
        let report = &model.reports[self.report];
        let form = Form::of(&model, report);
        let is_hourly = self.hour.is_some() || matches!(form, Form::Hours(_) | Form::HeatMap(_)) && span.is_hourly();
        let Some(source) = Source::of(&model, form, &self.members, is_hourly) else {
            bail!(not_over_days(&model, report, form, is_hourly))
        };
        let asked = Asked {
            span: Some(span),
            hour: self.hour,
            members: &self.members,
            limit,
            ..Asked::of(&model, source.table)
        };
        let columns = self.narrowed(columns_over(&model, report, span.is_hourly()));
        let sql = asked.over(form, &source, self.alone, &columns);
        let mut answer = tables.rows(String::new(), &sql.text, &sql.parameters())?;
        if answer.rows.iter().all(|row| super::show::views(row) == 0) {
            bail!(no_rows(tables, &asked)?);
        }
        self.describe(&mut answer, &asked, &columns);
        answer.span = Some(span);
        Ok(answer)
    }
}

/// What is to be declared for it.
fn not_over_days(model: &Model, report: &Report, form: Form<'_>, is_hourly: bool) -> WrongPeriod {
    let (wanted, filter) = counted(model, form);
    let names = wanted.iter().map(|field| format!("\"{}\"", model.fields[*field].name));
    let hour = is_hourly.then(|| "\"hour\"".to_owned());
    let by: Vec<_> = ["\"day\"".to_owned()].into_iter().chain(hour).chain(names).collect();
    let filter = if filter == 0 { "" } else { " and the same `where`" };
    WrongPeriod(format!(
        "{} is not available over several days, as no table counts what is summed up; declare one with by = [{}]{filter}",
        report.name,
        by.join(", ")
    ))
}

/// Why there is nothing.
fn no_rows(tables: &mut Snapshot<'_>, asked: &Asked<'_>) -> Result<NoData> {
    let anytime = Asked { span: None, ..*asked };
    if !asked.members.is_empty()
        && let Some(days) = super::query::first_and_last(tables, &anytime)?
    {
        let what = format!("there are no views of {}{}", asked.chosen(), asked.on());
        return Ok(NoData::then(what, "its views", days));
    }
    super::query::no_rows(tables, asked)
}
