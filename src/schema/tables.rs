//! Tables of counts and rankings.

use dataflows::model::{Column, ColumnType, Model, Table, TableRows};

use super::{about, comments, index};

/// A table, its index if it has one, and its comments.
pub(super) fn ddl(model: &Model, table: &Table) -> String {
    let mut lines: Vec<_> = table.columns().flat_map(|column| definition(model, table, column)).collect();
    let key: Vec<_> = table.key.iter().map(found_by).collect();
    lines.push(format!("PRIMARY KEY ({})", key.join(", ")));
    let name = &table.name;
    let mut text =
        format!("CREATE TABLE IF NOT EXISTS {name} (\n    {}\n) WITH (fillfactor = 80);\n", lines.join(",\n    "));
    let reports = model.reports.iter().filter(|report| model.tables[report.table].name == *name);
    for (index, columns) in reports.filter_map(|report| index(model, report)) {
        text += "-- For the report, which is asked for one member over all days.\n";
        text += &format!("CREATE INDEX IF NOT EXISTS {index} ON {name} ({});\n", columns.join(", "));
    }
    let columns: Vec<_> = table.columns().flat_map(names).collect();
    let described = columns.iter().map(|column| (column.as_str(), about(model, table, column)));
    text + &comments("TABLE", name, &table.about, described)
}

/// A column, and for a long text the one that it is found by.
fn definition(model: &Model, table: &Table, column: &Column) -> Vec<String> {
    let name = &column.name;
    let check = match (name.as_str(), table.rows) {
        ("hour", _) => " CHECK (hour BETWEEN 0 AND 23)".into(),
        ("views", _) => " CHECK (views > 0)".into(),
        ("rank", TableRows::Ranking(ranking)) => {
            format!(" CHECK (rank BETWEEN 1 AND {})", model.rankings[ranking].places)
        }
        _ => String::new(),
    };
    match column.kind {
        ColumnType::Text => vec![format!("{name} text COLLATE \"C\" NOT NULL")],
        ColumnType::LongText => {
            vec![format!("{name} text COLLATE \"C\" NOT NULL"), format!("{} bytea NOT NULL", found_by(column))]
        }
        ColumnType::Date => vec![format!("{name} date NOT NULL")],
        ColumnType::Smallint => vec![format!("{name} smallint NOT NULL{check}")],
        ColumnType::Bigint => vec![format!("{name} bigint NOT NULL{check}")],
    }
}

/// The column that stands for this one in an index.
pub(super) fn found_by(column: &Column) -> String {
    match column.kind {
        ColumnType::LongText => format!("{}_digest", column.name),
        _ => column.name.clone(),
    }
}

fn names(column: &Column) -> Vec<String> {
    let found_by = found_by(column);
    if found_by == column.name { vec![found_by] } else { vec![column.name.clone(), found_by] }
}
