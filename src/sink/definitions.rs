//! Whether indexes, views and functions are as Freshet made them. Postgres rewrites a definition in its own words, so a
//! digest of those is stored when they are made.

use anyhow::Result;
use postgres::GenericClient;
use xxhash_rust::xxh3::Xxh3;

use super::schema::Wanted;
use super::table_settings;
use crate::database::db_result;
use crate::schema::{Ddl, ObjectKind};

/// The name of the setting with the digest.
pub(super) const SETTING: &str = "definitions";

const DEFINED: &str = "SELECT relname::text COLLATE \"C\",
        CASE relkind WHEN 'v' THEN pg_get_viewdef(pg_class.oid) ELSE pg_get_indexdef(pg_class.oid) END
    FROM pg_class WHERE relkind IN ('v', 'i') AND relname = ANY($1) AND pg_class.oid = to_regclass(relname::text)
    UNION ALL SELECT proname, pg_get_functiondef(pg_proc.oid) FROM pg_proc
    WHERE proname = ANY($2) AND pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
    ORDER BY 1, 2";

const GRANTS: &str = "SELECT format('GRANT %s ON %I TO %s%s', privilege_type, relname,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM pg_class, aclexplode(relacl)
    WHERE relname = ANY($1) AND pg_class.oid = to_regclass(relname::text) AND grantee <> relowner";

/// Whether all are as this DDL made them, for these reports.
pub(super) fn are_right(client: &mut impl GenericClient, wanted: &Wanted<'_>) -> Result<bool> {
    let query = "SELECT value FROM freshet_settings WHERE name = $1";
    let recorded = db_result(client.query_opt(query, &[&SETTING]))?.map(|row| row.get::<_, String>(0));
    Ok(recorded == Some(digest(client, wanted)?))
}

/// Records how they are now that this DDL has made them.
pub(super) fn record(client: &mut impl GenericClient, wanted: &Wanted<'_>) -> Result<()> {
    let digest = digest(client, wanted)?;
    table_settings::set(client, SETTING, &digest)
}

/// The digest of the DDL, comments included, and of what Postgres made of it.
fn digest(client: &mut impl GenericClient, wanted: &Wanted<'_>) -> Result<String> {
    let (mut digest, ddl) = (Xxh3::new(), &wanted.ddl);
    digest.update(wanted.model.text.as_bytes());
    digest.update(ddl.text.as_bytes());
    for row in db_result(client.query(DEFINED, &[&ddl.relations(), &ddl.functions()]))? {
        for part in [0, 1].map(|column| row.get::<_, &str>(column)) {
            digest.update(part.as_bytes());
            digest.update(&[0]);
        }
    }
    Ok(format!("{:016x}", digest.digest()))
}

/// The views that one DDL makes and another does not.
pub(super) fn gone<'a>(before: &'a Ddl, now: &Ddl) -> Vec<&'a str> {
    let now = now.names(&[ObjectKind::View]);
    before.names(&[ObjectKind::View]).into_iter().filter(|view| !now.contains(view)).collect()
}

/// The statements that restore the rights of others on these views.
pub(super) fn grants(client: &mut impl GenericClient, views: &[&str]) -> Result<String> {
    let rows = db_result(client.query(GRANTS, &[&views]))?;
    Ok(rows.iter().map(|row| row.get::<_, String>(0) + ";\n").collect())
}
