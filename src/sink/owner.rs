//! The owner's row in Postgres.

use std::time::Duration;

use anyhow::Result;
use postgres::{Client, GenericClient, Transaction};

use super::lease::{Claim, Instance, Owner};
use super::lock::{self, Lock};
use super::places::Places;
use super::process::ProcessId;
use crate::database::db_result;

/// What a start waits for: a commit of the old owner that is under way has locked the row.
const ROW: Lock<'static> = Lock { name: "freshet_owner", relations: &["freshet_owner"] };

/// Which database this is: a copy of the tables in another one brings the claim with it, but not the claimant.
const DATABASE_ID: &str = "(SELECT system_identifier FROM pg_control_system()) || '/' ||
    (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Only where there is no row: ON CONFLICT alone would wait for a commit that changes it.
const ROWS: &str = "INSERT INTO freshet_owner (generation, backend_pid, backend_start, renewed_at)
        SELECT 0, 0, 'epoch', 'epoch' WHERE NOT EXISTS (SELECT FROM freshet_owner) ON CONFLICT DO NOTHING;
    INSERT INTO freshet_heartbeat (number) SELECT 0 WHERE NOT EXISTS (SELECT FROM freshet_heartbeat)
        ON CONFLICT DO NOTHING";

/// The session that commits, for a person.
const BACKEND: &str = "backend_pid = pg_backend_pid(),
    backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())";

/// Finds the row by its place, as an old snapshot keeps a version of it for each commit; or else by searching.
const FENCE_AT: &str = "UPDATE freshet_owner SET commit_number = commit_number + 1
    WHERE ctid = $4 AND generation = $1 AND instance = $2 AND commit_number = $3 RETURNING ctid";
const FENCE: &str = "UPDATE freshet_owner SET commit_number = commit_number + 1
    WHERE generation = $1 AND instance = $2 AND commit_number = $3 RETURNING ctid";

/// Makes the row, and that of heartbeats, where there is none.
pub(super) fn make(client: &mut Client) -> Result<()> {
    db_result(client.batch_execute(ROWS))
}

/// See [`Session::claim`](super::store::Session::claim).
pub(super) fn claim(client: &mut impl GenericClient) -> Result<Claim> {
    let query = format!(
        "SELECT owner.generation, owner.instance, concat_ws(' ', owner.commit_number, owner.renewed_at, beat.number),
             owner.process, owner.database_id <> {DATABASE_ID},
             -- Tables of an earlier build do not have it.
             CASE WHEN (to_jsonb(beat) ->> 'asked_at')::timestamptz > clock_timestamp() - interval '10 seconds'
                 THEN to_jsonb(beat) ->> 'asked_by' END
         FROM freshet_owner AS owner LEFT JOIN freshet_heartbeat AS beat ON true"
    );
    let row = db_result(client.query_one(&query, &[]))?;
    let process = row.get::<_, Option<&str>>(3).and_then(|text| text.parse::<ProcessId>().ok());
    let is_void = if row.get::<_, Option<bool>>(4).unwrap_or(false) {
        Some("these tables are a copy, and it writes another database")
    } else {
        process.is_some_and(|process| process.is_gone()).then_some("its process is gone")
    };
    Ok(Claim { fencing_token: row.get(0), instance: row.get(1), pulse: row.get(2), is_void, asked_by: row.get(5) })
}

/// See [`Session::acquire`](super::store::Session::acquire).
pub(super) fn acquire(client: &mut Client, seen: &Claim, instance: &Instance) -> Result<Option<Owner>> {
    if let Some(mark) = seen.instance.as_deref().and_then(|name| name.rsplit(' ').next()) {
        end_sessions(client, "strpos(application_name, $1) > 0", mark)?;
    }
    lock::wait(client, ROW, |client| try_acquire(client, seen, instance))
}

fn try_acquire(client: &mut Client, seen: &Claim, instance: &Instance) -> Result<Option<Owner>> {
    let mut transaction = db_result(client.transaction())?;
    lock::set_timeout(&mut transaction, lock::TIMEOUT)?;
    let update = format!(
        "UPDATE freshet_owner SET generation = generation + 1, instance = $1, process = $2, database_id = {DATABASE_ID},
             renewed_at = clock_timestamp(), {BACKEND}
         WHERE generation = $3 AND instance IS NOT DISTINCT FROM $4 RETURNING generation, instance, commit_number"
    );
    let process = ProcessId::own().map(|process| process.to_string());
    let values: [&(dyn postgres::types::ToSql + Sync); 4] =
        [&instance.name(), &process, &seen.fencing_token, &seen.instance];
    let Some(row) = db_result(transaction.query_opt(&update, &values))? else { return Ok(None) };
    db_result(transaction.commit())?;
    Ok(Some(owner_of(&row)))
}

/// The row, locked.
pub(super) fn locked(transaction: &mut Transaction<'_>, within: Option<Duration>) -> Result<Owner> {
    if let Some(within) = within {
        lock::set_timeout(transaction, within)?;
    }
    let query = "SELECT generation, instance, commit_number FROM freshet_owner FOR UPDATE";
    Ok(owner_of(&db_result(transaction.query_one(query, &[]))?))
}

fn owner_of(row: &postgres::Row) -> Owner {
    Owner { fencing_token: row.get(0), instance: row.get(1), commit_number: row.get(2) }
}

/// See [`Session::regain`](super::store::Session::regain).
pub(super) fn regain(
    client: &mut Client,
    session_name: &str,
    check: impl FnOnce(&Owner) -> Result<()>,
) -> Result<Owner> {
    end_sessions(client, "application_name = $1", session_name)?;
    let mut transaction = db_result(client.transaction())?;
    check(&locked(&mut transaction, Some(lock::TIMEOUT))?)?;
    let update = format!(
        "UPDATE freshet_owner SET generation = generation + 1, {BACKEND} RETURNING generation, instance, commit_number"
    );
    let row = db_result(transaction.query_one(&update, &[]))?;
    db_result(transaction.commit())?;
    Ok(owner_of(&row))
}

/// See [`Transaction::fence`](super::store::Transaction::fence).
pub(super) fn fence(transaction: &mut Transaction<'_>, known: &Owner, places: &mut Places) -> Result<bool> {
    let Owner { fencing_token, instance, commit_number } = known;
    let mut row = None;
    if let Some(place) = places.of_owner() {
        row = db_result(transaction.query_opt(FENCE_AT, &[fencing_token, instance, commit_number, &place]))?;
    }
    if row.is_none() {
        row = db_result(transaction.query_opt(FENCE, &[fencing_token, instance, commit_number]))?;
    }
    let Some(row) = row else { return Ok(false) };
    places.set_owner(row.get(0));
    Ok(true)
}

/// Gives the tables up, so that the next start need not wait to find out.
pub(super) fn release(client: &mut Client, owner: &Owner) -> Result<()> {
    let statement = "UPDATE freshet_owner SET instance = NULL WHERE generation = $1 AND instance = $2";
    db_result(client.execute(statement, &[&owner.fencing_token, &owner.instance])).map(drop)
}

/// Ends sessions of an instance in this database, which may hold locks for ever if their process was stopped or cut off. It
/// only saves time, so lacking the right to it is no error.
fn end_sessions(client: &mut Client, which: &str, name: &str) -> Result<()> {
    let query = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND {which} AND pid <> pg_backend_pid()"
    );
    match client.execute(&query, &[&name]) {
        Err(error) if error.code() == Some(&postgres::error::SqlState::INSUFFICIENT_PRIVILEGE) => Ok(()),
        outcome => db_result(outcome).map(drop),
    }
}
