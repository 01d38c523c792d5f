//! What tables were built with: tables of before go on, those of other reports are refused, and what was changed is set right.

use std::io::{Read, Write};
use std::sync::Arc;

use anyhow::{Result, ensure};
use dataflows::model::Model;
use freshet::metrics::Metrics;
use freshet::schema::ddl;
use freshet::sink::{Sink, TableSettings};
use freshet_embedded::Kafka;
use postgres::Client;

use crate::support::freshet::{Finished, Freshet};
use crate::support::load::finish;
use crate::support::{Database, new_topic, require_kafka, run_arguments, unique};

/// The DDL of the version before reports were declared.
const BEFORE: &str = include_str!("schemas/tables-4.sql");

/// Everything about relations and functions that a reader or a writer could notice.
const CATALOGUE: &str = "
    SELECT relname || ' ' || attnum || ' ' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull::text || ' '
        || attcollation::text || ' ' || coalesce(col_description(attrelid, attnum), '')
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
    UNION ALL SELECT relname || ' ' || relkind::text || coalesce(reloptions::text, '') || coalesce(obj_description(oid, 'pg_class'), '')
        || CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) WHEN 'i' THEN pg_get_indexdef(oid) ELSE '' END
    FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT it::text FROM dim_country AS it
    ORDER BY 1";

fn catalogue(client: &mut Client) -> Result<Vec<String>> {
    Ok(client.query(CATALOGUE, &[])?.iter().map(|row| row.get(0)).collect())
}

fn must_be_alike(some: &[String], others: &[String]) -> Result<()> {
    let differing = |these: &[String], those: &[String]| {
        these.iter().filter(|it| !those.contains(it)).cloned().collect::<Vec<_>>().join("\n")
    };
    let (some, others) = (differing(some, others), differing(others, some));
    ensure!(some.is_empty() && others.is_empty(), "here:\n{some}\nand there:\n{others}");
    Ok(())
}

fn generate(kafka: &Kafka, topic: &str, seed: u32) -> Result<()> {
    let to = format!("--brokers {} --topic {topic} --partitions 2", kafka.brokers());
    Freshet::run(&format!("generate {to} --events 2000 --seed {seed} --hostile 0.02"))?.success()
}

fn run(kafka: &Kafka, topic: &str, database: &Database) -> Result<Finished> {
    Freshet::run(&format!("{} --until-end", run_arguments(&kafka.brokers(), topic, database)))
}

/// Tables that this version built alone.
fn recounted(kafka: &Kafka, topic: &str) -> Result<Database> {
    let database = Database::create()?;
    run(kafka, topic, &database)?.success()?;
    Ok(database)
}

fn copy_table(table: &str, from: &mut Database, to: &mut Database) -> Result<()> {
    let mut rows = Vec::new();
    from.client.copy_out(&format!("COPY {table} TO STDOUT"))?.read_to_end(&mut rows)?;
    let mut writer = to.client.copy_in(&format!("COPY {table} FROM STDIN"))?;
    writer.write_all(&rows)?;
    writer.finish()?;
    Ok(())
}

/// The rows of one database in the tables of another, as the version before would have written them.
fn copy(from: &mut Database, to: &mut Database) -> Result<()> {
    let tables = "SELECT relname::text, string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_class
        JOIN pg_attribute ON attrelid = pg_class.oid WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND attnum > 0 AND attgenerated = '' AND relname <> 'dim_country' GROUP BY relname";
    for row in to.client.query(tables, &[])? {
        let (table, columns): (&str, &str) = (row.get(0), row.get(1));
        let mut rows = Vec::new();
        from.client.copy_out(&format!("COPY {table} ({columns}) TO STDOUT"))?.read_to_end(&mut rows)?;
        let mut writer = to.client.copy_in(&format!("COPY {table} ({columns}) FROM STDIN"))?;
        writer.write_all(&rows)?;
        writer.finish()?;
    }
    to.client.execute("DELETE FROM freshet_settings WHERE name IN ('reports', 'definitions')", &[])?;
    Ok(())
}

#[test]
fn tables_of_the_last_version_continue() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut now, mut before) = (new_topic(kafka, 2)?, Database::create()?, Database::create()?);
    generate(kafka, &topic, 1)?;
    run(kafka, &topic, &now)?.success()?;
    before.client.batch_execute(BEFORE)?;
    copy(&mut now, &mut before)?;
    let versions = "SELECT string_agg(value, ' ' ORDER BY name) FROM freshet_settings WHERE name LIKE '%-version'";
    let versions: String = before.client.query_one(versions, &[])?.get(0);
    ensure!(versions == "3 4", "the tables are of version {versions}");
    let written =
        "SELECT string_agg(ctid::text || xmin::text, ' ' ORDER BY day, hour, product_id) FROM product_views_hourly";
    let rows: String = before.client.query_one(written, &[])?.get(0);
    run(kafka, &topic, &before)?.success()?;
    ensure!(before.client.query_one(written, &[])?.get::<_, String>(0) == rows, "counts were written again");
    must_be_alike(&catalogue(&mut before.client)?, &catalogue(&mut now.client)?)?;
    // The hours of what was rejected before are not known, only how many there are of each reason.
    let (of_reasons, hours) = (
        "SELECT string_agg(it::text, ' ' ORDER BY reason) FROM
            (SELECT reason, sum(records), sum(only_counted) FROM rejected_hourly GROUP BY reason) AS it",
        "SELECT count(*) FROM rejected_hourly WHERE hour <> 'epoch'",
    );
    let [counted, right] = [&mut before, &mut now].map(|it| it.client.query_one(of_reasons, &[]));
    ensure!(counted?.get::<_, String>(0) == right?.get::<_, String>(0), "rejected records are counted otherwise");
    ensure!(before.number(hours)? == 0 && now.number(hours)? > 0, "hours that nobody knows");
    generate(kafka, &topic, 2)?;
    run(kafka, &topic, &before)?.success()?;
    ensure!(before.number(hours)? > 0, "no hours after an upgrade");
    let verify = run_arguments(&kafka.brokers(), &topic, &before).replacen("run", "verify", 1);
    ensure!(Freshet::prints(&verify)?.contains("Everything agrees"), "verify knows of no upgrade");
    // As if the version before had run once more.
    before.client.batch_execute("UPDATE rejected_hourly SET records = 0 WHERE hour = 'epoch'")?;
    run(kafka, &topic, &before)?.success()?;
    ensure!(Freshet::prints(&verify)?.contains("Everything agrees"), "what a version before rejects is not counted");
    before.client.batch_execute("TRUNCATE rejected_hourly")?;
    copy_table("rejected_hourly", &mut recounted(kafka, &topic)?, &mut before)?;
    finish(kafka, &topic, &mut before)
}

#[test]
fn a_start_corrects_rows_changed_by_hand() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 2)?, Database::create()?);
    generate(kafka, &topic, 1)?;
    run(kafka, &topic, &database)?.success()?;
    let (right, reader) = (catalogue(&mut database.client)?, unique("reader"));
    database.client.batch_execute(&format!(
        "CREATE ROLE {reader}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader} WITH GRANT OPTION;
         CREATE SCHEMA mine; CREATE VIEW mine.hours AS SELECT * FROM report_product_hours"
    ))?;
    for change in [
        // Of the same shape, so that what is over it stays.
        "CREATE OR REPLACE VIEW report_product_hours AS SELECT product_id, day, hour, views + 1 AS views
             FROM product_views_hourly",
        "ALTER VIEW report_top_products RENAME COLUMN views TO events",
        "DELETE FROM dim_country WHERE country = 'DE'; UPDATE dim_country SET country_name = 'Nowhere' WHERE country = 'FR';
         INSERT INTO dim_country VALUES ('XX', 'Elsewhere', 'Unknown')",
        "CREATE OR REPLACE FUNCTION referrer_host(url text) RETURNS text LANGUAGE sql AS $$ SELECT 'here' $$",
        "DROP VIEW fact_country_views",
        "COMMENT ON VIEW report_day IS 'Nothing'; DROP INDEX store_views_by_country",
    ] {
        database.client.batch_execute(change)?;
        if change.starts_with("ALTER") {
            run(kafka, &topic, &database)?.refuses_with(6, &["view mine.hours depends on view report_product_hours"])?;
            database.client.batch_execute("DROP VIEW mine.hours")?;
        }
        run(kafka, &topic, &database)?.success()?;
        must_be_alike(&catalogue(&mut database.client)?, &right)?;
        let may = "SELECT bool_and(has_table_privilege($1, oid, 'SELECT WITH GRANT OPTION')) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relname IN ('report_top_products', 'fact_store_views')";
        ensure!(database.client.query_one(may, &[&reader])?.get::<_, bool>(0), "{change}: the grants are gone");
    }
    finish(kafka, &topic, &mut database)
}

/// A file with these reports.
fn model(reports: &str) -> Result<Arc<Model>> {
    let head = r#"
        [event]
        type = "kind"
        views = ["view"]
        time_stamp = "at"
        [fields]
        item = { path = "item", kind = "id" }
        values = { path = "values", kind = "text" }
        land = { path = "page", kind = "country" }
        ship_country = { path = "ship", kind = "country" }
        from_url = { path = "from", kind = "url", about = "Where 'they' came\\from" }
    "#;
    Ok(Arc::new(Model::parse(&format!("{head}{reports}"), "reports.toml")?))
}

const ITEMS: &str = r#"
    [[report]]
    name = "items"
    title = "Items"
    table = "items_daily"
    by = ["day", "item"]
"#;

fn open(database: &Database, model: &Arc<Model>) -> Result<Sink> {
    Sink::open(&database.url.parse()?, "events", model, &TableSettings::new([]), &Metrics::new()?)
}

#[test]
fn tables_of_other_reports_are_refused() -> Result<()> {
    let mut database = Database::create()?;
    open(&database, &model(ITEMS)?)?;
    let made = catalogue_without_countries(&mut database.client)?;
    let coarser = ITEMS.replace("[\"day\", \"item\"]", "[\"item\"]\nwhere = { kind = \"sale\" }");
    let further = "[[report]]\ntable = \"lands\"\nby = [\"day\", \"land\"]\n";
    for (other, words) in [
        (model(&coarser)?, "items_daily counts by item where kind is sale in the file, by day, item in the tables"),
        (model(&format!("{ITEMS}{further}"))?, "lands is in the file, not in the tables"),
        (model(further)?, "items_daily is in the tables, not in the file"),
        (Model::builtin(), "product_views_hourly is in the file, not in the tables"),
    ] {
        let refused = open(&database, &other).err().map(|error| format!("{error:#}")).unwrap_or_default();
        ensure!(refused.contains(words), "{words}: {refused}");
        must_be_alike(&catalogue_without_countries(&mut database.client)?, &made)?;
    }
    // Other words decide about no row: the view has another name.
    open(&database, &model(&ITEMS.replace("\"items\"", "\"things\""))?)?;
    let views = "SELECT string_agg(viewname, ' ' ORDER BY viewname) FROM pg_views WHERE schemaname = 'public'";
    let views: String = database.client.query_one(views, &[])?.get(0);
    ensure!(views == "fact_items report_day report_things", "{views}");
    Ok(())
}

fn catalogue_without_countries(client: &mut Client) -> Result<Vec<String>> {
    Ok(client.query(&CATALOGUE.replace("dim_country", "freshet_settings"), &[])?.iter().map(|row| row.get(0)).collect())
}

#[test]
fn a_declared_table_of_others_is_refused() -> Result<()> {
    let mut database = Database::create()?;
    let theirs = "CREATE TABLE items_daily (day date, item text, views bigint, PRIMARY KEY (day, item));
        INSERT INTO items_daily VALUES ('2020-06-04', '1', 1)";
    database.client.batch_execute(theirs)?;
    let refused = open(&database, &model(ITEMS)?).err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(refused.contains("items_daily in this database is not Freshet's"), "{refused}");
    let made = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')";
    ensure!(database.client.query_one(made, &[])?.get::<_, i64>(0) == 1, "a refused start made something");
    let rows = "SELECT count(*) FROM items_daily";
    ensure!(database.client.query_one(rows, &[])?.get::<_, i64>(0) == 1, "their rows were changed");
    Ok(())
}

/// Words of SQL as names, long texts, two countries, hours, and views over all of it.
#[test]
fn whatever_is_declared_postgres_takes() -> Result<()> {
    let reports = r#"
        [dimensions]
        referrer = { url = "from_url" }
        [[report]]
        name = "routes"
        table = "routes_hourly"
        by = ["day", "hour", "land", "ship_country", "values"]
        where = { kind = ["sale", "it's"] }
        [[report]]
        name = "senders"
        table = "between"
        by = ["day", "item", "from_url"]
        days = "all"
        [[report]]
        table = "from_daily"
        by = ["day", "from_url"]
        [[report]]
        table = "values_hourly"
        by = ["values", "day", "hour"]
        [[report]]
        name = "top-values"
        table = "top_values"
        top = { count = 3, of = "values", by = ["day", "hour"] }
        [[report]]
        name = "lands"
        table = "lands"
        by = ["land"]
        limit = 2
    "#;
    let (mut database, model) = (Database::create()?, model(reports)?);
    drop(open(&database, &model)?);
    let client = &mut database.client;
    client.batch_execute(&ddl(&model))?;
    client.batch_execute(
        "INSERT INTO dim_date VALUES ('2020-06-03'), ('2020-06-04');
         INSERT INTO top_values VALUES ('2020-06-04', 9, 1, 'a', 1), ('2020-06-04', 8, 1, 'b', 2), ('2020-06-03', 9, 1, 'c', 3);
         INSERT INTO between VALUES ('2020-06-03', '1', 'https://a', '\\x01', 1), ('2020-06-04', '1', 'https://a', '\\x01', 2),
             ('2020-06-04', '1', 'https://b', '\\x02', 9), ('2020-06-04', '0', 'https://b', '\\x02', 1);
         INSERT INTO lands VALUES ('DE', 1), ('FR', 7), ('AT', 1);
         INSERT INTO routes_hourly VALUES ('2020-06-03', 0, 'DE', 'FR', 'a', 1)",
    )?;
    for (view, rows) in [
        ("report_top_values", "(2020-06-04,8,1,b,2) (2020-06-04,9,1,a,1)"),
        ("report_senders", "(0,https://b,1) (1,https://b,9) (1,https://a,3)"),
        ("report_lands", "(1,FR,France,7) (2,AT,Austria,1)"),
        ("report_routes", "(2020-06-03,0,DE,Germany,FR,France,a,1)"),
        ("fact_routes", "(2020-06-03,0,a,DE,FR,Germany,Europe,France,Europe,2020,6,2020,23,3,f,1)"),
    ] {
        let found: String =
            client.query_one(&format!("SELECT string_agg(it::text, ' ') FROM {view} AS it"), &[])?.get(0);
        ensure!(found == rows, "{view}: {found}");
    }
    Ok(())
}
