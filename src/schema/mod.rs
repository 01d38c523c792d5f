//! The DDL that follows from a model: tables, indexes, views and functions, each with its comments.
//!
//! The model's names are plain identifiers and no keywords, so none is quoted.

mod declarations;
mod objects;
mod tables;
mod views;

use dataflows::model::{Model, Report, Table, TableRows};

pub use declarations::{Change, differences};
pub use objects::{Ddl, Object, ObjectKind};

/// What every database has, whatever the model.
const FIXED: &str = include_str!("fixed.sql");
const REPORT_DAY: &str = include_str!("report_day.sql");

/// Bytes of a name in Postgres.
const NAME_BYTES_MAX: usize = 63;

const HEAD: &str = r#"-- Everything Freshet keeps in Postgres: the only DDL, as `freshet schema` prints it. It is applied at a start where something
-- of it is missing, and may be applied by hand any number of times.
--
-- Texts are compared by their bytes (COLLATE "C"), as the rankings are.
-- The counted tables leave room in their pages (fillfactor), and no index holds a count: so the update of a count stays
-- within its page and touches no index (a HOT update)."#;

/// The whole DDL, in an order in which it can be executed.
pub fn ddl(model: &Model) -> String {
    let of = |is_wanted: fn(&TableRows) -> bool| {
        model.tables.iter().filter(move |table| is_wanted(&table.rows)).map(|table| tables::ddl(model, table))
    };
    let counts = of(|rows| matches!(rows, TableRows::Count(_))).collect();
    let rankings: Vec<_> = of(|rows| matches!(rows, TableRows::Ranking(_))).collect();
    let dimensions = model.dimensions.ddl().into_iter().map(str::to_owned).collect();
    let reports = model.reports.iter().map(|report| views::report(model, report));
    let facts: Vec<_> = model.tables.iter().filter_map(|table| views::fact(model, table)).collect();
    let sections = [
        ("What the tables were built with, and by whom they are written", vec![FIXED.to_owned()]),
        ("Counts", counts),
        ("Rankings: by views descending, then by the bytes of what is ranked", rankings),
        ("Dimensions: what the keys of the counts are", dimensions),
        ("The reports", std::iter::once(REPORT_DAY.to_owned()).chain(reports).collect()),
        ("Facts: the counts, each row once, with what the dimensions say of it", facts),
    ];
    let mut text = HEAD.to_owned();
    for (title, parts) in sections.into_iter().filter(|(_, parts)| !parts.is_empty()) {
        text += &format!("\n\n{:-<120}\n\n{}", format!("-- {title} "), parts.join("\n").trim_end());
    }
    text + "\n"
}

/// The view that joins a count with the dimensions of its keys; none for a count without a day, or for a rollup.
pub fn fact_name(model: &Model, table: &Table) -> Option<String> {
    let is_fact = |table: &&Table| match table.rows {
        TableRows::Count(count) => model.counts[count].has_day && model.counts[count].from.is_none(),
        _ => false,
    };
    let others = model.tables.iter().filter(is_fact);
    is_fact(&table).then(|| format!("fact_{}", short_name(table, others)))
}

/// The views of reports and facts, each with the table whose rows it shows.
pub fn views(model: &Model) -> Vec<(String, &str)> {
    let reports = model.reports.iter().map(|report| (report.view(), model.tables[report.table].name.as_str()));
    let facts = model.tables.iter().filter_map(|table| Some((fact_name(model, table)?, table.name.as_str())));
    reports.chain(facts).collect()
}

/// The index for a report of one member over all days, with its columns; none where the primary key serves.
fn index(model: &Model, report: &Report) -> Option<(String, Vec<String>)> {
    let table = &model.tables[report.table];
    let TableRows::Count(count) = table.rows else { return None };
    let first = model.fields[*model.counts[count].members.first()?].name.as_str();
    let is_served = table.key.first().is_some_and(|column| column.name == first);
    let fields = table.key.iter().filter(|column| !["day", "hour"].contains(&column.name.as_str()));
    let others = model.reports.iter().filter(|report| report.all_days).map(|report| &model.tables[report.table]);
    let mut name = cut(format!("{}_by_{first}", short_name(table, others)));
    if model.tables.iter().any(|table| table.name == name) {
        name = cut(name + "_index");
    }
    (report.all_days && !is_served).then(|| (name, fields.map(tables::found_by).collect()))
}

/// A table's name without the suffix of its granularity, unless that makes it the same as another's.
fn short_name<'a>(table: &'a Table, mut others: impl Iterator<Item = &'a Table>) -> &'a str {
    let short = |table: &'a Table| {
        let name = table.name.as_str();
        name.strip_suffix("_hourly").or_else(|| name.strip_suffix("_daily")).unwrap_or(name)
    };
    let is_alone = others.all(|other| other.name == table.name || short(other) != short(table));
    if is_alone { short(table) } else { &table.name }
}

/// A name that Postgres does not truncate.
fn cut(name: String) -> String {
    let digest = || format!("_{:016x}", xxhash_rust::xxh3::xxh3_64(name.as_bytes()));
    if name.len() <= NAME_BYTES_MAX { name } else { name[..NAME_BYTES_MAX - 17].to_owned() + &digest() }
}

/// A text as an SQL literal.
fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    // Valid whatever standard_conforming_strings is.
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A comment on a table, a view or a column.
fn comment(on: &str, name: &str, text: &str) -> String {
    format!("COMMENT ON {on} {name} IS {};\n", literal(text))
}

/// Comments on a relation and its columns.
fn comments<'a>(
    kind: &str,
    relation: &str,
    about: &str,
    columns: impl IntoIterator<Item = (&'a str, String)>,
) -> String {
    let columns = columns.into_iter().map(|(name, about)| comment("COLUMN", &format!("{relation}.{name}"), &about));
    comment(kind, relation, about) + &columns.collect::<String>()
}

/// The comment on a column of a count or a ranking.
fn about(model: &Model, table: &Table, column: &str) -> String {
    let fields = || model.fields.iter();
    if let Some(field) = fields().find(|field| field.name == column) {
        return field.about.clone();
    }
    match column {
        "day" => "The day of the events, by the clock that the tables were built with".into(),
        "hour" => "The hour of the events, 0 to 23".into(),
        "rank" => "The place, from 1".into(),
        "views" if counts_views(model, table) => "How many views".into(),
        "views" => "How many events".into(),
        digest => {
            let text = digest.trim_end_matches("_digest");
            format!("The first 16 bytes of the SHA-256 of {text}, which is too long for an index")
        }
    }
}

/// Whether it counts only views.
fn counts_views(model: &Model, table: &Table) -> bool {
    let count = match table.rows {
        TableRows::Count(count) => count,
        TableRows::Ranking(ranking) => model.rankings[ranking].count,
        TableRows::Members(_) => return true,
    };
    model.filters[model.counts[count].filter].types.is_none()
}
