//! Reports as SQL: a relation with the rows of the query, joined with the names of their values.

use chrono::NaiveDate;
use dataflows::OTHERS;
use dataflows::model::{Column, ColumnType, Dimension, Model, Table, fields};
use postgres::types::{ToSql, Type};

use super::form::{Form, ReportColumn};
use super::over::Source;
use super::period::Span;

/// Members of a field with hours of their own, on one day and over several days; the rest is summed up.
const ALONE: u32 = 100;
const ALONE_OVER_DAYS: u32 = 20;

/// A query with its parameters.
#[derive(Default)]
pub(super) struct Sql {
    pub text: String,
    values: Vec<(Box<dyn ToSql + Sync>, Type)>,
}

impl Sql {
    /// The parameters in the form of Postgres's client.
    pub fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.values.iter().map(|(value, kind)| (&**value, kind.clone())).collect()
    }

    /// Adds a parameter, and returns its placeholder.
    pub fn give(&mut self, value: impl ToSql + Sync + 'static, kind: Type) -> String {
        self.values.push((Box::new(value), kind));
        format!("${}", self.values.len())
    }
}

/// The query of a table.
pub(super) struct Asked<'a> {
    pub model: &'a Model,
    pub table: &'a str,
    /// The key's columns of the table.
    pub key: &'a [Column],
    pub day: Option<NaiveDate>,
    /// Several days instead of one.
    pub span: Option<Span>,
    /// The earlier days that those are compared with.
    pub compared: Option<Span>,
    pub hour: Option<i16>,
    pub members: &'a [(usize, String)],
    pub limit: Option<i64>,
}

/// A quoted identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn list(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    names.into_iter().map(|name| name.as_ref().to_owned()).collect::<Vec<_>>().join(", ")
}

/// The columns of time.
fn times(columns: &[ReportColumn]) -> String {
    let has_hour = columns.contains(&ReportColumn::Dimension(Dimension::Hour));
    if has_hour { "day, hour".into() } else { "day".into() }
}

impl<'a> Asked<'a> {
    /// All rows of a table.
    pub fn new(model: &'a Model, table: &'a Table) -> Asked<'a> {
        let (key, members) = (table.key.as_slice(), [].as_slice());
        let (table, limit) = (&table.name, None);
        Asked { model, table, key, day: None, span: None, compared: None, hour: None, members, limit }
    }

    pub fn column(&self, dimension: Dimension) -> String {
        quoted(self.model.dimension_name(dimension))
    }

    pub fn columns(&self, dimensions: impl IntoIterator<Item = Dimension>) -> Vec<String> {
        dimensions.into_iter().map(|dimension| self.column(dimension)).collect()
    }

    /// The condition of the query with its `WHERE`, if there is any.
    pub fn filter(&self, sql: &mut Sql) -> String {
        let mut conditions = Vec::new();
        if let Some(day) = self.day {
            conditions.push(format!("day = {}", sql.give(day, Type::DATE)));
        }
        if let Some(Span { from, to }) = self.span {
            let mut between = |days: [NaiveDate; 2]| {
                let [from, to] = days.map(|day| sql.give(day, Type::DATE));
                format!("day BETWEEN {from} AND {to}")
            };
            let days = between([from, to]);
            conditions.push(match self.compared {
                Some(before) => format!("({days} OR {})", between([before.from, before.to])),
                None => days,
            });
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

    /// The rows of the query, for a FROM clause. Views of the earlier days are in a column of their own, on the day that theirs
    /// is compared with; so one scan of the table finds both, and members viewed only earlier have no views.
    pub fn counted(&self, sql: &mut Sql) -> String {
        let (filter, table) = (self.filter(sql), quoted(self.table));
        let Some((span, before)) = self.span.zip(self.compared) else { return format!("{table} {filter}") };
        let (from, by) = (sql.give(span.from, Type::DATE), sql.give(span.since(before), Type::INT4));
        let others = self.key.iter().filter(|column| column.name != "day").map(|column| quoted(&column.name) + ", ");
        format!(
            "(SELECT {others}CASE WHEN day < {from} THEN day + {by} ELSE day END AS day,
                CASE WHEN day < {from} THEN 0 ELSE views END AS views,
                CASE WHEN day < {from} THEN views ELSE 0 END AS views_before FROM {table} {filter}) AS compared",
            others = others.collect::<String>()
        )
    }

    /// The sums of the columns of views.
    pub fn sums(&self) -> &'static str {
        match self.compared {
            Some(_) => "sum(views)::bigint AS views, sum(views_before)::bigint AS views_before",
            None => "sum(views)::bigint AS views",
        }
    }

    /// The columns of views.
    pub fn views(&self) -> &'static str {
        if self.compared.is_some() { "views, views_before" } else { "views" }
    }

    /// Leaves members that were viewed only earlier out of a list.
    pub fn having(&self) -> &'static str {
        if self.compared.is_some() { "HAVING sum(views) > 0" } else { "" }
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

    /// Sums by the dimensions that are shown.
    fn list(&self, sql: &mut Sql, columns: &[ReportColumn]) -> (String, String) {
        let shown = columns.iter().filter_map(|column| match column {
            ReportColumn::Dimension(dimension) => Some(*dimension),
            _ => None,
        });
        let (counted, by) = (self.counted(sql), self.columns(shown).join(", "));
        let (order, limit) = (format!("views DESC, {by}"), sql.give(self.limit, Type::INT8));
        let rows = format!(
            "SELECT {by}, {} FROM {counted} GROUP BY {by} {} ORDER BY {order} LIMIT {limit}",
            self.sums(),
            self.having()
        );
        (rows, order)
    }

    /// The 24 hours of a day, including those without views.
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

    /// The hours of a day, or days, by one field alone. The members with the fewest views are summed up, as visitors may make up
    /// any number.
    pub fn alone(&self, field: usize, columns: &[ReportColumn]) -> Sql {
        let mut sql = Sql::default();
        let (counted, field) = (self.counted(&mut sql), self.column(Dimension::Field(field)));
        let sums = self.sums();
        let (limit, others) = (sql.give(self.limit, Type::INT8), sql.give(OTHERS, Type::TEXT));
        let (times, most) = (times(columns), if self.span.is_some() { ALONE_OVER_DAYS } else { ALONE });
        let rows = format!(
            r#"WITH counted AS (SELECT {times}, {field}, {sums} FROM {counted} GROUP BY {times}, {field}),
                placed AS (SELECT {field}, row_number() OVER (ORDER BY sum(views) DESC, {field}) AS "its place" FROM counted
                    GROUP BY {field}),
                shown AS (SELECT {field}, CASE WHEN "its place" <= {most} THEN {field} ELSE {others} END AS "shown as"
                    FROM placed)
            SELECT {times}, "shown as" AS {field}, {sums} FROM counted JOIN shown USING ({field})
            GROUP BY {times}, "shown as" ORDER BY {times}, views DESC, "shown as" LIMIT {limit}"#,
        );
        sql.text = self.named(columns, &rows, &format!("{times}, views DESC, {field}"));
        sql
    }

    /// The rows of a report over several days, from the table that has their sums.
    pub fn over(&self, form: Form<'_>, source: &Source<'_>, alone: Option<usize>, columns: &[ReportColumn]) -> Sql {
        if let Some(field) = alone {
            return self.alone(field, columns);
        }
        let mut sql = Sql::default();
        let (relation, order) = match form {
            Form::Places(ranking) => {
                let (counted, of) = (self.counted(&mut sql), self.column(Dimension::Field(ranking.of)));
                let counted =
                    format!("(SELECT * FROM {counted}) AS named WHERE {of} <> {}", sql.give(OTHERS, Type::TEXT));
                self.ranked(&mut sql, &counted, &source.fields, fields(&ranking.by).count(), ranking.places)
            }
            Form::Most(_, places) => {
                let counted = self.counted(&mut sql);
                self.ranked(&mut sql, &counted, &source.fields, 0, places)
            }
            Form::Hours(_) => self.series(&mut sql, &times(columns)),
            Form::HeatMap(_) => {
                let (counted, times) = (self.counted(&mut sql), times(columns));
                let by = self.columns(source.fields.iter().copied().map(Dimension::Field)).join(", ");
                let (order, limit) = (format!("{times}, views DESC, {by}"), sql.give(self.limit, Type::INT8));
                let rows = format!(
                    "SELECT {times}, {by}, {} FROM {counted} GROUP BY {times}, {by} ORDER BY {order} LIMIT {limit}",
                    self.sums()
                );
                (rows, order)
            }
            Form::List(_) => self.list(&mut sql, columns),
        };
        sql.text = self.named(columns, &relation, &order);
        sql
    }

    /// The members with the most views, in each group of the first fields.
    fn ranked(&self, sql: &mut Sql, counted: &str, all: &[usize], groups: usize, places: u8) -> (String, String) {
        let all = self.columns(all.iter().copied().map(Dimension::Field));
        let (by, of) = all.split_at(groups);
        let (of, all, limit) = (of.join(", "), all.join(", "), sql.give(self.limit, Type::INT8));
        // There may be more members than a rank can number; without groups, only the first ones are sorted.
        let (partition, first, order) = match by {
            [] => (String::new(), format!("ORDER BY views DESC, {of} LIMIT {places}"), "rank".to_owned()),
            by => (format!("PARTITION BY {}", by.join(", ")), String::new(), format!("{}, rank", by.join(", "))),
        };
        let rows = format!(
            "SELECT {all}, {views}, place::smallint AS rank FROM
                (SELECT {all}, {views}, row_number() OVER ({partition} ORDER BY views DESC, {of}) AS place FROM
                    (SELECT {all}, {sums} FROM {counted} GROUP BY {all} {having} {first}) AS summed) AS ranked
            WHERE place <= {places} ORDER BY {order} LIMIT {limit}",
            views = self.views(),
            sums = self.sums(),
            having = self.having(),
        );
        (rows, order)
    }

    /// All views of each of the days, or of each of their hours.
    pub fn trend(&self, columns: &[ReportColumn]) -> Sql {
        let mut sql = Sql::default();
        let (relation, order) = self.series(&mut sql, &times(columns));
        sql.text = self.named(columns, &relation, &order);
        sql
    }

    /// Each of the days, or each of their hours, including those without views.
    fn series(&self, sql: &mut Sql, times: &str) -> (String, String) {
        let counted = self.counted(sql);
        let Some(Span { from, to }) = self.span else { return Default::default() };
        let [from, to] = [from, to].map(|day| sql.give(day, Type::DATE));
        let mut known = Vec::new();
        for (field, value) in self.members {
            let place = sql.give(value.clone(), Type::TEXT);
            known.push(format!("{place}::text AS {}", self.column(Dimension::Field(*field))));
        }
        let hours =
            if times == "day" { "" } else { "CROSS JOIN (SELECT generate_series(0, 23)::smallint AS hour) AS hours" };
        let (known, limit) = (list(known.into_iter().chain([times.to_owned()])), sql.give(self.limit, Type::INT8));
        let before = if self.compared.is_some() { ", coalesce(views_before, 0) AS views_before" } else { "" };
        let rows = format!(
            "SELECT {known}, coalesce(views, 0) AS views{before} FROM
                (SELECT {from} + generate_series(0, {to} - {from}) AS day) AS days {hours}
            LEFT JOIN (SELECT {times}, {} FROM {counted} GROUP BY {times}) AS counted
                USING ({times}) ORDER BY {times} LIMIT {limit}",
            self.sums()
        );
        (rows, times.to_owned())
    }

    /// Rows with the columns of an answer: names beside the values that have any. Names are joined last, with the remaining
    /// rows: joining all first takes twice as long.
    pub fn named(&self, columns: &[ReportColumn], relation: &str, order: &str) -> String {
        self.named_beside(columns, &[], relation, order)
    }

    /// The same with further columns of the relation.
    pub fn named_beside(&self, columns: &[ReportColumn], beside: &[&str], relation: &str, order: &str) -> String {
        let mut joins = String::new();
        let shown = columns.iter().map(|column| match column.lookup(self.model) {
            Some(lookup) => {
                joins += &format!(" {}", lookup.join);
                format!("{} AS {}", lookup.columns[0].value, quoted(&lookup.columns[0].name))
            }
            None => format!("counted.{}", quoted(&column.name(self.model))),
        });
        let beside = beside.iter().map(|column| format!("counted.{column}"));
        let shown = list(shown.collect::<Vec<_>>().into_iter().chain(beside));
        let order = order.split(", ").map(|column| format!("counted.{column}"));
        format!("SELECT {shown} FROM ({relation}) AS counted{joins} ORDER BY {}", list(order))
    }
}
