//! The views over the tables: the reports, and the facts.

use dataflows::LookupColumn;
use dataflows::model::{Model, Report, Table, TableRows};

use super::{about, comments, fact_name};

/// A view under construction, over a table with the alias `counted`.
struct View<'a> {
    model: &'a Model,
    table: &'a Table,
    /// Name, expression and comment.
    columns: Vec<(String, String, String)>,
    from: String,
    joins: Vec<String>,
}

impl<'a> View<'a> {
    fn new(model: &'a Model, table: &'a Table) -> View<'a> {
        View { model, table, columns: Vec::new(), from: table.name.clone(), joins: Vec::new() }
    }

    /// Adds a column of the table.
    fn column(&mut self, name: &str) {
        let about = about(self.model, self.table, name);
        self.columns.push((name.to_owned(), format!("counted.{name}"), about));
    }

    /// Adds a column of a dimension, unless the view already has one of that name.
    fn lookup(&mut self, column: &LookupColumn) {
        if !self.columns.iter().any(|(name, ..)| *name == column.name) {
            self.columns.push((column.name.clone(), column.value.clone(), column.about.clone()));
        }
    }

    /// Adds a column of the table, and the name of a country.
    fn named_column(&mut self, name: &str) {
        self.column(name);
        let field = self.model.fields.iter().position(|field| field.name == name);
        let Some(country) = field.and_then(|field| self.model.country_lookup(field)) else { return };
        // Not where the table has a field of that name.
        if !self.table.columns().any(|column| column.name == country.columns[0].name) {
            self.joins.push(country.join);
            self.lookup(&country.columns[0]);
        }
    }

    /// Its DDL. `tail` is what follows the joins.
    fn ddl(self, name: &str, view_about: &str, tail: &str) -> String {
        let select: Vec<_> = self
            .columns
            .iter()
            .map(|(name, value, _)| {
                let is_plain = value.rsplit_once('.').is_some_and(|(of, column)| column == name && !of.contains('('));
                if is_plain { value.clone() } else { format!("{value} AS {name}") }
            })
            .collect();
        let joins: String = self.joins.iter().map(|join| format!("\n    {join}")).collect();
        let (select, from) = (select.join(",\n    "), &self.from);
        let described = self.columns.iter().map(|(name, _, about)| (name.as_str(), about.clone()));
        format!("CREATE OR REPLACE VIEW {name} AS\nSELECT {select}\nFROM {from} AS counted{joins}{tail};\n")
            + &comments("VIEW", name, view_about, described)
    }
}

/// The view of a report.
pub(super) fn report(model: &Model, report: &Report) -> String {
    let table = &model.tables[report.table];
    match (table.rows, report.limit) {
        (TableRows::Ranking(_), _) => ranking(model, report, table),
        (_, Some(limit)) => limited(model, report, table, limit),
        _ if report.all_days => all_days(model, report, table),
        _ => {
            let mut view = View::new(model, table);
            table.columns().for_each(|column| view.named_column(&column.name));
            view.ddl(&report.view(), &report.about, "")
        }
    }
}

/// The rows of a ranking: those of the current or latest day, if it has a day.
fn ranking(model: &Model, report: &Report, table: &Table) -> String {
    let mut view = View::new(model, table);
    let is_daily = table.key.iter().any(|column| column.name == "day");
    if is_daily {
        view.joins.push("JOIN report_day ON report_day.day = counted.day".into());
    }
    table.columns().for_each(|column| view.named_column(&column.name));
    let order = table.key.iter().filter(|column| column.name != "day").map(|column| format!("counted.{}", column.name));
    let tail = format!("\nORDER BY {}", order.collect::<Vec<_>>().join(", "));
    let here = if is_daily { " (here those of the current or latest day)" } else { "" };
    view.ddl(&report.view(), &format!("{}{here}", report.about), &tail)
}

/// The rows with the most views, with their ranks.
fn limited(model: &Model, report: &Report, table: &Table, limit: u8) -> String {
    let mut view = View::new(model, table);
    let key: Vec<_> = table.key.iter().map(|column| column.name.as_str()).collect();
    let rank = about(model, table, "rank");
    view.columns.push(("rank".into(), "counted.rank::smallint".into(), rank));
    table.columns().for_each(|column| view.named_column(&column.name));
    view.from = format!(
        "(\n    SELECT row_number() OVER (ORDER BY views DESC, {}) AS rank, * FROM {}\n)",
        key.join(", "),
        table.name
    );
    let about = format!("{} (here the {limit} with the most)", report.about);
    view.ddl(&report.view(), &about, &format!("\nWHERE counted.rank <= {limit}\nORDER BY counted.rank"))
}

/// The sums over all days: by the first field, then the most views first.
fn all_days(model: &Model, report: &Report, table: &Table) -> String {
    let mut view = View::new(model, table);
    let key: Vec<_> = table.key.iter().map(|column| column.name.as_str()).filter(|name| *name != "day").collect();
    key.iter().for_each(|name| view.named_column(name));
    let group: Vec<_> = view.columns.iter().map(|(_, value, _)| value.as_str()).collect();
    // No row if nothing is counted at all.
    let group = if group.is_empty() { "HAVING count(*) > 0".into() } else { format!("GROUP BY {}", group.join(", ")) };
    let mut order: Vec<_> = key.iter().map(|name| format!("counted.{name}")).collect();
    order.insert(usize::from(order.len() > 1), "sum(counted.views) DESC".into());
    let views = about(model, table, "views");
    view.columns.push(("views".into(), "sum(counted.views)::bigint".into(), views));
    let tail = format!("\n{group}\nORDER BY {}", order.join(", "));
    view.ddl(&report.view(), &format!("{} (here the sums over all days)", report.about), &tail)
}

/// The view of a fact: the time, then the fields, open ones first, then the columns of their dimensions and of the day.
pub(super) fn fact(model: &Model, table: &Table) -> Option<String> {
    let name = fact_name(model, table)?;
    let TableRows::Count(count) = table.rows else { return None };
    let count = &model.counts[count];
    let mut view = View::new(model, table);
    view.column("day");
    if count.has_hour {
        view.column("hour");
    }
    let mut fields = count.members.clone();
    fields.sort_by_key(|field| model.fields[*field].kind.is_closed());
    fields.iter().for_each(|field| view.column(&model.fields[*field].name));
    for lookup in model.lookups(&fields) {
        view.joins.push(lookup.join);
        lookup.columns.iter().for_each(|column| view.lookup(column));
    }
    view.column("views");
    Some(view.ddl(&name, &format!("{}, joined with their dimensions", table.about), ""))
}
