//! The star of facts and dimensions as a diagram, from the catalogue.

use anyhow::{Context, Result};
use postgres::Client;

use super::tables::database;
use crate::support::catalogue::{columns, primary_key};

/// An entity-relationship diagram for Mermaid.
pub fn diagram() -> Result<String> {
    let mut client = database()?.client;
    let (facts, dimensions) = (relations(&mut client, "fact")?, relations(&mut client, "dim")?);
    let (mut lines, mut entities) = (String::new(), String::new());
    for fact in &facts {
        let mut foreign = Vec::new();
        for dimension in joined(&mut client, fact)? {
            let on = equals(&mut client, fact, &dimension)?;
            let ends = if is_nullable(&mut client, fact, &on)? { "o|" } else { "||" };
            let text =
                on.iter().map(|(left, right)| if left == right { left.clone() } else { format!("{left} = {right}") });
            let text = text.collect::<Vec<_>>().join(", ");
            let text = if text.contains(' ') { format!("\"{text}\"") } else { text };
            lines += &format!("    {fact} }}o--{ends} {dimension} : {text}\n");
            foreign.extend(on.into_iter().map(|(left, _)| left));
        }
        entities += &entity(&mut client, fact, "FK", &foreign)?;
    }
    for dimension in &dimensions {
        let key = primary_key(&mut client, dimension)?;
        entities += &entity(&mut client, dimension, "PK", &key)?;
    }
    Ok(format!("```mermaid\nerDiagram\n{lines}{entities}```"))
}

fn relations(client: &mut Client, kind: &str) -> Result<Vec<String>> {
    let query = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
                 AND relkind IN ('r', 'v') AND relname LIKE $1 || '\\_%' ORDER BY oid";
    Ok(client.query(query, &[&kind])?.iter().map(|row| row.get(0)).collect())
}

/// The dimensions that a fact's view reads.
fn joined(client: &mut Client, fact: &str) -> Result<Vec<String>> {
    let query = "SELECT table_name::text FROM information_schema.view_table_usage
                 WHERE view_name = $1::text AND table_name LIKE 'dim\\_%' ORDER BY table_name::regclass::oid";
    Ok(client.query(query, &[&fact])?.iter().map(|row| row.get(0)).collect())
}

/// Each column of a dimension's key with the fact's column that it equals: of the same name, or with the dimension's before
/// it, as `referrer_host` is the host of `dim_referrer`.
fn equals(client: &mut Client, fact: &str, dimension: &str) -> Result<Vec<(String, String)>> {
    let subject = dimension.trim_start_matches("dim_");
    let own = columns(client, fact)?;
    let has = |name: &String| own.iter().any(|column| column.split(' ').next() == Some(name));
    let pair = |key: String| {
        let mut names = [key.clone(), format!("{subject}_{key}")].into_iter();
        let name = names.find(has).with_context(|| format!("{fact} has nothing for {key} of {dimension}"))?;
        Ok((name, key))
    };
    primary_key(client, dimension)?.into_iter().map(pair).collect()
}

/// Whether a fact may have no row of the dimension: a view's columns do not say so, but their comments do.
fn is_nullable(client: &mut Client, fact: &str, on: &[(String, String)]) -> Result<bool> {
    let query = "SELECT count(*) > 0 FROM pg_attribute WHERE attrelid = $1::text::regclass AND attname = ANY ($2)
                 AND col_description(attrelid, attnum) LIKE '%; null if%'";
    let names: Vec<_> = on.iter().map(|(left, _)| left.as_str()).collect();
    Ok(client.query_one(query, &[&fact, &names])?.get(0))
}

fn entity(client: &mut Client, name: &str, mark: &str, marked: &[String]) -> Result<String> {
    let mut text = format!("    {name} {{\n");
    for column in columns(client, name)? {
        let (column, kind) = column.split_once(' ').context("a column with a type")?;
        let mark = if marked.iter().any(|it| it == column) { format!(" {mark}") } else { String::new() };
        // Mermaid wants one word.
        text += &format!("        {} {column}{mark}\n", kind.trim_end_matches('?').replace(' ', "_"));
    }
    Ok(text + "    }\n")
}
