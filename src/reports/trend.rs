//! All views, or those of some members, by day, or over few days by hour.

use anyhow::{Result, bail};
use dataflows::model::{Dimension, Model};

use super::over::{Source, fields_of};
use super::period::{Comparison, Period, Span, WrongPeriod};
use super::sql::Asked;
use super::{NoData, ReportColumn, ReportRows, Snapshot, compared};

/// For which days and members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TrendQuery {
    /// Which days.
    pub period: Period,
    /// Fields, and the member of each to filter by.
    pub members: Vec<(usize, String)>,
    /// The days to compare with, if any.
    pub compare: Option<Comparison>,
}

/// The filter of all views, which counts use unless a report declares another.
const ALL: usize = 0;

impl TrendQuery {
    /// Whether there is a table with the views of each day, for these members or in all.
    pub fn can_be_answered(&self, model: &Model) -> bool {
        Source::of_all(model, ALL, &fields_of(&self.members), true, false).is_some()
    }

    /// The fields that it can be filtered by.
    pub fn filters(model: &Model) -> Vec<usize> {
        (0..model.fields.len()).filter(|field| Source::of_all(model, ALL, &[*field], true, false).is_some()).collect()
    }

    /// The columns, by hour or by day.
    pub fn columns(is_hourly: bool) -> Vec<ReportColumn> {
        let hour = is_hourly.then_some(ReportColumn::Dimension(Dimension::Hour));
        [ReportColumn::Dimension(Dimension::Day)].into_iter().chain(hour).chain([ReportColumn::Views]).collect()
    }

    fn span(&self, tables: &mut Snapshot<'_>) -> Result<Span> {
        match self.period {
            Period::Range(range) => range.span(tables),
            Period::Day(day) => Ok(Span::day(day)),
            Period::Latest => Ok(Span::day(tables.current_day()?.ok_or_else(super::query::nothing)?)),
        }
    }

    pub(super) fn answer(&self, tables: &mut Snapshot<'_>) -> Result<ReportRows> {
        let (model, span, fields) = (tables.model.clone(), self.span(tables)?, fields_of(&self.members));
        let by_hour = span.is_hourly().then(|| Source::of_all(&model, ALL, &fields, true, true)).flatten();
        let is_hourly = by_hour.is_some();
        let Some(source) = by_hour.or_else(|| Source::of_all(&model, ALL, &fields, true, false)) else {
            let names = fields.iter().map(|field| format!(", \"{}\"", model.fields[*field].name));
            let what = "there is no table with the views of each day that counts this";
            bail!(WrongPeriod(format!("{what}; declare one with by = [\"day\"{}]", names.collect::<String>())));
        };
        let compared = self.compare.map(|compare| span.before(compare)).transpose()?;
        let members = self.members.as_slice();
        let asked = Asked { span: Some(span), compared, members, ..Asked::new(&model, source.table) };
        let mut columns = TrendQuery::columns(is_hourly);
        columns.extend(compared.map(|_| ReportColumn::ViewsBefore));
        let sql = asked.trend(&columns);
        let mut answer = tables.rows(String::new(), &sql.text, &sql.parameters())?;
        let is_empty = |place: Option<usize>| {
            place.is_none_or(|place| answer.rows.iter().all(|row| row[place] == super::Cell::Number(0)))
        };
        if is_empty(answer.place("views")) && is_empty(answer.place("views_before")) {
            bail!(no_views(tables, &asked)?);
        }
        let chosen: Vec<_> = self.members.iter().map(|(_, member)| member.escape_debug().to_string()).collect();
        answer.title = asked.title("Views", &chosen);
        answer.span = Some(span);
        compared::complete(tables, &mut answer, &asked, source.table, &source.fields)?;
        Ok(answer)
    }
}

fn no_views(tables: &mut Snapshot<'_>, asked: &Asked<'_>) -> Result<NoData> {
    let Some(days) = super::query::days_with_views(tables)? else { return Ok(super::query::nothing()) };
    let of = if asked.members.is_empty() { String::new() } else { format!(" of {}", asked.chosen()) };
    Ok(NoData::then(format!("there are no views{of}{}", asked.on()), "the days with views", days))
}
