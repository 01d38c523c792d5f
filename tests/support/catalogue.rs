//! Relations as Postgres' catalogue has them.

use anyhow::Result;
use postgres::Client;

/// A relation's columns as `name type`, followed by `?` where a table's column may be null.
pub fn columns(client: &mut Client, relation: &str) -> Result<Vec<String>> {
    listed(client, relation, "true")
}

/// Those that are written; Postgres makes the others of them.
pub fn written_columns(client: &mut Client, table: &str) -> Result<Vec<String>> {
    listed(client, table, "attgenerated = ''")
}

fn listed(client: &mut Client, relation: &str, which: &str) -> Result<Vec<String>> {
    let query = format!(
        "SELECT attname || ' ' || format_type(atttypid, atttypmod)
             || CASE WHEN relkind = 'r' AND NOT attnotnull THEN '?' ELSE '' END
         FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
         WHERE relname = $1 AND attnum > 0 AND NOT attisdropped AND {which} ORDER BY attnum"
    );
    Ok(client.query(&query, &[&relation])?.iter().map(|row| row.get(0)).collect())
}

/// The columns of a table's primary key, in its order.
pub fn primary_key(client: &mut Client, table: &str) -> Result<Vec<String>> {
    let query = "SELECT attname::text FROM pg_constraint
                     CROSS JOIN unnest(conkey) WITH ORDINALITY AS key (attnum, place)
                     JOIN pg_attribute USING (attnum)
                 WHERE contype = 'p' AND conrelid = $1::text::regclass AND attrelid = conrelid ORDER BY place";
    Ok(client.query(query, &[&table])?.iter().map(|row| row.get(0)).collect())
}
