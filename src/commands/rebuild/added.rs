//! Reports that were added to the file since the tables were built: a start counts them beside, while the others go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Result, anyhow};
use tracing::info;

use super::{POLL_INTERVAL, Rebuild, Tables, rebuild};
use crate::commands::arguments::RuleArgs;
use crate::commands::reports::ReportsArgs;
use crate::commands::run::{self, Run};
use crate::commands::start::Starting;
use crate::failure::Failure;
use crate::metrics::{Metrics, Stage};

/// `freshet run`. If reports were only added since the tables were built, it counts all of them anew beside, and keeps the tables
/// fresh meanwhile.
pub fn run_or_add(args: &Run, stop: Arc<AtomicBool>) -> Result<()> {
    let starting = Starting::watch(stop.clone())?;
    let Err(error) = run::run(args, stop.clone(), &starting) else { return Ok(()) };
    if !matches!(error.downcast_ref(), Some(Failure::OtherTables(_))) {
        return Err(error);
    }
    // Whatever is wrong otherwise was said already.
    let Ok(tables) = Tables::find(&args.database_url) else { return Err(error) };
    if !tables.lack_only_reports(&args.rules.reports.model(), &args.rules.built_with(&args.topic.topic)) {
        return Err(error);
    }
    starting.is_over();
    add(args, &tables, stop)
}

fn add(args: &Run, tables: &Tables, stop: Arc<AtomicBool>) -> Result<()> {
    info!(
        "the file has reports that the tables lack: counting them from the topic, and keeping the tables fresh meanwhile"
    );
    let rules = RuleArgs::of_tables(tables.settings(), &ReportsArgs::default())?;
    let present = Run { rules, until_end: false, drop_removed: false, ..args.clone() };
    let (metrics, halt) = (Metrics::new()?, Arc::new(AtomicBool::new(false)));
    let (watched, ended) = (metrics.clone(), halt.clone());
    let keeping = thread::Builder::new().name("present".into()).spawn(move || {
        let outcome = run::run_with(&present, &metrics, stop, &Starting::unwatched());
        ended.store(true, Ordering::Relaxed);
        outcome
    })?;
    // A standby leaves the tables to their owner.
    while watched.state().stage != Stage::Reading && !halt.load(Ordering::Relaxed) {
        thread::sleep(POLL_INTERVAL);
    }
    let beside = Rebuild { run: args.clone(), accept_gap: false, abandon: false };
    if !halt.load(Ordering::Relaxed) && rebuild(&beside, tables, &halt, Starting::unwatched())? {
        return run::start_anew("the tables have all reports of the file; going on with them", run::rewinds());
    }
    keeping.join().unwrap_or_else(|_| Err(anyhow!("the thread that keeps the tables fresh has panicked")))
}
