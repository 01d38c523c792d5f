//! Sessions with Postgres: opened, lost, and opened again.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use backon::{BlockingRetryable, ExponentialBuilder};
use postgres::{Client, Config, NoTls};
use tracing::{info, warn};

use super::Sink;
use super::error::{self, explained, is_outage};
use super::statements::Statements;

/// A server that has not answered for this long is away: one that was switched off or cut off never says so itself.
const SILENT: Duration = Duration::from_secs(10);

/// How long after a failed attempt the next one comes: at first soon, as after a restart; a shared server that is in
/// trouble is not to be pressed.
const SOONEST: Duration = Duration::from_millis(50);
const LATEST: Duration = Duration::from_secs(2);

impl Sink {
    /// Does something, and again in a new session whenever Postgres goes away meanwhile, until it is done. One line in
    /// the log for each outage.
    pub(super) fn outlast(&mut self, mut attempt: impl FnMut(&mut Sink) -> Result<()>) -> Result<()> {
        let away = self.away.clone();
        let began = Cell::new(None);
        let outcome = (|| {
            if began.get().is_some() {
                self.reconnect()?;
            }
            attempt(self)
        })
        .retry(ExponentialBuilder::default().with_min_delay(SOONEST).with_max_delay(LATEST).without_max_times())
        .when(is_outage)
        .notify(|error, _| {
            if began.get().is_none() {
                began.set(Some(Instant::now()));
                away.store(true, Ordering::Relaxed);
                warn!("{error}; trying again until it works, nothing is lost");
            }
        })
        .call();
        away.store(false, Ordering::Relaxed);
        if let Some(began) = began.get().filter(|_| outcome.is_ok()) {
            info!("Postgres works again, after {:.1} s", began.elapsed().as_secs_f64());
        }
        outcome
    }

    /// A new session that owns the tables.
    fn reconnect(&mut self) -> Result<()> {
        let mut client = connect(&self.config)?;
        self.ownership.regain(&mut client)?;
        self.statements = explained(Statements::prepare(&mut client))?;
        self.client = client;
        Ok(())
    }

    /// Set while Postgres is away.
    pub fn away(&self) -> Arc<AtomicBool> {
        self.away.clone()
    }
}

/// Opens a session. Never says the password.
pub(super) fn connect(config: &Config) -> Result<Client> {
    let mut config = config.clone();
    if config.get_application_name().is_none() {
        config.application_name("freshet");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(SILENT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENT);
    }
    config.keepalives_idle(config.get_keepalives_idle().min(SILENT));
    let place = error::place(&config);
    let mut client = config.connect(NoTls).map_err(|error| error::unreachable(&error, &place))?;
    // Notices such as "relation already exists, skipping" are of no use to anybody here.
    explained(client.batch_execute("SET client_min_messages = warning")).context("a new session failed")?;
    Ok(client)
}
