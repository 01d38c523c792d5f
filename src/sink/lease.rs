//! The lease: the right of one process to write the tables, by a row that every commit changes first.
//!
//! Fencing rests on that row alone. It has the owner's name, a fencing token that each change of hands and each new session
//! raises, and a commit number that each commit raises. A commit compares all three in its own statement with what this
//! process knows. So neither a process that was stopped or cut off can commit, nor one behind whose back Postgres came back
//! without its last commits, nor one whose pooler switched servers. To end an old session only saves waiting for its locks.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use postgres::{Client, GenericClient, Transaction};
use tracing::info;

use super::Rewound;
use super::lock::{self, Lock};
use super::process::ProcessId;
use super::tid::Tid;
use crate::database::explained;
use crate::failure::Failure;

/// A claim that did not change for this long, by the clock of whoever looks, is abandoned: five heartbeats.
const STALE_AFTER: Duration = Duration::from_secs(10);
/// How often a starting process looks at the claim.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// What a start waits for: a commit of the old owner that is under way has locked the row.
const ROW: Lock<'static> = Lock { name: "freshet_owner", relations: &["freshet_owner"] };

/// Which database this is: a copy of the tables in another one brings the claim with it, but not the claimant.
const DATABASE_ID: &str = "(SELECT system_identifier FROM pg_control_system()) || '/' ||
    (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Commits by where the row is, as it has a version for each commit that an old snapshot keeps; or by looking for it.
const FENCE_AT: &str = "UPDATE freshet_owner SET commit_number = commit_number + 1
    WHERE ctid = $4 AND generation = $1 AND instance = $2 AND commit_number = $3 RETURNING ctid";
const FENCE: &str = "UPDATE freshet_owner SET commit_number = commit_number + 1
    WHERE generation = $1 AND instance = $2 AND commit_number = $3 RETURNING ctid";

/// The right to write the tables.
#[derive(Debug)]
pub(super) struct Lease {
    fencing_token: i64,
    /// Of the last commit that this process knows of.
    commit_number: i64,
    instance: Instance,
    /// Where the row is after the last commit, and after the one that is under way.
    place: Option<Tid>,
    next_place: Option<Tid>,
}

/// A name for this process that no other has.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    name: String,
    /// Ends the name, and stands in the `application_name` of the process's sessions, which holds 63 bytes.
    mark: String,
}

impl Instance {
    fn new() -> Instance {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "this host".into());
        let mark = format!("{:016x}", rand::random::<u64>());
        Instance { name: format!("process {} on {}, {mark}", std::process::id(), host.trim()), mark }
    }

    /// How it is stored and shown.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `application_name` of its session for this use, behind what the user calls the program.
    pub fn session_name(&self, given: Option<&str>, usage: &str) -> String {
        let given: String = given.unwrap_or("freshet").chars().filter(char::is_ascii).take(30).collect();
        format!("{given} {} {usage}", self.mark)
    }
}

/// The claim as the row has it.
#[derive(Debug, PartialEq, Eq)]
struct Claim {
    fencing_token: i64,
    instance: Option<String>,
    /// Changes with every commit and every heartbeat of a living owner, also of one of an earlier version.
    pulse: String,
    process: Option<ProcessId>,
    is_copy: bool,
}

impl Claim {
    fn read(client: &mut impl GenericClient) -> Result<Claim> {
        let query = format!(
            "SELECT owner.generation, owner.instance, concat_ws(' ', owner.commit_number, owner.renewed_at, beat.number),
                 owner.process, owner.database_id <> {DATABASE_ID}
             FROM freshet_owner AS owner LEFT JOIN freshet_heartbeat AS beat ON true"
        );
        let row = explained(client.query_one(&query, &[]))?;
        let process: Option<&str> = row.get(3);
        Ok(Claim {
            fencing_token: row.get(0),
            instance: row.get(1),
            pulse: row.get(2),
            process: process.and_then(|text| text.parse().ok()),
            is_copy: row.get::<_, Option<bool>>(4).unwrap_or(false),
        })
    }

    /// Why the tables may be had at once, if they may.
    fn is_free(&self) -> Option<&'static str> {
        match (&self.instance, &self.process) {
            (None, _) => Some(""),
            _ if self.is_copy => Some("these tables are a copy, and it writes another database"),
            (_, Some(process)) if process.is_gone() => Some("its process is gone"),
            _ => None,
        }
    }
}

impl Lease {
    /// Takes the tables over from an owner that stopped, is gone or shows no sign of life; refuses if it lives.
    pub fn acquire(client: &mut Client) -> Result<Lease> {
        // Only where there is no row: ON CONFLICT alone would wait for a commit that changes it.
        let rows = "INSERT INTO freshet_owner (generation, backend_pid, backend_start, renewed_at)
                 SELECT 0, 0, 'epoch', 'epoch' WHERE NOT EXISTS (SELECT FROM freshet_owner) ON CONFLICT DO NOTHING;
             INSERT INTO freshet_heartbeat (number) SELECT 0 WHERE NOT EXISTS (SELECT FROM freshet_heartbeat)
                 ON CONFLICT DO NOTHING";
        explained(client.batch_execute(rows))?;
        let (first, since) = (Claim::read(client)?, Instant::now());
        let mut is_told = false;
        loop {
            let seen = Claim::read(client)?;
            let is_stale = seen == first && since.elapsed() >= STALE_AFTER;
            let reason = seen.is_free().or(is_stale.then_some("no heartbeat for 10 s"));
            if let Some(reason) = reason {
                if let Some(lease) = take(client, &seen, Instance::new())? {
                    if let Some(before) = &seen.instance {
                        info!("took over the tables from {before}: {reason}");
                    }
                    return Ok(lease);
                }
            } else if seen.pulse != first.pulse || seen.instance != first.instance {
                let owner = seen.instance.unwrap_or_default();
                bail!(Failure::OwnedByAnother(format!(
                    "these tables are owned by another instance ({owner}); stop it first, or give --database-url another database"
                )));
            } else if !std::mem::replace(&mut is_told, true) {
                let owner = seen.instance.unwrap_or_default();
                info!("the tables are owned by {owner}; waiting up to 10 s for a sign of life");
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Who holds it.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The number of the last commit that this process knows of.
    pub fn commit_number(&self) -> i64 {
        self.commit_number
    }

    /// Holds on to the lease in a new session, after the old one was lost. When this returns the old session can commit
    /// nothing any more, and `commit_number` tells whether the commit that was under way has happened. An error if another
    /// instance has taken over, or if Postgres lost commits.
    pub fn regain(&mut self, client: &mut Client, session_name: &str) -> Result<()> {
        end_sessions(client, "application_name = $1", session_name)?;
        let mut transaction = explained(client.transaction())?;
        lock::set_timeout(&mut transaction)?;
        self.check(&mut transaction, 1)?;
        let update = "UPDATE freshet_owner SET generation = generation + 1, backend_pid = pg_backend_pid(),
                 backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
             RETURNING generation, commit_number, ctid";
        let row = explained(transaction.query_one(update, &[]))?;
        explained(transaction.commit())?;
        (self.fencing_token, self.commit_number, self.place) = (row.get(0), row.get(1), Some(row.get(2)));
        Ok(())
    }

    /// First in every commit: raises the commit number, so that nobody takes over before the commit ends. An error if the
    /// row is not as this process left it. [`Lease::committed`] is to follow the commit.
    pub fn fence(&mut self, transaction: &mut Transaction<'_>) -> Result<()> {
        let Lease { fencing_token, commit_number, instance, place, .. } = self;
        let mut row = None;
        if let Some(place) = place {
            row = explained(transaction.query_opt(FENCE_AT, &[fencing_token, &instance.name, commit_number, place]))?;
        }
        if row.is_none() {
            row = explained(transaction.query_opt(FENCE, &[fencing_token, &instance.name, commit_number]))?;
        }
        let Some(row) = row else {
            self.check(transaction, 0)?;
            bail!("the table freshet_owner changed during a commit: somebody else has written to it");
        };
        self.next_place = Some(row.get(0));
        Ok(())
    }

    /// The commit has happened.
    pub fn committed(&mut self) {
        self.commit_number += 1;
        self.place = self.next_place;
    }

    /// Locks the row and makes sure that it is as this process left it, but for so many commits whose answers were lost.
    pub fn check(&self, transaction: &mut Transaction<'_>, unanswered: i64) -> Result<()> {
        let query = "SELECT generation, instance, commit_number FROM freshet_owner FOR UPDATE";
        let row = explained(transaction.query_one(query, &[]))?;
        let (token, instance, number): (i64, Option<String>, i64) = (row.get(0), row.get(1), row.get(2));
        let is_ours = instance.as_ref() == Some(&self.instance.name);
        if token < self.fencing_token || (is_ours && number < self.commit_number) {
            bail!(Rewound { first: number.min(self.commit_number) + 1, last: self.commit_number });
        }
        if !is_ours {
            let what = "another instance has taken the ownership of these tables; this one stops";
            bail!(Failure::OwnershipLost(what.into()));
        }
        if number > self.commit_number + unanswered {
            bail!("the table freshet_owner is not where this process left it: somebody else has written to it");
        }
        Ok(())
    }

    /// Gives the tables up, so that the next start need not find out.
    pub fn release(&self, client: &mut Client) -> Result<()> {
        let statement = "UPDATE freshet_owner SET instance = NULL WHERE generation = $1 AND instance = $2";
        explained(client.execute(statement, &[&self.fencing_token, &self.instance.name]))?;
        Ok(())
    }
}

/// Becomes the owner, unless the claim changed since the look.
fn take(client: &mut Client, seen: &Claim, instance: Instance) -> Result<Option<Lease>> {
    if let Some(mark) = seen.instance.as_deref().and_then(|name| name.rsplit(' ').next()) {
        end_sessions(client, "strpos(application_name, $1) > 0", mark)?;
    }
    lock::wait(client, ROW, |client| try_take(client, seen, &instance))
}

fn try_take(client: &mut Client, seen: &Claim, instance: &Instance) -> Result<Option<Lease>> {
    let mut transaction = explained(client.transaction())?;
    lock::set_timeout(&mut transaction)?;
    let update = format!(
        "UPDATE freshet_owner SET generation = generation + 1, instance = $1, process = $2, database_id = {DATABASE_ID},
             renewed_at = clock_timestamp(), backend_pid = pg_backend_pid(),
             backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
         WHERE generation = $3 AND instance IS NOT DISTINCT FROM $4 RETURNING generation, commit_number, ctid"
    );
    let process = ProcessId::own().map(|process| process.to_string());
    let values: [&(dyn postgres::types::ToSql + Sync); 4] =
        [&instance.name, &process, &seen.fencing_token, &seen.instance];
    let Some(row) = explained(transaction.query_opt(&update, &values))? else { return Ok(None) };
    explained(transaction.commit())?;
    Ok(Some(Lease {
        fencing_token: row.get(0),
        commit_number: row.get(1),
        instance: instance.clone(),
        place: Some(row.get(2)),
        next_place: None,
    }))
}

/// Ends sessions of an instance in this database, which may hold locks for ever if their process was stopped or cut off. It
/// only saves time, so to have no right to it is no error.
fn end_sessions(client: &mut Client, which: &str, name: &str) -> Result<()> {
    let query = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND {which} AND pid <> pg_backend_pid()"
    );
    match client.execute(&query, &[&name]) {
        Err(error) if error.code() == Some(&postgres::error::SqlState::INSUFFICIENT_PRIVILEGE) => Ok(()),
        outcome => explained(outcome).map(drop),
    }
}
