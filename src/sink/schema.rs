//! Makes the tables if they are missing, and takes nothing else for them.

use anyhow::{Result, bail};
use dataflows::Model;
use postgres::error::SqlState;
use postgres::{Client, GenericClient, Transaction};
use tracing::warn;

use super::kept::{self, Definitions, Kept};
use super::lock::{self, Lock};
use super::table_settings::{self, SETTINGS, TableSettings};
use super::{definitions, preconditions, trust};
use crate::database::{Schema, db_result};
use crate::failure::Failure;
use crate::schema::{Change, Ddl, ObjectKind};

/// What is to be there.
pub(super) struct Wanted<'a> {
    /// The reports, and their tables.
    pub model: &'a Model,
    /// What they make in Postgres.
    pub ddl: Ddl,
    /// With which flags.
    pub built_with: &'a TableSettings,
}

/// Makes the tables if they are missing, and refuses those that were built with something else, and what is not Freshet's.
pub(super) fn prepare(client: &mut Client, schema: &Schema, wanted: &Wanted<'_>) -> Result<()> {
    preconditions::check_server(client, wanted.built_with.value("time-zone"))?;
    let strangers = preconditions::strangers(client, &wanted.ddl)?;
    // Another version's tables have other columns: that they are of another version says more.
    let mut change = Change::None;
    if is_there(client, SETTINGS)? && !strangers.iter().any(|name| name == SETTINGS) {
        change = table_settings::check(client, wanted.model, wanted.built_with)?;
    }
    preconditions::refuse(&strangers)?;
    let tables = wanted.ddl.names(&[ObjectKind::Table]);
    let is_missing =
        tables.into_iter().map(|table| is_there(client, table)).collect::<Result<Vec<_>>>()?.contains(&false);
    if is_missing && change == Change::None { make(client, schema, wanted, false) } else { Ok(()) }
}

/// Reconciles, for the owner of the tables, what follows from the reports alone: indexes, views, functions, comments,
/// and the rows that are the same for everyone.
pub(super) fn reconcile(client: &mut Client, schema: &Schema, wanted: &Wanted<'_>) -> Result<()> {
    let kept = Kept::of_settings(&table_settings::stored(client, SETTINGS)?);
    let is_kept = !wanted.built_with.drops_removed && kept.clone().there(client)? == kept;
    if !definitions::are_right(client, wanted)? || !kept.is_empty() && !is_kept {
        make(client, schema, wanted, true)?;
    }
    if let Some(sentence) = Kept::of_settings(&table_settings::stored(client, SETTINGS)?).sentence() {
        warn!("{sentence}");
    }
    wanted.ddl.objects.iter().try_for_each(|table| {
        let Some(rows) = &table.rows else { return Ok(()) };
        let lock = Lock { name: &table.name, relations: &[&table.name] };
        lock::wait(client, lock, |client| {
            let mut transaction = db_result(client.transaction())?;
            lock::set_timeout(&mut transaction, lock::TIMEOUT)?;
            db_result(transaction.batch_execute(rows))?;
            db_result(transaction.commit())
        })
    })
}

fn is_there(client: &mut impl GenericClient, relation: &str) -> Result<bool> {
    Ok(db_result(client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&relation]))?.get(0))
}

/// Creates what is missing, and recreates what may have been changed. Only the owner of the tables adds some, or takes some out of use.
fn make(client: &mut Client, schema: &Schema, wanted: &Wanted<'_>, is_owner: bool) -> Result<()> {
    let ddl = &wanted.ddl;
    let relations = ddl.relations();
    let lock = Lock { name: "making Freshet's tables", relations: &relations };
    lock::wait(client, lock, |client| {
        let mut transaction = db_result(client.transaction())?;
        lock::set_timeout(&mut transaction, lock::TIMEOUT)?;
        lock::lock_schema(&mut transaction)?;
        preconditions::refuse(&preconditions::taken_names(&mut transaction, ddl)?)?;
        // Another start may have made them meanwhile, with something else.
        let is_made = is_there(&mut transaction, SETTINGS)?;
        let (mut before, mut kept) = (None, Kept::default());
        if is_made {
            let change = table_settings::check(&mut transaction, wanted.model, wanted.built_with)?;
            if change != Change::None && !is_owner {
                return Ok(());
            }
            before = table_settings::other_reports(&mut transaction, wanted.model)?;
            kept = keep(&mut transaction, wanted, before.as_deref().filter(|_| is_owner), is_owner)?;
        }
        apply(&mut transaction, ddl, &kept.names(ObjectKind::View))?;
        table_settings::record(&mut transaction, wanted.model, wanted.built_with)?;
        if let Some(before) = before {
            let before = Ddl::new(&before);
            let mut gone = definitions::gone(&before, ddl);
            gone.retain(|view| !kept.names(ObjectKind::View).contains(view));
            drop_views(&mut transaction, &gone)?;
        }
        definitions::record(&mut transaction, wanted)?;
        // Once more, as of what came meanwhile from a session that had the right to.
        trust::check_own(&mut transaction, schema, ddl)?;
        db_result(transaction.commit())
    })
}

/// Handles the tables of reports that are removed now, and of those that were before. Returns what is kept.
fn keep(
    transaction: &mut Transaction<'_>,
    wanted: &Wanted<'_>,
    before: Option<&Model>,
    is_owner: bool,
) -> Result<Kept> {
    let known = Kept::of_settings(&table_settings::stored(transaction, SETTINGS)?);
    let removed = before.map(|before| kept::remove(transaction, before, wanted)).transpose()?.unwrap_or_default();
    // A report may have taken the name of a view.
    let mut kept = known.and(removed).beside(&wanted.ddl).there(transaction)?;
    if !is_owner {
        return Ok(kept);
    }
    if wanted.built_with.drops_removed {
        std::mem::take(&mut kept).drop(transaction)?;
    }
    kept.record(transaction)?;
    Ok(kept)
}

/// Runs the DDL. Views and functions that get another shape are dropped first; roles that may read them still may. So
/// are views of kept tables, which may select from some of these.
fn apply(transaction: &mut Transaction<'_>, ddl: &Ddl, kept: &[&str]) -> Result<()> {
    let mut attempt = db_result(transaction.transaction())?;
    match attempt.batch_execute(&ddl.text) {
        Ok(()) => return db_result(attempt.commit()),
        Err(error) if has_other_shape(&error) => db_result(attempt.rollback())?,
        error => return db_result(error),
    }
    let views = [&ddl.names(&[ObjectKind::View]), kept].concat();
    let grants = definitions::grants(transaction, &views)?;
    let kept = Definitions::read(transaction, &kept.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())?;
    drop_views(transaction, &views)?;
    for function in ddl.functions() {
        db_result(transaction.batch_execute(&format!("DROP FUNCTION IF EXISTS {function}")))?;
    }
    db_result(transaction.batch_execute(&ddl.text))?;
    kept.restore(transaction)?;
    db_result(transaction.batch_execute(&grants))
}

/// Whether CREATE OR REPLACE found something that it cannot replace.
fn has_other_shape(error: &postgres::Error) -> bool {
    let shapes = [SqlState::INVALID_TABLE_DEFINITION, SqlState::INVALID_FUNCTION_DEFINITION];
    error.code().is_some_and(|code| shapes.contains(code))
}

/// All at once, as some select from others; but nothing of somebody else's with them.
fn drop_views(transaction: &mut Transaction<'_>, views: &[&str]) -> Result<()> {
    if views.is_empty() {
        return Ok(());
    }
    match transaction.batch_execute(&format!("DROP VIEW IF EXISTS {}", views.join(", "))) {
        Err(error) if error.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) => {
            let detail = error.as_db_error().and_then(|error| error.detail()).unwrap_or_default().replace('\n', "; ");
            bail!(Failure::OtherTables(format!(
                "a view of Freshet's is to be recreated, and others are over it: {}; drop those, start again, and recreate \
                 them",
                detail.escape_debug()
            )))
        }
        dropped => db_result(dropped),
    }
}
