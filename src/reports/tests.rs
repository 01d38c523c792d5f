//! Reports of a model that is not the built-in one, each of a shape of its own, over tables that are filled by hand.

use std::sync::Arc;

use anyhow::{Context, Result};
use dataflows::model::{ColumnType, Dimension, Model, Table};
use freshet_embedded::Postgres;

use super::*;
use crate::database::connect;

const FILE: &str = r#"
[event]
type = "kind"
views = ["open"]
time_stamp = "at"
[fields]
item = { path = "item", kind = "id" }
tenant_id = { path = "tenant", kind = "text", label = "tenant" }
land = { path = "url", kind = "country" }
page_url = { path = "url", kind = "url", label = "page" }
is_new = { path = "new", kind = "boolean", label = "new" }

[[report]]
name = "items"
table = "t_items"
by = ["day", "hour", "item"]
[[report]]
name = "top-items"
title = "Items by the hour"
table = "t_top_items"
top = { count = 2, of = "item", by = ["day", "hour"] }
[[report]]
name = "pages"
table = "t_pages"
by = ["page_url", "day", "hour"]
[[report]]
name = "lands"
table = "t_lands"
by = ["land", "day", "hour"]
[[report]]
name = "tenants"
table = "t_tenants"
by = ["day", "hour", "tenant_id", "land"]
[[report]]
name = "all"
table = "t_all"
by = ["day", "hour"]
[[report]]
name = "three"
table = "t_three"
by = ["day", "hour", "land", "tenant_id", "is_new"]
[[report]]
name = "total"
table = "t_total"
by = ["tenant_id", "is_new"]
limit = 2
[[report]]
name = "readers"
table = "t_readers"
by = ["page_url"]
"#;

/// A table as the model has it, with no more than is needed to read it.
fn ddl(table: &Table) -> String {
    let column = |column: &dataflows::model::Column| {
        let name = &column.name;
        match column.kind {
            ColumnType::Text => format!("{name} text COLLATE \"C\""),
            ColumnType::LongText => format!(
                "{name} text COLLATE \"C\", {name}_digest bytea GENERATED ALWAYS AS
                    (substring(sha256(decode({name}, 'escape')) FROM 1 FOR 16)) STORED"
            ),
            ColumnType::Date => format!("{name} date"),
            ColumnType::Smallint => format!("{name} smallint"),
            ColumnType::Bigint => format!("{name} bigint"),
        }
    };
    let columns: Vec<_> = table.columns().map(column).collect();
    format!("CREATE TABLE IF NOT EXISTS {} ({});", table.name, columns.join(", "))
}

const ROWS: &str = "INSERT INTO t_items VALUES ('2026-01-02', 7, 'a', 5), ('2026-01-02', 8, 'b', 3), ('2026-01-01', 7, 'a', 1);
    INSERT INTO t_top_items VALUES ('2026-01-02', 7, 1, 'a', 5), ('2026-01-02', 8, 1, 'b', 3);
    INSERT INTO t_pages (page_url, day, hour, views) VALUES ('https://a.example/', '2026-01-01', 7, 4);
    INSERT INTO t_lands VALUES ('DE', '2026-01-02', 7, 5), ('FR', '2026-01-02', 9, 1);
    INSERT INTO t_tenants VALUES ('2026-01-02', 7, 'x', 'DE', 3), ('2026-01-02', 7, 'y', 'DE', 2), ('2026-01-02', 9, 'x', 'FR', 1);
    INSERT INTO t_tenants SELECT '2026-01-02', 10, 'made up ' || lpad(n::text, 3, '0'), 'ZZ', 1 FROM generate_series(1, 150) AS n;
    INSERT INTO t_all VALUES ('2026-01-02', 7, 5);
    INSERT INTO t_three VALUES ('2026-01-02', 7, 'DE', 'x', 'true', 2), ('2026-01-02', 8, 'DE', 'x', 'false', 3);
    INSERT INTO t_total VALUES ('x', 'true', 2), ('x', 'false', 9), ('y', 'true', 2);
    INSERT INTO dim_date VALUES ('2026-01-01'), ('2026-01-02');
    CREATE OR REPLACE VIEW report_day AS SELECT date '2026-01-02' AS day;";

/// A report of these values, as CSV under its title, or why there is none.
fn said(tables: &mut Snapshot<'_>, report: &str, values: &[(&str, &str)]) -> Result<String> {
    let model = tables.model();
    let place = model.reports.iter().position(|it| it.name == report).context("a report")?;
    let field = |label: &str| model.fields.iter().position(|field| field.label == label);
    let dimension = |label: &str| match label {
        "day" => Dimension::Day,
        "hour" => Dimension::Hour,
        label => Dimension::Field(field(label).unwrap_or_default()),
    };
    let given = |name: &str| values.iter().find(|(label, _)| *label == name).map(|(_, day)| day.parse()).transpose();
    let period = Period::new(given("day")?, given("from")?, given("to")?)?;
    let asked = |name: &str| values.iter().find(|(label, _)| *label == name).map(|(_, value)| *value);
    let compare = Comparison::NAMES.into_iter().find(|(name, _)| asked("compare") == Some(name)).map(|(_, it)| it);
    let has_share = asked("share").is_some();
    let values = values.iter().filter(|(label, _)| !["from", "to", "compare", "share"].contains(label));
    let values = values.map(|(label, value)| (dimension(label), (*value).to_owned())).collect();
    let query = ReportQuery { compare, has_share, ..ReportQuery::new(&model, place, period, values)? };
    match tables.read(&query, Some(50)) {
        Ok(rows) => Ok(format!("{}\n{}", rows.title, rows.csv(CsvCells::Raw)?)),
        Err(error) if error.is::<NoData>() => Ok(error.to_string()),
        Err(error) => Err(error.context(report.to_owned())),
    }
}

/// The tables with their rows, and further ones.
fn open(further: &str) -> Result<(Postgres, Reader)> {
    let server = Postgres::start()?;
    let target: Target = server.url().parse()?;
    let model = Arc::new(Model::parse(FILE, "own.toml")?);
    let mut client = connect(&target)?;
    client.batch_execute(include_str!("../../schema.sql"))?;
    client.batch_execute(&model.tables.iter().map(ddl).collect::<String>())?;
    client.batch_execute(ROWS)?;
    client.batch_execute(further)?;
    let reader = Reader::connect(&target, CONNECT_TIMEOUT, model)?;
    Ok((server, reader))
}

#[test]
fn every_shape_is_read_as_it_is_declared() -> Result<()> {
    let (_server, mut reader) = open("")?;
    reader.check_tables()?;
    let mut tables = reader.snapshot()?;
    let mut said = |report: &str, values: &[(&str, &str)]| said(&mut tables, report, values);
    let top = "day,hour,rank,item,views\n2026-01-02,7,1,a,5\n2026-01-02,8,1,b,3\n";
    assert_eq!(said("top-items", &[])?, format!("Items by the hour of 2026-01-02\n{top}"));
    let eight = "Items by the hour: 08:00, 2026-01-02\nday,hour,rank,item,views\n2026-01-02,8,1,b,3\n";
    assert_eq!(said("top-items", &[("hour", "8")])?, eight);
    let hours = said("items", &[("item", "a")])?;
    assert!(hours.starts_with("items: a, 2026-01-02\nday,hour,item,views\n2026-01-02,0,a,0\n"), "{hours}");
    assert!(hours.contains("\n2026-01-02,7,a,5\n") && hours.lines().count() == 26, "{hours}");
    let known = "there are no views of item 'c'; `freshet report top-items` names some that have";
    assert_eq!(said("items", &[("item", "c")])?, known);
    let when = "there are no views of item 'b' on 2026-01-01; its views lie between 2026-01-02 and 2026-01-02";
    assert_eq!(said("items", &[("item", "b"), ("day", "2026-01-01")])?, when);
    assert!(said("pages", &[("page", "https://a.example/")])?.contains("https://a.example/,2026-01-01,7,4\n"));
    assert!(said("lands", &[("land", "DE")])?.contains("DE,Germany,2026-01-02,7,5\n"));
    assert_eq!(said("lands", &[("land", "XX")])?, "there are no views of land 'XX'; there are views of DE, FR");
    let tenants = said("tenants", &[("land", "DE"), ("hour", "7")])?;
    let rows = "day,hour,tenant_id,land,land_name,views\n2026-01-02,7,x,DE,Germany,3\n2026-01-02,7,y,DE,Germany,2\n";
    assert_eq!(tenants, format!("tenants: DE (Germany), 07:00, 2026-01-02\n{rows}"));
    assert!(said("all", &[])?.starts_with("all of 2026-01-02\nday,hour,views\n2026-01-02,0,0\n"));
    let three = "day,hour,land,land_name,tenant_id,is_new,views\n2026-01-02,8,DE,Germany,x,false,3\n2026-01-02,7,DE,Germany,x,true,2\n";
    assert_eq!(said("three", &[("land", "DE")])?, format!("three: DE (Germany), 2026-01-02\n{three}"));
    let none = "there is nothing of this kind on 2026-02-01; the days with views lie between 2026-01-01 and 2026-01-02";
    assert_eq!(said("tenants", &[("day", "2026-02-01")])?, none);
    assert_eq!(said("items", &[("item", "a"), ("day", "2026-01-01")])?.lines().next(), Some("items: a, 2026-01-01"));
    let total = "rank,tenant_id,is_new,views\n1,x,false,9\n2,x,true,2\n";
    assert_eq!(said("total", &[])?, format!("total of all days\n{total}"));
    over_days(&mut said)?;
    beside_others(&mut said)?;
    // Visitors can make tenants up: those beyond the hundred with the most views are together.
    let model = tables.model();
    let tenant = model.fields.iter().position(|field| field.label == "tenant").context("a field")?;
    let report = model.reports.iter().position(|report| report.name == "tenants").context("a report")?;
    let alone = tables.read(&ReportQuery { report, alone: Some(tenant), ..ReportQuery::default() }, None)?;
    assert_eq!(alone.columns, ["day", "hour", "tenant_id", "views"]);
    assert_eq!((alone.rows.len(), alone.title.as_str()), (102, "tenants, by tenant alone of 2026-01-02"));
    assert!(alone.rows.iter().any(|row| row[2..] == [Cell::Text("(others)".into()), Cell::Number(52)]), "{alone:?}");
    // What there is to choose from: of what is closed all, by names; of what is open the first that begin so.
    let fields = chosen_fields(&model);
    let labels: Vec<_> = fields.iter().map(|field| model.fields[*field].label.as_str()).collect();
    assert_eq!(labels, ["item", "page", "land"]);
    let mut listed = |place: usize, prefix: &str| tables.values(fields[place], prefix, 5)?.csv(CsvCells::Raw);
    assert_eq!(listed(0, "")?, "item\na\nb\n");
    assert_eq!(listed(0, "b")?, "item\nb\n");
    assert_eq!(listed(1, "https://")?, "page_url\nhttps://a.example/\n");
    assert_eq!(listed(2, "")?, "land,land_name\nDE,Germany\nFR,France\n");
    assert_eq!(tables.days()?.csv(CsvCells::Raw)?, "day,views\n2026-01-02,5\n");
    Ok(())
}

/// There may be more members than a rank of a table has numbers for.
#[test]
fn a_place_may_be_far_behind_the_first() -> Result<()> {
    let (_server, mut reader) = open(
        "INSERT INTO t_items SELECT '2026-01-03', 7, 'many ' || lpad(n::text, 5, '0'), 1 FROM generate_series(1, 40000) AS n",
    )?;
    let mut tables = reader.snapshot()?;
    let days = [("from", "2026-01-02"), ("to", "2026-01-03")];
    let top = "Items by the hour of 2026-01-02 to 2026-01-03\nrank,item,views\n1,a,5\n2,b,3\n";
    assert_eq!(said(&mut tables, "top-items", &days)?, top);
    let model = tables.model();
    let report = model.reports.iter().position(|it| it.name == "top-items").context("a report")?;
    let days = Period::new(None, Some("2026-01-02".parse()?), Some("2026-01-03".parse()?))?;
    let whole = Some(Whole { offset: 40_000, ..Whole::default() });
    let query = ReportQuery { whole, ..ReportQuery::new(&model, report, days, vec![])? };
    let last = tables.read(&query, Some(10))?;
    assert_eq!(
        (last.total, last.csv(CsvCells::Raw)?.as_str()),
        (Some(40_002), "rank,item,views\n40001,many 39999,1\n40002,many 40000,1\n")
    );
    Ok(())
}

/// Sums over several days: of counts, and not of the two that a ranking has of each hour.
fn over_days(said: &mut impl FnMut(&str, &[(&str, &str)]) -> Result<String>) -> Result<()> {
    let three = [("from", "2026-01-01"), ("to", "2026-01-03")];
    let mut over = |report: &str, members: &[(&'static str, &'static str)]| said(report, &[&three, members].concat());
    let top = "Items by the hour of 2026-01-01 to 2026-01-03\nrank,item,views\n1,a,6\n2,b,3\n";
    assert_eq!(over("top-items", &[])?, top);
    let eight = "Items by the hour: 08:00, 2026-01-01 to 2026-01-03\nrank,item,views\n1,b,3\n";
    assert_eq!(over("top-items", &[("hour", "8")])?, eight);
    let days = "day,item,views\n2026-01-01,a,1\n2026-01-02,a,5\n2026-01-03,a,0\n";
    assert_eq!(over("items", &[("item", "a")])?, format!("items: a, 2026-01-01 to 2026-01-03\n{days}"));
    assert!(over("pages", &[("page", "https://a.example/")])?.contains("\nhttps://a.example/,2026-01-01,4\n"));
    assert!(over("all", &[])?.ends_with("day,views\n2026-01-01,0\n2026-01-02,5\n2026-01-03,0\n"));
    let tenants = "day,tenant_id,land,land_name,views\n2026-01-02,x,FR,France,1\n";
    assert!(over("tenants", &[("land", "FR")])?.ends_with(tenants));
    let list = "land,land_name,tenant_id,is_new,views\nDE,Germany,x,false,3\nDE,Germany,x,true,2\n";
    assert!(over("three", &[("land", "DE")])?.ends_with(list));
    // No event is without a land, so the sum over them lacks none.
    assert!(over("total", &[])?.ends_with("rank,tenant_id,is_new,views\n1,x,false,3\n2,x,true,2\n"));
    let missing = over("readers", &[]).map_err(|error| format!("{:#}", error.root_cause()));
    let what =
        "readers is not available over several days, as no table counts what is summed up; declare one with by = ";
    assert_eq!(missing, Err(format!("{what}[\"day\", \"page_url\"]")));
    let nothing = "there are no views of item 'b' on 2026-01-01; its views lie between 2026-01-02 and 2026-01-02";
    let first = ("from", "2026-01-01");
    assert_eq!(said("items", &[first, ("to", "2026-01-01"), ("item", "b")])?, nothing);
    // Until the current day, and of so few days hour by hour.
    let hours = said("items", &[first, ("item", "a")])?;
    assert!(hours.contains("\n2026-01-01,7,a,1\n2026-01-01,8,a,0\n") && hours.lines().count() == 50, "{hours}");
    let late = "there is nothing from 2026-01-03 on; the current day is 2026-01-02";
    assert_eq!(said("all", &[("from", "2026-01-03")])?, late);
    for (given, words) in [
        (vec![("day", "2026-01-01"), first], "give one or the other"),
        (vec![("to", "2026-01-01")], "give the first one as from"),
        (vec![first, ("to", "2025-12-31")], "from is 2026-01-01, which is after to"),
        (vec![first, ("to", "2027-02-05")], "are 401 days; a range has at most 400, as until 2027-02-04"),
        (vec![("from", "2024-01-01")], "from 2024-01-01 to 2026-01-02 are 733 days"),
    ] {
        let wrong = said("all", &given).map_err(|error| format!("{:#}", error.root_cause()));
        assert!(wrong.as_ref().is_err_and(|wrong| wrong.contains(words)), "{given:?}: {wrong:?}");
    }
    Ok(())
}

/// What stands beside the views: those of earlier days, and shares; and what another table counts together.
fn beside_others(said: &mut impl FnMut(&str, &[(&str, &str)]) -> Result<String>) -> Result<()> {
    let (previous, share) = (("compare", "previous"), ("share", "true"));
    let top =
        "Items by the hour of 2026-01-02, compared with 2026-01-01\nrank,item,views,views_before,change_percent\n";
    assert_eq!(said("top-items", &[previous])?, format!("{top}1,a,5,1,400.0\n2,b,3,0,\n"));
    // Of days before the first nothing is known.
    let unknown = "1,a,6,,\n2,b,3,,\n";
    assert!(said("top-items", &[("from", "2026-01-01"), previous])?.ends_with(unknown));
    assert!(said("top-items", &[("compare", "weekday")])?.ends_with("1,a,5,,\n2,b,3,,\n"));
    let hours = said("items", &[("item", "a"), ("day", "2026-01-02"), previous])?;
    assert!(hours.contains("\n2026-01-02,7,a,5,1,400.0\n2026-01-02,8,a,0,0,\n"), "{hours}");
    let list = said("three", &[("land", "DE"), previous, share])?;
    assert!(list.starts_with("three: DE (Germany), 2026-01-02, compared with 2026-01-01\n"), "{list}");
    // Of the five views of that land, which another table counts.
    assert!(list.ends_with("DE,Germany,x,false,3,0,,60.0\nDE,Germany,x,true,2,0,,40.0\n"), "{list}");
    let day = "day,hour,rank,item,views,share_percent\n2026-01-02,7,1,a,5,100.0\n2026-01-02,8,1,b,3,60.0\n";
    assert!(said("top-items", &[share])?.ends_with(day));
    // Lands by the hour are not counted by tenant, but tenants by the hour are by land.
    let of_tenant = said("lands", &[("land", "DE"), ("tenant", "x")])?;
    assert!(of_tenant.starts_with("lands: DE (Germany), x, 2026-01-02\n"), "{of_tenant}");
    assert!(of_tenant.contains("\nDE,Germany,2026-01-02,7,3\nDE,Germany,2026-01-02,8,0\n"), "{of_tenant}");
    let none = said("items", &[("item", "a"), ("tenant", "x")]).map_err(|error| format!("{:#}", error.root_cause()));
    let what = "items is not available like this, as no table counts what is summed up; declare one with by = ";
    assert_eq!(none, Err(format!("{what}[\"day\", \"hour\", \"item\", \"tenant_id\"]")));
    let all_days = said("total", &[previous]).map_err(|error| format!("{:#}", error.root_cause()));
    assert!(all_days.is_err_and(|error| error.starts_with("total is over all days; give the first of those")));
    Ok(())
}

#[test]
fn a_member_of_others_is_not_new() -> Result<()> {
    let (_server, mut reader) = open("INSERT INTO t_items VALUES ('2026-01-01', 9, '(others)', 2)")?;
    let mut tables = reader.snapshot()?;
    let model = tables.model();
    let top = said(&mut tables, "top-items", &[("compare", "previous")])?;
    assert!(top.ends_with("1,a,5,1,400.0\n2,b,3,,\n"), "{top}");
    // All views of two days hour by hour, of three day by day, and of what a table counts.
    let days = |from: &str, to: &str| Period::new(None, from.parse().ok(), to.parse().ok());
    let query = TrendQuery { period: days("2026-01-01", "2026-01-03")?, ..TrendQuery::default() };
    let trend = tables.trend(&query)?;
    assert_eq!(trend.title, "Views of 2026-01-01 to 2026-01-03");
    assert_eq!(trend.csv(CsvCells::Raw)?, "day,views\n2026-01-01,0\n2026-01-02,5\n2026-01-03,0\n");
    let tenant = model.fields.iter().position(|field| field.label == "tenant").context("a field")?;
    let compare = Some(Comparison::Previous);
    let query = TrendQuery { period: Period::Latest, members: vec![(tenant, "x".into())], compare };
    let trend = tables.trend(&query)?;
    assert_eq!(trend.title, "Views: x, 2026-01-02, compared with 2026-01-01");
    assert_eq!(trend.rows.len(), 24);
    let seven = [Cell::Number(7), Cell::Number(3), Cell::Number(0), Cell::Unknown];
    assert!(trend.rows.iter().any(|row| row[1..] == seven), "{trend:?}");
    Ok(())
}

#[test]
fn every_builtin_report_exists_over_several_days() -> Result<()> {
    for ready_made in &dataflows::model::ReadyMade::ALL {
        let model = ready_made.model()?;
        let missing = model.reports.iter().filter(|report| !is_over_days(&model, report)).map(|report| &report.name);
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new(), "{}", model.text);
    }
    Ok(())
}
