//! Whose objects stand where Freshet's do. What another role has made there would run with the rights of its users: a
//! function that fits better than Postgres's own, a view, a trigger. Nothing of the kind is used, or written to.

use anyhow::{Result, bail};
use postgres::types::{ToSql, Type};
use postgres::{Client, Transaction};

use super::table_settings::{self, SETTINGS};
use crate::database::{For, Schema, Target, db_result};
use crate::failure::Failure;
use crate::schema::Ddl;

/// Roles that may log in and could gain by it: who can act as the role that is trusted has its rights anyway. The owners of the
/// schema and of the database can take the tables away whatever is done here, and are trusted as long as no superuser is.
/// `$1` is the schema, `$2` the role.
const STRANGERS: &str = "WITH place AS (SELECT oid, nspowner, nspacl FROM pg_namespace WHERE nspname = $1),
    trusted AS (SELECT oid, rolsuper FROM pg_roles WHERE rolname = $2),
    stranger AS (SELECT pg_roles.oid FROM pg_roles, trusted, place WHERE rolcanlogin
        AND NOT pg_has_role(pg_roles.oid, trusted.oid, 'MEMBER')
        AND (trusted.rolsuper OR NOT pg_has_role(pg_roles.oid, nspowner, 'MEMBER')
            AND NOT pg_has_role(pg_roles.oid,
                (SELECT datdba FROM pg_database WHERE datname = current_database()), 'MEMBER')))";

/// Who may make something in the schema, and whether that can be revoked: an owner may grant it again. Everybody is 0.
const CREATORS: &str = ", creator AS (SELECT grantee AS oid FROM place,
            aclexplode(coalesce(nspacl, acldefault('n', nspowner))) WHERE privilege_type = 'CREATE'
        UNION SELECT nspowner FROM place)
    SELECT CASE creator.oid WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(creator.oid)) END,
        creator.oid <> nspowner, quote_ident($1)
    FROM creator, place WHERE creator.oid = 0
        OR EXISTS (SELECT FROM stranger WHERE pg_has_role(stranger.oid, creator.oid, 'MEMBER')) ORDER BY 1";

/// What has a name that is looked for there, and belongs to a stranger: relations `$3`, functions `$4` or Postgres's
/// own, operators, and what triggers of the tables call.
const FOREIGN: &str = ", named AS (SELECT relname::text AS name, relowner AS owner
            FROM pg_class JOIN place ON relnamespace = place.oid WHERE relname = ANY($3)
        UNION ALL SELECT proname || '()', proowner FROM pg_proc JOIN place ON pronamespace = place.oid
            WHERE proname = ANY($4) OR EXISTS (SELECT FROM pg_proc AS own
                WHERE own.proname = pg_proc.proname AND own.pronamespace = 'pg_catalog'::regnamespace)
        UNION ALL SELECT 'operator ' || oprname, oprowner FROM pg_operator JOIN place ON oprnamespace = place.oid
        UNION ALL SELECT 'trigger ' || tgname, proowner FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
            JOIN place ON relnamespace = place.oid JOIN pg_proc ON pg_proc.oid = tgfoid
            WHERE relname = ANY($3) AND NOT tgisinternal)
    SELECT DISTINCT name, quote_ident(pg_get_userbyid(owner)), quote_ident($1) FROM named
    WHERE EXISTS (SELECT FROM stranger WHERE pg_has_role(stranger.oid, owner, 'MEMBER')) ORDER BY 1";

/// The schema that the writer makes its tables in, which its session uses from now on.
pub(super) fn claim(client: &mut Client, target: &Target, ddl: &Ddl) -> Result<Schema> {
    let schema = target.schema().cloned().map_or_else(|| Schema::current(client), Ok)?;
    let mut transaction = db_result(client.transaction())?;
    check_own(&mut transaction, &schema, ddl)?;
    db_result(transaction.commit())?;
    schema.enter(client, For::Session)?;
    Ok(schema)
}

/// Makes sure that nothing in the writer's schema is a stranger's, or can come to be. The transaction goes by the catalogue
/// alone from now on.
pub(super) fn check_own(transaction: &mut Transaction<'_>, schema: &Schema, ddl: &Ddl) -> Result<()> {
    // What is looked for must not affect the search for it.
    Schema::leave(transaction, For::Transaction)?;
    let role: String = db_result(transaction.query_typed_one("SELECT current_user::text", &[]))?.get(0);
    check(transaction, schema, &role, ddl)
}

/// Finds the tables for a reader, who trusts their owner; none if there are none. The transaction goes by their
/// schema from now on.
pub fn locate(transaction: &mut Transaction<'_>) -> Result<Option<Schema>> {
    let Some(schema) = Schema::with(transaction, SETTINGS)? else { return Ok(None) };
    let query =
        "SELECT pg_get_userbyid(relowner)::text FROM pg_class JOIN pg_namespace ON relnamespace = pg_namespace.oid
        WHERE nspname = $1 AND relname = $2";
    let names: [(&(dyn ToSql + Sync), Type); 2] = [(&schema.name(), Type::TEXT), (&SETTINGS, Type::TEXT)];
    let owner: String = db_result(transaction.query_typed_one(query, &names))?.get(0);
    // First what every database has, as it says what else there is.
    check(transaction, &schema, &owner, &Ddl::fixed())?;
    let model = table_settings::stored_model(&table_settings::stored(transaction, &schema.relation(SETTINGS))?)?;
    check(transaction, &schema, &owner, &Ddl::new(&model))?;
    schema.enter(transaction, For::Transaction)?;
    Ok(Some(schema))
}

/// Refuses a schema in which others may make something, or have made what would be used, for `role`. The caller goes by the
/// catalogue alone.
fn check(transaction: &mut Transaction<'_>, schema: &Schema, role: &str, ddl: &Ddl) -> Result<()> {
    let (relations, functions) = (ddl.relations(), ddl.functions());
    let place: [(&(dyn ToSql + Sync), Type); 2] = [(&schema.name(), Type::TEXT), (&role, Type::TEXT)];
    let creators = db_result(transaction.query_typed(&format!("{STRANGERS}{CREATORS}"), &place))?;
    if let Some(row) = creators.first() {
        bail!(open_to(row.get(0), row.get(1), row.get(2)));
    }
    let [name, role] = place;
    let names = [name, role, (&relations, Type::TEXT_ARRAY), (&functions, Type::TEXT_ARRAY)];
    let foreign = transaction.query_typed(&format!("{STRANGERS}{FOREIGN}"), &names);
    let Some(row) = db_result(foreign)?.into_iter().next() else { return Ok(()) };
    let [what, whose, schema] = [0, 1, 2].map(|index| row.get::<_, &str>(index).escape_debug());
    bail!(Failure::OtherTables(format!(
        "{what} in the schema {schema} is not Freshet's but the role {whose}'s, and would run with the rights of others; \
         nothing was written: drop it, or give Freshet a schema of its own"
    )))
}

/// What to do about a schema in which this role, or everybody, may make something.
fn open_to(role: &str, is_revocable: bool, schema: &str) -> String {
    let own = "give Freshet a schema of its own (CREATE SCHEMA, ALTER ROLE … SET search_path)";
    let (schema, named) = (schema.escape_debug(), role.escape_debug());
    if !is_revocable {
        return format!(
            "the schema {schema} is the role {named}'s, and what that makes there would run with the rights of a \
             superuser: {own}"
        );
    }
    let who = if role == "PUBLIC" { "any role".to_owned() } else { format!("the role {named}") };
    format!(
        "{who} may make functions and tables in the schema {schema}, which would run with the rights of Freshet's role: \
         REVOKE CREATE ON SCHEMA {schema} FROM {named}, or {own}"
    )
}
