//! What must hold before a table is made or written. What does not is refused with an error, and nothing is changed.

use anyhow::{Result, bail};
use postgres::error::SqlState;
use postgres::{Client, GenericClient};

use crate::database::{Target, db_result, is_lent_by_transaction};
use crate::failure::Failure;
use crate::schema::{Ddl, ObjectKind};

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
    let encoding: String = db_result(client.query_one("SHOW server_encoding", &[]))?.get(0);
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
        other => db_result(other).map(drop),
    }
}

/// What has a name of this DDL, but is something else or lacks its columns: it is somebody else's.
pub(super) fn strangers(client: &mut impl GenericClient, ddl: &Ddl) -> Result<Vec<String>> {
    let (mut relations, mut names, mut types) = (Vec::new(), Vec::new(), Vec::new());
    for object in &ddl.objects {
        for (name, kind) in &object.columns {
            relations.push(object.name.as_str());
            names.push(name.as_str());
            types.push(kind.as_str());
        }
    }
    let query =
        "SELECT DISTINCT relation FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (relation, name, type)
        WHERE to_regclass(relation) IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute WHERE NOT attisdropped
            AND attrelid = to_regclass(relation) AND attname = wanted.name AND atttypid = to_regtype(type))
        UNION SELECT relation FROM unnest($4::text[], $5::text[]) AS wanted (relation, kind)
        JOIN pg_class ON pg_class.oid = to_regclass(relation) WHERE relkind::text <> kind
        ORDER BY relation";
    let kinds = [(ObjectKind::Table, "r"), (ObjectKind::Index, "i"), (ObjectKind::View, "v")];
    let kinded =
        kinds.into_iter().flat_map(|(kind, letter)| ddl.names(&[kind]).into_iter().map(move |it| (it, letter)));
    let (all, kinds): (Vec<_>, Vec<_>) = kinded.unzip();
    let rows = db_result(client.query(query, &[&relations, &names, &types, &all, &kinds]))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What already has a name of this DDL where there is nothing of Freshet's yet. The caller holds the schema's lock.
pub(super) fn taken_names(client: &mut impl GenericClient, ddl: &Ddl) -> Result<Vec<String>> {
    let query = "SELECT name FROM unnest($1::text[]) AS name
            WHERE to_regclass('freshet_settings') IS NULL
            AND to_regclass(name) IS NOT NULL
        UNION ALL SELECT proname || '()' FROM pg_proc
            WHERE to_regclass('freshet_settings') IS NULL
            AND pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND proname = ANY($2)";
    let rows = db_result(client.query(query, &[&ddl.relations(), &ddl.functions()]))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The error that names them, if there are any.
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
}
