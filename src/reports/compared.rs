//! Compares the views of some days with those of earlier ones.

use anyhow::Result;
use chrono::NaiveDate;
use dataflows::model::{Model, Table, TableRows};
use dataflows::{Day, DaysKept, Kept, OTHERS};
use postgres::types::Type;

use super::period::Span;
use super::sql::{Asked, Sql, quoted};
use super::{Cell, ReportColumn, ReportRows, Snapshot, percent};

/// Sets the days that the rows are compared with, and adds by how many percent each row changed.
///
/// Earlier views are unknown where the tables cannot tell: for days before the first that they have, and for members that may
/// have been counted as others.
pub(super) fn complete(
    tables: &mut Snapshot<'_>,
    answer: &mut ReportRows,
    asked: &Asked<'_>,
    source: &Table,
    fields: &[usize],
) -> Result<()> {
    let Some(before) = asked.compared else { return Ok(()) };
    let model = asked.model;
    answer.compared = Some(before);
    let [now, then] = [ReportColumn::Views, ReportColumn::ViewsBefore].map(|column| answer.place(&column.name(model)));
    let (Some(now), Some(then)) = (now, then) else { return Ok(()) };
    let is_known = first_day(tables, model, source)?.is_some_and(|first| first <= before.from);
    let has_none = |row: &Vec<Cell>| row[then] == Cell::Number(0);
    let hides_some = is_known && answer.rows.iter().any(has_none) && has_others(tables, asked, before, fields)?;
    for row in &mut answer.rows {
        if !is_known || hides_some && has_none(row) {
            row[then] = Cell::Unknown;
        }
        row.push(match (&row[now], &row[then]) {
            (Cell::Number(now), Cell::Number(then @ 1..)) => Cell::Percent(percent(now - then, *then)),
            _ => Cell::Unknown,
        });
    }
    answer.columns.push(ReportColumn::Change.name(model));
    Ok(())
}

/// The first day that a table has completely: earlier ones have no views, or have expired.
fn first_day(tables: &mut Snapshot<'_>, model: &Model, table: &Table) -> Result<Option<NaiveDate>> {
    let Some((first, last)) = super::query::days_with_views(tables)? else { return Ok(None) };
    let TableRows::Count(count) = table.rows else { return Ok(Some(first)) };
    let newest = Day(last.to_epoch_days());
    let Day(kept) = Kept::new(model, DaysKept::All).first_days(newest)[count];
    Ok(Some(first).max(NaiveDate::from_epoch_days(kept)))
}

/// Whether some members of these fields were counted as others on the earlier days.
fn has_others(tables: &mut Snapshot<'_>, asked: &Asked<'_>, before: Span, fields: &[usize]) -> Result<bool> {
    for field in fields.iter().filter(|field| !asked.model.fields[**field].kind.is_closed()) {
        let others = [(*field, OTHERS.to_owned())];
        let mut sql = Sql::default();
        let of = Asked { span: None, compared: None, hour: None, members: &others, ..*asked };
        let (filter, table) = (of.filter(&mut sql), quoted(asked.table));
        let [from, to] = [before.from, before.to].map(|day| sql.give(day, Type::DATE));
        // One index lookup per day: reading all rows would take as long as the report.
        let query = format!(
            "SELECT true FROM generate_series(0, {to} - {from}) AS at
            CROSS JOIN LATERAL (SELECT FROM {table} {filter} AND day = {from} + at LIMIT 1) AS found LIMIT 1"
        );
        if tables.value(&query, &sql.parameters())? == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}
