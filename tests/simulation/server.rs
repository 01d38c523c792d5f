//! A model of Postgres: sessions, the owner's row and who has it locked, transactions, and what can become of a COMMIT.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use dataflows::{Model, Row, model::Table};
use freshet::batch::{Progress, TopicIdentity};
use freshet::database::Outage;
use freshet::sink::store::{Session, SmallCommit, Store};
use freshet::sink::{Claim, Instance, Owner};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::process::Actor;
use super::store::{Change, Stored};
use super::topic::{Log, held};
use super::transaction::{TableTransaction, commit_at_once};

/// So many commits can be lost at most.
const LOST_MAX: usize = 4;
/// A start waits no longer for the lock on the owner's row.
const TAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// What `regain` allows a lock.
const REGAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The server, and all that it knows of its sessions.
pub struct Server {
    pub random: StdRng,
    log: Arc<Mutex<Log>>,
    /// What the last commits left, the newest last.
    history: Vec<Arc<Stored>>,
    /// Sessions by number, with the process that has each.
    sessions: BTreeMap<u64, usize>,
    opened: u64,
    /// The session that has the owner's row locked.
    locked_by: Option<u64>,
    /// Sessions whose client is gone, and the COMMIT that is still under way there.
    orphans: BTreeMap<u64, Option<Change>>,
    beats: u64,
    /// Processes by the names that they own tables under.
    pub instances: BTreeMap<String, usize>,
    /// Processes that have taken the tables, and of these the ones that another did after.
    takers: BTreeSet<usize>,
    pub deposed: BTreeSet<usize>,
    pub dead: BTreeSet<usize>,
    /// Those that have begun to read.
    pub started: BTreeSet<usize>,
    /// How often commits were lost.
    pub rewinds: usize,
    /// How often a COMMIT happened after its client was gone.
    pub late: usize,
    /// In so many steps something fails; never if it is 0.
    pub one_fails_in: u32,
    /// The process that something failed for last.
    pub failed_last: Option<usize>,
    /// Whether one session may end another.
    may_end_sessions: bool,
    /// Whether it can be seen that a process is dead.
    are_dead_seen: bool,
    /// How far each partition ever was.
    pub durable: BTreeMap<i32, i64>,
    /// What went wrong.
    pub wrong: Option<String>,
    /// What happened, a line each.
    pub trace: String,
}

impl Server {
    pub fn new(seed: u64, log: &Arc<Mutex<Log>>) -> Server {
        let mut random = StdRng::seed_from_u64(seed);
        let (may_end_sessions, are_dead_seen) = (random.random_ratio(3, 4), random.random_ratio(3, 4));
        let one_fails_in = [0, 50, 15, 6][random.random_range(0..4)];
        Server {
            random,
            log: log.clone(),
            history: vec![Arc::default()],
            sessions: BTreeMap::new(),
            opened: 0,
            locked_by: None,
            orphans: BTreeMap::new(),
            beats: 0,
            instances: BTreeMap::new(),
            takers: BTreeSet::new(),
            deposed: BTreeSet::new(),
            dead: BTreeSet::new(),
            started: BTreeSet::new(),
            rewinds: 0,
            late: 0,
            one_fails_in,
            failed_last: None,
            may_end_sessions,
            are_dead_seen,
            durable: BTreeMap::new(),
            wrong: None,
            trace: String::new(),
        }
    }

    /// What is committed.
    pub fn stored(&self) -> &Stored {
        self.history.last().expect("there is always a state")
    }

    pub fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        writeln!(self.trace, "{what}").expect("a string takes all");
    }

    /// Something fails for this process; more seldom while it starts, else few ever would.
    fn fails(&mut self, process: usize) -> bool {
        let one_in = if self.started.contains(&process) { self.one_fails_in } else { 5 * self.one_fails_in };
        let fails = one_in > 0 && self.random.random_ratio(1, one_in);
        if fails {
            self.failed_last = Some(process);
        }
        fails
    }

    /// The owner shows that it lives.
    pub fn beat(&mut self, process: usize) {
        let owner = self.stored().owner.instance.clone();
        if owner.is_some_and(|name| self.instances.get(&name) == Some(&process)) {
            self.beats += 1;
        }
    }

    /// Lets a COMMIT happen that was under way, or not, and forgets its session.
    pub fn settle_one(&mut self) {
        if let Some(session) = self.orphans.keys().next().copied() {
            self.end(session);
        }
    }

    fn end(&mut self, session: u64) {
        let orphan = self.orphans.remove(&session).flatten();
        if let Some(change) = orphan
            && self.locked_by.is_none_or(|holder| holder == session)
            && change.found.as_ref().is_none_or(|found| *found == self.stored().owner)
            && self.random.random_ratio(1, 2)
        {
            self.late += 1;
            self.apply(change);
        }
        self.sessions.remove(&session);
        self.unlock(session);
    }

    fn unlock(&mut self, session: u64) {
        if self.locked_by == Some(session) {
            self.locked_by = None;
        }
    }

    /// Ends the sessions of a process, if one may.
    fn end_sessions(&mut self, process: usize, but: u64) {
        if self.may_end_sessions {
            let all = self.sessions.iter().filter(|(session, of)| **of == process && **session != but);
            all.map(|(session, _)| *session).collect::<Vec<_>>().into_iter().for_each(|session| self.end(session));
        }
    }

    /// It starts again, or another takes its place, which is so many commits behind. `is_seen` unless a pooler hides it.
    pub fn restart(&mut self, is_seen: bool) {
        let lost = if self.random.random_ratio(1, 2) { self.random.random_range(0..LOST_MAX) } else { 0 };
        let lost = lost.min(self.history.len() - 1);
        // What waits at the old one has happened before it went, or never.
        self.orphans.keys().copied().collect::<Vec<_>>().into_iter().for_each(|session| self.end(session));
        self.history.truncate(self.history.len() - lost);
        self.rewinds += usize::from(lost > 0);
        if is_seen {
            self.sessions.clear();
        } else if let Some(session) = self.locked_by {
            self.end(session);
        }
        self.locked_by = None;
        self.tell(format_args!("the server is another one, is_seen={is_seen}, {lost} commits are lost"));
    }

    fn apply(&mut self, change: Change) {
        let mut stored = self.stored().clone();
        let (what, is_silent) = (change.to_string(), change.is_silent());
        let mut outcome = stored.apply(change);
        if outcome.is_ok() && !is_silent {
            outcome = stored.check(&held(&self.log));
        }
        if let Err(error) = outcome {
            self.wrong.get_or_insert(format!("commit {}: {error}", stored.owner.commit_number));
        }
        for (partition, progress) in &stored.progress {
            let durable = self.durable.entry(*partition).or_default();
            *durable = progress.next_offset.max(*durable);
        }
        let offsets: Vec<_> = stored.progress.values().map(|progress| progress.next_offset).collect();
        let Owner { fencing_token, commit_number, .. } = stored.owner;
        self.tell(format_args!("commit {commit_number} by {fencing_token}: {what}, offsets {offsets:?}"));
        self.history.push(Arc::new(stored));
        if self.history.len() > LOST_MAX {
            self.history.remove(0);
        }
    }
}

/// The tables, for one process.
pub struct Tables {
    pub server: Arc<Mutex<Server>>,
    pub actor: Actor,
    pub model: Arc<Model>,
}

impl Tables {
    /// A session that is nobody's yet.
    pub fn open(&self) -> Result<TableSession> {
        self.actor.pause();
        let mut server = held(&self.server);
        if server.fails(self.actor.process) {
            bail!(Outage::new("no session can be had"));
        }
        server.opened += 1;
        let number = server.opened;
        server.sessions.insert(number, self.actor.process);
        let (server, actor, model) = (self.server.clone(), self.actor.clone(), self.model.clone());
        Ok(TableSession { server, actor, model, number })
    }
}

impl Store for Tables {
    type Session = TableSession;

    fn connect(&self, _instance: &Instance) -> Result<TableSession> {
        self.open()
    }
}

/// A session with the model.
pub struct TableSession {
    pub server: Arc<Mutex<Server>>,
    actor: Actor,
    model: Arc<Model>,
    number: u64,
}

impl TableSession {
    /// Something is asked of the server: others may be first, and the session may be lost.
    pub fn step(&self) -> Result<()> {
        if held(&self.server).random.random_ratio(1, 2) {
            self.actor.pause();
        }
        let mut server = held(&self.server);
        if server.sessions.contains_key(&self.number) && server.fails(self.actor.process) {
            server.end(self.number);
        }
        self.must_live(&server)
    }

    fn must_live(&self, server: &Server) -> Result<()> {
        if server.sessions.contains_key(&self.number) { Ok(()) } else { bail!(Outage::new("the session is lost")) }
    }

    /// Locks the owner's row once nobody else has it.
    pub fn lock(&self, within: Duration) -> Result<()> {
        self.step()?;
        let until: Option<Instant> = self.actor.clock.now().checked_add(within);
        loop {
            let mut server = held(&self.server);
            self.must_live(&server)?;
            if server.locked_by.is_none_or(|holder| holder == self.number) {
                server.locked_by = Some(self.number);
                return Ok(());
            }
            drop(server);
            if until.is_some_and(|until| self.actor.clock.now() >= until) {
                bail!(Outage::new("the lock was not had in time"));
            }
            self.actor.pause();
        }
    }

    pub fn unlock(&self) {
        held(&self.server).unlock(self.number);
    }

    /// A COMMIT, which may happen at once, later, or never, and whose answer may be lost.
    pub fn commit(&self, change: Change) -> Result<()> {
        self.step()?;
        let mut server = held(&self.server);
        if !(0..3).any(|_| server.fails(self.actor.process)) {
            server.apply(change);
            server.unlock(self.number);
            return Ok(());
        }
        let fate = server.random.random_range(0..3);
        server.tell(format_args!("a COMMIT is cut off, fate {fate}"));
        match fate {
            0 => server.apply(change),
            1 => {}
            _ => {
                // A statement that fences itself may not even have begun, so it holds no lock.
                if change.found.is_some() && server.random.random_ratio(1, 2) {
                    server.unlock(self.number);
                }
                server.orphans.insert(self.number, Some(change));
                bail!(Outage::new("the session was lost during COMMIT"));
            }
        }
        server.end(self.number);
        bail!(Outage::new("the session was lost during COMMIT"))
    }
}

impl Session for TableSession {
    type Transaction<'a> = TableTransaction<'a>;

    fn begin(&mut self, _rows: usize, _statement_rows: usize) -> Result<TableTransaction<'_>> {
        self.step()?;
        Ok(TableTransaction { session: self, change: Some(Change::default()) })
    }

    fn commit_at_once(&mut self, commit: &SmallCommit<'_>) -> Result<Option<bool>> {
        commit_at_once(self, commit)
    }

    fn claim(&mut self) -> Result<Claim> {
        self.step()?;
        let server = held(&self.server);
        let Owner { fencing_token, instance, commit_number } = server.stored().owner.clone();
        let process = instance.as_ref().and_then(|name| server.instances.get(name));
        let is_gone = server.are_dead_seen && process.is_some_and(|process| server.dead.contains(process));
        let pulse = format!("{commit_number} {}", server.beats);
        Ok(Claim { fencing_token, instance, pulse, is_void: is_gone.then_some("its process is gone"), asked_by: None })
    }

    fn acquire(&mut self, seen: &Claim, instance: &Instance) -> Result<Option<Owner>> {
        self.step()?;
        let mut server = held(&self.server);
        let before = seen.instance.as_ref().and_then(|name| server.instances.get(name)).copied();
        if let Some(process) = before {
            server.end_sessions(process, self.number);
        }
        drop(server);
        self.lock(TAKE_TIMEOUT)?;
        let mut server = held(&self.server);
        let owner = server.stored().owner.clone();
        if (owner.fencing_token, &owner.instance) != (seen.fencing_token, &seen.instance) {
            server.unlock(self.number);
            return Ok(None);
        }
        let name = Some(instance.name().to_owned());
        let owner = Owner { fencing_token: owner.fencing_token + 1, instance: name, ..owner };
        server.instances.insert(instance.name().to_owned(), self.actor.process);
        let before_it = server.takers.clone();
        server.deposed.extend(before_it);
        server.takers.insert(self.actor.process);
        server.tell(format_args!("process {} takes over from {before:?}", self.actor.process));
        drop(server);
        self.commit(Change { owner: Some(owner.clone()), ..Change::default() })?;
        Ok(Some(owner))
    }

    fn owner(&mut self, within: Option<Duration>) -> Result<Owner> {
        self.lock(within.unwrap_or(Duration::MAX))?;
        self.unlock();
        Ok(held(&self.server).stored().owner.clone())
    }

    fn regain(&mut self, _instance: &Instance, check: impl FnOnce(&Owner) -> Result<()>) -> Result<Owner> {
        held(&self.server).end_sessions(self.actor.process, self.number);
        self.lock(REGAIN_TIMEOUT)?;
        let mut owner = held(&self.server).stored().owner.clone();
        let checked = check(&owner);
        if checked.is_err() {
            self.unlock();
        }
        checked?;
        owner.fencing_token += 1;
        self.commit(Change { owner: Some(owner.clone()), ..Change::default() })?;
        Ok(owner)
    }

    fn release(&mut self, owner: &Owner) -> Result<()> {
        self.lock(Duration::MAX)?;
        let found = held(&self.server).stored().owner.clone();
        if (found.fencing_token, &found.instance) != (owner.fencing_token, &owner.instance) {
            self.unlock();
            return Ok(());
        }
        let owner = Owner { instance: None, ..found };
        self.commit(Change { owner: Some(owner), ..Change::default() })
    }

    fn progress(&mut self) -> Result<BTreeMap<i32, Progress>> {
        self.step()?;
        Ok(held(&self.server).stored().progress.clone())
    }

    fn load(
        &mut self,
        each: &mut dyn FnMut(&Table, Row) -> Result<()>,
    ) -> Result<(BTreeMap<i32, Progress>, TopicIdentity)> {
        self.step()?;
        let stored = held(&self.server).stored().clone();
        for row in stored.rows() {
            if let Some(table) = row.table(&self.model) {
                each(&self.model.tables[table], row)?;
            }
        }
        Ok((stored.progress, TopicIdentity::default()))
    }
}

impl Drop for TableSession {
    fn drop(&mut self) {
        let mut server = held(&self.server);
        if server.orphans.contains_key(&self.number) {
            return;
        }
        // The server may not have heard yet that the process is dead.
        if std::thread::panicking() && server.sessions.contains_key(&self.number) && server.random.random_ratio(1, 2) {
            server.orphans.insert(self.number, None);
        } else {
            server.end(self.number);
        }
    }
}
