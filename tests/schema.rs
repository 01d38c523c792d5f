//! schema.sql, as Postgres understands it, against the contract and against the tables' descriptions.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;

use anyhow::Result;
use dataflows::model::{Column, ColumnType as Kind, Table};
use dataflows::{Cell, Day, DimensionKey, Model, Row, RowKey, RowReader, Value};
use freshet::batch::Batch;
use freshet::metrics::Metrics;
use freshet::sink::{Sink, TableSettings};
use postgres::Client;

use crate::support::Database;
use crate::support::catalogue::{columns, primary_key, written_columns};
use crate::support::freshet::TIMEOUT;
use crate::support::shop::Shop;

const SCHEMA: &str = include_str!("../schema.sql");

/// What readers rely on: each table's columns, the primary key's first. More columns may follow.
const TABLES: [(&str, &str, &str); 12] = [
    ("product_views_hourly", "product_id text, day date, hour smallint", "views bigint"),
    ("product_views_daily", "day date, product_id text", "views bigint"),
    ("country_views_daily", "day date, country text", "views bigint"),
    ("referrer_views_daily", "day date, referrer_url text", "views bigint"),
    ("store_views_daily", "day date, country text, store_id text", "views bigint"),
    ("browser_os_views_hourly", "day date, hour smallint, browser text, os text", "views bigint"),
    ("top_products", "day date, rank smallint", "product_id text, views bigint"),
    ("top_countries", "day date, rank smallint", "country text, views bigint"),
    ("top_referrers", "day date, rank smallint", "referrer_url text, views bigint"),
    (
        "rejected_records",
        "topic text, kafka_partition integer, kafka_offset bigint",
        "reason text, rejected_at timestamp with time zone, payload bytea?",
    ),
    ("rejected_hourly", "hour timestamp with time zone, reason text", "records bigint, only_counted bigint"),
    (
        "progress",
        "topic text, kafka_partition integer",
        "first_offset bigint, next_offset bigint, consumed bigint, counted bigint, ignored bigint, duplicate bigint, \
         rejected bigint",
    ),
];

/// The reports' columns, all of them.
const REPORTS: [(&str, &str); 7] = [
    ("report_top_products", "day date, rank smallint, product_id text, views bigint"),
    ("report_top_countries", "rank smallint, country text, country_name text, views bigint"),
    ("report_top_countries_daily", "day date, rank smallint, country text, country_name text, views bigint"),
    ("report_top_referrers", "day date, rank smallint, referrer_url text, views bigint"),
    ("report_store_views", "country text, country_name text, store_id text, views bigint"),
    ("report_product_hours", "product_id text, day date, hour smallint, views bigint"),
    ("report_browser_os_hours", "day date, hour smallint, browser text, os text, views bigint"),
];

/// The dimensions' columns, all of them: the primary key's, and what is known of it.
const DIMENSIONS: [(&str, &str, &str); 9] = [
    (
        "dim_date",
        "day date",
        "year smallint, quarter smallint, month smallint, iso_year smallint, iso_week smallint, weekday smallint, \
         is_weekend boolean",
    ),
    ("dim_country", "country text", "country_name text, region text"),
    ("dim_store", "store_id text", "country text, first_day date, last_day date"),
    ("dim_product", "product_id text", "name text?, url text?, url_day date?, first_day date, last_day date"),
    ("dim_browser_os", "browser text, os text", "category text"),
    ("dim_referrer", "host text", "kind text"),
    ("store_names", "store_id text", "name text"),
    ("product_names", "product_id text, name text", "views smallint, url text, first_day date"),
    ("page_hosts", "host text", "views smallint, waiting text?"),
];

/// What the facts say of each row's day, and how many views it is.
const DATE_AND_VIEWS: &str = "year smallint, month smallint, iso_year smallint, iso_week smallint, weekday smallint, is_weekend boolean, views bigint";

/// The facts' columns before those.
const FACTS: [(&str, &str); 5] = [
    ("fact_product_views", "day date, hour smallint, product_id text, product_name text, product_url text"),
    ("fact_country_views", "day date, country text, country_name text, region text"),
    ("fact_referrer_views", "day date, referrer_url text, referrer_host text, referrer_kind text"),
    (
        "fact_store_views",
        "day date, store_id text, country text, country_name text, region text, store_country text, store_name text",
    ),
    ("fact_browser_os_views", "day date, hour smallint, browser text, os text, category text"),
];

/// A database with the schema, applied twice: it must not mind.
fn database() -> Result<Database> {
    let mut database = Database::create()?;
    database.client.batch_execute(SCHEMA)?;
    database.client.batch_execute(SCHEMA)?;
    Ok(database)
}

fn list(columns: &str) -> Vec<String> {
    columns.split(", ").map(str::to_owned).collect()
}

/// A column as its description says it: a long text is followed by the digest that a row is found by.
fn described(column: &Column) -> Vec<String> {
    let (name, null) = (&column.name, if column.nullable { "?" } else { "" });
    match column.kind {
        Kind::Text => vec![format!("{name} text{null}")],
        Kind::LongText => vec![format!("{name} text"), format!("{name}_digest bytea")],
        Kind::Date => vec![format!("{name} date{null}")],
        Kind::Smallint => vec![format!("{name} smallint")],
        Kind::Bigint => vec![format!("{name} bigint")],
    }
}

/// The names of columns that are listed with their types.
fn names(columns: &str) -> Vec<String> {
    list(columns).iter().filter_map(|column| Some(column.split_once(' ')?.0.to_owned())).collect()
}

fn found_by(column: &Column) -> String {
    if column.kind == Kind::LongText { format!("{}_digest", column.name) } else { column.name.to_owned() }
}

#[test]
fn the_tables_are_those_of_the_contract() -> Result<()> {
    let mut client = database()?.client;
    for (table, key, values) in TABLES {
        let found = columns(&mut client, table)?;
        // A digest stands for a text that may be too long for an index.
        let mut plain: Vec<_> = found.iter().filter(|column| !column.ends_with("_digest bytea")).cloned().collect();
        let promised = [list(key), list(values)].concat();
        plain.truncate(promised.len());
        assert_eq!(plain, promised, "{table}");
        let stored = primary_key(&mut client, table)?.into_iter();
        let stored: Vec<_> = stored.map(|name| name.strip_suffix("_digest").unwrap_or(&name).to_owned()).collect();
        assert_eq!(stored, names(key), "the primary key of {table}");
    }
    Ok(())
}

#[test]
fn dimensions_and_facts_follow_the_contract() -> Result<()> {
    let mut client = database()?.client;
    for (dimension, key, values) in DIMENSIONS {
        assert_eq!(columns(&mut client, dimension)?, [list(key), list(values)].concat(), "{dimension}");
        assert_eq!(primary_key(&mut client, dimension)?, names(key), "the primary key of {dimension}");
    }
    for (fact, promised) in FACTS {
        assert_eq!(columns(&mut client, fact)?, [list(promised), list(DATE_AND_VIEWS)].concat(), "{fact}");
    }
    Ok(())
}

#[test]
fn the_tables_are_as_described() -> Result<()> {
    let mut client = database()?.client;
    for table in &Model::builtin().tables {
        let described: Vec<_> = table.columns().flat_map(described).collect();
        assert_eq!(written_columns(&mut client, &table.name)?, described, "{}", table.name);
        let key: Vec<_> = table.key.iter().map(found_by).collect();
        assert_eq!(primary_key(&mut client, &table.name)?, key, "the primary key of {}", table.name);
    }
    let query = "SELECT attrelid::regclass || '.' || attname FROM pg_attribute
                 WHERE attrelid = ANY ($1::text[]::regclass[]) AND atttypid = 'text'::regtype
                     AND attcollation <> (SELECT oid FROM pg_collation WHERE collname = 'C')";
    let dimensions = DIMENSIONS.map(|(name, ..)| name);
    let model = Model::builtin();
    let names: Vec<_> = model.tables.iter().map(|table| table.name.as_str()).chain(dimensions).collect();
    let other: Vec<String> = client.query(query, &[&names])?.iter().map(|row| row.get(0)).collect();
    assert!(other.is_empty(), "texts that are not compared by their bytes, as the rankings are: {other:?}");
    Ok(())
}

#[test]
fn the_reports_are_those_of_the_contract() -> Result<()> {
    let mut client = database()?.client;
    for (report, promised) in REPORTS {
        assert_eq!(columns(&mut client, report)?, list(promised), "{report}");
    }
    Ok(())
}

#[test]
fn everything_is_commented() -> Result<()> {
    let mut client = database()?.client;
    let query = "SELECT relname || coalesce('.' || attname, ''), coalesce(description, '') <> ''
                 FROM pg_class
                     CROSS JOIN LATERAL (
                         SELECT 0 AS attnum, NULL AS attname
                         UNION ALL SELECT attnum, attname FROM pg_attribute
                         WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
                     ) AS part
                     LEFT JOIN pg_description
                         ON objoid = pg_class.oid AND classoid = 'pg_class'::regclass AND objsubid = attnum
                 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
                 UNION ALL SELECT proname, obj_description(oid, 'pg_proc') IS NOT NULL
                 FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
    let parts: Vec<(String, bool)> = client.query(query, &[])?.iter().map(|row| (row.get(0), row.get(1))).collect();
    let silent: Vec<_> = parts.iter().filter(|(_, commented)| !commented).map(|(part, _)| part).collect();
    assert!(parts.len() > TABLES.len() + REPORTS.len(), "the query finds nothing");
    assert!(silent.is_empty(), "a comment is what \\d+ shows to somebody who has only the database: {silent:?}");
    Ok(())
}

/// A value for a column, other than those of its neighbours.
fn sample(column: &Column) -> String {
    match column.kind {
        Kind::Text if column.name == "country" => "DE".into(),
        Kind::Text if column.name == "url" => "https://shop.example/some-name.html".into(),
        // What follows from the other samples.
        Kind::Text if column.name == "category" => "unknown".into(),
        Kind::Text if column.name == "kind" => "other".into(),
        Kind::Text if column.name == "waiting" => "85\thttps://shop.example/some-name.html\t5\t18417".into(),
        Kind::Text | Kind::LongText => format!("some {}", column.name),
        Kind::Date => "2020-06-04".into(),
        Kind::Smallint => "5".into(),
        Kind::Bigint => "42".into(),
    }
}

/// A row of samples, put there by hand.
fn insert_sample(client: &mut Client, table: &Table) -> Result<()> {
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in table.columns() {
        names.push(column.name.clone());
        values.push(format!("'{}'", sample(column)));
        if column.kind == Kind::LongText {
            names.push(format!("{}_digest", column.name));
            values.push(format!("substring(sha256('{}') FOR 16)", sample(column)));
        }
    }
    let (names, values) = (names.join(", "), values.join(", "));
    client.batch_execute(&format!("INSERT INTO {} ({names}) VALUES ({values})", table.name))?;
    Ok(())
}

fn texts(row: &Row) -> Vec<String> {
    let mut texts = Vec::new();
    row.cells(&Model::builtin(), |cell| {
        texts.push(match cell {
            Cell::Text(text) => text.into_owned(),
            Cell::Date(day) => (chrono::NaiveDate::default() + chrono::Days::new(day.0 as u64)).to_string(),
            Cell::Smallint(number) => number.to_string(),
            Cell::Bigint(number) => number.to_string(),
            Cell::Null => "null".into(),
        });
    });
    texts
}

#[test]
fn rows_are_read_and_written_as_described() -> Result<()> {
    let mut database = database()?;
    let model = Model::builtin();
    for table in &model.tables {
        insert_sample(&mut database.client, table)?;
    }
    let mut sink = Sink::open(&database.url.parse()?, "events", &model, &TableSettings::new([]), &Metrics::new()?)?;
    let mut loaded = BTreeMap::new();
    sink.load(|row| {
        loaded.insert(row.table(&model).map(|table| &model.tables[table].name), row);
        Ok(())
    })?;
    for table in &model.tables {
        let samples: Vec<_> = table.columns().map(sample).collect();
        assert_eq!(loaded.get(&Some(&table.name)).map(texts), Some(samples), "{}", table.name);
    }
    // Written with another value each must be found again, also by its digest: another row would be a second one.
    let mut rows: Vec<_> = loaded.into_values().map(changed).collect();
    let (batches, received) = channel();
    batches.send(Batch { epoch: 1, rows: rows.clone(), ..Batch::default() })?;
    drop(batches);
    sink.write(|wait| received.recv_timeout(wait), |_| ())?;
    rows.sort();
    assert_eq!(stored(&database.url)?, rows);
    Ok(())
}

/// The same row with another value, where it has one that can change.
fn changed(mut row: Row) -> Row {
    match (&row.key, &mut row.value) {
        (_, Value::Total(total) | Value::Item { total, .. }) => *total += 1,
        (RowKey::Member(DimensionKey::Referrer(_)), Value::Attributes(known)) => known.is_own = true,
        (_, Value::Attributes(known)) => known.seen.iter_mut().for_each(|seen| seen.last.0 += 1),
        (_, Value::Absent) => {}
    }
    row
}

/// All rows of all tables, in order.
fn stored(url: &str) -> Result<Vec<Row>> {
    let mut stored = Vec::new();
    Sink::open(&url.parse()?, "events", &Model::builtin(), &TableSettings::new([]), &Metrics::new()?)?.load(|row| {
        stored.push(row);
        Ok(())
    })?;
    stored.sort();
    Ok(stored)
}

/// Many rows of one table, no two of the same key.
fn many(table: &Table) -> impl Iterator<Item = Row> {
    (0..1_000).map(|number: i32| {
        let letter = |number: i32| char::from(b'A' + (number % 26) as u8);
        let cell = |column: &Column| match column.kind {
            _ if column.nullable && number % 2 == 0 => Cell::Null,
            Kind::Text if column.name == "country" => {
                Cell::Text(String::from_iter([letter(number), letter(number / 26)]).into())
            }
            // Of a few words each.
            Kind::Text if matches!(&*column.name, "category" | "kind") => Cell::Text(sample(column).into()),
            Kind::Text if column.name == "waiting" => Cell::Text(sample(column).into()),
            Kind::Text | Kind::LongText => Cell::Text(format!("ü {number}").into()),
            // From before the first day of Postgres's calendar to behind it.
            Kind::Date => Cell::Date(Day(10_500 + number)),
            Kind::Smallint if column.name == "views" => Cell::Smallint((1 + number % 10) as i16),
            Kind::Smallint => Cell::Smallint((number % 24) as i16),
            Kind::Bigint => Cell::Bigint(i64::from(number) + 1),
        };
        let mut cells = table.columns().map(cell).collect();
        Row::read(&Model::builtin(), table, &mut RowReader::new(&mut cells)).expect("cells of the described kinds")
    })
}

/// Writes rows as one batch.
fn write(url: &str, rows: &[Row]) -> Result<()> {
    let mut sink = Sink::open(&url.parse()?, "events", &Model::builtin(), &TableSettings::new([]), &Metrics::new()?)?;
    sink.load(|_| Ok(()))?;
    let (batches, received) = channel();
    batches.send(Batch { epoch: 1, rows: rows.to_vec(), ..Batch::default() })?;
    drop(batches);
    sink.write(|wait| received.recv_timeout(wait), |_| ())
}

#[test]
fn new_rows_are_added_once() -> Result<()> {
    let database = database()?;
    let model = Model::builtin();
    let counted = model.tables.iter().filter(|table| !table.is_derived(&model));
    let mut rows: Vec<_> = counted.flat_map(many).collect();
    let new: Vec<_> = rows.iter().map(|row| Row { is_insert: true, ..row.clone() }).collect();
    write(&database.url, &new)?;
    // By their keys, of which none was there: else these would be further rows.
    rows = rows.into_iter().map(changed).collect();
    write(&database.url, &rows)?;
    rows.sort();
    assert_eq!(stored(&database.url)?, rows);
    let again = write(&database.url, &new).expect_err("what is not new was added as if it were");
    assert!(format!("{again:#}").contains("could not be added"), "{again:#}");
    Ok(())
}

/// Also a second time, when they are not there.
#[test]
fn rows_of_which_nothing_is_left_are_deleted() -> Result<()> {
    let database = database()?;
    let model = Model::builtin();
    let counted = model.tables.iter().filter(|table| !table.is_derived(&model));
    let rows: Vec<_> = counted.flat_map(many).collect();
    write(&database.url, &rows)?;
    let is_left = |place: usize| place.is_multiple_of(10);
    let gone =
        rows.iter().enumerate().filter(|(place, _)| !is_left(*place)).map(|(_, row)| Row::absent(row.key.clone()));
    let gone: Vec<_> = gone.collect();
    write(&database.url, &gone)?;
    let mut left: Vec<_> =
        rows.into_iter().enumerate().filter(|(place, _)| is_left(*place)).map(|(_, row)| row).collect();
    left.sort();
    assert_eq!(stored(&database.url)?, left);
    write(&database.url, &gone[..10])?;
    assert_eq!(stored(&database.url)?, left);
    Ok(())
}

#[test]
fn missing_indexes_are_made_at_a_start() -> Result<()> {
    let mut shop = Shop::open()?;
    shop.close()?;
    shop.database.client.batch_execute("DROP INDEX store_views_by_country")?;
    shop.reopen()?;
    let there = "SELECT to_regclass('store_views_by_country') IS NOT NULL";
    let Shop { freshet, database, .. } = &mut shop;
    freshet.until("the index is there", TIMEOUT, || Ok(database.client.query_one(there, &[])?.get(0)))
}
