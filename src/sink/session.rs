//! The writer's session, and another one when it is lost.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use backon::{BlockingRetryable, ExponentialBuilder};
use postgres::Client;
use tracing::{info, warn};

use super::lease::Lease;
use super::statements::Statements;
use super::{Sink, load};
use crate::database::{For, Schema, Target, connect_as, explained, is_lock_timeout, is_outage};

/// How long after a failed attempt the next one comes: at first soon, as after a restart; a shared server that is in
/// trouble is not to be pressed.
const RETRY_INTERVAL_MIN: Duration = Duration::from_millis(50);
const RETRY_INTERVAL_MAX: Duration = Duration::from_secs(2);

/// What the session of the writer goes by, and nobody else's: no time limit of a role or a server is meant for it, as how long
/// a commit may take is `--stall-timeout`'s to say. Those that this server knows.
const SETTINGS: &str = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('lock_timeout',
    'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')";

/// The name of the writer's session.
pub(super) fn name(target: &Target, lease: &Lease) -> String {
    lease.instance().session_name(target.application_name(), "writer")
}

/// A further session of this name that goes by the schema of the tables.
pub(super) fn open(target: &Target, schema: &Schema, name: &str) -> Result<Client> {
    let mut client = connect_as(target, name)?;
    schema.enter(&mut client, For::Session)?;
    without_limits(&mut client)?;
    Ok(client)
}

/// Frees a session of the time limits that are meant for others.
pub(super) fn without_limits(client: &mut Client) -> Result<()> {
    // By itself, as the other statement takes some milliseconds.
    explained(client.batch_execute("SET statement_timeout = 0"))?;
    explained(client.execute(SETTINGS, &[])).map(drop)
}

/// Makes a session known as the writer's.
pub(super) fn rename(client: &mut Client, name: &str) -> Result<()> {
    explained(client.execute("SELECT set_config('application_name', $1, false)", &[&name])).map(drop)
}

impl Sink {
    /// Does something, and again in a new session whenever Postgres goes away meanwhile, until it is done. One line in
    /// the log for each outage.
    pub(super) fn with_reconnect(&mut self, mut attempt: impl FnMut(&mut Sink) -> Result<()>) -> Result<()> {
        let (away, metrics) = (self.away.clone(), self.metrics.clone());
        let began = Cell::new(None);
        let outcome = (|| {
            if began.get().is_some() {
                let reconnected = self.reconnect();
                // Behind a lock on the owner's row there is a session.
                let is_away = reconnected.as_ref().is_err_and(|error| !is_lock_timeout(error));
                self.away.store(is_away, Ordering::Relaxed);
                reconnected?;
            }
            attempt(self)
        })
        .retry(
            ExponentialBuilder::default()
                .with_min_delay(RETRY_INTERVAL_MIN)
                .with_max_delay(RETRY_INTERVAL_MAX)
                .without_max_times(),
        )
        .when(is_outage)
        .notify(|error, _| {
            if began.get().is_none() {
                began.set(Some(Instant::now()));
                metrics.set_postgres_up(false);
                warn!("{error}; trying again until it works, nothing is lost");
            }
        })
        .call();
        away.store(false, Ordering::Relaxed);
        self.metrics.set_postgres_up(true);
        if let Some(began) = began.get().filter(|_| outcome.is_ok()) {
            info!("Postgres works again, after {:.1} s", began.elapsed().as_secs_f64());
        }
        outcome
    }

    /// A new session that holds the lease, in a Postgres that has all that this process knows of.
    fn reconnect(&mut self) -> Result<()> {
        let name = name(&self.target, &self.lease);
        let mut client = open(&self.target, &self.schema, &name)?;
        let before = self.lease.commit_number();
        self.lease.regain(&mut client, &name)?;
        let mut expected = self.progress.clone();
        if self.lease.commit_number() > before {
            expected.extend(&self.in_flight);
        }
        let stored = load::progress(&mut client, &self.topic)?;
        if stored != expected {
            bail!("the table progress is not where this process left it: somebody else has written to it");
        }
        self.statements = explained(Statements::prepare(&mut client, &self.model))?;
        self.client = client;
        Ok(())
    }

    /// Set while no session with Postgres can be had.
    pub fn away(&self) -> Arc<AtomicBool> {
        self.away.clone()
    }
}
