//! The tables and views, as Postgres' catalogue has them once they are made.

use anyhow::Result;
use dataflows::model::Model;
use postgres::Client;

use super::generated::{prose, table};
use crate::support::Database;
use crate::support::catalogue::primary_key;

/// What comes first; then the views.
const ORDER: &str =
    "relkind DESC, array_position(ARRAY['report', 'fact'], split_part(relname, '_', 1)) NULLS LAST, oid";

/// A database that is as a start makes it.
pub fn database() -> Result<Database> {
    let mut database = Database::create()?;
    database.client.batch_execute(&freshet::schema::ddl(&Model::builtin()))?;
    Ok(database)
}

/// All of them in a table, then the columns of each.
pub fn tables() -> Result<String> {
    let mut client = database()?.client;
    let relations = format!(
        "SELECT relname::text, relkind = 'v', obj_description(oid, 'pg_class') FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND relname !~ '^freshet_' ORDER BY {ORDER}"
    );
    let (mut rows, mut sections) = (Vec::new(), String::new());
    for row in client.query(&relations, &[])? {
        let (name, is_view, comment): (String, bool, Option<String>) = (row.get(0), row.get(1), row.get(2));
        let (comment, key) = (prose(&comment.unwrap_or_default()), primary_key(&mut client, &name)?);
        let kind = if is_view { "view" } else { "table" };
        rows.push(vec![format!("[`{name}`](#{name})"), kind.into(), key.join(", "), comment.clone()]);
        sections += &format!("\n### {name}\n\n{comment}.\n\n{}", columns(&mut client, &name, &key)?);
    }
    Ok(table(&["name", "kind", "primary key", "holds"], rows) + &sections)
}

fn columns(client: &mut Client, relation: &str, key: &[String]) -> Result<String> {
    let query = "SELECT attname::text, format_type(atttypid, atttypmod), relkind = 'r' AND NOT attnotnull,
                     coalesce(col_description(attrelid, attnum), '')
                 FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                 WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    let rows = client.query(query, &[&relation])?.into_iter().map(|row| {
        let (name, kind, nullable, comment): (String, String, bool, String) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let name = if key.contains(&name) { format!("**`{name}`**") } else { format!("`{name}`") };
        vec![name, kind + if nullable { ", or null" } else { "" }, prose(&comment)]
    });
    Ok(table(&["column", "type", "holds"], rows))
}
