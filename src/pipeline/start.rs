//! The start of a run: what it waits for, and how a stop interrupts it.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use parking_lot::Mutex;
use tracing::{info, warn};

use super::settings::Settings;
use crate::database::{has_no_free_session, is_outage};
use crate::failure::Failure;
use crate::metrics::{Metrics, Phase};
use crate::sink::Sink;
use crate::source::{Topic, is_away};

/// How often a start checks for a stop.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long a standby waits before it tries to take the tables again.
const STANDBY_INTERVAL: Duration = Duration::from_millis(100);
/// How long before Kafka or Postgres is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// How long to wait for a missing topic, as it may just have been created.
const TOPIC_TIMEOUT: Duration = Duration::from_secs(5);

/// While a run is starting, it has nothing to finish, and a stop ends the process at once, whatever it waits for. None if the
/// run does not own the process.
#[derive(Clone)]
pub struct Starting(Option<Arc<Mutex<bool>>>);

impl Starting {
    /// Watches for a stop until the start is over.
    pub fn watch(stop: Arc<AtomicBool>) -> Result<Starting> {
        let is_starting = Arc::new(Mutex::new(true));
        let watched = is_starting.clone();
        thread::Builder::new().name("start".into()).spawn(move || {
            loop {
                // Held while the process exits, so that no record is read any more.
                let is_starting = watched.lock();
                if !*is_starting {
                    return;
                }
                if stop.load(Ordering::Relaxed) {
                    info!("stopped before the first record was read");
                    process::exit(0);
                }
                drop(is_starting);
                thread::sleep(POLL_INTERVAL);
            }
        })?;
        Ok(Starting(Some(is_starting)))
    }

    /// For a run inside another program, which must not be ended.
    pub fn unwatched() -> Starting {
        Starting(None)
    }

    /// Whether the run may end the process, or have it start again.
    pub(super) fn owns_process(&self) -> bool {
        self.0.is_some()
    }

    /// From now on records are read, and a stop waits until they are committed.
    pub fn is_over(&self) {
        if let Some(is_starting) = &self.0 {
            *is_starting.lock() = false;
        }
    }
}

/// Connects to the topic; with `--wait` as soon as Kafka answers and has the topic. None if `stop` is set before that.
pub(super) fn connect(settings: &Settings, stop: &AtomicBool) -> Result<Option<Topic>> {
    let is_stopped = || stop.load(Ordering::Relaxed);
    let (within, mut waiting) = (if settings.wait { Duration::MAX } else { TOPIC_TIMEOUT }, false);
    while !is_stopped() {
        match Topic::connect_within(&settings.kafka, within, is_stopped) {
            Ok(topic) => return Ok(Some(topic)),
            Err(error) if settings.wait && is_away(&error) => {
                if !std::mem::replace(&mut waiting, true) {
                    warn!("{error:#}; trying again until it does");
                }
                thread::sleep(RETRY_INTERVAL);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Opens the tables; with `--standby` as soon as no other instance owns them, with `--wait` as soon as Postgres answers,
/// and in any case as soon as Postgres has a free session. None if `stop` is set before that.
pub(super) fn open(settings: &Settings, metrics: &Metrics, stop: &AtomicBool) -> Result<Option<Sink>> {
    let (topic, database) = (settings.kafka.topic.as_str(), &settings.database);
    let built_with = settings.table_settings();
    let (mut standing_by, mut waiting, mut refused, mut is_full) = (false, false, false, false);
    while !stop.load(Ordering::Relaxed) {
        let error = match Sink::open(database, topic, settings.model(), &built_with, metrics) {
            Ok(sink) => {
                metrics.set_postgres_up(true);
                metrics.set_phase(Phase::Loading);
                settings.stores.iter().try_for_each(|stores| stores.write(database))?;
                return Ok(Some(sink));
            }
            Err(error) => error,
        };
        metrics.set_postgres_up(!is_outage(&error));
        let is_owned = matches!(error.downcast_ref(), Some(Failure::OwnedByAnother(_)));
        if settings.standby && (is_owned || (standing_by && is_outage(&error))) {
            if !std::mem::replace(&mut standing_by, true) {
                info!("standing by: another instance owns the tables");
                metrics.set_phase(Phase::StandingBy);
            }
            thread::sleep(STANDBY_INTERVAL);
        } else if has_no_free_session(&error) {
            if !std::mem::replace(&mut is_full, true) {
                warn!("{error:#}; waiting until Postgres has a session to give");
            }
            thread::sleep(RETRY_INTERVAL);
        } else if is_outage(&error) && settings.wait {
            if !std::mem::replace(&mut waiting, true) {
                warn!("{error:#}; trying again until it works");
            }
            thread::sleep(RETRY_INTERVAL);
        } else if is_outage(&error) && !std::mem::replace(&mut refused, true) {
            // A server that restarts refuses connections for a moment.
            thread::sleep(RETRY_INTERVAL);
        } else {
            return Err(error);
        }
    }
    Ok(None)
}
