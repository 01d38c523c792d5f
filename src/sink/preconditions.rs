//! What must be so before a table is made or written. What is not so is refused in a sentence, and nothing is changed.

use anyhow::{Result, bail};
use postgres::error::SqlState;
use postgres::{Client, GenericClient};

use super::schema::SCHEMA;
use crate::database::{Target, explained, is_lent_by_transaction};
use crate::failure::Failure;

/// What every session of the writer is bound to: prepared statements, and the lock that its transaction holds.
pub(super) fn check_session(target: &Target, client: &mut Client) -> Result<()> {
    if !target.keeps_sessions() {
        if is_lent_by_transaction(target, client)? {
            bail!(
                "--database-url leads to a pooler that lends a session for one transaction only (pgbouncer: \
                 pool_mode=transaction), and `freshet run` needs one of its own; give it Postgres itself, or a pool \
                 with pool_mode=session"
            );
        }
        target.has_kept_sessions();
    }
    Ok(())
}

/// Whether Postgres can hold every text, and knows the time zone that the report views use.
pub(super) fn check_server(client: &mut Client, time_zone: Option<&str>) -> Result<()> {
    let encoding: String = explained(client.query_one("SHOW server_encoding", &[]))?.get(0);
    if encoding != "UTF8" {
        bail!(
            "this database has the encoding {encoding}, which cannot hold every text of the events; make another one \
             with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and give that with --database-url"
        );
    }
    let Some(time_zone) = time_zone else { return Ok(()) };
    match client.query("SELECT clock_timestamp() AT TIME ZONE $1::text", &[&time_zone]) {
        Err(error) if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE) => bail!(
            "this Postgres does not know the time zone {time_zone}, as its time zone data lack it; install the server's \
             tzdata (and tzdata-legacy), or give another name of the zone with --time-zone"
        ),
        other => explained(other).map(drop),
    }
}

/// Refuses what bears a name of `schema.sql` and has not its columns: it is somebody else's.
pub(super) fn strangers(client: &mut impl GenericClient) -> Result<Vec<String>> {
    let (mut relations, mut names, mut types) = (Vec::new(), Vec::new(), Vec::new());
    for (relation, name, kind) in columns() {
        relations.push(relation);
        names.push(name);
        types.push(kind);
    }
    let query =
        "SELECT DISTINCT relation FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (relation, name, type)
        WHERE to_regclass(relation) IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute WHERE NOT attisdropped
            AND attrelid = to_regclass(relation) AND attname = wanted.name AND atttypid = to_regtype(type))
        ORDER BY relation";
    let rows = explained(client.query(query, &[&relations, &names, &types]))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What already bears a name of `schema.sql` where nothing of Freshet's is yet. Whoever asks holds the schema's lock.
pub(super) fn taken_names(client: &mut impl GenericClient) -> Result<Vec<String>> {
    let query = "SELECT name FROM unnest($1::text[]) AS name
            WHERE to_regclass('freshet_settings') IS NULL
            AND to_regclass(name) IS NOT NULL
        UNION ALL SELECT proname || '()' FROM pg_proc
            WHERE to_regclass('freshet_settings') IS NULL
            AND pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND proname = ANY($2)";
    let relations: Vec<_> = relations().collect();
    let functions: Vec<_> = functions().collect();
    let rows = explained(client.query(query, &[&relations, &functions]))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Names them.
pub(super) fn refuse(strangers: &[String]) -> Result<()> {
    if strangers.is_empty() {
        return Ok(());
    }
    let (names, are) = (strangers.join(", "), if strangers.len() == 1 { "is" } else { "are" });
    bail!(Failure::OtherTables(format!(
        "{names} in this database {are} not Freshet's, which needs that name; nothing was written: give --database-url \
         another database, or a schema of its own"
    )))
}

/// The tables, indexes and views of `schema.sql`.
pub(super) fn relations() -> impl Iterator<Item = &'static str> {
    const MADE_BY: [&str; 3] =
        ["CREATE TABLE IF NOT EXISTS ", "CREATE INDEX IF NOT EXISTS ", "CREATE OR REPLACE VIEW "];
    SCHEMA.lines().filter_map(|line| MADE_BY.iter().find_map(|statement| named(line, statement)))
}

/// The functions of `schema.sql`.
pub(super) fn functions() -> impl Iterator<Item = &'static str> {
    SCHEMA.lines().filter_map(|line| named(line, "CREATE OR REPLACE FUNCTION "))
}

fn named(line: &'static str, statement: &str) -> Option<&'static str> {
    line.strip_prefix(statement)?.split([' ', '(']).next()
}

/// The columns of the tables: table, name and type.
fn columns() -> Vec<(&'static str, &'static str, &'static str)> {
    let (mut table, mut columns) = (None, Vec::new());
    for line in SCHEMA.lines() {
        if let Some(name) = named(line, "CREATE TABLE IF NOT EXISTS ") {
            table = Some(name);
        } else if line.starts_with(')') {
            table = None;
        } else if let Some(table) = table
            && let mut words = line.split([' ', ',']).filter(|word| !word.is_empty())
            && let (Some(name), Some(kind)) = (words.next(), words.next())
            && name.starts_with(|letter: char| letter.is_ascii_lowercase())
        {
            columns.push((table, name, kind));
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use postgres::NoTls;

    use super::*;
    use freshet_embedded::Postgres;

    #[test]
    fn a_time_zone_that_postgres_lacks_is_named() -> Result<()> {
        let server = Postgres::start()?;
        let mut client = Client::connect(&server.url(), NoTls)?;
        check_server(&mut client, Some("Europe/Berlin"))?;
        let refused = check_server(&mut client, Some("Mars/Olympus")).map_err(|error| error.to_string());
        assert!(refused.is_err_and(|sentence| sentence.contains("Mars/Olympus") && sentence.contains("--time-zone")));
        Ok(())
    }

    #[test]
    fn the_columns_of_all_tables_are_known() {
        let columns = columns();
        for table in &dataflows::Model::builtin().tables {
            for column in table.columns() {
                assert!(
                    columns.iter().any(|(of, name, _)| (*of, *name) == (table.name.as_str(), column.name.as_str())),
                    "{}",
                    column.name
                );
            }
        }
    }
}
