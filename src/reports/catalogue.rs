//! What reports can be asked about: days and members of fields; and how far each partition is.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::NaiveDate;
use dataflows::model::{Column, ColumnType, Count, Dimension, Model, Table, TableRows};
use postgres::types::Type;

use super::form::{Form, ReportColumn, with_name};
use super::search::{Similarity, Sought};
use super::sql::{Asked, Sql, quoted};
use super::{Cell, ReportRows, Snapshot};
use crate::database::db_result;

/// Members that a message names at most.
const NAMES_SHOWN_MAX: u32 = 100;

/// The distinct members of a field in a table from `$1` to before `$2`, each found by one index lookup (a loose index scan),
/// however many rows it has.
fn walk(table: &str, field: &str) -> String {
    let (table, field) = (quoted(table), quoted(field));
    let least = |from: &str| {
        format!("SELECT {field} FROM {table} WHERE {field} {from} AND {field} < $2 ORDER BY {field} LIMIT 1")
    };
    format!(
        "WITH RECURSIVE walked AS (({}) UNION ALL SELECT ({}) FROM walked WHERE {field} IS NOT NULL),
            found AS (SELECT {field} FROM walked WHERE {field} IS NOT NULL)",
        least(">= $1"),
        least(&format!("> walked.{field}")),
    )
}

/// A count with its table.
pub(super) fn counts(model: &Model) -> impl Iterator<Item = (&Count, &Table)> {
    model.counts.iter().filter_map(|count| Some((count, &model.tables[count.table?])))
}

/// The table that sums up to all views of a day: it counts views by day, and by nothing else that an event may lack.
fn daily_totals(model: &Model) -> Option<&Table> {
    let is_total = |count: &Count| count.has_day && count.filter == 0 && is_in_all_events(model, count);
    let totals = counts(model).filter(|(count, _)| is_total(count));
    totals.min_by_key(|(count, _)| (count.has_hour, count.members.len())).map(|(_, table)| table)
}

/// Whether a count includes every event: none lacks a value of its fields, as missing ones count as unknown.
pub fn is_in_all_events(model: &Model, count: &Count) -> bool {
    let is_always_there = |field: &usize| {
        let field = &model.fields[*field];
        field.kind.is_never_missing() || field.or.is_some()
    };
    count.members.iter().all(is_always_there)
}

/// Where the members of a field are listed.
pub struct Values<'a> {
    /// The table of the first report that requires one of them.
    table: &'a Table,
    /// The table with the sum of each over all days, if there is one.
    totals: Option<&'a Table>,
    /// Whether an index of the table begins with the field, in its order.
    is_indexed: bool,
    field: usize,
}

impl<'a> Values<'a> {
    /// None if no report requires a member of this field.
    pub fn new(model: &'a Model, field: usize) -> Option<Values<'a>> {
        let wants =
            |parameter: &super::Parameter| parameter.is_needed && parameter.dimension == Dimension::Field(field);
        let report = model.reports.iter().find(|it| Form::new(model, it).parameters(it).iter().any(wants))?;
        let table = &model.tables[report.table];
        let TableRows::Count(count) = table.rows else { return None };
        let filter = model.counts[count].filter;
        let is_total = |count: &Count| !count.has_day && count.filter == filter && count.members == [field];
        let totals = counts(model).find(|(count, _)| is_total(count)).map(|(_, table)| table);
        // Visitors may have made up too many members to sort them.
        let totals = totals.filter(|_| model.fields[field].kind.is_closed());
        let name = &model.fields[field].name;
        // The index of a long text has digests, which have another order; a report of all days has an index of its own.
        let leads = |column: &Column| column.name == *name && column.kind != ColumnType::LongText;
        let is_indexed = table.key.first().is_some_and(leads) || report.all_days && table.key.iter().any(leads);
        Some(Values { table, totals, is_indexed, field })
    }

    /// The columns of the list of days.
    pub fn days(model: &Model) -> Vec<ReportColumn> {
        let views = daily_totals(model).map(|_| ReportColumn::Views);
        [ReportColumn::Dimension(Dimension::Day)].into_iter().chain(views).collect()
    }

    /// The columns of the list.
    pub fn columns(&self, model: &Model) -> Vec<ReportColumn> {
        with_name(model, self.field).chain(self.totals.map(|_| ReportColumn::Views)).collect()
    }
}

impl Snapshot<'_> {
    /// The day of the daily reports; none while there is no view at all.
    pub fn current_day(&mut self) -> Result<Option<NaiveDate>> {
        self.value("SELECT day FROM report_day", &[])
    }

    /// The days that have views, with their views if there is a table that has them.
    pub fn days(&mut self) -> Result<ReportRows> {
        let query = match daily_totals(&self.model) {
            Some(Table { name, .. }) => {
                format!("SELECT day, sum(views)::bigint AS views FROM {} GROUP BY day ORDER BY day", quoted(name))
            }
            None => "SELECT day FROM dim_date ORDER BY day".into(),
        };
        self.rows("Days".into(), &query, &[])
    }

    /// How many records were rejected, by hour and reason, the newest hour first: for one day and reason, or for all.
    pub fn rejected(&mut self, day: Option<NaiveDate>, reason: Option<&str>, limit: u32) -> Result<ReportRows> {
        let query = "SELECT to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS hour, reason, records
            FROM rejected_hourly AS it WHERE records > 0 AND ($2::text IS NULL OR reason = $2)
                AND ($1::date IS NULL OR (it.hour AT TIME ZONE 'UTC')::date = $1)
            ORDER BY it.hour DESC, records DESC, reason LIMIT $3";
        let limit = i64::from(limit);
        self.rows("Rejected records".into(), query, &[(&day, Type::DATE), (&reason, Type::TEXT), (&limit, Type::INT8)])
    }

    /// The members of a field that a report requires one of. Of an open field: the first ones with this prefix, and then those
    /// whose names contain all these words or parts of words, or, if there are none, similar names. Of a closed field: all,
    /// those with the most views over all days first.
    pub fn values(&mut self, field: usize, sought: &str, limit: u32) -> Result<ReportRows> {
        let model = self.model.clone();
        let Some(values) = Values::new(&model, field) else { return Ok(ReportRows::default()) };
        let found = self.found(&values, sought, limit, None)?;
        let has_names = !sought.trim().is_empty() && model.name_table(field).is_some();
        match self.similarity.clone().filter(|_| found.rows.is_empty() && has_names) {
            Some(similarity) => self.found(&values, sought, limit, Some(&similarity)),
            None => Ok(found),
        }
    }

    fn found(
        &mut self,
        values: &Values<'_>,
        sought: &str,
        limit: u32,
        alike: Option<&Similarity>,
    ) -> Result<ReportRows> {
        let (model, field) = (self.model.clone(), values.field);
        let name = &model.fields[field].name;
        let asked = Asked::new(&model, values.table);
        let mut sql = Sql::default();
        let places = [sql.give(sought.to_owned(), Type::TEXT), sql.give(after(sought), Type::TEXT)];
        let column = quoted(name);
        let found = if values.is_indexed {
            walk(&values.table.name, name)
        } else {
            let ([from, to], table) = (places, quoted(&values.table.name));
            format!(
                "WITH found AS (SELECT DISTINCT {column} FROM {table} WHERE {column} >= {from} AND {column} < {to})"
            )
        };
        let limit = sql.give(i64::from(limit), Type::INT8);
        let rest = match values.totals {
            Some(totals) => {
                let relation = format!("SELECT * FROM found JOIN {} USING ({column})", quoted(&totals.name));
                asked.named(&values.columns(&model), &relation, &format!("views DESC, {column}"))
            }
            None => {
                let names = model.name_table(field).filter(|_| !sought.trim().is_empty());
                let named = names.filter(|_| !model.fields[field].kind.is_closed()).map(|table| {
                    let sought = match alike {
                        Some(by) => Sought::alike(sought, by, &mut sql),
                        None => Sought::new(sought, &mut sql),
                    };
                    let called = sought.called(table);
                    format!(
                        " UNION ALL (SELECT member AS {column}, 1 AS place FROM ({called}) AS called
                            ORDER BY length(name), member LIMIT {limit})"
                    )
                });
                let relation = format!(
                    "SELECT {column}, min(place) AS place FROM ((SELECT {column}, 0 AS place FROM found LIMIT {limit}){})
                        AS found GROUP BY {column}",
                    named.unwrap_or_default()
                );
                asked.named(&values.columns(&model), &relation, &format!("place, {column}"))
            }
        };
        sql.text = format!("{found} {rest} LIMIT {limit}");
        let mut title = model.fields[field].plural();
        title[..1].make_ascii_uppercase();
        self.rows(title, &sql.text, &sql.parameters())
    }

    /// The members of a field that a report requires one of, as a list for a message.
    pub(super) fn known(&mut self, field: usize) -> Result<String> {
        let rows = self.values(field, "", NAMES_SHOWN_MAX)?.rows;
        let mut known: Vec<_> = rows
            .iter()
            .filter_map(|row| match row.first()? {
                Cell::Text(member) => Some(member.as_str()),
                _ => None,
            })
            .collect();
        known.sort_unstable();
        Ok(known.join(", "))
    }

    /// The next offset of each partition.
    pub fn next_offsets(&mut self) -> Result<BTreeMap<i32, i64>> {
        let query = "SELECT kafka_partition, next_offset FROM progress";
        let rows = db_result(self.tables.transaction.query_typed(query, &[]))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

/// An upper bound, by bytes, of all texts with this prefix.
fn after(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}
