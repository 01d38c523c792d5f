//! Reports as SQL: a relation of the rows that are wanted, and around it the names of what stands in them.

use chrono::NaiveDate;
use dataflows::OTHERS;
use dataflows::model::{Column, ColumnType, Dimension, Model, Table, fields};
use postgres::types::{ToSql, Type};

use super::form::{Form, ReportColumn};

/// So many members of a field have hours of their own.
const ALONE: u32 = 100;

/// A query with what it is given.
#[derive(Default)]
pub(super) struct Sql {
    pub text: String,
    values: Vec<(Box<dyn ToSql + Sync>, Type)>,
}

impl Sql {
    /// What the query is given, as Postgres's client takes it.
    pub fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.values.iter().map(|(value, kind)| (&**value, kind.clone())).collect()
    }

    /// A place for this value.
    pub fn give(&mut self, value: impl ToSql + Sync + 'static, kind: Type) -> String {
        self.values.push((Box::new(value), kind));
        format!("${}", self.values.len())
    }
}

/// What is asked of a table.
pub(super) struct Asked<'a> {
    pub model: &'a Model,
    pub table: &'a str,
    /// The key's columns of the table.
    pub key: &'a [Column],
    pub day: Option<NaiveDate>,
    pub hour: Option<i16>,
    pub members: &'a [(usize, String)],
    pub limit: Option<i64>,
}

/// A name as Postgres takes it whatever it is.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn list(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    names.into_iter().map(|name| name.as_ref().to_owned()).collect::<Vec<_>>().join(", ")
}

impl<'a> Asked<'a> {
    /// All rows of a table.
    pub fn of(model: &'a Model, table: &'a Table) -> Asked<'a> {
        let (key, members) = (table.key.as_slice(), [].as_slice());
        Asked { model, table: &table.name, key, day: None, hour: None, members, limit: None }
    }

    fn column(&self, dimension: Dimension) -> String {
        quoted(self.model.dimension_name(dimension))
    }

    fn columns(&self, dimensions: impl IntoIterator<Item = Dimension>) -> Vec<String> {
        dimensions.into_iter().map(|dimension| self.column(dimension)).collect()
    }

    /// Which rows are wanted, behind a `WHERE` if not all are.
    pub fn filter(&self, sql: &mut Sql) -> String {
        let mut conditions = Vec::new();
        if let Some(day) = self.day {
            conditions.push(format!("day = {}", sql.give(day, Type::DATE)));
        }
        if let Some(hour) = self.hour {
            conditions.push(format!("hour = {}", sql.give(hour, Type::INT2)));
        }
        for (field, value) in self.members {
            let (name, place) = (&self.model.fields[*field].name, sql.give(value.clone(), Type::TEXT));
            // The index of a long text has its digest.
            if self.key.iter().any(|column| column.name == *name && column.kind == ColumnType::LongText) {
                let digest = quoted(&format!("{name}_digest"));
                conditions.push(format!("{digest} = substring(sha256(convert_to({place}, 'UTF8')) FROM 1 FOR 16)"));
            }
            conditions.push(format!("{} = {place}", quoted(name)));
        }
        if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) }
    }

    /// The rows of a report.
    pub fn report(&self, form: Form<'_>, columns: &[ReportColumn]) -> Sql {
        let mut sql = Sql::default();
        let (relation, order) = match form {
            Form::Places(ranking) => {
                let filter = self.filter(&mut sql);
                let by = self.columns(ranking.by.iter().copied());
                let order = list(by.iter().map(String::as_str).chain(["rank"]));
                let limit = sql.give(self.limit, Type::INT8);
                (format!("SELECT * FROM {} {filter} ORDER BY {order} LIMIT {limit}", quoted(self.table)), order)
            }
            Form::Most(count, most) => {
                let (by, limit) = (self.columns(count.by.iter().copied()).join(", "), self.limit);
                let limit = sql.give(limit.unwrap_or(i64::MAX).min(most.into()), Type::INT8);
                let rows = format!(
                    "SELECT (row_number() OVER (ORDER BY views DESC, {by}))::smallint AS rank, {by}, views FROM
                        (SELECT {by}, views FROM {} ORDER BY views DESC, {by} LIMIT {limit}) AS most",
                    quoted(self.table)
                );
                (rows, "rank".into())
            }
            Form::Hours(_) => (self.hours(&mut sql), "hour".into()),
            Form::HeatMap(count) => {
                let filter = self.filter(&mut sql);
                let order = self.columns(fields(&count.by).map(Dimension::Field)).join(", ");
                let (order, limit) = (format!("hour, views DESC, {order}"), sql.give(self.limit, Type::INT8));
                (format!("SELECT * FROM {} {filter} ORDER BY {order} LIMIT {limit}", quoted(self.table)), order)
            }
            Form::List(_) => self.list(&mut sql, columns),
        };
        sql.text = self.named(columns, &relation, &order);
        sql
    }

    /// Sums of the dimensions that are shown.
    fn list(&self, sql: &mut Sql, columns: &[ReportColumn]) -> (String, String) {
        let shown = columns.iter().filter_map(|column| match column {
            ReportColumn::Dimension(dimension) => Some(*dimension),
            _ => None,
        });
        let (filter, by) = (self.filter(sql), self.columns(shown).join(", "));
        let (order, limit) = (format!("views DESC, {by}"), sql.give(self.limit, Type::INT8));
        let rows = format!(
            "SELECT {by}, sum(views)::bigint AS views FROM {} {filter} GROUP BY {by} ORDER BY {order} LIMIT {limit}",
            quoted(self.table)
        );
        (rows, order)
    }

    /// The 24 hours of a day, those without views too.
    fn hours(&self, sql: &mut Sql) -> String {
        let filter = self.filter(sql);
        let mut known = vec![format!("{}::date AS day", sql.give(self.day, Type::DATE))];
        for (field, value) in self.members {
            let place = sql.give(value.clone(), Type::TEXT);
            known.push(format!("{place}::text AS {}", self.column(Dimension::Field(*field))));
        }
        let limit = sql.give(self.limit, Type::INT8);
        format!(
            "SELECT {}, hour::smallint AS hour, coalesce(views, 0) AS views FROM generate_series(0, 23) AS hour
            LEFT JOIN (SELECT hour, views FROM {} {filter}) AS counted USING (hour) ORDER BY hour LIMIT {limit}",
            list(known),
            quoted(self.table)
        )
    }

    /// The hours of a day by one field alone. The field's members beyond those with the most views are together in one: there
    /// may be as many as visitors like.
    pub fn alone(&self, field: usize, columns: &[ReportColumn]) -> Sql {
        let mut sql = Sql::default();
        let (filter, field) = (self.filter(&mut sql), self.column(Dimension::Field(field)));
        let (limit, others) = (sql.give(self.limit, Type::INT8), sql.give(OTHERS, Type::TEXT));
        let rows = format!(
            r#"WITH counted AS (SELECT day, hour, {field}, sum(views) AS views FROM {table} {filter} GROUP BY day, hour, {field}),
                placed AS (SELECT {field}, row_number() OVER (ORDER BY sum(views) DESC, {field}) AS "its place" FROM counted
                    GROUP BY {field}),
                shown AS (SELECT {field}, CASE WHEN "its place" <= {ALONE} THEN {field} ELSE {others} END AS "shown as"
                    FROM placed)
            SELECT day, hour, "shown as" AS {field}, sum(views)::bigint AS views FROM counted JOIN shown USING ({field})
            GROUP BY day, hour, "shown as" ORDER BY hour, views DESC, "shown as" LIMIT {limit}"#,
            table = quoted(self.table),
        );
        sql.text = self.named(columns, &rows, &format!("hour, views DESC, {field}"));
        sql
    }

    /// Rows with the columns of an answer: names beside the values that have any. They are looked up for the rows that are
    /// left: to name all of them first takes twice as long.
    pub fn named(&self, columns: &[ReportColumn], relation: &str, order: &str) -> String {
        let mut joins = String::new();
        let shown = columns.iter().map(|column| match column.lookup(self.model) {
            Some(lookup) => {
                joins += &format!(" {}", lookup.join);
                format!("{} AS {}", lookup.columns[0].value, quoted(&lookup.columns[0].name))
            }
            None => format!("counted.{}", quoted(&column.name(self.model))),
        });
        let shown = list(shown.collect::<Vec<_>>());
        let order = order.split(", ").map(|column| format!("counted.{column}"));
        format!("SELECT {shown} FROM ({relation}) AS counted{joins} ORDER BY {}", list(order))
    }
}
