//! The tables' existence, and what they were built with.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use dataflows::Model;
use postgres::Client;
use xxhash_rust::xxh3::xxh3_64;

use super::lock::{self, Lock};
use super::{identity, preconditions, trust};
use crate::database::{Schema, explained};
use crate::failure::Failure;

/// The only DDL.
pub(crate) const SCHEMA: &str = include_str!("../../schema.sql");

/// The table by which Freshet's tables are known.
pub(super) const SETTINGS: &str = "freshet_settings";
/// Raised when the tables change in a way that an older or newer program would not understand.
const TABLES_VERSION: &str = "4";
/// Raised when the same record would count differently than before.
const DECODE_VERSION: &str = "2";

/// What tables were built with. Other settings would mix two meanings in one table, so they are refused.
#[derive(Clone, Debug)]
pub struct BuiltWith {
    /// Name, as of the flag, and value.
    settings: Vec<(&'static str, String)>,
}

impl BuiltWith {
    /// These settings, by the name of their flag, and this version.
    pub fn new(settings: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let versions = [("tables-version", TABLES_VERSION.into()), ("decode-version", DECODE_VERSION.into())];
        BuiltWith { settings: versions.into_iter().chain(settings).collect() }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }
}

/// Refuses tables of another version, by what they say they were built with.
pub(super) fn check_version(settings: &BTreeMap<String, String>) -> Result<()> {
    for (name, version) in [("tables-version", TABLES_VERSION), ("decode-version", DECODE_VERSION)] {
        let stored = settings.get(name).map_or("none", String::as_str);
        if stored != version {
            let what = format!("these tables are of another version of Freshet ({name} {stored})");
            bail!(Failure::OtherTables(format!("{what}; use the program that wrote them")));
        }
    }
    Ok(())
}

/// Makes the tables if they are missing, and refuses those that were built with something else, and what is not Freshet's.
pub(super) fn prepare(client: &mut Client, schema: &Schema, built_with: &BuiltWith) -> Result<()> {
    preconditions::check_server(client, built_with.value("time-zone"))?;
    let strangers = preconditions::strangers(client)?;
    let there = "SELECT to_regclass($1) IS NOT NULL";
    let are_there: bool = explained(client.query_one(there, &[&SETTINGS]))?.get(0);
    // Another version's tables have other columns: that they are of another version says more.
    if are_there && !strangers.iter().any(|name| name == SETTINGS) {
        check(client, built_with)?;
    }
    preconditions::refuse(&strangers)?;
    if is_complete(client)? {
        return Ok(());
    }
    let relations: Vec<_> = preconditions::relations().collect();
    let lock = Lock { name: "making Freshet's tables", relations: &relations };
    lock::wait(client, lock, |client| make(client, schema))
}

/// Makes what is missing.
fn make(client: &mut Client, schema: &Schema) -> Result<()> {
    let mut transaction = explained(client.transaction())?;
    lock::set_timeout(&mut transaction)?;
    lock::lock_schema(&mut transaction)?;
    preconditions::refuse(&preconditions::taken_names(&mut transaction)?)?;
    explained(transaction.batch_execute(SCHEMA))?;
    // Once more, as of what came meanwhile from a session that had the right to.
    trust::check_own(&mut transaction, schema)?;
    explained(transaction.commit())
}

/// Writes down what the tables are built with from now on, if nothing is written yet.
pub(super) fn record(client: &mut Client, built_with: &BuiltWith) -> Result<()> {
    let (names, values): (Vec<_>, Vec<_>) = built_with.settings.iter().map(|(n, v)| (*n, v.as_str())).unzip();
    let insert = "INSERT INTO freshet_settings SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING";
    explained(client.execute(insert, &[&names, &values]))?;
    check(client, built_with)
}

/// Whether everything that `schema.sql` makes is there; functions of an earlier version lack a `search_path` of their own.
fn is_complete(client: &mut Client) -> Result<bool> {
    let relations: Vec<_> = preconditions::relations().collect();
    debug_assert!(Model::builtin().tables.iter().all(|table| relations.contains(&table.name.as_str())));
    let functions: Vec<_> = preconditions::functions().collect();
    let query = "SELECT bool_and(to_regclass(name) IS NOT NULL) AND (SELECT bool_and(proconfig IS NOT NULL) IS TRUE
            FROM pg_proc JOIN pg_namespace ON pronamespace = pg_namespace.oid
            WHERE proname = ANY($2) AND nspname = current_schema())
        FROM unnest($1::text[]) AS name";
    Ok(explained(client.query_one(query, &[&relations, &functions]))?.get(0))
}

/// Refuses tables that were built with something else.
fn check(client: &mut Client, built_with: &BuiltWith) -> Result<()> {
    let stored = explained(client.query("SELECT name, value FROM freshet_settings", &[]))?;
    for row in stored {
        let (name, stored): (String, String) = (row.get(0), row.get(1));
        if identity::NAMES.contains(&name.as_str()) {
            continue;
        }
        let given = built_with.settings.iter().find(|(given, _)| *given == name).map(|(_, value)| value);
        if given == Some(&stored) {
            continue;
        }
        let new = "give --database-url an empty database (or a schema of its own) to build new ones";
        bail!(Failure::OtherTables(match given {
            Some(given) if !name.ends_with("-version") => {
                let (stored, given) = (shown(&stored), shown(given));
                format!("these tables were built with --{name} {stored}, not {given}; run with that, or {new}")
            }
            _ =>
                format!("these tables are of another version of Freshet ({name} {stored}); run that version, or {new}"),
        }));
    }
    Ok(())
}

/// A setting as a sentence can hold it; one of several lines by how many they are and a digest.
fn shown(value: &str) -> String {
    match value.lines().count() {
        0 | 1 => value.to_owned(),
        lines => format!("of {lines} lines (XXH3 {:016x})", xxh3_64(value.as_bytes())),
    }
}
