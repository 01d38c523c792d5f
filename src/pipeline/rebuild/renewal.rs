//! Rebuilds that `freshet run` starts by itself: reports were added to the file, or the program is a newer version.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use tracing::{debug, info};

use super::{POLL_INTERVAL, Rebuild, Tables, rebuild};
use crate::failure::Failure;
use crate::metrics::{Metrics, Phase};
use crate::pipeline::rules::CountRules;
use crate::pipeline::run::{self, GivenUp, Restart};
use crate::pipeline::settings::Settings;
use crate::pipeline::start::Starting;
use crate::serve::{OpsState, Server};
use crate::sink::Renewal;

/// How often a standby checks whether another instance has rebuilt the tables.
const STANDBY_INTERVAL: Duration = Duration::from_secs(1);
const REPLACED: &str = "the tables have all reports of the file; going on with them";

/// `freshet run`. If the tables are of an older version, or only lack reports, rebuilds them, and goes on with the new ones.
pub fn run_or_renew(settings: &Settings, stop: &Arc<AtomicBool>, starting: &Starting) -> Result<()> {
    let mut is_standing_by = false;
    loop {
        let Err(error) = run::run(settings, stop.clone(), starting) else { return Ok(()) };
        if let Some(restart) = error.downcast_ref::<Restart>() {
            return Err(restart.exec());
        }
        if error.is::<GivenUp>() {
            continue;
        }
        if settings.cluster.is_some() {
            // The other processes would wait for as long as the rebuild takes.
            return Err(match due(settings, &error) {
                Some(_) => error.context("start it once with --processes 1, which counts the tables again"),
                None => error,
            });
        }
        let Some((tables, renewal)) = due(settings, &error) else {
            // The instance that was waited for may have replaced the tables between the refusal and this check.
            if std::mem::take(&mut is_standing_by) && is_of_others(&error) {
                continue;
            }
            return Err(error);
        };
        let renewed = match renewal {
            Renewal::Reports => add(settings, &tables, stop, starting),
            Renewal::Version => upgrade(settings, &tables, stop, starting),
        };
        let is_owned = |error: &Error| matches!(error.downcast_ref(), Some(Failure::OwnedByAnother(_)));
        match renewed {
            Ok(false) => return Ok(()),
            Ok(true) if starting.owns_process() => {
                return Err(Restart { why: REPLACED.into(), rewinds: run::rewinds() }.exec());
            }
            Ok(true) => info!("{REPLACED}"),
            // Another instance was sooner.
            Err(error) if tables.are_replaced().unwrap_or(false) => debug!("{error:#}; {REPLACED}"),
            Err(error) if settings.standby && is_owned(&error) => {
                if !std::mem::replace(&mut is_standing_by, true) {
                    info!("standing by: another instance rebuilds the tables");
                }
                thread::sleep(STANDBY_INTERVAL);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether a run refused tables because they were built with something else.
fn is_of_others(refused: &Error) -> bool {
    matches!(refused.downcast_ref(), Some(Failure::OtherTables(_)))
}

/// The tables that a run refused, if a rebuild makes them fit.
fn due(settings: &Settings, refused: &Error) -> Option<(Tables, Renewal)> {
    if !is_of_others(refused) {
        return None;
    }
    // If they cannot be found, the error of the run says more.
    let tables = Tables::find(&settings.database).ok()?;
    let renewal = tables.renewal(settings.model(), &settings.table_settings())?;
    Some((tables, renewal))
}

/// The old tables stay as they are, unless a program of their version still writes them. True once they are replaced.
fn upgrade(settings: &Settings, tables: &Tables, stop: &AtomicBool, starting: &Starting) -> Result<bool> {
    info!(
        "the tables are of an older version of Freshet: counting them again from the topic; until then they can be read as they are"
    );
    // The probes answer alive, and not ready.
    let ops = OpsState { metrics: Metrics::new()?, ready_lag: settings.ready_lag };
    let _server = Server::start(&settings.http, &settings.database, settings.model(), ops)?;
    rebuild(&beside(settings), tables, stop, starting.clone())
}

/// Counts the reports that were added, and keeps the tables fresh meanwhile. True once they are replaced.
fn add(settings: &Settings, tables: &Tables, stop: &Arc<AtomicBool>, starting: &Starting) -> Result<bool> {
    starting.is_over();
    info!(
        "the file has reports that the tables lack: counting them from the topic, and keeping the tables fresh meanwhile"
    );
    let rules = CountRules::stored(tables.settings(), None)?;
    let present = Present::start(Settings { rules, until_end: false, drop_removed: false, ..settings.clone() }, stop)?;
    // A standby leaves the tables to their owner.
    while present.metrics.state().phase != Phase::Reading && !present.ended.load(Ordering::Relaxed) {
        thread::sleep(POLL_INTERVAL);
    }
    let is_over = present.ended.load(Ordering::Relaxed);
    let renewed =
        if is_over { Ok(false) } else { rebuild(&beside(settings), tables, &present.ended, Starting::unwatched()) };
    match renewed {
        Ok(false) => present.join().map(|()| false),
        renewed => {
            present.end();
            renewed
        }
    }
}

fn beside(settings: &Settings) -> Rebuild {
    Rebuild { run: settings.clone(), accept_gap: false }
}

/// The run that keeps the present tables fresh, in a thread of its own.
struct Present {
    metrics: Metrics,
    /// Set to end the run.
    stop: Arc<AtomicBool>,
    /// Whether the run has ended.
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Present {
    /// Starts the run, which ends when `stop` is set, or with [`Present::end`].
    fn start(run: Settings, stop: &Arc<AtomicBool>) -> Result<Present> {
        let (metrics, [halt, ended]) = (Metrics::new()?, std::array::from_fn(|_| Arc::new(AtomicBool::new(false))));
        let (watched, halted, over) = (stop.clone(), halt.clone(), ended.clone());
        thread::Builder::new().name("stop".into()).spawn(move || {
            while !watched.load(Ordering::Relaxed) && !over.load(Ordering::Relaxed) {
                thread::sleep(POLL_INTERVAL);
            }
            halted.store(true, Ordering::Relaxed);
        })?;
        let (numbers, halted, over) = (metrics.clone(), halt.clone(), ended.clone());
        let thread = thread::Builder::new().name("present".into()).spawn(move || {
            let outcome = run::run_with(&run, &numbers, halted, &Starting::unwatched());
            over.store(true, Ordering::Relaxed);
            outcome
        })?;
        Ok(Present { metrics, stop: halt, ended, thread })
    }

    fn join(self) -> Result<()> {
        self.thread.join().unwrap_or_else(|_| Err(anyhow!("the thread that keeps the tables fresh has panicked")))
    }

    /// Ends the run; its error is only logged.
    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Err(error) = self.join() {
            debug!("the run of the tables before ended: {error:#}");
        }
    }
}
