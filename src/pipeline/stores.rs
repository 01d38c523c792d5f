//! The names of stores, which no record contains: read from a file, and kept by a rebuild.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Result, bail};
use dataflows::{Model, STORE_NAMES};
use postgres::types::Type;
use postgres::{Client, Transaction};
use tracing::info;

use crate::database::{For, Target, connect, db_result};
use crate::failure::Failure;
use crate::sink::{NoTables, locate};

/// The table of the names; its columns are the first line of the file.
const TABLE: &str = STORE_NAMES.0;
const HEAD: [&str; 2] = [STORE_NAMES.1, STORE_NAMES.2];
/// Stores in a file: nobody has more, but the wrong file may be long.
const STORES_MAX: usize = 100_000;

/// Names by the ids of stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreNames(BTreeMap<String, String>);

fn parse(text: &str) -> Result<StoreNames, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let (mut names, mut is_begun) = (BTreeMap::new(), false);
    for record in reader.records() {
        let record = record.map_err(|error| format!("it is no CSV: {error}"))?;
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |what: &str| Err(format!("line {line}: {what}"));
        let fields: Vec<_> = record.iter().map(str::trim).collect();
        match fields[..] {
            [id, name] if !is_begun && [id, name] == HEAD => is_begun = true,
            _ if !is_begun => return wrong(&begins()),
            [id, name] if id.is_empty() || name.is_empty() => {
                return wrong("a store and its name, neither of them empty");
            }
            [id, name] if id.contains('\0') || name.contains('\0') => {
                return wrong("the character U+0000, which Postgres cannot store");
            }
            [id, name] if names.insert(id.to_owned(), name.to_owned()).is_some() => {
                return wrong("a store that has a name already");
            }
            [_, _] if names.len() > STORES_MAX => return wrong(&format!("more than {STORES_MAX} stores")),
            [_, _] => {}
            _ => return wrong("a store and its name, with a comma between them; a name with a comma stands in quotes"),
        }
    }
    if is_begun { Ok(StoreNames(names)) } else { Err(format!("line 1: {}", begins())) }
}

/// What the first line of a file must be.
fn begins() -> String {
    format!("the first line is {}", HEAD.join(","))
}

impl StoreNames {
    /// Reads a CSV file.
    ///
    /// # Errors
    /// What is wrong with the file, and in which line.
    pub fn read(path: &str) -> Result<StoreNames, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("it cannot be read: {error}"))?;
        parse(&text)
    }

    /// Refuses a model without stores.
    pub(super) fn check(&self, model: &Model) -> Result<()> {
        if model.dimensions.store.is_none() {
            let what = "--stores names stores, and the file of --reports declares none: give it store = { … } under [dimensions]";
            bail!(Failure::WrongSettings(what.into()));
        }
        Ok(())
    }

    /// Replaces the names that the tables have.
    pub(super) fn write(&self, target: &Target) -> Result<()> {
        let StoreNames(names) = self;
        let mut client = connect(target)?;
        let mut transaction = tables(&mut client, target)?;
        let (ids, texts): (Vec<_>, Vec<_>) = names.iter().unzip();
        let [id, name] = HEAD;
        let query = format!(
            "WITH given AS (SELECT * FROM unnest($1, $2) AS given ({id}, {name})),
                gone AS (DELETE FROM {TABLE} WHERE {id} <> ALL ($1))
            INSERT INTO {TABLE} SELECT * FROM given ON CONFLICT ({id}) DO UPDATE SET {name} = excluded.{name}
                WHERE {TABLE}.{name} <> excluded.{name} RETURNING {id}"
        );
        let changed = transaction.query_typed(&query, &[(&ids, Type::TEXT_ARRAY), (&texts, Type::TEXT_ARRAY)]);
        let changed = db_result(changed)?.len();
        db_result(transaction.commit())?;
        info!("{} stores have names, {changed} of them new ones", names.len());
        Ok(())
    }
}

/// A transaction in the schema of the tables.
fn tables<'a>(client: &'a mut Client, target: &Target) -> Result<Transaction<'a>> {
    let mut transaction = db_result(client.transaction())?;
    match target.schema() {
        Some(schema) => schema.enter(&mut transaction, For::Transaction)?,
        None => drop(locate(&mut transaction)?.ok_or(NoTables)?),
    }
    Ok(transaction)
}

/// Copies the names to the tables that will replace the old ones, unless those have names of their own.
pub(super) fn keep(old: &Target, new: &Target, model: &Model) -> Result<()> {
    if model.dimensions.store.is_none() {
        return Ok(());
    }
    let (mut client, mut other) = (connect(old)?, connect(new)?);
    let mut from = tables(&mut client, old)?;
    let is_there: bool =
        db_result(from.query_typed_one("SELECT to_regclass($1) IS NOT NULL", &[(&TABLE, Type::TEXT)]))?.get(0);
    if !is_there {
        return Ok(());
    }
    let [id, name] = HEAD;
    let rows = db_result(from.query_typed(&format!("SELECT {id}, {name} FROM {TABLE}"), &[]))?;
    let pair = |row| -> (String, String) { (postgres::Row::get(row, 0), postgres::Row::get(row, 1)) };
    let (ids, names): (Vec<_>, Vec<_>) = rows.iter().map(pair).unzip();
    let mut to = tables(&mut other, new)?;
    let query = format!(
        "INSERT INTO {TABLE} SELECT * FROM unnest($1, $2) AS kept ({id}, {name})
        WHERE NOT EXISTS (SELECT FROM {TABLE}) ON CONFLICT DO NOTHING"
    );
    db_result(to.query_typed(&query, &[(&ids, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY)]))?;
    db_result(to.commit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_each_store_once() {
        let names = |text: &str| parse(text).map(|StoreNames(names)| names.into_iter().collect::<Vec<_>>());
        let pair = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        let head = HEAD.join(",");
        let text = format!("\u{feff}{head}\r\n6, Köln \r\n\r\n12,\"Paris, Rive Gauche\"\r\n");
        assert_eq!(names(&text), Ok(vec![pair("12", "Paris, Rive Gauche"), pair("6", "Köln")]));
        assert_eq!(names(&head), Ok(vec![]));
        for (text, line) in [
            ("", "line 1: the first line is"),
            ("6,Köln", "line 1: the first line is"),
            ("{head}\n6", "line 2: a store and its name, with a comma"),
            ("{head}\n6,Paris, Rive Gauche", "line 2: a store and its name, with a comma"),
            ("{head}\n6,", "line 2: a store and its name, neither"),
            ("{head}\n6,a\n7,b\n6,c", "line 4: a store that has a name already"),
            ("{head}\n6,a\0", "line 2: the character U+0000"),
        ] {
            let text = text.replace("{head}", &head);
            assert!(names(&text).is_err_and(|error| error.starts_with(line)), "{text:?}: {:?}", names(&text));
        }
    }
}
