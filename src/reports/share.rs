//! The share of all views that each row of a list has.

use anyhow::Result;

use super::over::{Source, fields_of};
use super::sql::{Asked, Sql, quoted};
use super::{Cell, ReportColumn, ReportRows, Snapshot, percent};

/// Adds each row's share of all views of the same days and members, if there is a table that has those.
pub(super) fn complete(
    tables: &mut Snapshot<'_>,
    answer: &mut ReportRows,
    asked: &Asked<'_>,
    filter: usize,
) -> Result<()> {
    let model = asked.model;
    let has_day = asked.day.is_some() || asked.span.is_some();
    let members = fields_of(asked.members);
    let Some(source) = Source::of_all(model, filter, &members, has_day, asked.hour.is_some()) else {
        return Ok(());
    };
    let (Some(all), Some(views)) = (total(tables, asked, &source)?, answer.place(&ReportColumn::Views.name(model)))
    else {
        return Ok(());
    };
    for row in &mut answer.rows {
        row.push(match row[views] {
            Cell::Number(views) => Cell::Percent(percent(views, all)),
            _ => Cell::Unknown,
        });
    }
    answer.columns.push(ReportColumn::Share.name(model));
    Ok(())
}

fn total(tables: &mut Snapshot<'_>, asked: &Asked<'_>, source: &Source<'_>) -> Result<Option<i64>> {
    let all = Asked { table: &source.table.name, key: &source.table.key, compared: None, ..*asked };
    let mut sql = Sql::default();
    let filter = all.filter(&mut sql);
    let query = format!("SELECT sum(views)::bigint FROM {} {filter}", quoted(all.table));
    tables.value(&query, &sql.parameters())
}
