//! Owners and rights: the new tables get those of the old ones.

use anyhow::{Result, bail};
use postgres::{GenericClient, Transaction};
use tracing::warn;

use crate::database::{Schema, db_result};
use crate::schema::Ddl;

/// Objects that this role may not drop, with their owners, for whom it cannot act.
const FOREIGN: &str = "SELECT quote_ident(relname), quote_ident(pg_get_userbyid(relowner)) FROM pg_class
    WHERE relnamespace = $1::text::regnamespace AND relname = ANY($2) AND NOT pg_has_role(relowner, 'USAGE')
    UNION ALL SELECT quote_ident(proname) || '()', quote_ident(pg_get_userbyid(proowner)) FROM pg_proc
    WHERE pronamespace = $1::text::regnamespace AND proname = ANY($3) AND NOT pg_has_role(proowner, 'USAGE') ORDER BY 1";

/// The objects of a schema with these names: name, owner, kind as GRANT has it, and rights, whether or not anything was granted.
const OBJECTS: &str = "WITH object AS (SELECT relname::text AS name, relowner AS owner, 'TABLE' AS kind, oid,
            coalesce(relacl, acldefault('r', relowner)) AS acl
        FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relname = ANY($2) AND relkind IN ('r', 'v')
        UNION ALL SELECT proname::text, proowner, 'FUNCTION', 0, coalesce(proacl, acldefault('f', proowner))
        FROM pg_proc WHERE pronamespace = $1::text::regnamespace AND proname = ANY($3))";

/// The statements that give others the rights that they have, each with its object and column.
const GRANTS: &str = ", given AS (SELECT name, NULL::text AS part, kind, (aclexplode(acl)).*, owner FROM object
        UNION ALL SELECT name, attname::text, kind, (aclexplode(attacl)).*, owner FROM object
            JOIN pg_attribute ON attrelid = oid WHERE kind = 'TABLE' AND NOT attisdropped)
    SELECT name, part, format('GRANT %s%s ON %s %s.%I TO %s%s', privilege_type, ' (' || quote_ident(part) || ')', kind, $1, name,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM given WHERE grantee <> owner ORDER BY 1, 2 NULLS FIRST, 3";

/// The statements that set their owners.
const OWNERS: &str =
    "SELECT name, NULL::text, format('ALTER %s %s.%I OWNER TO %I', kind, $1, name, pg_get_userbyid(owner))
    FROM object WHERE owner <> (SELECT oid FROM pg_roles WHERE rolname = current_user)";

/// The statements that revoke all rights of others.
const REVOCATIONS: &str = "SELECT DISTINCT format('REVOKE ALL ON %s %s.%I FROM %s', kind, $1, name,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
    FROM (SELECT name, kind, owner, (aclexplode(acl)).grantee FROM object WHERE name = ANY($4)) AS given
    WHERE grantee <> owner";

/// The statements that grant what the schema gives by default on each object that is created in it.
const DEFAULTS: &str = "SELECT format('GRANT %s ON %s %s.%I TO %s%s', privilege_type, kind, $1, name,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM object JOIN (SELECT defaclobjtype, (aclexplode(defaclacl)).* FROM pg_default_acl
        WHERE defaclnamespace = $1::text::regnamespace AND defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user))
        AS given ON defaclobjtype = CASE kind WHEN 'TABLE' THEN 'r' ELSE 'f' END
    WHERE grantee <> owner AND NOT name = ANY($4)";

/// Which of these objects and columns are there.
const THERE: &str = "SELECT number FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS wanted (name, part, number)
    WHERE CASE WHEN part IS NULL THEN EXISTS (SELECT FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relname = name)
            OR EXISTS (SELECT FROM pg_proc WHERE pronamespace = $1::text::regnamespace AND proname = name)
        ELSE EXISTS (SELECT FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
            WHERE relnamespace = $1::text::regnamespace AND relname = name AND attname = part AND NOT attisdropped) END";

/// Refuses tables that this role cannot replace.
pub(super) fn check_owners(client: &mut impl GenericClient, schema: &Schema, ddl: &Ddl) -> Result<()> {
    let query = client.query(FOREIGN, &[&schema.quoted(), &ddl.relations(), &ddl.functions()]);
    let Some(row) = db_result(query)?.into_iter().next() else { return Ok(()) };
    let [what, owner] = [0, 1].map(|column| row.get::<_, &str>(column).escape_debug());
    bail!("{what} belongs to the role {owner}, so only that role or a member of it can rebuild these tables")
}

/// Owners and rights as they were, by the names of what has them.
pub(super) struct Rights {
    /// The objects that there were.
    names: Vec<String>,
    /// Name, column and statement.
    statements: Vec<(String, Option<String>, String)>,
}

impl Rights {
    /// Those of the objects of a schema.
    pub fn read(transaction: &mut Transaction<'_>, schema: &Schema, ddl: &Ddl) -> Result<Rights> {
        let (relations, functions) = (ddl.relations(), ddl.functions());
        let mut statements = Vec::new();
        for query in [OWNERS, GRANTS] {
            let rows = transaction.query(&format!("{OBJECTS}{query}"), &[&schema.quoted(), &relations, &functions]);
            statements.extend(db_result(rows)?.iter().map(|row| (row.get(0), row.get(1), row.get(2))));
        }
        let names = db_result(
            transaction
                .query(&format!("{OBJECTS} SELECT name FROM object"), &[&schema.quoted(), &relations, &functions]),
        )?;
        Ok(Rights { names: names.iter().map(|row| row.get(0)).collect(), statements })
    }

    /// Gives them to the objects that are in the schema now. What is new there gets what the schema gives by default.
    pub fn restore(self, transaction: &mut Transaction<'_>, schema: &Schema, ddl: &Ddl) -> Result<()> {
        let (relations, functions) = (ddl.relations(), ddl.functions());
        let mut all = Vec::new();
        for query in [REVOCATIONS, DEFAULTS] {
            let values: [&(dyn postgres::types::ToSql + Sync); 4] =
                [&schema.quoted(), &relations, &functions, &self.names];
            let rows = db_result(transaction.query(&format!("{OBJECTS}{query}"), &values))?;
            all.extend(rows.iter().map(|row| row.get::<_, String>(0)));
        }
        let (names, parts): (Vec<_>, Vec<_>) = self.statements.iter().map(|(name, part, _)| (name, part)).unzip();
        let there = db_result(transaction.query(THERE, &[&schema.quoted(), &names, &parts]))?;
        let there: Vec<_> = there.iter().map(|row| row.get::<_, i64>(0)).collect();
        for (number, (_, _, statement)) in (1..).zip(self.statements) {
            if there.contains(&number) {
                all.push(statement);
            } else {
                warn!("skipped, as what it names no longer exists: {}", statement.escape_debug());
            }
        }
        db_result(transaction.batch_execute(&all.join(";\n")))
    }
}
