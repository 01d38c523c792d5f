//! The schema in which a session looks up names.
//!
//! What a name means depends on `search_path`, and functions and operators of several schemas compete by how well they fit.
//! So the `search_path` of each session is Postgres's catalogue and one schema, and before that is set no statement has a name
//! that objects of another role could capture:
//! <https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATTERNS>.

use anyhow::{Context, Result};
use postgres::GenericClient;
use postgres::types::Type;

use super::db_result;

/// A `search_path` of only the catalogue, which is searched first if it is not named, and last the session's temporary schema.
const CATALOGUE: &str = "pg_temp";

/// A schema of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema(String);

/// For how long a `search_path` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Until it ends.
    Session,
    /// Until its transaction ends, as a pooler may then lend the session to others.
    Transaction,
}

impl Schema {
    /// The schema of this name.
    pub fn named(name: impl Into<String>) -> Schema {
        Schema(name.into())
    }

    /// Where this session would create tables: the first schema of its `search_path` that exists.
    pub fn current(client: &mut impl GenericClient) -> Result<Schema> {
        let current = db_result(client.query_typed_one("SELECT pg_catalog.current_schema()", &[]))?.get(0);
        let current: Option<String> = current;
        let none = "no schema of this role's search_path is there; make one with CREATE SCHEMA, or name another with \
                    ALTER ROLE … SET search_path";
        Ok(Schema(current.context(none)?))
    }

    /// The first schema of the `search_path` that has this relation. From now on the transaction looks up names only in the
    /// catalogue.
    pub fn with(transaction: &mut impl GenericClient, relation: &str) -> Result<Option<Schema>> {
        let path = "SELECT pg_catalog.current_schemas(false)";
        let path: Vec<String> = db_result(transaction.query_typed_one(path, &[]))?.get(0);
        Schema::leave(transaction, For::Transaction)?;
        let query = "SELECT nspname::text FROM unnest($1::text[]) WITH ORDINALITY AS path (name, place)
            JOIN pg_namespace ON nspname = path.name JOIN pg_class ON relnamespace = pg_namespace.oid
            WHERE relname = $2 ORDER BY place LIMIT 1";
        let row = transaction.query_typed_opt(query, &[(&path, Type::TEXT_ARRAY), (&relation, Type::TEXT)]);
        Ok(db_result(row)?.map(|row| Schema(row.get(0))))
    }

    /// The qualified name of a relation, for a session that has not entered the schema.
    pub fn relation(&self, name: &str) -> String {
        format!("{}.{name}", self.quoted())
    }

    /// Its name as a quoted identifier.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// From now on names are looked up only in the catalogue.
    pub fn leave(client: &mut impl GenericClient, time: For) -> Result<()> {
        set(client, CATALOGUE, time)
    }

    /// From now on names are looked up in the catalogue, and then in this schema.
    pub fn enter(&self, client: &mut impl GenericClient, time: For) -> Result<()> {
        set(client, &format!("{}, {CATALOGUE}", self.quoted()), time)
    }
}

fn set(client: &mut impl GenericClient, path: &str, time: For) -> Result<()> {
    let query = "SELECT pg_catalog.set_config('search_path', $1, $2)";
    let is_local = time == For::Transaction;
    db_result(client.query_typed(query, &[(&path, Type::TEXT), (&is_local, Type::BOOL)])).map(drop)
}
