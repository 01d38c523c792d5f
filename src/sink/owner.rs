//! One owner: the process that may write the tables, by a row that every commit locks first.
//!
//! A process that was stopped, cut off or is slow to die can hold on to a session; it cannot commit, because its
//! generation is not the row's any more.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use postgres::{Client, Statement, ToStatement, Transaction};
use tracing::info;

use crate::database::explained;
use crate::failure::Failure;

/// How often an owner says that it lives.
pub(super) const RENEW_EVERY: Duration = Duration::from_secs(2);
/// An owner that was not heard of for this long, by the database's clock, is gone. Five renewals.
const STALE: &str = "interval '10 seconds'";
/// How often a starting process looks whether the owner is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The right to write the tables.
#[derive(Debug)]
pub(super) struct Ownership {
    generation: i64,
    /// A name for this process, which no other has.
    instance: String,
    renewed: Instant,
    /// [`LOCK`] in the session that owns.
    lock: Statement,
}

/// Locks the row; of no row if another instance has taken over.
const LOCK: &str = "SELECT FROM freshet_owner WHERE generation = $1 FOR UPDATE";

/// The owner as its row has it.
struct Seen {
    generation: i64,
    instance: Option<String>,
    /// Its age is told by the database; this only by whether it changes.
    renewed: String,
    stale: bool,
    /// Whether its session is still there.
    connected: bool,
}

impl Ownership {
    /// Takes the tables over from an owner that stopped, died or fell silent; refuses if it lives.
    ///
    /// A session can outlive its killed process by the statement that it executes. So an owner that has a session
    /// but is not heard of is waited for, until its session ends or it is stale.
    pub fn take(client: &mut Client) -> Result<Self> {
        let claim = "INSERT INTO freshet_owner (generation, instance, backend_pid, backend_start, renewed_at)
             VALUES (0, NULL, 0, 'epoch', 'epoch') ON CONFLICT DO NOTHING";
        explained(client.execute(claim, &[]))?;
        let instance = instance();
        let first = look(client)?;
        loop {
            let seen = look(client)?;
            if seen.instance.is_none() || !seen.connected || seen.stale {
                if let Some(ownership) = seize(client, &seen, &instance)? {
                    if let Some(before) = seen.instance.filter(|_| seen.stale) {
                        info!("took the tables over from {before}, which was not heard of any more");
                    }
                    return Ok(ownership);
                }
            } else if seen.renewed != first.renewed {
                bail!(Failure::OwnedByAnother(format!(
                    "these tables are owned by another instance ({}); stop it first, or give --database-url another database",
                    seen.instance.unwrap_or_default()
                )));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Owns the tables in a new session, after the old one was lost. When this returns the old session can commit
    /// nothing any more: what it was doing has either happened or never will. An error if another instance has taken
    /// over.
    pub fn regain(&mut self, client: &mut Client) -> Result<()> {
        loop {
            let seen = look(client)?;
            // By name, as the answer to an earlier attempt of ours may have been lost.
            if seen.instance.as_ref() != Some(&self.instance) {
                bail!(lost());
            }
            if let Some(ownership) = seize(client, &seen, &self.instance)? {
                *self = ownership;
                return Ok(());
            }
        }
    }

    /// First in every commit: locks the row, so that nobody takes over before the commit ends, and says that the
    /// owner lives when that is due. An error if another instance has taken over.
    pub fn lock(&mut self, transaction: &mut Transaction<'_>) -> Result<()> {
        self.lock_by(transaction, &self.lock)?;
        if self.renewed.elapsed() >= RENEW_EVERY {
            let renew = "UPDATE freshet_owner SET renewed_at = clock_timestamp()";
            explained(transaction.execute(renew, &[]))?;
            self.renewed = Instant::now();
        }
        Ok(())
    }

    /// Locks the row, in any session. An error if another instance has taken over.
    pub fn check(&self, transaction: &mut Transaction<'_>) -> Result<()> {
        self.lock_by(transaction, LOCK)
    }

    fn lock_by(&self, transaction: &mut Transaction<'_>, lock: &(impl ?Sized + ToStatement)) -> Result<()> {
        if explained(transaction.execute(lock, &[&self.generation]))? == 0 {
            bail!(lost());
        }
        Ok(())
    }

    /// Says that the owner lives, once it is time again.
    pub fn renew_when_due(&mut self, client: &mut Client) -> Result<()> {
        if self.renewed.elapsed() >= RENEW_EVERY { self.renew(client) } else { Ok(()) }
    }

    /// Says that the owner lives, and makes sure that it still is the owner.
    pub fn renew(&mut self, client: &mut Client) -> Result<()> {
        let mut transaction = explained(client.transaction())?;
        self.lock(&mut transaction)?;
        explained(transaction.commit())
    }

    /// Gives the tables up, so that the next start need not find out.
    pub fn release(&self, client: &mut Client) -> Result<()> {
        let statement = "UPDATE freshet_owner SET instance = NULL WHERE generation = $1";
        explained(client.execute(statement, &[&self.generation]))?;
        Ok(())
    }
}

fn lost() -> Failure {
    Failure::OwnershipLost("another instance has taken the ownership of these tables; this one stops".into())
}

fn look(client: &mut Client) -> Result<Seen> {
    // Where the session is another user's, Postgres does not show when it began.
    let query = format!(
        "SELECT generation, instance, renewed_at::text, renewed_at < clock_timestamp() - {STALE}, EXISTS (
             SELECT FROM pg_stat_activity
             WHERE pid = backend_pid AND coalesce(pg_stat_activity.backend_start = freshet_owner.backend_start, true)
         ) FROM freshet_owner"
    );
    let row = explained(client.query_one(&query, &[]))?;
    Ok(Seen {
        generation: row.get(0),
        instance: row.get(1),
        renewed: row.get(2),
        stale: row.get(3),
        connected: row.get(4),
    })
}

/// Becomes the owner, unless something happened since the look. Ends the old owner's session first: the open
/// transaction of a stopped process would hold its locks for ever. Waits for a commit that is under way, which has
/// locked the row.
fn seize(client: &mut Client, seen: &Seen, instance: &str) -> Result<Option<Ownership>> {
    if seen.instance.is_some() && seen.connected {
        let end = "SELECT pg_terminate_backend(backend_pid) FROM freshet_owner WHERE generation = $1";
        explained(client.execute(end, &[&seen.generation]))?;
    }
    let update = "UPDATE freshet_owner SET generation = generation + 1, instance = $1, renewed_at = clock_timestamp(),
             backend_pid = pg_backend_pid(),
             backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
         WHERE generation = $2 AND renewed_at::text = $3 RETURNING generation";
    let renewed = Instant::now();
    let row = explained(client.query_opt(update, &[&instance, &seen.generation, &seen.renewed]))?;
    let Some(row) = row else { return Ok(None) };
    let lock = explained(client.prepare(LOCK))?;
    Ok(Some(Ownership { generation: row.get(0), instance: instance.to_owned(), renewed, lock }))
}

/// A name for this process that a person recognizes. The number at its end sets it apart from a process of the same
/// id, as in a container that was started again.
fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "this host".into());
    format!("process {} on {}, {:08x}", std::process::id(), host.trim(), rand::random::<u32>())
}
