//! A report over several days: sums of a counted table, and never of a ranking, which has only the top of each day.
//!
//! ```text
//! ranking, sums of all days ─► ranked again    list ─► the sums    hours ─► a row for each day, of few days for each hour
//! ```
//!
//! The same sums answer what a report's own table cannot: a single day that is compared with another, or a member of a field
//! that only another table counts as well.

use anyhow::{Result, bail};
use dataflows::model::{Count, Dimension, Model, Report, Shape, Table, fields};

use super::catalogue::counts;
use super::form::{Form, ReportColumn};
use super::period::{Period, Span, WrongPeriod};
use super::sql::Asked;
use super::whole::{Whole, by_host, sites};
use super::{NoData, ReportQuery, ReportRows, Snapshot, compared, share};

/// The source of sums.
pub(super) struct Source<'a> {
    pub table: &'a Table,
    /// The fields that rows are grouped by, besides their days.
    pub fields: Vec<usize>,
}

/// What a table must have to be the source of sums.
struct Needed<'a> {
    /// Which events it counts.
    filter: usize,
    /// Fields that it groups by.
    fields: &'a [usize],
    /// Fields that are filtered by a member.
    members: &'a [usize],
    has_day: bool,
    has_hour: bool,
}

impl Needed<'_> {
    /// The smallest table that has it. A table by hour needs an index on some days or on one of these members: otherwise all
    /// of it would have to be read.
    fn find<'a>(&self, model: &'a Model) -> Option<&'a Table> {
        let wanted = || self.fields.iter().chain(self.members);
        let has_all = |count: &Count| {
            // No event lacks these fields, so a sum over them is complete.
            let is_never_missing =
                |field: &dataflows::model::Field| field.kind.is_never_missing() || field.or.is_some();
            let is_harmless = |field: usize| wanted().any(|it| *it == field) || is_never_missing(&model.fields[field]);
            wanted().all(|field| count.by.contains(&Dimension::Field(*field))) && fields(&count.by).all(is_harmless)
        };
        let access = |count: &Count| match count.by.first() {
            Some(Dimension::Field(first)) if self.members.contains(first) => 0,
            Some(Dimension::Day) if self.has_day => 1,
            _ => 2,
        };
        let is_good = |(count, _): &(&Count, &Table)| {
            let can_be_read = !count.has_hour || access(count) < 2;
            let has_times = (count.has_day || !self.has_day) && (count.has_hour || !self.has_hour);
            count.filter == self.filter && has_times && has_all(count) && can_be_read
        };
        let best =
            counts(model).filter(is_good).min_by_key(|(count, _)| (access(count), count.has_hour, count.by.len()));
        best.map(|(_, table)| table)
    }
}

/// The fields that a report's rows are grouped by, and which events it counts.
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

/// The fields of these members.
pub(super) fn fields_of(members: &[(usize, String)]) -> Vec<usize> {
    members.iter().map(|(field, _)| *field).collect()
}

impl<'a> Source<'a> {
    /// The source of a report with these members.
    fn new(model: &'a Model, form: Form<'a>, members: &[usize], has_day: bool, has_hour: bool) -> Option<Source<'a>> {
        let (fields, filter) = counted(model, form);
        let table = Needed { filter, fields: &fields, members, has_day, has_hour }.find(model)?;
        Some(Source { table, fields })
    }

    /// The source of everything that was counted for these members, or at all.
    pub fn of_all(
        model: &'a Model,
        filter: usize,
        members: &[usize],
        has_day: bool,
        has_hour: bool,
    ) -> Option<Source<'a>> {
        let table = Needed { filter, fields: &[], members, has_day, has_hour }.find(model)?;
        Some(Source { table, fields: members.to_vec() })
    }
}

/// Whether a report can be given over several days.
pub fn is_over_days(model: &Model, report: &Report) -> bool {
    let form = Form::new(model, report);
    Source::new(model, form, &needed(form, report), true, false).is_some()
}

/// Whether a report that shows the first rows of a list can show all of it.
pub fn has_whole(model: &Model, report: &Report) -> bool {
    let form = Form::new(model, report);
    let has_day = is_of_days(form, report);
    is_list(report) && Source::new(model, form, &needed(form, report), has_day, false).is_some()
}

/// The fields of which a report requires a member.
fn needed(form: Form<'_>, report: &Report) -> Vec<usize> {
    let needed = form.parameters(report).into_iter().filter(|parameter| parameter.is_needed);
    fields(&needed.map(|it| it.dimension).collect::<Vec<_>>()).collect()
}

/// The fields that a report can be filtered by, as there is a table that counts them together.
pub fn filters(model: &Model, report: &Report) -> Vec<usize> {
    let (form, needed) = (Form::new(model, report), needed(Form::new(model, report), report));
    let has_day = is_of_days(form, report);
    let can_be = |field: &usize| {
        let members: Vec<_> = needed.iter().copied().chain([*field]).collect();
        Source::new(model, form, &members, has_day, false).is_some()
    };
    (0..model.fields.len()).filter(can_be).collect()
}

/// Whether a report is about one day by default.
pub(super) fn is_of_days(form: Form<'_>, report: &Report) -> bool {
    form.by().contains(&Dimension::Day) && !report.all_days
}

/// The columns of a report over several days, of few days by the hour.
pub fn columns_over(model: &Model, report: &Report, is_hourly: bool) -> Vec<ReportColumn> {
    let form = Form::new(model, report);
    let has = |column: &ReportColumn| match (form, column) {
        (Form::Hours(_) | Form::HeatMap(_), ReportColumn::Dimension(Dimension::Hour)) => is_hourly,
        (Form::Hours(_) | Form::HeatMap(_), _) => true,
        (_, column) => !matches!(column, ReportColumn::Dimension(Dimension::Day | Dimension::Hour)),
    };
    super::columns(model, report).into_iter().filter(has).collect()
}

impl ReportQuery {
    /// Whether the report's own table answers the query, without sums.
    pub(super) fn is_own(&self, model: &Model) -> bool {
        let report = &model.reports[self.report];
        let own = Form::new(model, report).parameters(report);
        let is_own = |field| own.iter().any(|parameter| parameter.dimension == Dimension::Field(field));
        self.compare.is_none() && self.whole.is_none() && self.members.iter().all(|(field, _)| is_own(*field))
    }

    /// Whether a table can answer the query. `today` is the current day.
    pub fn can_be_answered(&self, model: &Model, today: Option<chrono::NaiveDate>) -> bool {
        let is_range = matches!(self.period, Period::Range(_));
        if !is_range && self.is_own(model) {
            return true;
        }
        let report = &model.reports[self.report];
        let form = Form::new(model, report);
        let has_day = is_range || is_of_days(form, report);
        let is_hourly = matches!(form, Form::Hours(_) | Form::HeatMap(_)) && self.period.is_hourly(today);
        let has_hour = self.hour.is_some() || is_hourly;
        (has_day || self.compare.is_none())
            && Source::new(model, form, &fields_of(&self.members), has_day, has_hour).is_some()
    }

    /// The report over all these days together, or over all days.
    pub(super) fn over(&self, tables: &mut Snapshot<'_>, span: Option<Span>, limit: Option<i64>) -> Result<ReportRows> {
        let model = tables.model.clone();
        let report = &model.reports[self.report];
        let form = Form::new(&model, report);
        let is_by_time = matches!(form, Form::Hours(_) | Form::HeatMap(_));
        let is_hourly = is_by_time && span.is_some_and(Span::is_hourly);
        let has_hour = self.hour.is_some() || is_hourly;
        let Some(source) = Source::new(&model, form, &fields_of(&self.members), span.is_some(), has_hour) else {
            bail!(self.no_source(&model, form, span.is_some(), has_hour))
        };
        let compared = span.zip(self.compare).map(|(span, compare)| span.before(compare)).transpose()?;
        let (hour, members, whole) = (self.hour, self.members.as_slice(), self.whole.as_ref());
        let asked = Asked { span, compared, hour, members, limit, ..Asked::new(&model, source.table) };
        let mut columns = tables.with_given_names(self.narrowed(columns_over(&model, report, is_hourly)))?;
        if let Some((field, _)) = whole.filter(|whole| whole.by_host).and_then(|_| sites(&model, report)) {
            columns = by_host(field, columns);
        }
        columns.extend(compared.map(|_| ReportColumn::ViewsBefore));
        let sql = match whole {
            Some(whole) => asked.whole(whole, (form, report), &source, &columns, tables.similarity.as_ref()),
            None => asked.over(form, &source, self.alone, &columns),
        };
        let mut answer = tables.rows(String::new(), &sql.text, &sql.parameters())?;
        if let Some(whole) = whole {
            answer.take_total();
            if answer.rows.is_empty() && whole.may_be_empty() {
                answer.total = Some(self.total(tables, span, whole)?);
            }
            if answer.total == Some(0) && !whole.sought.is_empty() && !whole.is_alike && tables.similarity.is_some() {
                let alike = Some(Whole { is_alike: true, ..whole.clone() });
                return ReportQuery { whole: alike, ..self.clone() }.over(tables, span, limit);
            }
        }
        if answer.total.is_none() && answer.rows.iter().all(|row| answer.views(row) == 0) {
            bail!(no_rows(tables, &asked)?);
        }
        self.describe(&mut answer, &asked, &columns);
        answer.span = span;
        compared::complete(tables, &mut answer, &asked, source.table, &source.fields)?;
        self.share(tables, &mut answer, &asked)?;
        Ok(answer)
    }

    /// How many rows a list has if the offset is beyond its end.
    fn total(&self, tables: &mut Snapshot<'_>, span: Option<Span>, whole: &Whole) -> Result<u64> {
        if whole.offset == 0 {
            return Ok(0);
        }
        let first = ReportQuery { whole: Some(Whole { offset: 0, ..whole.clone() }), ..self.clone() };
        Ok(first.over(tables, span, Some(1))?.total.unwrap_or_default())
    }

    /// Adds the share of each row to a list, if the query asks for it.
    pub(super) fn share(&self, tables: &mut Snapshot<'_>, answer: &mut ReportRows, asked: &Asked<'_>) -> Result<()> {
        let report = &asked.model.reports[self.report];
        if !self.has_share || !is_list(report) {
            return Ok(());
        }
        let (_, filter) = counted(asked.model, Form::new(asked.model, report));
        share::complete(tables, answer, asked, filter)
    }

    /// The error that says which table to declare.
    fn no_source(&self, model: &Model, form: Form<'_>, has_day: bool, has_hour: bool) -> WrongPeriod {
        let (mut wanted, filter) = counted(model, form);
        wanted.extend(fields_of(&self.members).into_iter().filter(|field| !wanted.contains(field)).collect::<Vec<_>>());
        let names = wanted.iter().map(|field| format!("\"{}\"", model.fields[*field].name));
        let [day, hour] =
            [(has_day, "\"day\""), (has_hour, "\"hour\"")].map(|(has, name)| has.then(|| name.to_owned()));
        let by: Vec<_> = day.into_iter().chain(hour).chain(names).collect();
        let what = if self.is_own(model) { "over several days" } else { "like this" };
        let filter = if filter == 0 { "" } else { " and the same `where`" };
        WrongPeriod(format!(
            "{} is not available {what}, as no table counts what is summed up; declare one with by = [{}]{filter}",
            model.reports[self.report].name,
            by.join(", ")
        ))
    }
}

/// Whether a report is a list of members, whose rows can have shares.
pub fn is_list(report: &Report) -> bool {
    matches!(report.shape, Shape::Bars | Shape::List)
}

/// Why there are no rows.
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
