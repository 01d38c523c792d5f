//! What others have built on the tables: it would be lost with them.

use anyhow::{Result, bail};
use postgres::GenericClient;

use crate::database::{Schema, db_result};
use crate::schema::Ddl;

/// Dependents that the error names.
const NAMED_MAX: usize = 5;

/// What depends on an object of Freshet's, or belongs to one, and is not itself one of these or a part of one.
const DEPENDENTS: &str = "WITH own AS (SELECT oid, reltype, reltoastrelid FROM pg_class
        WHERE relnamespace = $1::text::regnamespace AND relname = ANY($2)),
    ours AS (SELECT 'pg_class'::regclass AS classid, oid FROM own
        UNION ALL SELECT 'pg_class'::regclass, conindid FROM pg_constraint JOIN own ON conrelid = own.oid WHERE contype = 'p'
        UNION ALL SELECT 'pg_type'::regclass, reltype FROM own
        UNION ALL SELECT 'pg_type'::regclass, typarray FROM pg_type JOIN own ON pg_type.oid = reltype
        UNION ALL SELECT 'pg_constraint'::regclass, pg_constraint.oid FROM pg_constraint JOIN own ON conrelid = own.oid
            WHERE contype IN ('p', 'c', 'n')
        UNION ALL SELECT 'pg_attrdef'::regclass, pg_attrdef.oid FROM pg_attrdef JOIN own ON adrelid = own.oid
        UNION ALL SELECT 'pg_rewrite'::regclass, pg_rewrite.oid FROM pg_rewrite JOIN own ON ev_class = own.oid
            WHERE rulename = '_RETURN'
        UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc
            WHERE pronamespace = $1::text::regnamespace AND proname = ANY($3))
    SELECT DISTINCT CASE WHEN rulename = '_RETURN' THEN pg_describe_object('pg_class'::regclass, ev_class, 0)
            ELSE pg_describe_object(depend.classid, depend.objid, 0) END
    FROM pg_depend AS depend JOIN ours ON (depend.refclassid, depend.refobjid) = (ours.classid, ours.oid)
    LEFT JOIN pg_rewrite ON depend.classid = 'pg_rewrite'::regclass AND depend.objid = pg_rewrite.oid
    LEFT JOIN pg_trigger ON depend.classid = 'pg_trigger'::regclass AND depend.objid = pg_trigger.oid
    WHERE NOT coalesce(tgisinternal, false) AND (depend.classid <> 'pg_class'::regclass
            OR depend.objid NOT IN (SELECT reltoastrelid FROM own))
        AND (depend.classid, depend.objid) NOT IN (SELECT classid, oid FROM ours) ORDER BY 1";

/// Refuses to lose them.
pub(super) fn refuse(client: &mut impl GenericClient, schema: &Schema, ddl: &Ddl) -> Result<()> {
    let rows = db_result(client.query(DEPENDENTS, &[&schema.quoted(), &ddl.relations(), &ddl.functions()]))?;
    let mut names: Vec<_> = rows.iter().map(|row| row.get::<_, &str>(0).escape_debug().to_string()).collect();
    if names.is_empty() {
        return Ok(());
    }
    if let Some(others @ 1..) = names.len().checked_sub(NAMED_MAX) {
        names.truncate(NAMED_MAX);
        names.push(format!("{others} more"));
    }
    bail!(
        "a rebuild would lose what others have made on these tables: {}; drop those, rebuild, and recreate them",
        names.join(", ")
    )
}
