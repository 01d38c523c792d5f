//! The swap: one transaction that drops the old objects, moves the new ones to where they were, and gives these the rights of
//! those.
//!
//! Locks are taken in this order, as far as the tables are concerned in the order of the writers: these lock the owner's row
//! first, so one that waits for it holds nothing else.
//!
//! 1. that for making tables;
//! 2. all tables, against vacuuming, and sessions that would make an index or a trigger;
//! 3. the owner's row of the old tables: from here on their run waits, and the new ones can catch up with them;
//!    and the last snapshots from before that can end;
//! 4. the owner's row of the new ones, then all of them;
//! 5. the old ones, against readers too, within half the time after which Postgres looks for deadlocks (`order.rs`). If it is not
//!    enough, all locks are released, and the swap is tried again later.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use dataflows::Model;
use postgres::{Client, Transaction};
use tracing::{info, warn};

use super::rights::Rights;
use super::snapshots::Snapshots;
use super::{Rebuild, dependents, exists};
use crate::database::{For, Schema, db_result, is_lock_timeout, is_outage};
use crate::schema::{Ddl, ObjectKind};
use crate::sink::kept::{self, Definitions, Kept};
use crate::sink::schema::Wanted;
use crate::sink::session::without_limits;
use crate::sink::table_settings::TableSettings;
use crate::sink::{definitions, lock, trust};

/// How long to wait for a lock that keeps no reader waiting.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the old tables' run may wait until the new ones have caught up with it, and then for snapshots from before that.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(5);
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(2);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long Postgres may be away when the answer to the commit was lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The objects of a schema by which its tables are owned.
const OWNER: &str = "freshet_owner";
const ANY_TABLE: &[ObjectKind] = &[ObjectKind::Table];
const ANY_READ: &[ObjectKind] = &[ObjectKind::Table, ObjectKind::View];

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The new tables are in the place of the old ones.
    Done,
    /// Nothing has changed, for this reason.
    Later(String),
}

/// The same, before the commit.
enum Swap {
    /// An earlier attempt did it, and its answer was lost.
    Done,
    /// All but the commit is done; since then no reader has access.
    Ready(Instant),
    Later(String),
}

impl Rebuild {
    /// The snapshots that are open now.
    pub fn snapshots(&self) -> Result<Snapshots> {
        Snapshots::open(&mut self.session(&self.live)?)
    }

    /// The session of one of these that is still open.
    pub fn reader_of(&self, snapshots: &mut Snapshots) -> Result<Option<String>> {
        snapshots.tend(&mut self.session(&self.live)?)
    }

    /// Puts the new tables in the place of the live ones once they include all that these do, but for the partitions
    /// that `except` names, which they cannot follow. Another process keeps writing them until it is done.
    pub fn swap(&self, model: &Model, built_with: &TableSettings, except: &[i32]) -> Result<Attempt> {
        let mut client = self.session(&self.live)?;
        without_limits(&mut client)?;
        let wanted = Wanted { model, ddl: Ddl::new(model), built_with };
        let mut transaction = db_result(client.transaction())?;
        match self.swap_in(&mut transaction, &wanted, except) {
            Ok(Swap::Ready(since)) => match db_result(transaction.commit()) {
                Err(error) if is_outage(&error) => self.outcome(error),
                committed => {
                    committed?;
                    info!("swapped the tables, to which readers had no access for {} ms", since.elapsed().as_millis());
                    Ok(Attempt::Done)
                }
            },
            Ok(Swap::Done) => self.is_swapped().map(|_| Attempt::Done),
            Ok(Swap::Later(why)) => Ok(Attempt::Later(why)),
            Err(error) if is_lock_timeout(&error) => {
                drop(transaction);
                self.holders(&mut client)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the new tables are in the place of the live ones, although the answer to that was lost.
    pub fn is_swapped(&self) -> Result<bool> {
        let is_swapped = !exists(&mut self.session(&self.live)?, &self.next)?;
        if is_swapped {
            info!("swapped the tables, although the answer to that was lost");
        }
        Ok(is_swapped)
    }

    /// Whether a commit has happened whose answer was lost.
    fn outcome(&self, error: anyhow::Error) -> Result<Attempt> {
        let lost = Instant::now();
        loop {
            match self.is_swapped() {
                Ok(true) => return Ok(Attempt::Done),
                Ok(false) => return Err(error),
                Err(error) if lost.elapsed() >= ANSWER_TIMEOUT => return Err(error),
                Err(_) => thread::sleep(RETRY_INTERVAL),
            }
        }
    }

    fn holders(&self, client: &mut Client) -> Result<Attempt> {
        let relations = qualified(&self.live, &self.old, ANY_READ);
        let holders = lock::holders(client, &relations.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(Attempt::Later(format!("a lock on the tables is {holders}")))
    }

    /// All but the commit.
    fn swap_in(&self, transaction: &mut Transaction<'_>, wanted: &Wanted<'_>, except: &[i32]) -> Result<Swap> {
        let Rebuild { live, next, old, .. } = self;
        Schema::leave(transaction, For::Transaction)?;
        lock::set_timeout(transaction, LOCK_TIMEOUT)?;
        lock::lock_schema(transaction)?;
        if !exists(transaction, next)? {
            return Ok(Swap::Done);
        }
        let (there, new) = (found(transaction, live, old)?, &wanted.ddl);
        let going = self.going(&there, &self.staying(new, wanted.built_with, 0));
        let new_tables = qualified(next, new, ANY_TABLE);
        lock_all(transaction, &qualified(live, &there, ANY_TABLE), "SHARE UPDATE EXCLUSIVE")?;
        lock_all(transaction, &new_tables, "SHARE UPDATE EXCLUSIVE")?;
        // Somebody may have made something since it was looked at; nobody does from here on.
        dependents::refuse(transaction, live, &going)?;
        let rights = Rights::read(transaction, live, &going)?;
        // Before their run is held: a partition that nobody can read now must not hold it in vain.
        let mut is_close = self.catch_up(transaction, except)?;
        if is_close {
            lock_all(transaction, &[live.relation(OWNER)], "EXCLUSIVE")?;
            is_close = self.catch_up(transaction, except)?;
        }
        if !is_close {
            return Ok(Swap::Later("they do not keep up with the old ones".into()));
        }
        self.refuse_forgotten(transaction)?;
        // A session that reads by a snapshot from before that would see them further back than the old ones.
        if let Some(session) = outlasting(transaction)? {
            return Ok(Swap::Later(format!("{session} has read for {} s", SNAPSHOT_TIMEOUT.as_secs())));
        }
        lock_all(transaction, &[next.relation(OWNER)], "EXCLUSIVE")?;
        lock_all(transaction, &new_tables, "ACCESS EXCLUSIVE")?;
        db_result(transaction.batch_execute(&self.fence()))?;
        let within = deadlock_timeout(transaction)? / 2;
        let since = Instant::now();
        let mut order = self.order.lock();
        if !order.lock(transaction, live, &there, within)? {
            return Ok(Swap::Later("readers hold the tables".into()));
        }
        lock::set_timeout(transaction, LOCK_TIMEOUT)?;
        let kept = self.replace(transaction, wanted, &going, rights)?;
        db_result(transaction.batch_execute(&format!("DROP SCHEMA {}", next.quoted())))?;
        trust::check_own(transaction, live, new)?;
        live.enter(transaction, For::Transaction)?;
        kept.record(transaction)?;
        definitions::record(transaction, wanted)?;
        Ok(Swap::Ready(since))
    }

    /// Drops what goes, moves the new objects to where it was, and recreates the views of what is kept. Returns what is kept.
    fn replace(
        &self,
        transaction: &mut Transaction<'_>,
        wanted: &Wanted<'_>,
        going: &Ddl,
        rights: Rights,
    ) -> Result<Kept> {
        let Rebuild { live, next, old, .. } = self;
        let qualified = |names: &[&str]| names.iter().map(|name| live.relation(name)).collect::<Vec<_>>();
        let commit = format!("SELECT commit_number FROM {}", live.relation(OWNER));
        let commit = db_result(transaction.query_one(&commit, &[]))?.get(0);
        let staying = self.staying(&wanted.ddl, wanted.built_with, commit);
        let views = Definitions::read(transaction, &qualified(&staying.names(ObjectKind::View)))?;
        let indexes = qualified(&old.names(&[ObjectKind::Index]));
        kept::drop_indexes(transaction, &indexes, &wanted.ddl, &qualified(&staying.names(ObjectKind::Table)))?;
        db_result(transaction.batch_execute(&drops(live, going)))?;
        db_result(transaction.batch_execute(&moves(next, live, &wanted.ddl)))?;
        for view in views.restore(transaction)? {
            warn!("the view {view} of a kept table is gone: what it selected from no longer exists");
        }
        live.enter(transaction, For::Transaction)?;
        let staying = staying.there(transaction)?;
        staying.besides(&self.kept).comment(transaction)?;
        Schema::leave(transaction, For::Transaction)?;
        let mut ddl = wanted.ddl.clone();
        ddl.objects.extend(staying.objects().filter(|object| object.kind == ObjectKind::View));
        rights.restore(transaction, live, &ddl)?;
        Ok(staying)
    }

    /// Refuses new tables that count what was forgotten since they were begun.
    fn refuse_forgotten(&self, transaction: &mut Transaction<'_>) -> Result<()> {
        let [live, next] = [&self.live, &self.next].map(|schema| schema.relation("forgotten"));
        let is_there = "SELECT to_regclass($1) IS NOT NULL";
        let query = format!("SELECT EXISTS (SELECT id_hash FROM {live} EXCEPT SELECT id_hash FROM {next})");
        if db_result(transaction.query_one(is_there, &[&live]))?.get(0)
            && db_result(transaction.query_one(&query, &[]))?.get(0)
        {
            bail!("events were forgotten since this rebuild was begun; give it up: freshet rebuild --abandon");
        }
        Ok(())
    }

    /// Waits until the new tables include all that the live ones do now.
    fn catch_up(&self, transaction: &mut Transaction<'_>, except: &[i32]) -> Result<bool> {
        let query =
            "SELECT kafka_partition, next_offset FROM PROGRESS WHERE topic = $1 AND NOT kafka_partition = ANY($2)";
        let query = query.replace("PROGRESS", &self.live.relation("progress"));
        let rows = db_result(transaction.query(&query, &[&self.topic(), &except]))?;
        let (partitions, goals): (Vec<i32>, Vec<i64>) =
            rows.iter().map(|row| (row.get::<_, i32>(0), row.get::<_, i64>(1))).unzip();
        let query =
            "SELECT NOT EXISTS (SELECT FROM unnest($2::int[], $3::bigint[]) AS goal (kafka_partition, next_offset)
            LEFT JOIN (SELECT * FROM PROGRESS WHERE topic = $1) AS next USING (kafka_partition)
            WHERE next.next_offset IS NULL OR next.next_offset < goal.next_offset)";
        let query = query.replace("PROGRESS", &self.next.relation("progress"));
        let since = Instant::now();
        while since.elapsed() < CATCH_UP_TIMEOUT {
            if db_result(transaction.query_one(&query, &[&self.topic(), &partitions, &goals]))?.get(0) {
                return Ok(true);
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(false)
    }

    /// Fences off all who wrote the live or the new tables: the token is higher than any that is known.
    fn fence(&self) -> String {
        let (live, next) = (self.live.relation(OWNER), self.next.relation(OWNER));
        format!(
            "UPDATE {next} AS next SET generation = greatest(next.generation, live.generation) + 1,
                 commit_number = greatest(next.commit_number, live.commit_number) + 1, instance = NULL, process = NULL
             FROM {live} AS live"
        )
    }
}

/// A session whose snapshot does not end.
fn outlasting(transaction: &mut Transaction<'_>) -> Result<Option<String>> {
    let (mut snapshots, since) = (Snapshots::open(transaction)?, Instant::now());
    loop {
        let session = snapshots.tend(transaction)?;
        if session.is_none() || since.elapsed() >= SNAPSHOT_TIMEOUT {
            return Ok(session);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Those of a DDL's objects that are there: an older version, or somebody else, may have left one out.
fn found(transaction: &mut Transaction<'_>, schema: &Schema, ddl: &Ddl) -> Result<Ddl> {
    let query = "SELECT relname::text FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relname = ANY($2)
        UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = $1::text::regnamespace AND proname = ANY($3)";
    let rows = transaction.query(query, &[&schema.quoted(), &ddl.relations(), &ddl.functions()]);
    let names: Vec<String> = db_result(rows)?.iter().map(|row| row.get(0)).collect();
    let objects = ddl.objects.iter().filter(|object| names.contains(&object.name)).cloned().collect();
    Ok(Ddl { text: String::new(), objects })
}

/// The objects of these kinds, with the schema that they are in.
fn qualified(schema: &Schema, ddl: &Ddl, kinds: &[ObjectKind]) -> Vec<String> {
    ddl.names(kinds).into_iter().map(|name| schema.relation(name)).collect()
}

fn lock_all(transaction: &mut Transaction<'_>, relations: &[String], mode: &str) -> Result<()> {
    db_result(transaction.batch_execute(&format!("LOCK TABLE {} IN {mode} MODE", relations.join(", "))))
}

/// How long Postgres waits before it looks for a deadlock, and ends one of those who are in it.
fn deadlock_timeout(transaction: &mut Transaction<'_>) -> Result<Duration> {
    let query = "SELECT setting::bigint FROM pg_settings WHERE name = 'deadlock_timeout'";
    let milliseconds: i64 = db_result(transaction.query_one(query, &[]))?.get(0);
    Ok(Duration::from_millis(milliseconds.unsigned_abs()))
}

/// Each kind in one statement, as views are over others; nothing of somebody else's goes with them.
fn drops(schema: &Schema, ddl: &Ddl) -> String {
    let drop = |(what, kind)| {
        let names = qualified(schema, ddl, &[kind]);
        if names.is_empty() { String::new() } else { format!("DROP {what} {};\n", names.join(", ")) }
    };
    [("VIEW", ObjectKind::View), ("TABLE", ObjectKind::Table), ("FUNCTION", ObjectKind::Function)].map(drop).concat()
}

/// Indexes go with their tables.
fn moves(from: &Schema, to: &Schema, ddl: &Ddl) -> String {
    let of = |(what, kind)| {
        let names = qualified(from, ddl, &[kind]);
        names.into_iter().map(|name| format!("ALTER {what} {name} SET SCHEMA {};\n", to.quoted())).collect::<String>()
    };
    [("TABLE", ObjectKind::Table), ("VIEW", ObjectKind::View), ("FUNCTION", ObjectKind::Function)].map(of).concat()
}
